//! Small worlds: each type of dependency, what is kept, what moves, and why something clashes.

use std::collections::BTreeSet;

use ips_model::action::Action;

use super::*;
use crate::conditions::Conditions;

fn action(part: &str) -> Action {
    let (kind, rest) = part.split_once(' ').unwrap();
    let line = match kind {
        "set" => format!("set name={rest} value=true"),
        "hold" => format!("set name=pkg.depend.install-hold value={rest}"),
        "conditional" => {
            let (predicate, target) = rest.split_once(' ').unwrap();
            format!("depend type=conditional predicate={predicate} fmri={target}")
        }
        _ => format!("depend type={kind} fmri={}", rest.replace(' ', " fmri=")),
    };
    Action::parse(&line).unwrap()
}

/// `NAME@VERSION: TYPE TARGET..., TYPE TARGET...` a line; `//PUB/NAME@VERSION` names a publisher.
fn world(text: &str) -> Available {
    let conditions = Conditions::default();
    let mut available = Available::new();
    for line in text.lines() {
        let (name, wishes) = line.split_once(": ").unwrap_or((line, ""));
        let name = if name.starts_with("//") { name.to_string() } else { format!("//p/{name}") };
        let fmri = Fmri::parse(&name).unwrap();
        let parts = wishes.split(", ").filter(|part| !part.is_empty());
        let actions: Vec<Action> = parts.map(action).collect();
        let candidate = Candidate::read(&fmri, &actions, &conditions);
        available.entry(fmri.name.clone()).or_default().push(candidate);
    }
    available
}

/// `NAME`, `NAME@VERSION` or `//PUB/NAME`.
fn root(available: &Available, text: &str) -> Root {
    let wanted = Fmri::parse(text).unwrap();
    let all = available.get(&wanted.name).map_or(&[][..], Vec::as_slice);
    let fits = |one: &&Candidate| {
        let version = wanted.version.as_ref();
        let own = one.fmri.version.as_ref();
        let publisher = wanted.publisher.is_none() || wanted.publisher == one.fmri.publisher;
        publisher && version.is_none_or(|v| own.is_some_and(|own| own.matches(v)))
    };
    Root {
        stem: wanted.name.clone(),
        pattern: text.to_string(),
        allowed: Some(all.iter().filter(fits).map(|one| one.fmri.to_string()).collect()),
        publisher_named: wanted.publisher.is_some(),
        named: wanted.version.is_some(),
    }
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|name| !name.is_empty())
}

fn task(available: &Available, installed: &str, wished: &str) -> Task {
    let mut task = Task::default();
    for name in names(installed) {
        let text = if name.starts_with("//") { name.to_string() } else { format!("//p/{name}") };
        let fmri = Fmri::parse(&text).unwrap();
        let there = available[&fmri.name].iter().find(|one| one.fmri == fmri).unwrap();
        task.installed.insert(fmri.name.clone(), there.clone());
    }
    task.roots = names(wished).map(|name| root(available, name)).collect();
    task.ranks.publishers = vec![("p".into(), true), ("q".into(), true)];
    task
}

fn answer(found: Result<Vec<Fmri>, SolveError>) -> Result<String, SolveError> {
    Ok(found?.iter().map(Fmri::brief).collect::<Vec<_>>().join(" "))
}

