//! What changes of an image do to files: edited ones, moved ones, ones in the way.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use common::World;
use ips_client::change::{Order, Reverted, Want};
use ips_client::image::MediatorSetting;
use ips_client::{Control, Origin, Phase, Progress, Source};

const DIRS: &str = "dir path=etc mode=0755 owner=root group=sys\n\
    dir path=var mode=0755 owner=root group=sys\n";

fn package(name: &str, actions: &str) -> String {
    format!("set name=pkg.fmri value={name}\n{actions}\n")
}

fn file(content: &str, path: &str, more: &str) -> String {
    format!("file {content} path={path} mode=0644 owner=root group=sys {more}\n")
}

fn world(manifests: &[String]) -> World {
    let manifests: Vec<&str> = manifests.iter().map(String::as_str).collect();
    World::published(&manifests)
}

#[test]
fn edited_files_are_kept_as_their_packages_say() {
    for (preserve, expected) in [
        ("", [Some("two"), None, None]),
        ("preserve=true", [Some("mine"), None, None]),
        ("preserve=renameold", [Some("two"), Some("mine"), None]),
        ("preserve=renamenew", [Some("mine"), None, Some("two")]),
        ("preserve=install-only", [Some("mine"), None, None]),
        ("preserve=abandon", [Some("mine"), None, None]),
    ] {
        let one =
            |at, content| package(at, &(DIRS.to_string() + &file(content, "etc/f", preserve)));
        let mut world = world(&[one("a@1", "one"), one("a@2", "two"), package("dirs@1", DIRS)]);
        world.install("a@1 dirs").unwrap();
        world.write("etc/f", "mine");
        world.update().unwrap();
        let found = ["etc/f", "etc/f.old", "etc/f.new"].map(|path| world.read(path));
        assert_eq!(found.each_ref().map(Option::as_deref), expected, "{preserve}");
        assert_eq!(world.installed(), "a@2 dirs@1");
        world.uninstall("a").unwrap();
        let left = world.read("etc/f").is_some();
        assert_eq!(left, preserve.contains("only") || preserve.contains("abandon"), "{preserve}");
        let salvaged = world.salvaged().iter().any(|path| path.starts_with("etc/f-"));
        let edited = matches!(preserve, "preserve=true" | "preserve=renamenew");
        assert_eq!(salvaged, edited, "{preserve}: {:?}", world.salvaged());
    }
}

#[test]
fn a_legacy_file_goes_aside_once() {
    let one = |at, content, how| package(at, &(DIRS.to_string() + &file(content, "etc/f", how)));
    let mut world = world(&[
        one("a@1", "one", "preserve=true"),
        one("a@2", "two", "preserve=legacy"),
        one("a@3", "three", "preserve=legacy"),
    ]);
    world.install("a@1").unwrap();
    world.change(Want::Update(vec!["a@2".into()])).unwrap();
    assert_eq!(world.read("etc/f.legacy").as_deref(), Some("one"));
    world.write("etc/f", "mine");
    world.update().unwrap();
    assert_eq!(world.read("etc/f.legacy").as_deref(), Some("one"));
    assert_eq!(world.read("etc/f").as_deref(), Some("mine"));
}

#[test]
fn back_to_an_older_package() {
    let one = |at, content, how: &str| {
        let how = format!("preserve=true {how}");
        package(at, &(DIRS.to_string() + &file(content, "etc/f", &how)))
    };
    let mut world = world(&[one("a@1", "one", ""), one("a@2", "two", "preserve-version=1.0")]);
    world.install("a").unwrap();
    world.write("etc/f", "mine");
    world.change(Want::Update(vec!["a@1".into()])).unwrap();
    assert_eq!(world.read("etc/f").as_deref(), Some("one"));
    assert_eq!(world.read("etc/f.update").as_deref(), Some("mine"));
}

#[test]
fn an_edited_file_moves_with_its_name() {
    for (edited, expected) in [(true, "mine"), (false, "two")] {
        let mut world = world(&[
            package("a@1", &(DIRS.to_string() + &file("one", "etc/f", "preserve=true"))),
            package("a@2", DIRS),
            package(
                "b@1",
                &(DIRS.to_string()
                    + "dir path=etc/new mode=0755 owner=root group=sys\n"
                    + &file("two", "etc/new/g", "preserve=true original_name=a:etc/f")
                    + "depend type=require fmri=a@2\n"),
            ),
        ]);
        world.install("a@1").unwrap();
        if edited {
            world.write("etc/f", "mine");
        }
        world.install("a b").unwrap();
        assert_eq!(world.read("etc/new/g").as_deref(), Some(expected));
        assert_eq!(world.read("etc/f"), None);
        assert!(world.listing().contains_key("etc/new/g"));
    }
}

