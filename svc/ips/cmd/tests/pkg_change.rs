//! pkg_change.rs - an image made and changed by the original's own steps: the same words, the same status.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, Said, top};

/// A step of commands.txt.
#[derive(Debug, Default)]
struct Step {
    line: String,
    out: Vec<String>,
    err: Vec<String>,
    status: i32,
}

fn steps() -> Vec<Step> {
    let text = fs::read_to_string(top().join("image/commands.txt")).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            let line = line.replace(" -D driver-cmd-dir=$DEVCMDS", "").replace("$ROOT", "$PWD");
            steps.push(Step { line: line.replace("$IMG", "img"), ..Step::default() });
        } else if let Some(step) = steps.last_mut() {
            if let Some(text) = line.strip_prefix("out: ") {
                step.out.push(text.to_string());
            } else if let Some(text) = line.strip_prefix("err: ") {
                step.err.push(text.to_string());
            } else if let Some(text) = line.strip_prefix("exit: ") {
                step.status = text.parse().unwrap();
            }
        }
    }
    steps
}

/// What is told of progress has figures in it, and the note is of a format that we write on purpose.
fn meant<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let told = [
        "Planning:",
        "Download:",
        "Actions:",
        "Finalize:",
        "Startup:",
        "NOTE:",
        "Run 'pkg update-format'",
    ];
    let lines = lines.map(str::trim_end).filter(|line| {
        !line.is_empty() && !told.iter().any(|head| line.trim_start().starts_with(head))
    });
    lines.map(str::to_string).collect()
}

#[test]
fn the_originals_steps_say_the_same() {
    let place = Place::new();
    let steps = steps();
    assert_eq!(steps.len(), 11);
    for step in steps {
        let said = place.sh(&step.line, None);
        let line = &step.line;
        assert_eq!(said.status, step.status, "{line}: {said:?}");
        if line.contains("image-create") {
            continue;
        }
        let want = meant(step.out.iter().map(String::as_str));
        assert_eq!(meant(said.out.lines()), want, "{line}");
        let want = meant(step.err.iter().map(String::as_str));
        assert_eq!(meant(said.err.lines()), want, "{line}");
    }
    let listed = place.sh("pkg -R img list -H", None).out;
    assert_eq!(listed.lines().count(), 12, "{listed}");
}

fn image(place: &Place) -> impl Fn(&str) -> Said + '_ {
    let made = place.sh(
        "pkg image-create -F -f -p orchard.example=file://$PWD/repo --variant variant.arch=i386 \
         --variant variant.opensolaris.zone=global img && \
         pkg -R img install -q system/core-files",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    |line| place.sh(&format!("pkg -R img {line}"), None)
}

#[test]
fn what_is_said_and_with_which_status() {
    let place = Place::new();
    let pkg = image(&place);
    for (line, status, out, err) in [
        ("install", 2, "", "pkg install: at least one package name required"),
        ("install -qv x", 2, "", "may not be combined"),
        ("install -C x y", 2, "", "value 'x' invalid: -C/--concurrency"),
        ("install -n fruit/pear@1.9", 0, "Packages to install: 1", ""),
        ("install --parsable=1 x", 2, "", "invalid argument '1'"),
        (
            "install -nq --parsable=0 fruit/pear@1.9",
            0,
            "{\"activate-be\":true,\"add-packages\":[\"pkg://orchard.example/fruit/pear@1.9,5.11-1:20240102T030405Z\"]",
            "",
        ),
        ("install pear@1.9", 0, "Packages to install: 1", ""),
        (
            "install -v fruit/pear@1.0",
            1,
            "",
            "  Reject:  pkg://orchard.example/fruit/pear@1.0-2\n  Reason:  Newer version pkg://orchard.example/fruit/pear@1.9",
        ),
        ("update fruit/pear@1.0", 0, "Packages to update: 1", ""),
        ("install --reject fruit/pear fruit/pear", 1, "", "This version rejected by user request"),
        ("update -nv", 0, "  fruit/pear\n    1.0-2:20240102T030405Z -> 2.0-1:", ""),
        ("update --no-refresh entire", 1, "", "currently installed in the\nimage:\n\n\tentire"),
        (
            "uninstall system/core-files",
            1,
            "",
            "Cannot remove 'pkg://orchard.example/system/core-files@",
        ),
        ("uninstall --ignore-missing nosuch", 4, "", ""),
        ("uninstall nosuch", 1, "", "currently installed in the\nimage:\n\n\tnosuch"),
        ("change-facet doc=false locale.*=F", 0, "Variants/Facets to change: 2", ""),
        ("change-facet facet.doc=false", 4, "No updates necessary", ""),
        ("change-facet doc", 2, "", "facets must to be of the form 'facet....=[True|False|None]'."),
        ("change-facet doc=None locale.*=none", 0, "", ""),
        ("change-variant debug.illumos=true", 0, "Variants/Facets to change: 1", ""),
        (
            "change-variant debug.illumos",
            2,
            "",
            "variants must to be of the form '<name>=<value>'.",
        ),
        ("set-mediator lang", 2, "", "must be specified using -V and -I"),
        ("install runtime/lang-19 runtime/lang-110", 0, "", ""),
        ("set-mediator -V 1.9 lang", 0, "Mediators to change: 1", ""),
        ("mediator -H lang", 0, "lang     local     1.9", ""),
        ("unset-mediator lang", 0, "Mediators to change: 1", ""),
        ("unset-mediator lang", 4, "No changes required.", ""),
        ("fix", 4, "No updates necessary", ""),
        ("revert", 2, "", "at least one file path or tag name required"),
        ("revert etc/none", 1, "", "\tetc/none"),
        ("exact-install system/core-files", 0, "Packages to remove: 3", ""),
        ("install -g $PWD/repo --no-refresh copy+pears", 0, "Packages to install: 1", ""),
    ] {
        let said = pkg(line);
        assert_eq!(said.status, status, "{line}: {said:?}");
        assert!(said.out.contains(out), "{line}: {said:?}");
        assert!(said.err.contains(err), "{line}: {said:?}");
    }
    let history = pkg("history -H -o operation,outcome").out;
    let last: Vec<&str> = history.lines().rev().take(2).collect();
    assert!(last[0].starts_with("install") && last[1].starts_with("exact-install"), "{history}");
}

