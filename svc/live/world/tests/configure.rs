//! configure: everything that is wrong is told at once; what is missing comes, whole or not at all.

#![allow(clippy::unwrap_used)]

mod place;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;

use place::Place;

#[test]
fn everything_that_is_wrong_is_told_at_once_with_what_mends_it() {
    let place = Place::bare("NEED_MB=99999999999\nSPRO_ROOT=/nowhere/spro\n");
    place.write("configure-buildver", "../x\n");
    place.write("configure-branches", "illumos\n");
    place.write("proto", "a file\n");
    fs::create_dir(place.path("projects")).unwrap();
    symlink("gone", place.path("projects/illumos-extra")).unwrap();
    let before = place.names("");
    let wanted = [
        "configure-buildver: \"../x\" cannot be part of a file name",
        "configure-branches: line 1: \"illumos\"",
        "proto: not a directory",
        "projects/illumos: is not there, and GET_ILLUMOS is not set",
        "projects/illumos-extra: a link to gone, which is not there",
        "MB are free, 99999999999 are needed",
        "/nowhere/spro: no Studio compiler",
        "configure: 7 things are wrong; nothing was written",
    ];
    let said = place.configure(&[]).fails(&wanted);
    assert_eq!(said.matches("\n  mend: ").count(), 7, "{said}");
    assert_eq!(place.names(""), before);
    assert!(said.contains("/proto: not a directory\n  mend: mv "), "{said}");
    place.configure(&["--check"]).fails(&wanted);
}

#[test]
fn a_site_file_that_fails_hides_nothing() {
    let place = Place::bare("PUBLISHER=x\nfi\n");
    place.configure(&[]).fails(&[
        "./configure.site: ",
        "yntax error",
        "projects/illumos: is not there",
        "nothing was written",
    ]);
}

#[test]
fn tools_that_are_missing_are_installed_by_one_command() {
    let place = Place::bare("ROOTCMD=doas\nON_CLOSED_BINS_URL=/nonexistent/closed.tar.xz\n");
    let said = place.command("live-configure").env("PATH", place.path("none")).output().unwrap();
    let err = String::from_utf8(said.stderr).unwrap();
    let line = err.lines().find(|line| line.contains("not in PATH: ")).unwrap_or_default();
    for tool in ["gcc", "make", "objcopy", "tar", "xz"] {
        assert!(line.contains(tool), "{tool}: {err}");
    }
    if cfg!(target_os = "linux") {
        assert_eq!(
            err.matches("apt-get install -y gcc binutils make tar xz-utils\n").count(),
            1,
            "{err}"
        );
    }
    assert_eq!(said.status.code(), Some(1));
}

#[test]
fn usage() {
    let place = Place::bare("");
    for words in [&["--nonsense"][..], &["word"], &["-C"]] {
        let said = place.configure(words);
        assert!(said.status == 2 && said.err.contains("usage: configure"), "{}", said.err);
    }
    let help = place.configure(&["--help"]).ok();
    assert!(help.contains("--check") && help.contains("GET_ILLUMOS "), "{help}");
    let said = place.configure(&["-C", "/nonexistent"]);
    assert!(said.status == 1 && said.err.contains("/nonexistent: No such file"), "{}", said.err);
}

#[test]
fn what_is_missing_comes_by_clone_command_and_archive() {
    let place = Place::bare(
        "GET_ILLUMOS=\"file://$PWD/../gate\"\n\
         GET_ILLUMOS_EXTRA='mkdir illumos-extra && : >illumos-extra/Makefile'\n\
         GET_OPENSOLARIS_MAN=\"$PWD/../man.tar.gz\"\nPUBLISHER=p.example\n",
    );
    place.gate("../gate");
    place.types(
        "cd ../gate; git init -q -b trunk; git add .; git commit -qm one
         git branch release; echo x >new; git add new; git commit -qm two
         mkdir -p ../man/man1; echo page >../man/README; cd ..; tar czf man.tar.gz man",
    );
    place.write("configure-branches", "illumos: release\n");
    place.write("configure-buildver", "rel1\n");
    // What a run that was killed left.
    place.write("projects/.get.illumos/half", "");
    place.configure(&["--check"]).ok();
    assert!(!place.path("projects/illumos").exists() && !place.path("build.env").exists());

    place.configure(&[]).ok();
    assert_eq!(place.names("projects"), ["illumos", "illumos-extra", "opensolaris-man"]);
    assert_eq!(place.read("projects/opensolaris-man/README"), "page\n");
    assert!(!place.path("projects/illumos/new").exists(), "the branch is the one asked for");
    let environment = place.read("projects/illumos/illumos.sh");
    let proto = place.path("proto").canonicalize().unwrap_or(place.path("proto"));
    assert!(environment.contains(&format!("ROOT='{}'", proto.display())), "{environment}");
    assert!(environment.contains("PKGPUBLISHER_REDIST='p.example'"), "{environment}");
    assert!(place.read("build.env").contains("BUILDVER=rel1\n"));

    // Again: nothing to do.  Another branch: switched, unless something would be lost.
    let out = place.configure(&[]).ok();
    assert!(!out.contains("bringing"), "{out}");
    place.write("configure-branches", "illumos: trunk\n");
    place.configure(&[]).ok();
    assert!(place.path("projects/illumos/new").exists());
    place.write("configure-branches", "illumos: gone\n");
    place.configure(&[]).fails(&["projects/illumos: git checkout gone: ", "mend: commit what"]);
}