#[test]
fn one_lies_over_another() {
    let mut world = world(&[
        package(
            "base@1",
            &(DIRS.to_string() + &file("base", "etc/f", "preserve=true overlay=allow")),
        ),
        package("over@1", &(DIRS.to_string() + &file("over", "etc/f", "overlay=true"))),
        package("rival@1", &(DIRS.to_string() + &file("rival", "etc/f", ""))),
    ]);
    world.install("base").unwrap();
    world.install("over").unwrap();
    assert_eq!(world.read("etc/f").as_deref(), Some("over"));
    let error = world.install("rival").unwrap_err().to_string();
    assert!(
        error.starts_with("The following packages all deliver file actions to etc/f:"),
        "{error}"
    );
    assert_eq!(world.installed(), "base@1 over@1");
}

#[test]
fn what_lies_in_the_way_is_salvaged_and_nothing_is_followed() {
    let dir = "dir path=etc/d mode=0755 owner=root group=sys\n";
    let mut world = world(&[
        package("a@1", DIRS),
        package(
            "b@1",
            &(DIRS.to_string()
                + dir
                + &file("new", "etc/d/f", "")
                + "link path=etc/l target=d/f\n"),
        ),
        package("c@1", &(DIRS.to_string() + &file("x", "etc/out/f", ""))),
    ]);
    world.install("a").unwrap();
    let outside = world.place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(world.root().join("etc/d")).unwrap();
    world.write("etc/d/f", "mine");
    fs::create_dir(world.root().join("etc/l")).unwrap();
    world.write("etc/l/deep", "mine too");
    symlink(&outside, world.root().join("etc/out")).unwrap();
    world.install("b").unwrap();
    assert_eq!(world.read("etc/d/f").as_deref(), Some("new"));
    let salvaged = world.salvaged();
    assert!(salvaged.iter().any(|path| path.starts_with("etc/d/f-")), "{salvaged:?}");
    assert!(salvaged.iter().any(|path| path.ends_with("/deep")), "{salvaged:?}");
    let error = world.install("c").unwrap_err().to_string();
    let expected = "Cannot install 'etc/out/f'; parent directory etc/out is a link to ";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(world.installed(), "a@1 b@1");
    // What nobody delivers goes to lost+found with its directory.
    world.write("etc/d/more", "mine three");
    world.uninstall("b").unwrap();
    assert!(!world.root().join("etc/d").exists());
    assert!(world.salvaged().iter().any(|path| path.ends_with("/more")));
}

#[test]
fn names_that_lead_out_of_the_root_are_refused_before_anything_is_done() {
    let mut hostile = world(&[package("a@1", &(DIRS.to_string() + "legacy pkg=../../../out"))]);
    let error = hostile.install("a").unwrap_err().to_string();
    assert!(error.contains("is not a plain relative path"), "{error}");
    assert_eq!(hostile.installed(), "");
    assert!(!hostile.root().join("etc").exists());
    assert!(!hostile.root().join("var/pkg/journal").exists());
    let mut world = world(&[package("a@1", &(DIRS.to_string() + "legacy pkg=A"))]);
    let outside = world.place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, world.root().join("var/sadm")).unwrap();
    let error = world.install("a").unwrap_err().to_string();
    assert!(error.contains("parent directory var/sadm is a link to"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!world.root().join("var/pkg/journal").exists());
}

#[test]
fn a_path_may_become_another_kind() {
    let one = |at: &str, actions: &str| package(at, &(DIRS.to_string() + actions));
    let mut world = world(&[
        one(
            "a@1",
            "dir path=etc/x mode=0755 owner=root group=sys\nfile y path=etc/x/y mode=0644 owner=root group=sys",
        ),
        one("a@2", "link path=etc/x target=elsewhere"),
        one(
            "a@3",
            "file z path=etc/x mode=0644 owner=root group=sys\nhardlink path=etc/h target=x",
        ),
        one(
            "a@4",
            "dir path=etc/x mode=0755 owner=root group=sys\nfile y path=etc/x/y mode=0644 owner=root group=sys",
        ),
    ]);
    for version in 1..=4 {
        world.install(&format!("a@{version}")).unwrap();
        assert_eq!(world.disk().len(), world.listing().len(), "{:?}", world.disk());
    }
    assert_eq!(world.read("etc/x/y").as_deref(), Some("y"));
    assert_eq!(world.salvaged().len(), 0);
}

