//! world: built in order, stamped when built, resumed at what failed, cleaned.

#![allow(clippy::unwrap_used)]

mod place;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use place::Place;

const STAMP: &str = "20260101T000000Z";

#[test]
fn a_world_is_built_once_and_resumes_at_what_failed() {
    let place = Place::whole();
    let good = place.read("projects/illumos-extra/Makefile");
    let broken = "all:\n\t@echo 'x.c:3:1: error: no such thing' >&2; echo later >&2; exit 1\n";
    place.write("projects/illumos-extra/Makefile", broken);
    let said = place
        .world(&[])
        .fails(&["live-world: extra: x.c:3:1: error: no such thing; log: ", "/log/world.extra."]);
    let log = said.trim_end().rsplit("log: ").next().unwrap().to_owned();
    assert!(fs::read_to_string(&log).unwrap().contains("later\n"), "{log}");
    assert_eq!((place.stamps(), place.built()), ("illumos".into(), vec![1, 0, 0, 0]));
    // Readers who know it as build find it there.
    assert!(!place.names("build").is_empty());

    place.write("projects/illumos-extra/Makefile", &good);
    let out = place.world(&[]).ok();
    assert!(!out.contains("illumos: building") && out.contains("extra: done"), "{out}");
    assert_eq!(place.stamps(), "extra illumos livesrc local-one");
    assert_eq!(place.built(), [1, 1, 1, 1]);
    assert_eq!(place.world(&[]).ok(), "");
    assert_eq!(place.names("proto/usr/lib"), ["extra", "live", "one"]);

    // A step by its name; one whose stamp is removed takes along what needs it.
    fs::remove_file(place.path("0-local-one-stamp")).unwrap();
    place.world(&["extra"]).ok();
    assert_eq!(place.built(), [1, 1, 1, 1]);
    let listed = place.world(&["--list"]).ok();
    let due: Vec<&str> = listed.lines().filter(|line| line.ends_with("due")).collect();
    assert_eq!(due.len(), 2, "{listed}");
    place.world(&[]).ok();
    assert_eq!(place.built(), [1, 1, 2, 2]);
    place.world(&["nothing"]).fails(&["live-world: nothing: no step"]);
}

