//! index.rs - the search index: pkg5's bytes, pkg5's results, and what a crash may leave.
//!
//! `golden/index` is the index pkg5 made of `golden/repo`.  The order of its packages is that of
//! a Python set, so ours numbers them differently; `by_name` puts the names in place of numbers.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use common::{PUBLISHERS, copied, files, golden, now};
use dice::Dice;
use ips_model::query::{Request, Returns};
use ips_repository::{Index, Indexed, Repository};

const ORCHARD: &str = "orchard.example";

fn install_theirs(repository: &Repository) {
    for publisher in PUBLISHERS {
        let index = repository.root().join("publisher").join(publisher).join("index");
        fs::create_dir_all(&index).unwrap();
        for (name, bytes) in files(&golden().join("index").join(publisher)) {
            fs::write(index.join(name), bytes).unwrap();
        }
    }
}

fn ours(repository: &Repository, publisher: &str) -> BTreeMap<String, String> {
    texts(&repository.root().join("publisher").join(publisher).join("index"))
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let texts = files(folder).into_iter();
    texts.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

fn found(index: &Index, text: &str, returns: Returns) -> Vec<String> {
    run(index, &Request::of(text, returns))
}

fn run(index: &Index, request: &Request) -> Vec<String> {
    let mut lines = Vec::new();
    let told = index.search(request, &mut |line| {
        lines.push(line.shown(0).to_string());
        ControlFlow::Continue(())
    });
    told.unwrap();
    lines
}

/// A dictionary with packages' names for their numbers, the places of each value sorted.
fn by_name(files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names: Vec<&str> = files["manf_list.v1"].lines().skip(1).collect();
    let named = |place: &str| {
        let (number, offsets) = place.split_once(',').unwrap();
        format!("{},{offsets}", names[number.parse::<usize>().unwrap()])
    };
    let value = |value: &str| {
        let mut places: Vec<String> = value.split('#').skip(1).map(named).collect();
        places.sort();
        format!("{}#{}", value.split('#').next().unwrap(), places.join("#"))
    };
    let key = |key: &str| {
        let (name, values) = key.split_once('@').unwrap();
        format!("{name}@{}", values.split('@').map(value).collect::<Vec<_>>().join("@"))
    };
    let action = |action: &str| {
        let (name, keys) = action.split_once('!').unwrap();
        format!("{name}!{}", keys.split('!').map(key).collect::<Vec<_>>().join("!"))
    };
    let line = |line: &str| {
        let (token, actions) = line.split_once(' ').unwrap();
        format!("{token} {}", actions.split(' ').map(action).collect::<Vec<_>>().join(" "))
    };
    files["main_dict.ascii.v2"].lines().skip(1).map(line).collect()
}

#[test]
fn an_index_made_anew_says_what_pkg5s_says() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    for publisher in PUBLISHERS {
        let made = repository.rebuild_index(publisher).unwrap();
        let ours = ours(&repository, publisher);
        let theirs = texts(&golden().join("index").join(publisher));
        assert_eq!(made, Indexed::Rebuilt(theirs["manf_list.v1"].lines().count() - 1));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        assert_eq!(by_name(&ours), by_name(&theirs), "{publisher}");
        for name in ["fast_add.v1", "fast_remove.v1", "lock"] {
            assert_eq!(ours[name], theirs[name], "{name}");
        }
        let tokens = |files: &BTreeMap<String, String>| -> Vec<String> {
            let lines = files["token_byte_offset.v1"].lines();
            lines.map(|line| line.rsplit_once(' ').unwrap().0.to_string()).collect()
        };
        assert_eq!(tokens(&ours), tokens(&theirs));
        let sorted = |name: &str| {
            let lines = |files: &BTreeMap<String, String>| -> BTreeSet<String> {
                files[name].lines().map(str::to_string).collect()
            };
            (lines(&ours), lines(&theirs))
        };
        for name in ["full_fmri_list", "manf_list.v1"] {
            let (ours, theirs) = sorted(name);
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

#[test]
fn lists_point_at_the_lines_they_name() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    repository.rebuild_index(ORCHARD).unwrap();
    let files = ours(&repository, ORCHARD);
    let main = &files["main_dict.ascii.v2"];
    let line_at = |offset: &str| main[offset.parse::<usize>().unwrap()..].lines().next().unwrap();
    let mut lists = 0;
    for (name, text) in &files {
        let part = match name.split_at_checked(5) {
            Some(("__at_", action)) => format!(" {action}!"),
            Some(("__st_", key)) => format!("!{key}@"),
            _ => continue,
        };
        lists += 1;
        let mut lines: Vec<&str> = text.lines().map(line_at).collect();
        lines.dedup();
        assert!(lines.iter().all(|line| line.contains(&part)), "{name}");
        assert_eq!(lines.len(), main.lines().filter(|line| line.contains(&part)).count());
    }
    assert!(lists > 20);
    for line in files["fmri_offsets.v1"].lines().skip(1) {
        let (packages, deltas) = line.split_once('!').unwrap();
        let mut at = 0;
        for delta in deltas.split(' ') {
            at += delta.parse::<usize>().unwrap();
            for package in packages.split(' ') {
                let number = files["manf_list.v1"].lines().skip(1).position(|own| own == package);
                let place = format!("#{},", number.unwrap());
                assert!(line_at(&at.to_string()).contains(&place), "{package} {at}");
            }
        }
    }
}

#[test]
fn theirs_with_a_package_added_is_theirs_and_the_package() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    install_theirs(&repository);
    assert_eq!(repository.refresh_index(ORCHARD).unwrap(), Indexed::Current);
    let before = ours(&repository, ORCHARD);
    assert_eq!(before, texts(&golden().join("index").join(ORCHARD)));
    let batch = repository.batch().unwrap();
    let text = "set name=pkg.fmri value=pkg://orchard.example/new/pear@1,5.11:20250101T000000Z\n\
                set name=pkg.summary value=\"zz top pear\"\nset name=\"a b\" value=c\n\
                set name=../../x value=y\n";
    let manifest = ips_model::Manifest::parse(text).unwrap();
    batch.publish(&manifest, &common::sources(), now()).unwrap();
    batch.commit(now()).unwrap();
    assert_eq!(repository.refresh_index(ORCHARD).unwrap(), Indexed::Added(1));
    let after = ours(&repository, ORCHARD);
    // Whatever a key is, its list stays in the folder.
    assert!(!repository.root().join("publisher/x").exists());
    let count = before["manf_list.v1"].lines().count() - 1;
    let own = |line: &str| line.contains(&format!("#{count},"));
    let (new, old): (Vec<&str>, Vec<&str>) =
        after["main_dict.ascii.v2"].lines().partition(|line| own(line));
    assert_eq!(after["main_dict.ascii.v2"].lines().next(), Some("VERSION: 3"));
    assert!(after["fast_add.v1"] == "VERSION: 3\n" && after["manf_list.v1"].contains("new/pear@1"));
    let theirs: BTreeSet<&str> = before["main_dict.ascii.v2"].lines().skip(1).collect();
    assert!(old[1..].iter().all(|line| theirs.contains(line)));
    let pear = new.iter().find(|line| line.starts_with("pear ")).unwrap();
    let old_pear = theirs.iter().find(|line| line.starts_with("pear ")).unwrap();
    // Level by level, what is new is the last.
    let fmri = "!pkg.fmri@orchard.example/fruit/pear#10,0#11,0#12,0#7,0#8,0#9,0";
    let expected = old_pear.replace(
        fmri,
        &format!(
            "{fmri}@orchard.example/new/pear#{count},0!pkg.summary@zz%20top%20pear#{count},79"
        ),
    );
    assert_eq!(*pear, expected);
    // Made anew, it says the same.
    let added = by_name(&after);
    repository.rebuild_index(ORCHARD).unwrap();
    assert_eq!(sorted_levels(&by_name(&ours(&repository, ORCHARD))), sorted_levels(&added));
}

/// The lines with everything between separators sorted: the same set of facts.
fn sorted_levels(lines: &BTreeSet<String>) -> Vec<Vec<String>> {
    let facts = |line: &String| {
        let mut facts: Vec<String> = line.split([' ', '!', '@', '#']).map(str::to_string).collect();
        facts.sort();
        facts
    };
    let mut all: Vec<Vec<String>> = lines.iter().map(facts).collect();
    all.sort();
    all
}

#[test]
fn a_removed_package_a_torn_or_a_damaged_index_mean_a_new_one() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    let index = repository.root().join("publisher").join(ORCHARD).join("index");
    let rebuilt = |what: &str| {
        let done = repository.refresh_index(ORCHARD).unwrap();
        assert!(matches!(done, Indexed::Rebuilt(23)), "{what}: {done:?}");
        assert!(repository.index(ORCHARD).unwrap().is_some(), "{what}");
    };
    assert!(repository.index(ORCHARD).unwrap().is_none());
    rebuilt("none there");
    assert_eq!(repository.refresh_index(ORCHARD).unwrap(), Indexed::Current);
    fs::write(index.join("fast_add.v1"), "VERSION: 7\n").unwrap();
    rebuilt("two versions");
    fs::remove_file(index.join("manf_list.v1")).unwrap();
    assert!(repository.index(ORCHARD).is_err());
    rebuilt("a file is missing");
    let list = fs::read_to_string(index.join("full_fmri_list")).unwrap();
    fs::write(index.join("full_fmri_list"), list + "pkg:/no/more@1,5.11:20240102T030405Z\n")
        .unwrap();
    rebuilt("a package that is not there");
    let path = index.join("main_dict.ascii.v2");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(repository.index(ORCHARD).is_err(), "half a dictionary is none");
    // What a killed indexer left goes with the next one.
    let gone = repository.root().join("publisher").join(ORCHARD).join("tmp/batch.999999.x");
    fs::create_dir_all(gone.join("index")).unwrap();
    repository.rebuild_index(ORCHARD).unwrap();
    assert!(repository.index(ORCHARD).unwrap().is_some() && !gone.exists());
}