#[test]
fn what_is_broken_is_fixed() {
    let place = Place::new();
    let pkg = image(&place);
    assert_eq!(pkg("install -q fruit/pear@1.9").status, 0);
    let told =
        place.sh("echo x > img/usr/bin/pear && rm img/usr/bin/birne && pkg -R img fix", None);
    assert_eq!(told.status, 0, "{told:?}");
    for line in [
        "PACKAGE",
        "pkg://orchard.example/fruit/pear",
        "\tfile: usr/bin/pear",
        "\tlink: usr/bin/birne",
    ] {
        assert!(told.out.lines().any(|text| text.starts_with(line)), "{told:?}");
    }
    assert_eq!(pkg("fix").status, 4);
    let said = place.sh("echo x >> img/etc/pear.conf && pkg -R img fix; pkg -R img revert /etc/pear.conf && wc -c < img/etc/pear.conf", None);
    assert!(said.out.ends_with("24\n"), "{said:?}");
}

/// A line, its exit status, and what standard output and standard error have in them.
const DRIED: &[(&str, i32, &str, &str)] = &[
    ("dehydrate", 4, "No updates necessary for this image.\n", ""),
    ("property -H dehydrated", 0, " []\n", ""),
    ("install -q dev", 0, "", ""),
    ("rehydrate", 4, "", ""),
    ("dehydrate -p none", 1, "", "rehydration operations:\n\n\tnone\n"),
    ("dehydrate -n", 0, "Packages to fix: 1", ""),
    ("list -q dev && cat img/dev/plain", 0, "plain", ""),
    ("dehydrate", 0, "Packages to fix: 1", ""),
    ("property -H dehydrated; ls img/dev", 0, " ['dry.example']\nkept\nsoft\nstay\n", ""),
    ("verify", 0, "", ""),
    ("fix", 4, "", ""),
    ("dehydrate", 4, "", ""),
    // What comes now comes without its files, too.
    ("install -q more; ls img/more", 0, "", ""),
    ("set-publisher -G '*' dry.example", 0, "", ""),
    ("rehydrate", 1, "", "\tdry.example\n"),
    ("set-publisher -g dry dry.example", 0, "", ""),
    ("rehydrate -p dry.example", 0, "Packages to fix: 2", ""),
    ("property -H dehydrated; ls img/dev img/more", 0, " []\nimg/dev:\nhard\nkept\nplain\n", ""),
    ("verify", 0, "", ""),
    ("rehydrate", 4, "", ""),
    ("history -Ho operation -n 1", 0, "rehydrate\n", ""),
];