#[test]
fn one_buildstamp_for_all() {
    let place = Place::whole();
    let with = |stamp: &str| {
        let output = place.command("live-world").env("BUILDSTAMP", stamp).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = with("today");
    assert!(status == Some(1) && said.contains("\"today\" is no buildstamp"), "{said}");
    assert_eq!(with(STAMP).0, Some(0));
    assert_eq!(place.read("proto/buildstamp"), format!("{STAMP}\n"));
    assert_eq!(place.read("proto/usr/bin/gate"), format!("{STAMP} 1767225600\n"));
    assert_eq!(place.read("0-illumos-stamp"), format!("{STAMP}\n"));
    place.world(&[]).ok();
    let (status, said) = with("20260101T000001Z");
    assert!(status == Some(1) && said.contains("clean first"), "{said}");
    place.world(&["--clean"]).ok();
    assert_eq!(with("20260101T000001Z").0, Some(0));
}

#[test]
fn clean_leaves_nothing_that_world_made() {
    let place = Place::whole();
    place.world(&[]).ok();
    place.write("output/platform-x/unix", "");
    fs::create_dir_all(place.path("proto/closed/below")).unwrap();
    place.types("chmod 0500 proto/closed");
    place.world(&["--clean"]).ok();
    assert_eq!((place.stamps(), place.path("proto").exists()), (String::new(), false));
    for made in ["projects/illumos/built", "projects/illumos-extra/made", "src/made"] {
        assert!(!place.path(made).exists(), "{made}");
    }
    assert!(place.path("output/platform-x").exists() && !place.names("log").is_empty());
    place.world(&[]).ok();

    // A source that cannot be cleaned keeps nothing else from it.
    place.write("src/Makefile", "clean:\n\t@echo stuck >&2; exit 1\n");
    place.world(&["--clobber"]).fails(&["/src: ", " clean: "]);
    assert_eq!((place.stamps(), place.path("proto").exists()), (String::new(), false));
    assert_eq!(place.names("log"), ["lock"]);
    assert!(!place.path("output").exists());
}

#[test]
fn two_at_once_build_once() {
    let place = Place::whole();
    let mut both: Vec<_> = (0..2).map(|_| place.command("live-world").spawn().unwrap()).collect();
    for one in &mut both {
        assert!(one.wait().unwrap().success());
    }
    assert_eq!(place.built(), [1, 1, 1, 1]);
}

#[test]
fn killed_at_work_it_is_begun_again() {
    let place = Place::whole();
    // It tells that it has come half-way, and waits for ever.
    let fifo = "projects/illumos-extra/half";
    place.types(&format!("mkfifo {fifo} {fifo}-2"));
    let good = place.read("projects/illumos-extra/Makefile");
    let waits = "all:\n\techo torn >made; echo >half; cat half-2\n";
    place.write("projects/illumos-extra/Makefile", waits);
    let mut world = place.command("live-world").spawn().unwrap();
    fs::read(place.path(fifo)).unwrap();
    world.kill().unwrap();
    world.wait().unwrap();
    assert_eq!(place.stamps(), "illumos");
    // What it started is still at work: nobody works beside it.
    place.write("projects/illumos-extra/Makefile", &good);
    place.configure(&[]).fails(&["another configure or world works here"]);
    let mut again = place.command("live-world").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(again.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.ends_with("works here: waiting for it\n"), "{line}");
    assert_eq!(place.built(), [1, 0, 0, 0]);
    fs::write(place.path(&format!("{fifo}-2")), "").unwrap();
    std::io::copy(&mut said, &mut std::io::sink()).unwrap();
    assert!(again.wait().unwrap().success());
    assert_eq!(place.built(), [1, 1, 1, 1]);
    assert_eq!(place.read("proto/usr/lib/extra"), "made\n");
}

#[test]
fn asked_to_end_it_ends_with_all_it_started() {
    let place = Place::whole();
    let fifo = "projects/illumos-extra/half";
    place.types(&format!("mkfifo {fifo} {fifo}-2"));
    let good = place.read("projects/illumos-extra/Makefile");
    place.write("projects/illumos-extra/Makefile", "all:\n\techo >half; cat half-2\n");
    let mut command = place.command("live-world");
    let world = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    fs::read(place.path(fifo)).unwrap();
    place.types(&format!("kill -INT {}", world.id()));
    let said = world.wait_with_output().unwrap();
    let text = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(130), "{text}");
    assert_eq!(text, "live-world: stopped by SIGINT; the same command goes on\n");
    assert_eq!(place.stamps(), "illumos");
    place.write("projects/illumos-extra/Makefile", &good);
    let out = place.world(&[]).ok();
    assert!(!out.contains("waiting"), "{out}");
}

#[test]
fn killed_at_any_line_the_world_comes_out_the_same() {
    let built = |place: &Place| -> Vec<String> {
        let proto = place.path("proto");
        ["buildstamp", "usr/bin/gate", "usr/lib/extra", "usr/lib/live", "usr/lib/one"]
            .map(|file| fs::read_to_string(proto.join(file)).unwrap())
            .into()
    };
    let place = Place::whole();
    let start = || {
        let mut command = place.command("live-world");
        command.env("BUILDSTAMP", STAMP).stdout(Stdio::piped()).spawn().unwrap()
    };
    let want = {
        assert!(start().wait().unwrap().success());
        built(&place)
    };
    for last in 1..10 {
        place.world(&["--clean"]).ok();
        let mut world = start();
        let said = BufReader::new(world.stdout.take().unwrap());
        let heard = said.lines().take(last).filter(Result::is_ok).count();
        world.kill().unwrap();
        world.wait().unwrap();
        assert_eq!(heard, last);
        place.world(&[]).ok();
        assert_eq!(built(&place), want, "killed after line {last}");
        assert_eq!(place.stamps(), "extra illumos livesrc local-one");
    }
}

