//! Scripts of the user's own: the contract, what they may do, and builds that are interrupted.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{MEDIA, NEWER, SLIM, Yard, absent, left_alone, media};

#[test]
fn a_script_gets_five_arguments_and_its_own_and_asks_the_manifest() {
    let yard = Yard::new();
    // Beside the script, which sees a /tmp of its own: the programs may have been built below it.
    let read = yard.path("scripts/ManifestRead");
    std::fs::create_dir_all(yard.path("scripts")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_ManifestRead"), &read).unwrap();
    let read = read.display();
    let text = format!(
        "#!/bin/sh\n\
         echo \"$#: $6\" >&2\n\
         echo \"$2 $3 $4 $5\" >&2\n\
         {read} \"$1\" img_params/hostname >&2\n\
         {read} -k \"$1\" colour >&2\n\
         mkdir -p \"$2/etc\"; echo x >\"$2/etc/new\"; chmod 4711 \"$2/etc/new\"\n\
         umask >&2\n"
    );
    let script = yard.script("asks", &text);
    yard.manifest("m", &[["asks", "Ask", &script, "one argument"]]);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let area = yard.path("area");
    let below = |name: &str| area.join(name).display().to_string();
    let places = ["build_data/pkg_image", "build_data/tmp", "build_data/boot_archive", "media"];
    let wanted = format!(
        "==== asks: Ask \n6: one argument\n{}\norchard\nred\n0022\nBuild completed",
        places.map(below).join(" ")
    );
    assert!(said.err.contains(&wanted), "{}", said.err);
    let table = std::fs::read_to_string(area.join("build_data/pkg_image.table")).unwrap();
    assert!(table.contains("f 4711 0 0 0 2 etc/new\n"), "{table}");
}

/// The command stands where the original's scripts call it, whatever the host has there.
#[test]
fn scripts_of_the_original_find_the_command_and_the_modules() {
    let runs = |line: &[&str]| {
        let done = std::process::Command::new(line[0]).args(&line[1..]).output();
        done.is_ok_and(|done| done.status.success())
    };
    for user in [None, Some("65534")] {
        let yard = Yard::new();
        let shell = yard.script(
            "shell",
            "#!/bin/sh\nMANIFEST_READ=/usr/bin/ManifestRead\n\
             test -x $MANIFEST_READ || { echo no overlays >&2; exit 0; }\n\
             DISTRO_NAME=`$MANIFEST_READ $1 \"name\"`\necho \"$DISTRO_NAME\" >&2\n\
             $MANIFEST_READ -k $1 colour >&2\nls /usr/bin/env >&2\n",
        );
        let pythons: Vec<&str> = ["python2", "python3"]
            .into_iter()
            .filter(|python| runs(&["env", python, "-c", "import sys, socket"]))
            .collect();
        if pythons.is_empty() {
            eprintln!("SKIPPED: the modules: python3 is absent");
        }
        let text = "import sys\n\
            from osol_install.ManifestRead import ManifestRead\n\
            from osol_install.install_utils import dir_size, find, space_parse\n\
            from osol_install.distro_const.dc_utils import get_manifest_value, \\\n    \
            get_manifest_list, get_manifest_boolean\n\
            from osol_install.distro_const.DC_defs import BUILD_AREA as THEN\n\
            from osol_install.distro_const.dc_defs import *\n\
            reader = ManifestRead(sys.argv[1])\n\
            said = [get_manifest_value(reader, 'name'), THEN, BUILD_AREA,\n        \
            get_manifest_value(reader, 'colour', True), get_manifest_value(reader, 'nothing'),\n        \
            get_manifest_list(reader, BOOT_ARCHIVE_CONTENTS_BASE_INCLUDE_TO_TYPE_FILE),\n        \
            get_manifest_boolean(reader, ROOT_PASSWD_PLAINTEXT),\n        \
            get_manifest_value(reader, FINALIZER_SCRIPT_NAME_TO_ARGSLIST % sys.argv[0]),\n        \
            dir_size(sys.argv[2]) > 1024, find([sys.argv[2]], 'dir')[0] == sys.argv[2],\n        \
            space_parse('\"a b\" \"c\"'), IMAGE_INFO_FILE, BA_FILENAME_ALL]\n\
            sys.stderr.write('; '.join(map(str, said)) + '\\n')\n";
        let scripts: Vec<String> = pythons
            .iter()
            .map(|python| yard.script(python, &format!("#!/usr/bin/env {python}\n{text}")))
            .collect();
        let mut steps = vec![SLIM[0], ["shell", "Shell", &shell, ""]];
        steps.extend(
            pythons.iter().zip(&scripts).map(|(name, script)| [*name, "Python", script, "one"]),
        );
        yard.manifest("m", &steps);
        let said = match user {
            None => Some(yard.run(&["build", "m.xml"])),
            Some(user) => yard.run_as(user, &["build", "m.xml"]),
        };
        let Some(said) = said else { break };
        assert_eq!(said.status, 0, "{}", said.err);
        let found = said.err.contains("==== shell: Shell \nOrchard\nred\n/usr/bin/env\n");
        assert!(found || said.err.contains("\nno overlays\n"), "{}", said.err);
        let wanted = "Orchard; img_params/build_area; distro_constr_params/build_area; red; None; ['usr/bin/sh', 'usr/bin/su']; \
                      True; one; True; True; ['a b', 'c']; .image_info; \
                      /platform/i86pc/boot_archive\n";
        assert_eq!(said.err.matches(wanted).count(), pythons.len(), "{}", said.err);
    }
}

#[test]
fn the_status_decides_and_stop_on_error() {
    let yard = Yard::new();
    let fails = yard.script("fails", "#!/bin/sh\necho why >&2\nexit 7\n");
    let dies = yard.script("dies", "#!/bin/sh\nkill -9 $$\n");
    let last = yard.script("last", "#!/bin/sh\necho at the end >&2\n");
    let steps = [["a", "A", &fails, ""], ["b", "B", &dies, ""], ["c", "C", &last, ""]];
    yard.manifest("m", &steps);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("why\nChild returned err 7\nBuild completed"), "{}", said.err);
    assert!(said.err.ends_with("\nBuild failed.\n"), "{}", said.err);
    yard.manifest_with("m", &steps, "<stop_on_error>false</stop_on_error>");
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("Child was terminated by signal 9\n"), "{}", said.err);
    assert!(said.err.contains("\nat the end\n"), "{}", said.err);
    assert!(said.err.ends_with("\nBuild failed.\n"), "{}", said.err);
}

