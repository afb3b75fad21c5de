//! A depot at work: clients, refresh, and what it says when it cannot start.

#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use depot::Depot;
use ips_client::{
    Control, Origin, PopulateOptions, ReceiveOptions, Source, SourceError, populate, receive,
};
use ips_model::{Fmri, Pattern, Timestamp};
use ips_repository::Repository;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ips/client/tests/golden/repo")
}

fn publisher(path: &Path, name: &str) {
    let repository = Repository::create(path).unwrap();
    repository.add_publisher(name, Timestamp::from_seconds(1_700_000_000)).unwrap();
}

/// One request on a connection that stays; the body.
fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> String {
    write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "the depot hung up");
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8_lossy(&body).into_owned()
}

#[test]
fn a_client_receives_and_fills_a_root_over_http() {
    let place = tempfile::tempdir().unwrap();
    let depot = Depot::of(&golden());
    let origin = Origin::parse(&format!("http://127.0.0.1:{}", depot.port)).unwrap();
    let source = Source::open(&origin).unwrap();
    let local = Source::open(&Origin::directory(&golden())).unwrap();
    assert_eq!(source.packages().len(), local.packages().len());
    let destination = Repository::create(&place.path().join("repo")).unwrap();
    let options = ReceiveOptions::at(Timestamp::from_seconds(1_800_000_000));
    let came = receive(&[&source], &destination, &[], &options, &Control::silent()).unwrap();
    assert_eq!((came.packages.len(), came.held.len()), (25, 0));
    let again = receive(&[&local], &destination, &[], &options, &Control::silent()).unwrap();
    assert_eq!((again.packages.len(), again.held.len()), (0, 25));

    let patterns = ["entire", "fruit/pear"].map(|text| Pattern::parse(text).unwrap());
    let trees = [&source, &local].map(|source| {
        let root = tempfile::tempdir_in(place.path()).unwrap();
        let options = PopulateOptions::default();
        populate(source, &patterns, root.path(), &options, &Control::silent()).unwrap().tree
    });
    assert_eq!(trees[0], trees[1]);
    let absent = Fmri::parse("pkg://orchard.example/none@1:20240102T030405Z").unwrap();
    assert!(matches!(source.manifest(&absent), Err(SourceError::NoPackage { .. })));
}

#[test]
fn refresh_follows_the_link_and_keeps_connections() {
    let place = tempfile::tempdir().unwrap();
    for (name, prefix) in [("1", "one.example"), ("2", "two.example")] {
        fs::create_dir_all(place.path().join("out").join(name)).unwrap();
        publisher(&place.path().join("out").join(name).join("repo"), prefix);
    }
    let current = place.path().join("current");
    symlink("out/1", &current).unwrap();
    let depot = Depot::of(&current.join("repo"));
    let mut stream = BufReader::new(depot.connect());
    assert!(ask(&mut stream, "/publisher/0/").contains("one.example"));
    let beside = place.path().join("beside");
    symlink("out/2", &beside).unwrap();
    fs::rename(&beside, &current).unwrap();
    kill(Pid::from_raw(depot.pid()), Signal::SIGUSR1).unwrap();
    // The signal has no answer; what it did is seen on the same connection.
    while !ask(&mut stream, "/publisher/0/").contains("two.example") {}
    assert!(ask(&mut stream, "/two.example/catalog/1/catalog.attrs").contains("_SIGNATURE"));
    let refused = ask(&mut stream, "/one.example/catalog/1/catalog.attrs");
    assert!(refused.contains("Unknown publisher: one.example"), "{refused}");

    fs::remove_file(&current).unwrap();
    kill(Pid::from_raw(depot.pid()), Signal::SIGUSR1).unwrap();
    // Nothing there now: what was known stays, and the depot too.
    assert!(ask(&mut stream, "/publisher/0/").contains("two.example"));
}

fn run(arguments: &[&str]) -> (i32, String) {
    let said = Command::new(env!("CARGO_BIN_EXE_pkg-depotd")).args(arguments).output().unwrap();
    (said.status.code().unwrap(), String::from_utf8_lossy(&said.stderr).into_owned())
}