#[test]
fn an_open_index_outlives_its_files_and_knows_it() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    repository.rebuild_index(ORCHARD).unwrap();
    let index = repository.index(ORCHARD).unwrap().unwrap();
    assert!(index.is_current());
    let before = found(&index, "pear", Returns::Actions);
    repository.rebuild_index(ORCHARD).unwrap();
    assert!(!index.is_current());
    assert_eq!(found(&index, "pear", Returns::Actions), before);
    assert_eq!(before.len(), 43);
}

/// Bodies of the original depot's answers, of the same index.
#[test]
fn results_and_their_order_are_pkg5s() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    install_theirs(&repository);
    let index = repository.index(ORCHARD).unwrap().unwrap();
    let mut cases = 0;
    for entry in fs::read_dir(golden().join("search")).unwrap() {
        let case = entry.unwrap().path();
        let request = fs::read_to_string(case.join("query")).unwrap();
        let body = fs::read_to_string(case.join("body")).unwrap();
        let expected: Vec<&str> = body.lines().skip(1).collect();
        let request: Request = request.trim_end().parse().unwrap();
        assert_eq!(run(&index, &request), expected, "{}", case.display());
        cases += 1;
    }
    assert!(cases > 9);
}

#[test]
fn the_language() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    repository.rebuild_index(ORCHARD).unwrap();
    let stored = repository.index(ORCHARD).unwrap().unwrap();
    let packages = repository.catalog(ORCHARD).unwrap().packages().into_iter();
    let texts =
        packages.map(|own| (own.fmri.clone(), repository.manifest_text(&own.fmri).unwrap()));
    let given = Index::of(texts.collect());
    assert_eq!(stored.word_count(), given.word_count());
    let cases = [
        // A phrase stands in the line; its first word may be part of a longer one.
        ("\"quoted description\"", 0),
        ("description AND 'description with a'", 6),
        ("'the tool'", 6),
        ("pkg.summary:'tool – für'", 6),
        ("set:pkg.summary:pears*", 6),
        ("PEAR", 43),
        ("p?ar", 43),
        ("[pP]ear", 43),
        ("*ear", 97),
        ("file::", 778),
        ("fruit/pear@1.9:file:basename:*", 18),
        ("fruit/pear:::pear AND dir", 0),
        ("pear AND usr/share/pear", 0),
        ("pear AND /usr/share/pear", 6),
        ("pear AND (/usr/share/pear OR /usr/lib/pear)", 12),
        ("pear AND (/usr/share/pear OR /usr/share/*)", 18),
        ("<pear> AND <README>", 6),
        ("<pear> OR <README>", 8),
        ("<pear OR README>", 8),
        ("<<pear>>", 7),
        ("nothing:here:at:all", 0),
    ];
    for (text, count) in cases {
        let hits = found(&stored, text, Returns::Actions);
        if hits.len() != count {
            eprintln!("COUNT {text} {}", hits.len());
        }
        let mut other = found(&given, text, Returns::Actions);
        let mut hits = hits;
        other.sort();
        hits.sort();
        assert_eq!(other, hits, "{text}");
    }
    let exact =
        |text: &str| Request { case_sensitive: true, ..Request::of(text, Returns::Actions) };
    for (text, count) in
        [("Pear", 0), ("pear", 43), ("'Pears: the'", 0), ("A*", 18), ("'A \"x'", 0)]
    {
        if let Ok(request) = exact(text).to_string().parse::<Request>() {
            if ips_model::query::Query::parse(text).is_ok() {
                assert_eq!(run(&stored, &request).len(), count, "{text}");
            }
        }
    }
    let part = Request { count: Some(2), start: Some(1), ..Request::of("pear", Returns::Packages) };
    assert_eq!(run(&stored, &part), found(&stored, "pear", Returns::Packages)[1..3]);
}