#[test]
fn further_names_follow_their_file() {
    let one = |at, content| {
        let actions = file(content, "etc/f", "") + "hardlink path=etc/h target=f\n";
        package(at, &(DIRS.to_string() + &actions))
    };
    let mut world = world(&[one("a@1", "one"), one("a@2", "two")]);
    world.install("a@1").unwrap();
    world.update().unwrap();
    assert_eq!(world.read("etc/h").as_deref(), Some("two"));
    assert!(world.listing()["etc/h"].ends_with("nlink=2"));
}

#[test]
fn variants_facets_and_mediators() {
    let actions = file("doc", "etc/doc", "facet.doc=true")
        + &file("de", "etc/de", "facet.locale.de=true")
        + &file("debug", "etc/debug", "variant.debug.illumos=true")
        + "link path=etc/m target=one mediator=m mediator-version=1\n"
        + "link path=etc/m target=two mediator=m mediator-version=2\n";
    let mut world = world(&[package("a@1", &(DIRS.to_string() + &actions))]);
    world.install("a").unwrap();
    let there = |world: &World| {
        let names = ["etc/doc", "etc/de", "etc/debug"];
        names.map(|path| world.read(path).is_some())
    };
    assert_eq!(there(&world), [true, true, false]);
    let target = |world: &World| fs::read_link(world.root().join("etc/m")).unwrap();
    assert_eq!(target(&world).to_str(), Some("two"));
    let facets = |set: &[(&str, Option<bool>)]| {
        Want::Facets(set.iter().map(|(name, on)| (name.to_string(), *on)).collect())
    };
    world.change(facets(&[("facet.doc", Some(false)), ("facet.locale.*", Some(false))])).unwrap();
    assert_eq!(there(&world), [false, false, false]);
    world.change(facets(&[("facet.locale.de", Some(true))])).unwrap();
    assert_eq!(there(&world), [false, true, false]);
    world.change(Want::Variants([("variant.debug.illumos".into(), "true".into())].into())).unwrap();
    assert_eq!(there(&world), [false, true, true]);
    let names = ["facet.doc", "facet.locale.*", "facet.locale.de"];
    world.change(facets(&names.map(|name| (name, None)))).unwrap();
    assert_eq!(there(&world), [true, true, true]);
    let local = |version: &str| MediatorSetting {
        version: Some(version.into()),
        version_source: Some("local".into()),
        ..MediatorSetting::default()
    };
    let mediate = |setting| Want::Mediators(BTreeMap::from([("m".to_string(), setting)]));
    world.change(mediate(Some(local("1")))).unwrap();
    assert_eq!(target(&world).to_str(), Some("one"));
    let set = world.image.configuration().mediators();
    assert_eq!(set["m"].version_source.as_deref(), Some("local"));
    world.change(mediate(None)).unwrap();
    assert_eq!(target(&world).to_str(), Some("two"));
}

#[test]
fn a_package_of_another_machine_is_named() {
    let mut world = world(&[package("a@1", &format!("{DIRS}set name=variant.arch value=i386"))]);
    world.install("a").unwrap();
    let error = world.change(Want::Variants([("variant.arch".into(), "sparc".into())].into()));
    let error = error.unwrap_err().to_string();
    let reason = "a is installed: Package doesn't support image variant variant.arch";
    assert!(error.contains(reason), "{error}");
}