#[test]
fn sets() {
    for (text, roots, expected) in [
        ("a@1: require b@1\nb@1\nb@2\nc@1", "a", "a@1 b@2"),
        ("a@2: require b@3\na@1: require b@1\nb@1\nb@2", "a", "a@1 b@2"),
        ("e@1: incorporate b@1\na@1: require b\nb@1.5\nb@2", "a e", "a@1 b@1.5 e@1"),
        ("e@1: incorporate b@1.1\nb@1.10\nb@1.1.5", "b e", "b@1.1.5 e@1"),
        ("e@1: incorporate b@1\ne@2: incorporate b@2\nb@1\nb@2", "b e", "b@2 e@2"),
        ("a@1: optional b@2\nb@1\nb@2", "a", "a@1"),
        ("a@1: optional b@2\nb@1\nb@2", "a b", "a@1 b@2"),
        ("a@1: exclude b@2\nb@1\nb@2", "a b", "a@1 b@1"),
        ("a@2: exclude b\na@1\nb@1", "a b", "a@1 b@1"),
        ("a@1: require-any b@2 c@1\nb@1\nc@1", "a", "a@1 c@1"),
        ("a@1: require-any b@2 c@1\nb@2\nc@1", "a", "a@1 b@2"),
        ("a@1: conditional b c\nb@1\nc@1", "a", "a@1"),
        ("a@1: conditional b c\nb@1\nc@1", "a b", "a@1 b@1 c@1"),
        ("a@1: conditional b@2 c\nb@1\nc@1", "a b", "a@1 b@1"),
        ("a@1: group b, group none\nb@1", "a", "a@1 b@1"),
        ("a@1: group-any b c\nb@1: exclude a\nc@1", "a", "a@1 c@1"),
        ("a@1: group b\nb@1\nb@2: set pkg.obsolete", "a", "a@1"),
        ("a@1: require old\nold@1: set pkg.renamed, require new\nnew@1", "a", "a@1 new@1 old@1"),
        ("old@1: set pkg.renamed, require new\nnew@1", "old", "new@1"),
        ("a@1: require-any x b\nx@1: set pkg.depend.explicit-install\nb@1", "a", "a@1 b@1"),
        ("a@1: require b\nb@1: require a", "a", "a@1 b@1"),
        ("//q/a@2\n//p/a@1", "a", "a@1"),
        ("//q/a@2\n//p/a@1", "//q/a", "a@2"),
        ("a@1: origin b@2, parent feature/package/dependency/self", "a", "a@1"),
        // The clash is far from the last choice.
        (
            "a@2: require z@2\na@1\nz@1\nz@2: require y@2\ny@1\ny@2: exclude q@1\nq@1\nm@1\nm@2\nn@1\nn@2",
            "a q m n",
            "a@1 m@2 n@2 q@1",
        ),
    ] {
        let available = world(text);
        let found = answer(solve(&available, &task(&available, "", roots)));
        assert_eq!(found.as_deref(), Ok(expected), "{text}\n{roots}");
    }
}

#[test]
fn what_is_there_moves_only_as_far_as_it_must() {
    for (text, installed, roots, expected) in [
        ("a@1: require b\nb@1\nb@2", "b@1", "a", "a@1 b@1"),
        ("a@1: require b@2\nb@1\nb@2\nb@3", "b@1", "a", "a@1 b@3"),
        ("a@1\na@2", "a@1", "a", "a@2"),
        ("a@1\na@2", "a@2", "a", "a@2"),
        // An incorporation nobody asks for keeps its version, and so does what it ties.
        ("e@1: incorporate b@1\ne@2: incorporate b@2\nb@1\nb@2", "e@1 b@1", "b", "b@1 e@1"),
        ("e@1: incorporate b@1\ne@2: incorporate b@2\nb@1\nb@2", "e@1 b@1", "e b", "b@2 e@2"),
        // Its hold is relaxed when something with a hold it begins with is asked for.
        (
            "k@1: hold os\nk@2: hold os\ne@1: hold os.x, incorporate b@1\ne@2: hold os.x, incorporate b@2\nb@1\nb@2",
            "e@1 b@1 k@1",
            "k b",
            "b@2 e@2 k@2",
        ),
        // Packages stick to their publisher, and go to the best one only for new stems.
        ("//q/a@1\n//p/a@2\n//q/a@1.5", "//q/a@1", "a", "a@1.5"),
        ("b@1\nb@2: set pkg.obsolete\na@1: require b", "b@1", "a", "a@1 b@1"),
        ("a@2: origin b@2\na@1\nb@1\nb@2", "b@1", "a", "a@1 b@1"),
    ] {
        let available = world(text);
        let mut task = task(&available, installed, roots);
        task.hold();
        let found = answer(solve(&available, &task));
        assert_eq!(found.as_deref(), Ok(expected), "{text}\n{installed} + {roots}");
    }
}