#[test]
fn nothing_of_a_script_stays_and_nothing_outside_is_written() {
    // Root has mount namespaces, or the users that root becomes have.
    let unshare = std::process::Command::new("unshare").args(["-rm", "true"]).status();
    let has_namespaces = unshare.is_ok_and(|status| status.success());
    for user in [None, Some("65534")] {
        let yard = Yard::new();
        let outside = yard.path("outside");
        std::fs::create_dir(&outside).unwrap();
        let text = format!(
            "#!/bin/sh\n\
             (echo x >'{}/file') 2>/dev/null && echo written outside >&2\n\
             echo x >/tmp/lamplighter-own && echo a /tmp of its own >&2\n\
             (setsid sleep 600 & echo $! >\"$3/pid\")\n",
            outside.display()
        );
        let script = yard.script("leaves", &text);
        yard.manifest("m", &[["leaves", "Leave", &script, ""]]);
        let words = ["build", "m.xml"];
        let said = match user {
            None => Some(yard.run(&words)),
            Some(user) => yard.run_as(user, &words),
        };
        let Some(said) = said else { break };
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(said.err.contains("a /tmp of its own"), "{}", said.err);
        let pid = std::fs::read_to_string(yard.path("area/build_data/tmp/pid")).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        let stat = stat.unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
        if has_namespaces {
            assert!(!said.err.contains("written outside"), "{}", said.err);
            assert!(!outside.join("file").exists());
        }
    }
}