#[test]
fn what_can_be_fetched_again_goes_and_comes() {
    let place = Place::new();
    let attributes = "owner=root group=bin";
    fs::write(
        place.path("dev.m"),
        format!(
            "set name=pkg.fmri value=pkg://dry.example/dev@1\ndir path=dev mode=0755 {attributes}\n\
             file plain path=dev/plain mode=0644 {attributes}\n\
             file plain path=dev/kept mode=0644 {attributes} preserve=true\n\
             file plain path=dev/stay mode=0644 {attributes} dehydrate=false\n\
             hardlink path=dev/hard target=plain\nlink path=dev/soft target=plain\n"
        ),
    )
    .unwrap();
    fs::write(
        place.path("more.m"),
        format!(
            "set name=pkg.fmri value=pkg://dry.example/more@1\ndir path=more mode=0755 {attributes}\n\
             file plain path=more/plain mode=0644 {attributes}\n"
        ),
    )
    .unwrap();
    let made = place.sh(
        "echo plain > plain && pkgrepo create dry && pkgrepo set -s dry publisher/prefix=dry.example && \
         pkgsend -s dry publish --fmri-in-manifest -d . *.m && pkg image-create -F -p dry img",
        None,
    );
    assert_eq!(made.status, 0, "{made:?}");
    for (line, status, out, err) in DRIED {
        let said = place.sh(&format!("pkg -R img {line}"), None);
        assert_eq!(said.status, *status, "{line}: {said:?}");
        assert!(said.out.contains(out) && said.err.contains(err), "{line}: {said:?}");
    }
}

/// What was fetched and is not needed goes; scripts may have it that nothing to do is no failure.
#[test]
fn cleaning_and_nothing_to_do() {
    let place = Place::new();
    let pkg = image(&place);
    let kept = place.path("img/var/pkg/cache/publisher/x/file");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("0"), "").unwrap();
    let said = pkg("cleanup -v");
    assert!(said.status == 0 && said.out.ends_with("cache/publisher/x\n"), "{said:?}");
    assert!(!kept.exists() && place.path("img/var/pkg/cache/publisher").exists());
    assert_eq!(pkg("update").status, 4);
    let said = place.sh("PKG_SUCCESS_ON_NOP=1 pkg -R img update", None);
    assert_eq!(said.status, 0, "{said:?}");
}

/// What nobody asked for and nothing needs goes; what somebody asked for is known.
#[test]
fn what_is_no_longer_needed_goes() {
    let place = Place::new();
    let pkg = image(&place);
    let steps = [
        // Who asks for the old name of a package asks for the package.
        ("install -q old/birne", 0, "", ""),
        ("list -H pear", 0, "  im-\n", ""),
        ("autoremove", 4, "No removable packages for this image.\n", ""),
        ("flag -M pear", 0, "", ""),
        ("list -H pear", 0, "  i--\n", ""),
        ("autoremove -n", 0, "Packages to remove: 1", ""),
        ("flag pear", 2, "", "pkg flag: a flag must be specified\nUsage:"),
        ("flag -m", 2, "", "pkg flag: at least one package name required\nUsage:"),
        ("flag -mM pear", 1, "", "options may not be combined"),
        ("flag -m nosuch", 1, "", "\n\tnosuch"),
        ("flag -m pear", 0, "", ""),
        ("list -H pear", 0, "  im-\n", ""),
        ("autoremove", 4, "", ""),
        ("flag -M pear", 0, "", ""),
        ("autoremove x", 2, "", "No packages can be specified."),
        ("autoremove", 0, "Packages to remove: 1", ""),
        ("list pear", 1, "", ""),
    ];
    for (line, status, out, err) in steps {
        let said = pkg(line);
        assert_eq!(said.status, status, "{line}: {said:?}");
        assert!(said.out.contains(out) && said.err.contains(err), "{line}: {said:?}");
    }
}

/// What the surroundings say reaches the publishers of an image, and what contradicts itself is
/// refused before anything is asked.
#[test]
fn surroundings_and_boot_environments() {
    let place = Place::new();
    let made = place.sh("pkg image-create -F -p repo --variant arch=i386 img", None);
    assert_eq!(made.status, 0, "{}", made.err);
    let wrong = "PKG_CLIENT_CONNECT_TIMEOUT is not a number: 'soon'";
    for (line, status, told) in [
        ("PKG_CLIENT_CONNECT_TIMEOUT=soon pkg -R img refresh", 1, wrong),
        ("PKG_CLIENT_CONNECT_TIMEOUT=5 pkg -R img refresh", 0, ""),
        (
            "pkg -R img install --be-name x --deny-new-be zlib",
            2,
            "The '--require-new-be' and '--deny-new-be' options may not be combined.",
        ),
        (
            "pkg -R img update --backup-be-name x --no-backup-be",
            2,
            "The '--require-backup-be' and '--no-backup-be' options may not be combined.",
        ),
        (
            "pkg -R img uninstall --require-backup-be --be-name x zlib",
            2,
            "The '--require-backup-be' and '--require-new-be' options may not be combined.",
        ),
        ("pkg -R img update -n --require-new-be --no-backup-be", 4, ""),
    ] {
        let said = place.sh(line, None);
        assert_eq!(said.status, status, "{line}: {}", said.err);
        assert!(said.err.contains(told), "{line}: {}", said.err);
    }
}
