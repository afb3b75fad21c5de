//! The command, as people type it: what it says, its exit statuses, what lies in the area.

#![allow(clippy::unwrap_used)]

mod common;

use common::{MEDIA, SLIM, Yard, absent, media};

const USAGE: &str = "\nUsage:\n    distro_const build -R <manifest-file>\n    \
                     distro_const build -r <step name or number> <manifest-file>\n    \
                     distro_const build -p <step name or number> <manifest-file>\n    \
                     distro_const build -l <manifest-file>\n    \n";

/// The guide's table, with a mark at the first `resumable` steps.
fn table(resumable: usize) -> String {
    let mut text =
        "\nStep           Resumable Description\n-------------- --------- -------------\n"
            .to_string();
    for (number, [name, message, ..]) in SLIM.iter().chain(&MEDIA).enumerate() {
        let mark = if number < resumable { "    X     " } else { "          " };
        text.push_str(&format!("{name:<15}{mark}{message:<10}\n"));
    }
    text
}

fn slim(yard: &Yard) {
    let steps: Vec<_> = SLIM.iter().chain(&MEDIA).copied().collect();
    yard.manifest("slim_cd_x86", &steps);
}

#[test]
fn the_guides_examples() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::new();
    slim(&yard);
    // # distro_const build -l slim_cd_x86.xml
    let said = yard.run(&["build", "-l", "slim_cd_x86.xml"]);
    assert_eq!((said.status, said.out.as_str(), said.err), (0, "", table(0)));

    // # distro_const build -p im-mod slim_cd_x86.xml
    let said = yard.run(&["build", "-p", "im-mod", "slim_cd_x86.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let lines: Vec<&str> = said.err.lines().collect();
    let end = &lines[lines.len() - 3..];
    assert_eq!(end[0], "Stopping at im-mod: Image area modifications ");
    assert!(end[1].starts_with("Build completed "), "{}", said.err);
    assert_eq!(end[2], "Build is successful.");
    assert!(!said.err.contains("==== im-mod"), "{}", said.err);
    assert_eq!(yard.side_cars(), ["im-mod", "im-pop"]);
    assert_eq!(yard.run(&["build", "-l", "slim_cd_x86.xml"]).err, table(2));

    // # distro_const build -r im-mod slim_cd_x86.xml
    let said = yard.run(&["build", "-r", "im-mod", "slim_cd_x86.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let banners: Vec<&str> = said.err.lines().filter(|line| line.starts_with("====")).collect();
    assert_eq!(banners.len(), 13, "{}", said.err);
    assert_eq!(banners[0], "==== im-mod: Image area modifications ");
    assert_eq!(yard.run(&["build", "-l", "slim_cd_x86.xml"]).err, table(14));
    let first = media(&yard.path("area/media"));
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["Orchard.facts.json", "Orchard.iso", "Orchard.spdx.json", "Orchard.usb"]
    );

    // # distro_const build -R slim_cd_x86.xml: again from the last step that was begun.
    let said = yard.run(&["build", "-R", "slim_cd_x86.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.err.contains("==== usb: USB image creation \nBuild completed"), "{}", said.err);
    assert_eq!(media(&yard.path("area/media")), first);

    // # distro_const build slim_cd_x86.xml: with nothing changed, and elsewhere.
    let said = yard.run(&["build", "slim_cd_x86.xml"]);
    assert!(said.err.contains("Everything is there: nothing has changed"), "{}", said.err);
    let other = Yard::new();
    slim(&other);
    assert_eq!(other.run(&["build", "slim_cd_x86.xml"]).status, 0);
    assert!(media(&other.path("area/media")) == first, "another place makes another medium");
}

#[test]
fn a_change_begins_at_the_first_step_that_it_reaches() {
    let yard = Yard::new();
    let mut steps = SLIM[..6].to_vec();
    yard.manifest("m", &steps);
    assert_eq!(yard.run(&["build", "m.xml"]).status, 0);
    steps[5][3] = ".textinstall";
    yard.manifest("m", &steps);
    let said = yard.run(&["build", "m.xml"]);
    let wanted = "Unchanged since the last build: im-pop im-mod slim-im-mod ba-init slim-ba-config\n\
                  ==== ba-config: Boot archive configuration \n";
    assert!(said.err.contains(wanted), "{}", said.err);
    let archive = yard.path("area/build_data/boot_archive");
    assert!(archive.join(".textinstall").exists() && !archive.join(".livecd").exists());
    yard.change();
    let said = yard.run(&["build", "m.xml"]);
    assert!(said.err.contains("==== im-pop"), "{}", said.err);
    let motd = yard.path("area/build_data/pkg_image/etc/motd");
    assert_eq!(std::fs::read_to_string(motd).unwrap(), "good day\n");
}

#[test]
fn what_a_manifest_takes_from_the_host_is_read_as_it_is_now() {
    let yard = Yard::new();
    let mut steps = SLIM[..11].to_vec();
    steps[5][3] = "etc/motd";
    let path = yard.manifest("m", &steps);
    let profile = yard.path("site.xml");
    let profiles = format!(
        "<smf_service_profile><profile path=\"{}\" use_build_sys_file=\"true\"/>\
         <profile path=\"/usr/share/distro_const/generic_live.xml\" use_build_sys_file=\"true\"/>\
         </smf_service_profile><size_pad_mb>",
        profile.display()
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("<base_exclude type=\"file\">etc/motd</base_exclude>", "");
    let text = text.replace("<size_pad_mb>", &profiles);
    let sorted = format!("<pair key=\"iso_sort\" value=\"{}\"/>", yard.path("sort").display());
    let text = text.replace("<pair key=\"colour\"", &format!("{sorted}\n<pair key=\"colour\""));
    std::fs::write(&path, text).unwrap();

    // A profile of one's own that is not there: nothing is built in vain.
    let said = yard.run(&["build", "m.xml"]);
    let told = format!("profile {}: No such file", profile.display());
    assert!(said.status == 1 && said.err.contains(&told), "{}", said.err);
    assert!(!said.err.contains("==== "), "{}", said.err);

    std::fs::write(&profile, "<one/>").unwrap();
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.err.contains("solaris.zlib is in no order\n"), "{}", said.err);
    let archive = yard.path("area/build_data/boot_archive");
    let text = |path: &str| std::fs::read_to_string(archive.join(path)).unwrap();
    assert_eq!(text("etc/svc/profile/site.xml"), "<one/>");
    assert!(text("etc/svc/profile/generic_live.xml").contains("network/ssh"));
    assert_eq!(text("etc/motd"), "hello\n", "a marker that is a file there stays that file");

    std::fs::write(&profile, "<two/>").unwrap();
    let said = yard.run(&["build", "m.xml"]);
    assert!(said.err.contains("slim-ba-config\n==== ba-config"), "{}", said.err);
    assert_eq!(text("etc/svc/profile/site.xml"), "<two/>");
    std::fs::write(yard.path("sort"), "usr/bin/sh\t9\n").unwrap();
    let said = yard.run(&["build", "m.xml"]);
    assert!(said.err.contains("grub-setup\n==== post-mod"), "{}", said.err);
    assert!(!said.err.contains("in no order"), "{}", said.err);
}

#[test]
fn what_the_steps_leave() {
    let yard = Yard::new();
    yard.manifest("m", &SLIM[..7]);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let data = yard.path("area/build_data");
    let text = |path: &str| std::fs::read_to_string(data.join(path)).unwrap();
    let target =
        |path: &str| std::fs::read_link(data.join(path)).unwrap().to_str().unwrap().to_string();
    let shadow = text("pkg_image/etc/shadow");
    assert!(shadow.starts_with("root:$6$") && shadow.ends_with(":6445::::::\n"), "{shadow}");
    assert!(!yard.log("detail").contains("secret"), "the password is in no log");
    assert_eq!(text("pkg_image/save/etc/system"), "*\n");
    assert!(text("pkg_image/etc/system").contains("set zfs:zfs_arc_max=0x4002000\n"));
    assert!(text("pkg_image/.image_info").starts_with("IMAGE_SIZE="));
    assert!(text("pkg_image/var/pkg/pkg5.image").contains("http://pkg.orchard.example/"));
    assert!(!text("pkg_image/var/pkg/pkg5.image").contains("file://"));

    assert_eq!(text("boot_archive/etc/nodename"), "orchard\n");
    assert_eq!(text("boot_archive/etc/default/init"), "TZ=GMT\n");
    assert!(text("boot_archive/etc/inet/hosts").contains("127.0.0.1 localhost orchard\n"));
    assert!(text("boot_archive/etc/user_attr").starts_with("root::::type=role;auths=solaris.*\n"));
    assert_eq!(text("boot_archive/.livecd"), "");
    assert_eq!(text("boot_archive/.volsetid").trim().len(), 36);
    // What was left out, and what is on the medium alone.
    assert_eq!(target("boot_archive/etc/motd"), "/mnt/misc/etc/motd");
    assert_eq!(target("boot_archive/var/log/notes"), "/mnt/misc/var/log/notes");
    assert_eq!(target("boot_archive/opt"), "/mnt/misc/opt");
    assert_eq!(target("boot_archive/bin"), "./usr/bin");
    let table = text("boot_archive.table");
    assert!(table.contains("f 4555 0 3 1700000000 2 usr/bin/su\n"), "{table}");
    assert!(table.contains("d 1777 0 0 1700000000 - tmp\n"), "{table}");
    assert!(table.contains("f 0400 0 3 1700000000 "), "{table}");
    assert!(text("boot_archive/etc/coreadm.conf").contains("\nCOREADM_GLOB_ENABLED=no\n"));
    // A live system makes its devices in it.
    let packed = data.join("pkg_image/platform/i86pc/amd64/boot_archive");
    let mut archive = Vec::new();
    let packed = std::fs::File::open(packed).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut archive).unwrap();
    let free = i32::from_le_bytes(archive[8192 + 200..][..4].try_into().unwrap());
    assert!((21_000..30_000).contains(&free), "{free} inodes are free");
}

#[test]
fn misuse() {
    let yard = Yard::new();
    yard.manifest("m", &SLIM[..2]);
    for words in [
        &[][..],
        &["build"],
        &["build", "-x", "m.xml"],
        &["build", "-l"],
        &["build", "-h", "m.xml"],
        &["build", "-?", "m.xml"],
        &["build", "-p", "im-mod", "-p", "im-mod", "m.xml"],
        // Long options are those of the newer form.
        &["build", "--list", "m.xml"],
        &["build", "-v", "m.xml"],
    ] {
        let said = yard.run(words);
        assert_eq!(
            (said.status, said.err.as_str(), said.out.as_str()),
            (2, USAGE, ""),
            "{words:?}"
        );
    }
    // Help is a word of the newer form alone; of a letter the manifest decides.
    let dc = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../packaging/images/dc_server_x86.xml");
    let dc = dc.to_str().unwrap();
    for words in [&["build", "--help"][..], &["build", "-h", dc], &["build", dc, "--help"]] {
        let said = yard.run(words);
        assert!(said.status == 0 && said.err.is_empty(), "{words:?}: {said:?}");
        assert!(said.out.starts_with("Usage: distro_const build [-v] [-r <checkpoint name>]"));
        assert!(said.out.contains("  -l, --list            List all possible"), "{}", said.out);
    }
    let said = yard.run(&["build", dc, "more"]);
    let wrong = "manifest\n\ndistro_const: error: invalid number of arguments to distro_const\n";
    assert!(said.status == 2 && said.err.ends_with(wrong), "{said:?}");
    let said = yard.run(&["destroy", "m.xml"]);
    assert_eq!(said.err, format!("Invalid or missing subcommand\n{USAGE}"));
    let said = yard.run(&["build", "-l", "-R", "m.xml"]);
    assert_eq!(
        (said.status, said.err.lines().next()),
        (1, Some("There are no valid steps to resume from."))
    );
    let said = yard.run(&["build", "nowhere.xml"]);
    let unreadable = "You have specified a file (nowhere.xml) that is unable to be read.\n";
    assert_eq!((said.status, said.err.as_str()), (1, unreadable));
    // Options behind the manifest are not seen.
    let said = yard.run(&["build", "-l", "m.xml", "-R"]);
    assert_eq!(said.status, 0, "{}", said.err);
}

#[test]
fn steps_that_cannot_be() {
    let yard = Yard::new();
    yard.manifest("m", &SLIM[..3]);
    let first = |words: &[&str]| {
        let said = yard.run(words);
        (said.status, said.err.lines().next().unwrap_or("").to_string())
    };
    assert_eq!(first(&["build", "-p", "1", "m.xml"]).0, 0);
    for (words, status, line) in [
        (&["build", "-r", "nothing", "m.xml"][..], 1, "An invalid step (nothing) was specified."),
        (
            &["build", "-r", "slim-im-mod", "m.xml"],
            1,
            "You must specify an earlier step to resume at.",
        ),
        (
            &["build", "-R", "-r", "0", "m.xml"],
            2,
            "-R and -r cannot be specified for the same build. ",
        ),
        (
            &["build", "-l", "-p", "2", "m.xml"],
            2,
            "-l and -R, -r, or -p cannot be specified for the same build",
        ),
        (
            &["build", "-r", "1", "-p", "im-mod", "m.xml"],
            2,
            "The resume step must be earlier than the pause step.",
        ),
    ] {
        assert_eq!(first(words), (status, line.to_string()), "{words:?}");
    }
    // Another order of the steps is refused, another text only told of.
    let swapped = [SLIM[1], SLIM[0], SLIM[2]];
    yard.manifest("m", &swapped);
    assert_eq!(
        first(&["build", "-r", "1", "m.xml"]),
        (1, "The manifest file is inconsistent with your build area.".to_string())
    );
    let mut other = SLIM[..3].to_vec();
    other[2][1] = "another message";
    yard.manifest("m", &other);
    let said = yard.run(&["build", "-R", "m.xml"]);
    let warning = "WARNING: The manifest file, m.xml, has changed \n\
                   since Step(s)  im-pop im-mod was generated.\nResults may be indeterminate.\n";
    assert!(said.err.starts_with(warning) && said.status == 0, "{}", said.err);
    let without = "<checkpoint_enable>false</checkpoint_enable>";
    yard.manifest_with("m", &SLIM[..2], without);
    assert_eq!(first(&["build", "-R", "m.xml"]), (1, "Checkpointing is not available".to_string()));
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(yard.side_cars().is_empty());
}

#[test]
fn logs_hear_what_is_theirs() {
    let yard = Yard::new();
    let loud = yard.script("loud", "#!/bin/sh\necho to the log\necho to all >&2\n");
    yard.manifest("m", &[["loud", "Make noise", &loud, ""]]);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let (simple, detail) = (yard.log("simple"), yard.log("detail"));
    assert!(said.err.contains("\nto all\n") && !said.err.contains("to the log"), "{}", said.err);
    assert!(simple.contains("\nto all\n") && !simple.contains("to the log"), "{simple}");
    assert!(detail.contains("\nto all\n") && detail.contains("\nto the log\n"), "{detail}");
    let lines: Vec<&str> = said.err.lines().collect();
    for (line, start) in lines.iter().zip(["Simple Log: ", "Detail Log: ", "Build started "]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(lines[3], "Distribution name: Orchard");
    assert_eq!(lines[4], format!("Build Area mount point: {}", yard.path("area").display()));
    assert_eq!(lines[5], "==== loud: Make noise ");
    // The first two are said before the files are open.
    assert!(simple.starts_with("Build started "), "{simple}");
}

#[test]
fn an_image_that_ships_a_loader_starts_by_it() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::with_loader();
    let mut steps: Vec<_> = SLIM.iter().chain(&MEDIA).copied().collect();
    steps[9] = ["loader-setup", "Loader menu setup", "loader_setup.py", "livecd"];
    yard.manifest("m", &steps);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let medium = yard.path("area/media/Orchard.iso");
    let bytes = std::fs::read(&medium).unwrap();
    assert_eq!((bytes[0], &bytes[0x1fe..0x200]), (b'p', &[0x55, 0xaa][..]));
    assert_eq!((bytes[0x1be + 4], bytes[0x1ce + 4]), (0xbe, 0xef));
    let report = std::process::Command::new("xorriso")
        .args(["-indev", medium.to_str().unwrap(), "-report_el_torito", "plain"])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    for path in ["/boot/cdboot", "/boot/efiboot.img"] {
        assert!(report.contains(path), "{report}");
    }
    let conf = yard.path("area/build_data/pkg_image/boot/loader.conf");
    let conf = std::fs::read_to_string(conf).unwrap();
    assert!(conf.contains("loader_menu_title=\"Orchard 1\"\n"), "{conf}");
    let menu = yard.path("area/build_data/pkg_image/boot/menu.rc.local");
    let menu = std::fs::read_to_string(menu).unwrap();
    assert!(menu.contains("[6]=\"Boot from [H]ard Disk\"\n"), "{menu}");
    assert!(menu.contains("[6]=\"chain disk0:\"\n"), "{menu}");
}

#[test]
fn an_image_is_published_for_installation_servers() {
    let yard = Yard::new();
    let publish = ["ai-publish-pkg", "Publish Package", "ai_publish_pkg", ""];
    yard.manifest("m", &[SLIM[0], publish]);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let folder = yard.path("area/media/ai_image_repo/publisher/orchard.example/pkg");
    assert!(folder.join("install-image%2FOrchard").is_dir());

    for (argument, place) in [
        ("pkg_name=pkg://x/image/ai@2.1", "orchard.example/pkg/image%2Fai"),
        ("publisher_prefix=ai-image", "ai-image/pkg/install-image%2FOrchard"),
    ] {
        yard.manifest("m", &[SLIM[0], [publish[0], publish[1], publish[2], argument]]);
        let said = yard.run(&["build", "m.xml"]);
        assert_eq!(said.status, 0, "{}", said.err);
        let publishers = yard.path("area/media/ai_image_repo/publisher");
        assert!(publishers.join(place).is_dir(), "{place}");
    }
    for (argument, wanted) in [
        ("pkg_repo=file:///elsewhere", "step ai-publish-pkg: pkg_repo: the package comes to "),
        ("pkg_name=a b@x", "step ai-publish-pkg: package pkg://orchard.example/a b@x: "),
    ] {
        yard.manifest("m", &[SLIM[0], [publish[0], publish[1], publish[2], argument]]);
        let said = yard.run(&["build", "m.xml"]);
        assert!(said.status == 1 && said.err.contains(wanted), "{}", said.err);
        assert!(!said.err.contains("===="), "{}", said.err);
    }
}

#[test]
fn when_a_repository_got_its_packages_is_nowhere_in_the_image() {
    let (yard, other) = (Yard::new(), Yard::new());
    other.rebuild(100);
    for yard in [&yard, &other] {
        let manifest = yard.manifest("m", &SLIM);
        assert_eq!(yard.run(&["build", manifest.to_str().unwrap()]).status, 0);
    }
    let image = |yard: &Yard| common::files(&yard.path("area/build_data/pkg_image"));
    assert!(image(&yard) == image(&other), "another image");
    // Nor is, but in what the image knows of its publisher, a package it does not have.
    let table = |yard: &Yard| {
        let text = std::fs::read_to_string(yard.path("area/build_data/root.table")).unwrap();
        let own = text.lines().filter(|line| !line.contains(" var/pkg"));
        own.map(str::to_owned).collect::<Vec<_>>()
    };
    other.publish_beside(200);
    assert_eq!(other.run(&["build", "m.xml"]).status, 0);
    assert!(image(&yard) != image(&other), "nothing was made anew");
    assert_eq!(table(&yard), table(&other));
}

/// The directory's copy, as another build may find it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}

#[test]
fn after_a_change_the_medium_is_that_of_a_first_build_whenever_it_is_killed() {
    use std::io::BufRead;
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let (yard, other) = (Yard::new(), Yard::new());
    other.change();
    for yard in [&yard, &other] {
        slim(yard);
        assert_eq!(yard.run(&["build", "slim_cd_x86.xml"]).status, 0);
    }
    let wanted = media(&other.path("area/media"));
    assert!(media(&yard.path("area/media")) != wanted);
    yard.change();
    let (area, before) = (yard.path("area"), yard.path("before"));
    copy(&area, &before);
    // The line at which it is killed, of those that begin so; none: it is not.
    let install = ["Installing the designated packages", "Setting post-install"];
    let filling = install.map(|line| Some((line, 0)));
    let steps = [0, 3, 11].map(|step| Some(("====", step)));
    for step in [None].into_iter().chain(filling).chain(steps) {
        copy(&before, &area);
        if let Some((line, number)) = step {
            let mut command = yard.command(&["build", "slim_cd_x86.xml"]);
            let mut build = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
            let lines = std::io::BufReader::new(build.stderr.take().unwrap()).lines();
            let mut found = lines.map(Result::unwrap).filter(|said| said.starts_with(line));
            assert!(found.nth(number).is_some(), "{line}");
            build.kill().unwrap();
            build.wait().unwrap();
        }
        let said = yard.run(&["build", "slim_cd_x86.xml"]);
        assert_eq!(said.status, 0, "{step:?}: {}", said.err);
        assert!(media(&yard.path("area/media")) == wanted, "{step:?}: another medium");
        let left = yard.path("area/build_data/earlier");
        assert!(!left.exists(), "{step:?}");
    }
}

/// What a finished build made may be another name of what a checkpoint holds.
#[test]
fn who_writes_into_a_finished_build_is_told_what_that_costs() {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let yard = Yard::with_large();
    yard.manifest("m", &[SLIM[0], SLIM[3], SLIM[5], SLIM[6], SLIM[8]]);
    assert_eq!(yard.run(&["build", "m.xml"]).status, 0);
    let archive = yard.path("area/build_data/pkg_image/platform/i86pc/amd64/boot_archive");
    let wanted = std::fs::read(&archive).unwrap();
    if std::fs::metadata(&archive).unwrap().nlink() == 1 {
        eprintln!("SKIPPED: checkpoints are kept otherwise here");
        return;
    }
    let file = std::fs::File::options().write(true).open(&archive).unwrap();
    file.write_all_at(b"x", 7).unwrap();
    drop(file);
    let line = format!(
        "The checkpoint of step slim-post-mod does not count any more: {} was written into.\n",
        archive.display()
    );
    let said = yard.run(&["build", "-r", "slim-post-mod", "m.xml"]);
    assert_eq!(said.status, 1);
    assert!(said.err.starts_with("You must specify an earlier step"), "{}", said.err);
    assert!(said.err.ends_with(&line), "{}", said.err);
    // Who only builds has what he had.
    let said = yard.run(&["build", "-p", "slim-post-mod", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let heard = format!("{line}Unchanged since the last build: im-pop ba-init ba-config\n");
    assert!(said.err.contains(&heard), "{}", said.err);
    assert!(yard.log("simple").contains(&line));
    assert!(std::fs::read(&archive).unwrap() == wanted);
    let said = yard.run(&["build", "-r", "slim-post-mod", "m.xml"]);
    assert!(said.status == 0 && !said.err.contains("count any more"), "{}", said.err);
}

#[test]
fn packages_that_cannot_be_had_are_told_of_in_short_and_at_length() {
    let yard = Yard::new();
    assert!(yard.publish_text("depend type=require fmri=pkg:/nowhere@1\n"));
    let path = yard.manifest("m", &[SLIM[0]]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("<pkg name=\"entire\"", "<pkg name=\"entire@2.0\""))
        .unwrap();
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1);
    for wanted in [
        "Unable to retrieve all of the specified packages: No matching version of entire can be \
         installed.\n\nThis is due to the following root cause(s):\n\n  Package: pkg://",
        "\nThe above led to the rejection of ",
        "\nThe detail log has all of the rejected packages and detailed reasons.\nBuild completed ",
    ] {
        assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
    }
    assert!(!said.err.contains("-v option") && !said.err.contains("Reject:"), "{}", said.err);
    assert!(yard.log("detail").contains("  Reject:  pkg://"), "{}", yard.log("detail"));
}

/// Without stop_on_error an image has what can be had, as in the original.
#[test]
fn alternate_publishers_and_removals_that_fail_stop_only_who_wants_that() {
    for (stops, flags) in [(true, ""), (false, "<stop_on_error>false</stop_on_error>")] {
        let yard = Yard::new();
        let path = yard.manifest_with("m", &[SLIM[0]], flags);
        let text = std::fs::read_to_string(&path).unwrap();
        let alternate = "<pkg_repo_addl_authority><main url=\"file:///nowhere/at/all\" \
                         authname=\"other.example\"/></pkg_repo_addl_authority>\n    \
                         <post_install_repo_default_authority>";
        let with = text.replace("<post_install_repo_default_authority>", alternate);
        let removed = "</packages><post_install_remove_packages><pkg name=\"absent\"/>\
                       </post_install_remove_packages>";
        let without = text.replace("</packages>", removed);
        for (text, wanted) in [
            (with, "publisher other.example"),
            (without, "Unable to uninstall all of the specified packages: "),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = yard.run(&["build", "m.xml"]);
            assert_eq!(said.status, i32::from(stops), "{}", said.err);
            assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
            let left_out = "Unable to set alternate publisher for IPS image: other.example: ";
            let is_left_out = !stops && wanted.starts_with("publisher");
            assert_eq!(said.err.contains(left_out), is_left_out, "{}", said.err);
        }
    }
}