/// Runs a query for its end alone: it is answered or refused.
fn ends(index: &Index, request: &Request) -> bool {
    index.search(request, &mut |_| ControlFlow::Continue(())).is_ok()
}

#[test]
fn whatever_is_asked_is_answered_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    repository.rebuild_index("harbour.example").unwrap();
    let index = repository.index("harbour.example").unwrap().unwrap();
    let parts = [
        "pear",
        "p*",
        "*",
        "?",
        "[a",
        "[!a-z]",
        "AND",
        "OR",
        "(",
        ")",
        "<",
        ">",
        "pkgs<",
        "'",
        "\"",
        ":",
        "\\",
        " ",
        " ",
        "file:",
        "pkg.fmri:",
        "ü",
        "\u{0}",
        "\t",
        "set",
    ];
    let seed = 1;
    let mut numbers = Dice(seed);
    let mut answered = 0;
    for round in 0..4_000 {
        let length = 1 + numbers.place(9);
        let text: String = (0..length).map(|_| parts[numbers.place(parts.len())]).collect();
        let returns = [Returns::Actions, Returns::Packages][numbers.place(2)];
        let case_sensitive = numbers.place(2) == 0;
        let request = Request { case_sensitive, ..Request::of(&text, returns) };
        if let Ok(query) = ips_model::query::Query::parse(&text) {
            assert!(ends(&index, &request), "seed {seed} round {round}: {text:?} {query}");
            answered += 1;
        } else {
            assert!(!ends(&index, &request), "seed {seed} round {round}: {text:?}");
        }
    }
    assert!(answered > 500, "{answered}");
}

#[test]
fn a_dictionary_with_wrong_bytes_is_refused_or_searched() {
    let place = tempfile::tempdir().unwrap();
    let repository = copied(place.path());
    repository.rebuild_index("harbour.example").unwrap();
    let path = repository.root().join("publisher/harbour.example/index/main_dict.ascii.v2");
    let whole = fs::read(&path).unwrap();
    let mut numbers = Dice(7);
    let mut read = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + numbers.place(3) {
            let at = numbers.place(bytes.len());
            bytes[at] = b" !@#,%\n0a9\xff/"[numbers.place(12)];
        }
        fs::write(&path, &bytes).unwrap();
        let Ok(Some(index)) = repository.index("harbour.example") else { continue };
        read += 1;
        for text in ["*", "pear", "harbour.example/*", "fruit/pear:::*", "'pear' AND p*"] {
            // What it says may be wrong; that it ends is what counts.
            let _ended = ends(&index, &Request::of(text, Returns::Actions));
        }
    }
    assert!(read > 50, "{read}");
}