/// A child image follows its parent; without a parent nothing is asked.
#[test]
fn parents_rule_children() {
    let same = "parent feature/package/dependency/self";
    for (versions, installed, roots, parent, expected) in [
        ("a@1: SAME\na@2: SAME", "", "a", "a@1", Ok("a@1")),
        ("a@1: SAME\na@2: SAME", "", "a", "a@2", Ok("a@2")),
        ("a@1: parent k@2\nk@1", "", "a", "k@2", Ok("a@1")),
        ("a@1: parent k@2\nk@1", "", "a", "k@3", Ok("a@1")),
        ("a@1: SAME\na@2: SAME", "a@1", "", "a@2", Ok("a@2")),
        ("a@1: SAME", "", "a", "b@1", Err("Package is not installed in parent image: a")),
        (
            "a@1: SAME",
            "",
            "a",
            "a@2",
            Err("Parent image has a newer version of package: pkg://p/a@2"),
        ),
        (
            "a@2: SAME",
            "",
            "a",
            "a@1",
            Err("Parent image has an older version of package: pkg://p/a@1"),
        ),
        (
            "a@1: SAME",
            "",
            "a",
            "//q/a@1",
            Err("Package in parent is from a different publisher: pkg://q/a@1"),
        ),
    ] {
        let available = world(&versions.replace("SAME", same));
        let mut task = task(&available, installed, roots);
        let text =
            if parent.starts_with("//") { parent.to_string() } else { format!("//p/{parent}") };
        let there = Fmri::parse(&text).unwrap();
        task.parent = Some(BTreeMap::from([(there.name.clone(), there)]));
        match (answer(solve(&available, &task)), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{versions} {parent}"),
            (Err(error), Err(why)) => {
                let told = error.at_length();
                assert!(told.contains(why), "{versions} {parent}: {told}");
            }
            (found, _) => panic!("{versions} {parent}: {found:?}"),
        }
    }
}

#[test]
fn an_update_goes_as_far_as_it_can() {
    for (text, installed, roots, expected) in [
        ("a@1\na@2\nb@1\nb@2", "a@1 b@1", "", "a@2 b@2"),
        ("e@1: incorporate b@1\ne@2: incorporate b@2\nb@1\nb@2\nb@3", "e@1 b@1", "", "b@2 e@2"),
        ("b@1\nb@2: set pkg.obsolete", "b@1", "", ""),
        ("b@1\nb@2: set pkg.renamed, require c\nc@1", "b@1", "", "c@1"),
        // Back to an older version because the newer incorporation says so.
        ("e@1: incorporate b@2\ne@2: incorporate b@1\nb@1\nb@2", "e@1 b@2", "", "b@1 e@2"),
        ("a@1\na@2", "a@2", "a@1", "a@1"),
        ("a@1\na@2\na@3: require none", "a@1", "", "a@2"),
    ] {
        let available = world(text);
        let mut task = task(&available, installed, roots);
        task.movement = Move::Newest;
        let found = answer(solve(&available, &task));
        assert_eq!(found.as_deref(), Ok(expected), "{text}\n{installed} + {roots}");
    }
}

#[test]
fn taken_away_avoided_and_frozen() {
    let available = world("a@1: require b\nb@1\nc@1: group b\nd@1: require-any b e\ne@1\nb@2");
    let mut one = task(&available, "a@1 b@1", "");
    one.removed = BTreeSet::from(["a".to_string()]);
    assert_eq!(answer(solve(&available, &one)).as_deref(), Ok("b@1"));
    one.removed = BTreeSet::from(["b".to_string()]);
    let error = solve(&available, &one).unwrap_err().to_string();
    let expected = "Cannot remove 'pkg://p/b@1' due to the following packages that depend on it:\n  pkg://p/a@1";
    assert_eq!(error, expected);
    one = task(&available, "c@1 b@1", "");
    one.removed = BTreeSet::from(["b".to_string()]);
    assert_eq!(answer(solve(&available, &one)).as_deref(), Ok("c@1"));
    one = task(&available, "d@1 b@1", "");
    one.removed = BTreeSet::from(["b".to_string()]);
    assert_eq!(answer(solve(&available, &one)).as_deref(), Ok("d@1 e@1"));
    one = task(&available, "", "c");
    one.avoided = BTreeSet::from(["b".to_string()]);
    assert_eq!(answer(solve(&available, &one)).as_deref(), Ok("c@1"));
    // What is loose stays as it is while something needs it.
    for (there, expected) in [("a@1 b@1", "a@1 b@1"), ("b@1 e@1", "e@1"), ("d@1 b@1", "b@1 d@1")] {
        one = task(&available, there, "");
        one.loose = BTreeSet::from(["b".to_string()]);
        assert_eq!(answer(solve(&available, &one)).as_deref(), Ok(expected), "{there}");
    }
    one = task(&available, "", "c");
    one.frozen.insert("b".into(), (Fmri::parse("b@1").unwrap(), None));
    assert_eq!(answer(solve(&available, &one)).as_deref(), Ok("b@1 c@1"));
}