#[test]
fn what_is_broken_is_put_back() {
    let actions = file("one", "etc/f", "")
        + &file("two", "etc/g", "preserve=true revert-tag=all")
        + "link path=etc/l target=f\nhardlink path=etc/h target=f\n"
        + "dir path=etc/d mode=0750 owner=root group=sys\n";
    let mut world = world(&[package("a@1", &(DIRS.to_string() + &actions))]);
    world.install("a").unwrap();
    let sound = world.listing();
    assert_eq!(world.change(Want::Fix(Vec::new())).unwrap().steps, 0);
    world.write("etc/f", "broken");
    world.write("etc/g", "mine");
    fs::remove_file(world.root().join("etc/l")).unwrap();
    fs::remove_file(world.root().join("etc/h")).unwrap();
    fs::remove_dir(world.root().join("etc/d")).unwrap();
    world.change(Want::Fix(vec!["a".into()])).unwrap();
    assert_eq!(world.read("etc/g").as_deref(), Some("mine"));
    assert_eq!(world.read("etc/h").as_deref(), Some("one"));
    let error = world.change(Want::Revert(Reverted::Paths(vec!["etc/none".into()]))).unwrap_err();
    assert!(error.to_string().ends_with("\tetc/none"), "{error}");
    world.change(Want::Revert(Reverted::Paths(vec!["/etc/g".into()]))).unwrap();
    assert_eq!(world.listing(), sound);
    world.write("etc/g", "mine");
    world.change(Want::Revert(Reverted::Tags(vec!["all".into()]))).unwrap();
    assert_eq!(world.listing(), sound);
}

#[test]
fn only_what_is_named_stays() {
    let mut world = world(&[
        package("a@1", &format!("{DIRS}depend type=require fmri=b\n")),
        package("b@1", DIRS),
        package("c@1", &(DIRS.to_string() + &file("c", "etc/c", ""))),
    ]);
    world.install("a c").unwrap();
    world.change(Want::ExactInstall(vec!["a".into()])).unwrap();
    assert_eq!(world.installed(), "a@1 b@1");
    assert_eq!(world.read("etc/c"), None);
}

#[test]
fn accounts_and_drivers_go_with_their_packages() {
    let core = DIRS.to_string()
        + &file("root:x:0:3:::", "etc/passwd", "preserve=true")
        + &file("root:x:1::::::", "etc/shadow", "preserve=true")
        + &file("sys::3:", "etc/group", "preserve=true");
    let mut world = world(&[
        package("core@1", &core),
        package(
            "a@1",
            "group groupname=g gid=77\nuser username=u uid=77 group=g\n\
             dir path=var mode=0755 owner=root group=sys\ndir path=var/u mode=0700 owner=u group=g\n",
        ),
        package(
            "a@2",
            "group groupname=g gid=78\nuser username=u uid=77 group=g login-shell=/bin/sh\n",
        ),
    ]);
    world.install("core").unwrap();
    let before = world.listing();
    world.install("a@1").unwrap();
    assert!(world.listing()["var/u"].starts_with("d\t0700\t77:77"));
    world.update().unwrap();
    assert!(world.read("etc/passwd").unwrap().ends_with("u:x:77:78:& User:/:/bin/sh\n"));
    world.uninstall("a").unwrap();
    let mut after = world.listing();
    after.remove("etc/.pwd.lock");
    // Only the last line's end is other than it was delivered.
    for path in ["etc/passwd", "etc/shadow", "etc/group"] {
        assert_eq!(world.read(path).unwrap().lines().count(), 1, "{path}");
        after.remove(path);
    }
    assert!(after.iter().all(|(path, row)| before.get(path) == Some(row)), "{after:?}");
}