/// Whoever builds, the image has the owners and devices that its scripts gave it.
#[test]
fn owners_that_scripts_set_are_those_of_the_image() {
    let tables = [None, Some("65534")].map(|user| {
        let yard = Yard::new();
        let text = "#!/bin/sh\nset -e\numask 022\ncd \"$2\"\nmkdir dev\nmknod dev/null c 13 2\n\
             chmod 666 dev/null\nchown 0:3 dev/null\nmkdir -p export/jack\n\
             echo x >export/jack/file\nln -s file export/jack/link\n\
             ln export/jack/file export/jack/name\n\
             chown -R 65432:10 export/jack\nchmod 4755 export/jack/file\n\
             chown 7 \"$4\"\nchown 0:0 etc/motd; chgrp 4 usr/bin/su; chmod 4750 usr/bin/su\n\
             chown 0:12 .\nstat -c %u export/jack/file\n";
        let script = yard.script("owns", text);
        let again = yard.script(
            "again",
            "#!/bin/sh\nset -e\ncd $2/export/jack\n\
             chown 5 file; mv file other; cp other file; touch link2; cp -dp link link3;\n\
             sed -i s/hello/hi/ ../../etc/motd; sed -i s/TZ/Z/ ../../etc/default/init; chgrp 65432 link2\n",
        );
        let steps = [SLIM[0], ["owns", "Own", &script, ""], ["again", "Again", &again, ""]];
        yard.manifest("m", &steps);
        let said = match user {
            None => yard.run(&["build", "m.xml"]),
            Some(user) => match yard.run_as(user, &["build", "m.xml"]) {
                Some(said) => said,
                None => return None,
            },
        };
        assert_eq!(said.status, 0, "{user:?}: {}", said.err);
        let table =
            |name: &str| std::fs::read_to_string(yard.path("area/build_data").join(name)).unwrap();
        Some(table("pkg_image.table") + &table("boot_archive.table"))
    });
    let [Some(root), other] = tables else { panic!("no build") };
    for row in [
        "c 0666 0 3 1700000000 13,2 dev/null\n",
        "d 0755 65432 10 1700000000 - export/jack\n",
        "f 0755 5 10 1700000000 2 export/jack/name\n",
        "l 0777 65432 10 1700000000 file export/jack/link3\n",
        "d 0755 0 12 1700000000 - %\n",
        "f 0755 0 0 1700000000 2 export/jack/file\n",
        "f 0644 0 65432 1700000000 0 export/jack/link2\n",
        "f 4750 0 4 1700000000 2 usr/bin/su\n",
        "f 0644 0 0 1700000000 3 etc/motd\n",
        "f 0644 0 3 1700000000 13 etc/default/init\n",
    ] {
        assert!(root.contains(row), "{row}{root}");
    }
    match other {
        Some(other) => assert_eq!(other, root),
        None => eprintln!("SKIPPED: nobody else can build here"),
    }
}

#[test]
fn a_script_that_hangs_is_ended() {
    let yard = Yard::new();
    let script = yard.script("hangs", "#!/bin/sh\nexec sleep 600\n");
    let path = yard.manifest("m", &[["hangs", "Hang", &script, ""]]);
    let text = std::fs::read_to_string(&path).unwrap();
    let pair = "<pair key=\"script_timeout\" value=\"1\"/>\n<pair key=\"colour\"";
    std::fs::write(&path, text.replace("<pair key=\"colour\"", pair)).unwrap();
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("took too long and was ended\n"), "{}", said.err);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("value=\"1\"", "value=\"soon\"")).unwrap();
    let said = yard.run(&["build", "m.xml"]);
    let told = "script_timeout: \"soon\": invalid digit found in string\n";
    assert!(said.status == 1 && said.err.contains(told), "{}", said.err);
}