#[test]
fn a_full_disk_leaves_no_stamp() {
    if !mounts::are_own("a_full_disk_leaves_no_stamp") {
        return;
    }
    let place = Place::whole();
    let small = place.path("log");
    fs::remove_dir_all(&small).unwrap();
    mounts::mount("size=16k", &small);
    let loud =
        "all:\n\t@i=0; while [ $$i -lt 2000 ]; do echo line $$i of many; i=$$((i+1)); done\n";
    let good = place.read("projects/illumos-extra/Makefile");
    place.write("projects/illumos-extra/Makefile", loud);
    place.world(&[]).fails(&["live-world: ", "/log/world.extra.", "No space left on device"]);
    assert_eq!(place.stamps(), "illumos");
    place.write("projects/illumos-extra/Makefile", &good);
    place.world(&[]).ok();
    assert_eq!(place.stamps(), "extra illumos livesrc local-one");
}

#[test]
fn nightly_s_own_logs_tell_the_first_error() {
    let place = Place::whole();
    place.write(
        "projects/illumos/usr/src/tools/scripts/nightly.sh",
        "#!/bin/sh\n. \"./$1\"\nmkdir -p \"$ATLOG/log.2026-01-01.00:00\"\n\
         cat >\"$ATLOG/log.2026-01-01.00:00/mail_msg\" <<E\n==== Build errors (DEBUG) ====\n\n\
         dmake: Fatal error: Command failed for target x\n../y.c:1:2: error: z\nE\necho silent\nexit 1\n",
    );
    let said = place.world(&[]);
    assert!(said.out.contains("nightly's logs: ") && said.out.contains("log.2026"), "{}", said.out);
    said.fails(&["live-world: illumos: ../y.c:1:2: error: z (Build errors (DEBUG)); log: "]);
}

#[test]
fn a_proto_area_of_elsewhere_is_taken() {
    let place = Place::bare("ILLUMOS_PROTO=../elsewhere/proto\n");
    for below in ["projects/illumos-extra", "src"] {
        place.write(&format!("{below}/Makefile"), "all install:\n");
    }
    place.types("mkdir -p ../elsewhere/proto/usr/bin; cd ../elsewhere/proto/usr/bin; echo x >a; chmod 4555 a; ln a b; ln -s gone c");
    place.configure(&[]).ok();
    place.world(&[]).ok();
    let about = fs::metadata(place.path("proto/usr/bin/a")).unwrap();
    assert_eq!((about.nlink(), about.mode() & 0o7777), (2, 0o4555));
    assert_eq!(fs::read_link(place.path("proto/usr/bin/c")).unwrap().to_str(), Some("gone"));
    fs::remove_dir_all(place.path("../elsewhere")).unwrap();
    fs::remove_file(place.path("0-illumos-stamp")).unwrap();
    place.world(&[]).fails(&["live-world: illumos: ", "log: "]);
    assert_eq!(place.stamps(), "extra livesrc");
}

#[test]
fn update_pulls_what_is_a_clone() {
    let place = Place::whole();
    place.world(&[]).ok();
    place.types(
        "cp -R projects/illumos-extra ../upstream; cd ../upstream
         git init -q -b trunk; git add .; git commit -qm one; cd ../w
         rm -r projects/illumos-extra; git clone -q ../upstream projects/illumos-extra",
    );
    let out = place.world(&["--update"]).ok();
    assert!(out.contains("projects/illumos-extra: nothing new\n"), "{out}");
    assert!(out.contains("projects/illumos: not a clone\n"), "{out}");
    place.types("cd ../upstream; echo x >new; git add new; git commit -qm two");
    let out = place.world(&["--update"]).ok();
    assert!(out.contains("projects/illumos-extra: updated\n"), "{out}");
    assert_eq!(place.stamps(), "illumos livesrc local-one");
    place.types("cd ../upstream; echo y >new; git commit -qam three; echo mine >../w/projects/illumos-extra/new");
    place.world(&["--update"]).fails(&["live-world: projects/illumos-extra: "]);
    assert_eq!(place.read("projects/illumos-extra/new"), "mine\n");
}

#[test]
fn usage() {
    let place = Place::whole();
    for words in [&["--nonsense"][..], &["--clean", "extra"], &["-j", "x"]] {
        let said = place.world(words);
        assert!(said.status == 2 && said.err.contains("usage: live-world"), "{}", said.err);
    }
    assert!(place.world(&["--help"]).ok().contains("livesrc"));
    fs::remove_file(place.path("build.env")).unwrap();
    place.world(&[]).fails(&["run ./configure first"]);
}