#[test]
fn what_comes_wrong_does_not_come() {
    let place = Place::bare(
        "GET_ILLUMOS='mkdir other'\nGET_ILLUMOS_EXTRA=file:///nonexistent/gate\n\
         GET_OPENSOLARIS_MAN=\"$PWD/../man.tar\"\nGET_OPENSOLARIS_MAN_SHA256=00\n",
    );
    place.types("mkdir ../man; echo page >../man/README; tar cf ../man.tar -C .. man");
    place.configure(&[]).fails(&[
        "illumos: mkdir other: made no illumos",
        "illumos-extra: git clone file:///nonexistent/gate: ",
        "opensolaris-man: ",
        "its SHA-256 is ",
        "3 things are wrong",
    ]);
    let there = place.names("projects");
    assert!(there.iter().all(|name| name.starts_with(".get.")), "{there:?}");
    assert!(!place.path("build.env").exists());
}

/// Answers one request after the other with these, and closes.
fn serve(answers: Vec<Vec<u8>>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            stream.write_all(&answer).unwrap();
        }
    });
    format!("http://{address}/man.tar")
}

#[test]
fn an_archive_comes_over_the_net_whole() {
    let place = Place::bare("");
    place.gate("projects/illumos");
    place.write("projects/illumos-extra/Makefile", "");
    place.types("mkdir ../man; echo page >../man/README; tar cf ../man.tar -C .. man");
    let archive = fs::read(place.path("../man.tar")).unwrap();
    let head = |length: usize| {
        let text =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        text.into_bytes()
    };
    let absent = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let cut = [head(archive.len()), archive[..1000].to_vec()].concat();
    let whole = [head(archive.len()), archive].concat();
    let url = serve(vec![absent.to_vec(), cut, whole]);
    place.write("configure.site", &format!("GET_OPENSOLARIS_MAN={url}\n"));
    place.configure(&[]).fails(&["opensolaris-man: http://", "404"]);
    place.configure(&[]).fails(&["opensolaris-man: http://"]);
    assert!(!place.path("projects/opensolaris-man").exists());
    place.configure(&[]).ok();
    assert_eq!(place.read("projects/opensolaris-man/README"), "page\n");
}

#[test]
fn closed_binaries_come_into_the_gate() {
    let place = Place::bare("ON_CLOSED_BINS_URL=\"file://$PWD/../closed.tar\"\n");
    place.gate("projects/illumos");
    let own = place.read("projects/illumos/usr/src/tools/env/illumos.sh");
    let names = "export ON_CLOSED_BINS=\"$CODEMGR_WS/closed\"\n";
    place.write("projects/illumos/usr/src/tools/env/illumos.sh", &(own + names));
    place.write("projects/illumos-extra/Makefile", "");
    place.types("mkdir -p ../closed/root_i386/lib; : >../closed/root_i386/lib/x; tar cf ../closed.tar -C .. closed");
    place.configure(&[]).ok();
    assert!(place.path("projects/illumos/closed/root_i386/lib/x").exists());
    let environment = place.read("projects/illumos/illumos.sh");
    assert!(environment.contains("/projects/illumos/closed'; export ON_CLOSED_BINS\n"));
    fs::remove_dir_all(place.path("projects/illumos/closed")).unwrap();
    place.write("configure.site", "");
    place.configure(&[]).fails(&["has no closed binaries", "mend: set ON_CLOSED_BINS_URL"]);
}

#[test]
fn the_real_gate_is_for_illumos() {
    let place = Place::bare("");
    place.gate("projects/illumos");
    place.write("projects/illumos-extra/Makefile", "");
    place.configure(&[]).ok();
    fs::create_dir_all(place.path("projects/illumos/usr/src/cmd/sgs")).unwrap();
    if cfg!(target_os = "linux") {
        place.configure(&[]).fails(&["illumos-gate is compiled on illumos only", "ILLUMOS_PROTO"]);
        place.write("configure.site", "ILLUMOS_PROTO=elsewhere\n");
        place.configure(&[]).fails(&["ILLUMOS_PROTO: elsewhere: is no proto area"]);
        fs::create_dir_all(place.path("elsewhere/usr/bin")).unwrap();
        place.configure(&[]).ok();
    }
}