#[test]
fn payloads_come_from_who_has_them_and_are_not_fetched_twice() {
    let mut actions = DIRS.to_string();
    for number in 0..9 {
        actions += &file(&format!("content{number}"), &format!("etc/f{number}"), "");
    }
    let mut world = world(&[package("a@1", &actions)]);
    // A repository that has lost its files, and a whole one.
    let (poor, rich) = (world.place.path().join("poor"), world.place.path().join("repo"));
    for path in
        ["pkg5.repository", "publisher/orchard.example/catalog", "publisher/orchard.example/pkg"]
    {
        copy(&rich.join(path), &poor.join(path));
    }
    let open = |path: &Path| Source::open(&Origin::directory(path)).unwrap();
    world.sources = vec![open(&poor)];
    let error = world.install("a").unwrap_err().to_string();
    assert!(error.contains("/file/"), "{error}");
    assert_eq!(world.installed(), "");
    world.sources = vec![open(&poor), open(&rich)];
    let cancel = AtomicBool::new(false);
    let watch = |progress: &Progress| {
        if progress.phase == Phase::Download && progress.done == 2 {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    let want = || Want::Install(vec!["a".to_string()]);
    let stopped = world.change_with(want(), &Control::new(&watch, &cancel));
    assert!(stopped.is_err());
    assert_eq!(world.installed(), "");
    let done = world.change(want()).unwrap();
    assert!(done.bytes > 0 && done.bytes < 9 * 8, "{done:?}");
    assert_eq!(world.read("etc/f8").as_deref(), Some("content8"));
}

#[test]
fn what_groups_bring_and_is_taken_away_stays_away() {
    let group = "depend type=group fmri=a\ndepend type=group fmri=b\n";
    let mut world = world(&[
        package("a@1", ""),
        package("b@1", ""),
        package("c@1", ""),
        package("group@1", group),
        package("needs@1", "depend type=require fmri=a"),
    ]);
    world.install("group").unwrap();
    world.uninstall("a").unwrap();
    let reject = vec!["b".to_string(), "c".to_string()];
    let want = Want::Update(vec!["group".to_string()]);
    world.order_done(Order { reject, ..Order::of(want) }).unwrap();
    world.install("c").unwrap();
    assert_eq!(world.image.avoided().unwrap().avoided, ["a", "b"].map(str::to_string).into());
    assert!(world.installed().starts_with("c@1"), "{}", world.installed());
    // What is needed comes, and goes with what needs it.
    world.install("needs").unwrap();
    assert!(world.installed().starts_with("a@1"), "{}", world.installed());
    world.uninstall("needs").unwrap();
    assert!(world.installed().starts_with("c@1"), "{}", world.installed());
    world.install("b").unwrap();
    assert_eq!(world.image.avoided().unwrap().avoided, ["a"].map(str::to_string).into());
}

#[test]
fn strays_in_tagged_directories_go() {
    let actions = DIRS.to_string()
        + "dir path=t mode=0755 owner=root group=sys revert-tag=x=*.tmp revert-tag=y\n"
        + "dir path=t/own.tmp mode=0755 owner=root group=sys\n"
        + &file("one", "t/sub.tmp/packaged", "")
        + &file("two", "t/file.tmp", "")
        + "dir path=var mode=0755 owner=root group=sys revert-tag=y\n";
    let mut world = world(&[package("a@1", &actions)]);
    world.install("a").unwrap();
    fs::create_dir(world.root().join("t/dir.tmp")).unwrap();
    symlink("/etc", world.root().join("t/link.tmp")).unwrap();
    for path in ["t/stray.tmp", "t/stray", "t/dir.tmp/in", "t/sub.tmp/in", "t/own.tmp/in.tmp"] {
        world.write(path, path);
    }
    let names = |world: &World| {
        let read = fs::read_dir(world.root().join("t")).unwrap();
        let mut names: Vec<String> =
            read.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.join(" ")
    };
    let revert = |tag: &str| Want::Revert(Reverted::Tags(vec![tag.to_string()]));
    let done = world.change(revert("x")).unwrap();
    assert_eq!(names(&world), "file.tmp own.tmp stray sub.tmp");
    assert_eq!(done.salvaged.len(), 3);
    assert_eq!(world.read("t/own.tmp/in.tmp").as_deref(), Some("t/own.tmp/in.tmp"));
    world.change(revert("y")).unwrap();
    assert_eq!(names(&world), "file.tmp own.tmp sub.tmp");
    assert_eq!(world.change(revert("z")).unwrap().salvaged, []);
    assert!(world.installed().starts_with("a@1"));
}

#[test]
fn what_was_left_in_a_directory_follows_it() {
    let dir =
        |path: &str, more: &str| format!("dir path={path} mode=0755 owner=root group=sys {more}\n");
    let old = [dir("opt", ""), dir("opt/a", ""), dir("opt/a/b", ""), dir("opt/ab", "")].concat();
    let new = dir("opt", "")
        + &dir("opt/c", "salvage-from=/opt/a salvage-from=../etc salvage-from=/")
        + &file("theirs", "opt/c/taken", "");
    let mut world = world(&[package("a@1", &old), package("a@2", &new)]);
    world.install("a@1").unwrap();
    for name in ["a/mine", "a/taken", "a/b/below", "ab/other"] {
        world.write(&format!("opt/{name}"), name);
    }
    let done = world.update().unwrap();
    for (path, content) in [
        ("opt/c/mine", Some("a/mine")),
        ("opt/c/b/below", Some("a/b/below")),
        ("opt/c/taken", Some("theirs")),
        ("opt/c/other", None),
    ] {
        assert_eq!(world.read(path).as_deref(), content, "{path}");
    }
    // What has no place there is kept, and told.
    let told: Vec<&str> = done.salvaged.iter().map(|(from, _)| from.as_str()).collect();
    assert_eq!(told, ["opt/ab", "opt/a"]);
    for ((_, to), (name, content)) in
        done.salvaged.iter().zip([("other", "ab/other"), ("taken", "a/taken")])
    {
        assert_eq!(world.read(&format!("{to}/{name}")).as_deref(), Some(content));
    }
}

#[test]
fn what_goes_brings_changes_with_it() {
    let on = |what: &str, value: &str| {
        format!("set name=pkg.additional-{what}-on-uninstall value={value}\n")
    };
    let manifests: Vec<String> = [
        ("a@0.5", String::new()),
        ("a@1", String::new()),
        ("a@2", String::new()),
        ("b@1", String::new()),
        ("b@2", String::new()),
        // Its name only ends like the other's.
        ("more/a@2", String::new()),
        ("c@1", "depend type=require fmri=trigger\n".to_string()),
        ("trigger@1", on("update", "a@2")),
        ("trigger@2", on("update", "a@1")),
        ("trigger@3", on("uninstall", "a")),
        ("trigger@5", on("uninstall", "a@2 value=b@2")),
        ("trigger@6", on("uninstall", "a@1")),
        ("trigger@7", on("uninstall", "c")),
        ("trigger@8", on("update", "b") + &on("destroy", "a")),
        ("evil@1", on("update", "evil@2")),
        ("evil@2", String::new()),
    ]
    .map(|(name, actions)| package(name, &actions))
    .into();
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("repo");
    let manifests: Vec<&str> = manifests.iter().map(String::as_str).collect();
    common::publish(&repository, &manifests);
    let take = |pattern: &str| (Want::Uninstall(vec![pattern.to_string()]), "");
    let but = |want: Want| (want, "trigger");
    for (there, (want, reject), left) in [
        ("a@1 trigger@1", take("trigger"), "a@2"),
        ("a@2 trigger@2", take("trigger"), "a@1"),
        ("a@1 trigger@3", take("trigger"), ""),
        ("a@2 more/a@2 trigger@3", take("trigger"), "more/a@2"),
        ("a@1 trigger@6", take("trigger"), ""),
        ("a@2 trigger@6", take("trigger"), "a@2"),
        ("a@2 b@2 trigger@5", take("trigger"), ""),
        ("a@1 b@1 trigger@5", take("trigger"), "a@1 b@1"),
        ("c@1 trigger@7", take("trigger"), ""),
        // What is not there is not brought.
        ("trigger@1", take("trigger"), ""),
        ("a@1 b@1 trigger@8", take("trigger"), "a@1 b@2"),
        ("a@1 trigger@1", but(Want::Install(vec!["b@1".into()])), "a@2 b@1"),
        ("a@2 b@1 trigger@2", but(Want::Update(vec!["b@2".into()])), "a@1 b@2"),
        // Of what the user asks for and what is triggered the newer one.
        ("a@1 trigger@1", but(Want::Update(vec!["a@0.5".into()])), "a@2"),
        // Only what goes triggers.
        ("a@1 trigger@1", (Want::Update(vec!["trigger@2".into()]), ""), "a@1 trigger@2"),
    ] {
        let mut one = World::of(&repository, tempfile::tempdir().unwrap());
        one.install(there).unwrap();
        let reject = if reject.is_empty() { Vec::new() } else { vec![reject.to_string()] };
        one.order_done(Order { reject, ..Order::of(want.clone()) }).unwrap();
        let names = one.installed().replace(":20250615T150640Z", "");
        assert_eq!(names, left, "{there}: {want:?}");
    }
    let mut world = World::of(&repository, place);
    world.install("evil@1").unwrap();
    world.uninstall("evil").unwrap_err();
    let order = Order { triggers: false, ..Order::of(take("evil").0) };
    world.order_done(order).unwrap();
    assert_eq!(world.installed(), "");
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            copy(&path, &to.join(path.file_name().unwrap()));
        }
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}