#[test]
fn the_second_build_of_an_area_says_who_has_it() {
    let yard = Yard::new();
    let script = yard.script("waits", "#!/bin/sh\necho waiting >&2\nexec sleep 600\n");
    yard.manifest("m", &[["waits", "Wait", &script, ""]]);
    let mut first = yard.command(&["build", "m.xml"]).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(first.stderr.take().unwrap()).lines();
    let heard = lines.map_while(Result::ok).any(|line| line == "waiting");
    assert!(heard);
    let second = yard.run(&["build", "m.xml"]);
    let holder = format!("in use by process {} since ", first.id());
    assert!(second.status == 1 && second.err.contains(&holder), "{}", second.err);
    // Told to end, it ends what it started; the step can be gone on from.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(first.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(1));
    let quick = yard.script("waits", "#!/bin/sh\nexit 0\n");
    assert!(quick.ends_with("waits"));
    assert_eq!(yard.run(&["build", "-R", "m.xml"]).status, 0);
}

/// How often builds are killed, and by which seed.
fn kills() -> (u64, u64) {
    let number =
        |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse::<u64>().unwrap());
    (number("LAMPLIGHTER_KILLS", 10), number("LAMPLIGHTER_SEED", 1))
}

/// Killed at random moments, again and again while it goes on, a build makes the medium of one that
/// was left alone: by manifests of either form, half of the kills each.
#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_medium() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let (kills, seed) = kills();
    let mut dice = dice::Dice(seed);
    let steps: Vec<_> = SLIM.iter().chain(&MEDIA).copied().collect();
    let older = |yard: &Yard| drop(yard.manifest("m", &steps));
    killed(kills.div_ceil(2), seed, &mut dice, &older, &|yard| {
        // Either way of going on has to lead there; -R has nothing to go on from at first.
        let can = yard.path("area/.step_im-pop").exists();
        can.then(|| vec!["-R".to_string()])
    });
    killed(kills / 2, seed, &mut dice, &|yard| yard.newer("false"), &|yard| {
        let has_begun = |name: &str| yard.path(&format!("area/.step_{name}")).exists();
        let last = NEWER.iter().rfind(|(name, _)| has_begun(name));
        last.map(|(name, _)| vec!["-r".to_string(), (*name).to_string()])
    });
}

/// Kills so many builds of one manifest; `onward` gives the options by which to go on.
fn killed(
    kills: u64,
    seed: u64,
    dice: &mut dice::Dice,
    write: &dyn Fn(&Yard),
    onward: &dyn Fn(&Yard) -> Option<Vec<String>>,
) {
    let wanted = left_alone(write);
    let (mut done, mut story) = (0, Vec::new());
    while done < kills {
        let yard = Yard::new();
        write(&yard);
        story.clear();
        loop {
            let again = if dice.below(2) == 0 { onward(&yard) } else { None };
            let again = again.unwrap_or_default();
            let again: Vec<&str> = again.iter().map(String::as_str).collect();
            let words = [&["build"], again.as_slice(), &["m.xml"]].concat();
            let mut build = yard.command(&words).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(build.stderr.take().unwrap()).lines();
            let count = dice.below(30) as usize;
            let said = lines.by_ref().map_while(Result::ok).take(count).count();
            if said == count && build.try_wait().unwrap().is_none() {
                dice.moment(100);
                build.kill().unwrap();
            }
            let killed = build.wait().unwrap().code().is_none();
            story.push(format!("{} after {said} lines", words.join(" ")));
            if !killed {
                break;
            }
            done += 1;
        }
        let ended = yard.run(&["build", "m.xml"]);
        assert_eq!(ended.status, 0, "seed {seed}, {story:?}: {}", ended.err);
        assert!(media(&yard.path("area/media")) == wanted, "seed {seed}, {story:?}");
    }
    println!("{done} kills");
}