#[test]
fn what_keeps_it_from_serving_is_said() {
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("repo");
    publisher(&repository, "one.example");
    let repository = repository.to_str().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    for daemon in [&[][..], &["--daemon"]] {
        let words = [daemon, &["-d", repository, "-a", "127.0.0.1", "-p", &port]].concat();
        let (status, said) = run(&words);
        assert_eq!(status, 1);
        assert!(said.contains(&port) && said.contains("in use"), "{said}");
    }
    let none = place.path().join("none");
    let (status, said) = run(&["-d", none.to_str().unwrap(), "-p", "0"]);
    assert_eq!(status, 1);
    assert!(said.contains("none' does not contain a valid package repository"), "{said}");
    assert_eq!(run(&["--frobnicate"]).0, 2);
}

#[test]
fn a_daemon_serves_when_its_starter_returns() {
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("repo");
    publisher(&repository, "one.example");
    let said = Command::new(env!("CARGO_BIN_EXE_pkg-depotd"))
        .args(["--daemon", "-a", "127.0.0.1", "-p", "0", "--log-errors", "none"])
        .arg("-d")
        .arg(&repository)
        .stderr(std::process::Stdio::null())
        .output()
        .unwrap();
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{line}");
    let port: u16 = line.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let pid = listener(port);
    let served = TcpStream::connect(("127.0.0.1", port)).map(|stream| {
        let mut stream = BufReader::new(stream);
        ask(&mut stream, "/versions/0/")
    });
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(served.unwrap().starts_with("pkg-server "));
}

/// The process whose socket listens on a port of 127.0.0.1.
fn listener(port: u16) -> Pid {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let address = format!("0100007F:{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let inode = rows.filter(|row| row.get(1) == Some(&address.as_str()) && row[3] == "0A");
    let inode = inode.map(|row| row[9].to_string()).next().expect("somebody listens");
    let socket = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let descriptors = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        let mut links = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        if links.any(|link| link.to_string_lossy() == socket) {
            return Pid::from_raw(pid);
        }
    }
    panic!("no process has {socket}");
}

/// A repository of version 3 is served as one of version 4 is, for reading.
#[test]
fn an_older_repository_is_served() {
    let place = tempfile::tempdir().unwrap();
    let (old, name) = (place.path().join("old"), "orchard.example");
    fs::create_dir(&old).unwrap();
    for part in ["catalog", "pkg"] {
        depot::copy(&golden().join("publisher").join(name).join(part), &old.join(part));
    }
    for folder in fs::read_dir(golden().join("publisher").join(name).join("file")).unwrap() {
        for payload in fs::read_dir(folder.unwrap().path()).unwrap() {
            let hash = payload.as_ref().unwrap().file_name().into_string().unwrap();
            let there = old.join("file").join(&hash[..2]).join(&hash[2..8]);
            fs::create_dir_all(&there).unwrap();
            fs::copy(payload.unwrap().path(), there.join(hash)).unwrap();
        }
    }
    fs::write(old.join("cfg_cache"), format!("[publisher]\nprefix = {name}\n")).unwrap();
    let depot = Depot::of(&old);
    let origin = Origin::parse(&format!("http://127.0.0.1:{}", depot.port)).unwrap();
    let source = Source::open(&origin).unwrap();
    let destination = Repository::create(&place.path().join("repo")).unwrap();
    let options = ReceiveOptions::at(Timestamp::from_seconds(1_800_000_000));
    receive(&[&source], &destination, &[], &options, &Control::silent()).unwrap();
    let taken = destination.packages().unwrap();
    assert!(taken.len() > 5 && taken.len() == source.packages().len(), "{taken:?}");
    for fmri in &taken {
        let old = Repository::open(&old).unwrap();
        assert_eq!(destination.manifest_text(fmri).unwrap(), old.manifest_text(fmri).unwrap());
    }
    // Nothing is taken, though nobody said --readonly.
    let stream = TcpStream::connect(("127.0.0.1", depot.port)).unwrap();
    let offered = ask(&mut BufReader::new(stream), "/versions/0/");
    assert!(offered.contains("\nmanifest 0") && !offered.contains("\nopen"), "{offered}");
}