#[test]
fn what_is_missing_or_clashes_is_said() {
    for (text, installed, roots, rejected, reason) in [
        (
            "a@1: require none@2",
            "",
            "a",
            "a@1",
            "No version for 'require' dependency on none@2 can be found",
        ),
        (
            "a@1: require b@2\nb@1",
            "",
            "a",
            "a@1",
            "No version for 'require' dependency on b@2 can be found",
        ),
        (
            "a@1: require b@2\nb@2\nb@1\ne@1: incorporate b@1",
            "e@1",
            "a",
            "b@2",
            "This version is excluded by installed incorporation e@1",
        ),
        (
            "a@1\na@2: set pkg.obsolete\nb@1: require a@2",
            "",
            "b",
            "b@1",
            "All acceptable versions of 'require' dependency on a@2 are obsolete",
        ),
        (
            "a@1: require x\nx@1: set pkg.depend.explicit-install",
            "",
            "a",
            "x@1",
            "Uninstalled fmri can only be installed if explicitly requested",
        ),
        ("a@1\na@2", "a@2", "a@1", "a@1", "Newer version pkg://p/a@2 is already installed"),
        (
            "a@1: exclude b\nb@1",
            "b@1",
            "a",
            "a@1",
            "Package contains 'exclude' dependency b on installed package",
        ),
        (
            "//q/a@2\n//p/a@1",
            "//p/a@1",
            "a@2",
            "a@2",
            "Currently installed package 'a' is from sticky publisher 'p'.",
        ),
    ] {
        let available = world(text);
        let mut task = task(&available, installed, roots);
        task.hold();
        let Err(SolveError::NoVersion { rejections, .. }) = solve(&available, &task) else {
            panic!("{text}");
        };
        let found =
            rejections.iter().any(|one| one.fmri.brief() == rejected && one.reason == reason);
        assert!(found, "{text}\n{rejections:#?}");
    }
    let available = world("a@1: require b@2\nb@2\nb@1\ne@1: incorporate b@1");
    let error = solve(&available, &task(&available, "", "a e")).unwrap_err();
    let SolveError::NoSolution { reasons } = &error else { panic!("{error}") };
    let expected =
        ["a@1 requires b@2", "e@1 incorporates b@1", "\"a\" was asked for", "\"e\" was asked for"];
    for sentence in expected {
        assert!(reasons.iter().any(|reason| reason == sentence), "{error}");
    }
}

#[test]
fn the_originals_words() {
    let available = world(
        "fruit/pear@1.10-1\nfruit/pear@2.0-1:20240102T030405Z\nfruit/pear@2.0-1:20240203T040506Z\nentire@1-2024.0: incorporate fruit/pear@1.10",
    );
    let mut task = task(&available, "entire@1-2024.0 fruit/pear@1.10-1", "fruit/pear@2.0");
    task.hold();
    let expected = "No matching version of fruit/pear can be installed.\n\n\
        This is due to the following root cause(s):\n\n  \
        Package: pkg://p/fruit/pear@2.0-1\n  \
        Reason:  This version is excluded by installed incorporation entire@1-2024.0\n           \
        (and 1 other rejected package versions with the same reason)\n\n\
        The above led to the rejection of 2 package versions in total.\n\
        Re-run the operation with the -v option to see all of the rejected\n\
        packages and detailed reasons.";
    assert_eq!(solve(&available, &task).unwrap_err().to_string(), expected);
}

#[test]
fn deep_and_wide_sets_are_solved() {
    let mut text = String::new();
    for number in 0..3_000 {
        let next = number + 1;
        text.push_str(&format!("p{number}@1: require p{next}\np{number}@2: require p{next}\n"));
    }
    text.push_str("p3000@1\n");
    let available = world(&text);
    let found = solve(&available, &task(&available, "", "p0")).unwrap();
    assert_eq!(found.len(), 3_001);
}

/// A hundred thousand packages, counting whom is asked for.
struct Vast {
    asked: std::cell::Cell<usize>,
}

impl Universe for Vast {
    fn candidates(&self, stem: &str) -> Vec<Candidate> {
        self.asked.set(self.asked.get() + 1);
        let number: usize = stem[1..].parse().unwrap();
        let text = match number % 1_000 {
            999 => format!("{stem}@1"),
            _ => format!("{stem}@1: require p{}\n{stem}@2: require p{0}", number + 1),
        };
        world(&text)[stem].clone()
    }
}

#[test]
fn only_what_is_reached_is_looked_at() {
    let vast = Vast { asked: std::cell::Cell::new(0) };
    let root = |stem: &str| Root {
        stem: stem.to_string(),
        pattern: stem.to_string(),
        allowed: None,
        publisher_named: false,
        named: false,
    };
    let task = Task { roots: vec![root("p99990"), root("p50995")], ..Task::default() };
    assert_eq!(solve(&vast, &task).unwrap().len(), 15);
    assert_eq!(vast.asked.get(), 15);
}
