//! Clients that mean harm, or do it: what they get, and that others are served.

#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use depot::publisher::read;
use depot::{Answer, Depot};
use ips_model::Timestamp;
use ips_repository::Repository;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ips/client/tests/golden/repo")
}

const PAYLOAD: &str = "/file/1/856857035efe48f89ed6f9b949a3ac359afa0469";

#[test]
fn no_path_leads_out_of_the_repository() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("secret"), "secret of the host\n").unwrap();
    let repository = Repository::create(&place.path().join("repo")).unwrap();
    repository.add_publisher("new.example", Timestamp::from_seconds(1_700_000_000)).unwrap();
    let folder = repository.root().join("publisher/new.example");
    let hash = "ab".repeat(20);
    fs::create_dir_all(folder.join("file/ab")).unwrap();
    fs::create_dir_all(folder.join("pkg/linked")).unwrap();
    let secret = place.path().join("secret");
    for link in [
        "catalog/catalog.linked",
        &format!("file/ab/{hash}"),
        "pkg/linked/1%2C5.11%3A20240102T030405Z",
    ] {
        symlink(&secret, folder.join(link)).unwrap();
    }
    let depot = Depot::of(repository.root());
    let up = ["..", "%2e%2e", "%2E.", "..%2f..", "%252e%252e", "..%00", "..\\..", "%c0%ae%c0%ae"];
    let mut paths: Vec<String> = vec![
        "/catalog/1/catalog.linked".to_string(),
        format!("/file/1/{hash}"),
        "/manifest/0/linked@1%2C5.11%3A20240102T030405Z".to_string(),
        "/info/0/linked@1%2C5.11%3A20240102T030405Z".to_string(),
        "/catalog/1/catalog.attrs%00".to_string(),
        format!("/file/1/{hash}%00"),
        format!("/file/1/{hash}/../{hash}"),
        "//////".to_string(),
    ];
    for up in up {
        for rest in ["secret", "pkg5.repository"] {
            let far = [up; 4].join("/");
            let far = format!("{far}/{rest}");
            paths.extend(
                [
                    "",
                    "/catalog/1",
                    "/file/1",
                    "/manifest/0",
                    "/info/0",
                    "/p5i/0",
                    "/new.example/catalog/1",
                ]
                .map(|start| format!("{start}/{far}")),
            );
            paths.push(format!("/{up}/catalog/1/catalog.attrs"));
            paths.push(format!("/manifest/0/{}@1", far.replace('/', "%2F")));
            paths.push(format!("/file/1/{}", far.replace('/', "%2F")));
            paths.push(format!("/catalog/1/{}", far.replace('/', "%2f")));
        }
    }
    for path in paths {
        let answer = depot.get(&path);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        let told = answer.text();
        assert!(!told.contains("secret of the host") && !told.contains("[repository]"), "{path}");
    }
    assert_eq!(depot.get("/catalog/1/catalog.attrs").status, 200);
}

#[test]
fn what_is_too_much_or_ambiguous_ends_the_connection() {
    let depot = Depot::of(&golden());
    let head = |more: &str| format!("GET /versions/0/ HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let smuggled = "GET /status/0/ HTTP/1.1\r\nHost: x\r\n\r\n";
    for (request, status) in [
        (head(&format!("X: {}\r\n", "x".repeat(64 << 10))), 431),
        (head(&"X: x\r\n".repeat(500)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(64 << 10)), 431),
        (head("Content-Length: 44\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
        (head("Content-Length: 0\r\nContent-Length: 44\r\n"), 400),
        (head("Transfer-Encoding: xchunked\r\n"), 501),
        (head("Transfer-Encoding: chunked\r\n") + "zz\r\n", 400),
        ("\x16\x03\x01\x02\0\x01\r\n\r\n".to_string(), 400),
        ("GET /versions/0/ HTTP/1.1\r\n\r\n".to_string(), 400),
    ] {
        let mut stream = depot.connect();
        stream.write_all(format!("{request}{smuggled}").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        // Where the body alone makes no sense, the request before it may have got its answer.
        assert!(text.contains(&format!("HTTP/1.1 {status} ")), "{request:.80}: {text:.80}");
        assert!(!text.contains("application/json"), "{request:.80}");
    }
}

#[test]
fn a_request_that_comes_drop_by_drop_is_given_up() {
    let depot = Depot::with(&golden(), &["--readonly", "-t", "1"]);
    let mut slow = depot.connect();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let begun = Instant::now();
    let mut byte = [0];
    loop {
        // Another byte of a head that never ends; others are served all the while.
        let gone = slow.write_all(b"G").is_err();
        assert_eq!(depot.get("/versions/0/").status, 200);
        match slow.read(&mut byte) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(1) => {}
            Ok(_) | Err(_) => break,
        }
        assert!(!gone && begun.elapsed() < Duration::from_secs(20), "it is still there");
    }
    // One that says nothing at all goes the same way.
    let mut silent = depot.connect();
    assert_eq!(silent.read(&mut byte).unwrap(), 0);
}

/// Lets this process have `wanted` descriptors, or as many as it may.
fn descriptors(wanted: u64) -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let new = wanted.min(hard).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, new, hard).unwrap();
    new
}

fn ask(stream: &TcpStream, path: &str) -> Answer {
    let mut writer = stream;
    write!(writer, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    read(&mut BufReader::new(stream)).unwrap()
}

#[test]
fn ten_thousand_clients_are_served() {
    let count = (descriptors(10_100) - 100).min(10_000) as usize;
    let depot = Depot::of(&golden());
    let clients: Vec<TcpStream> = (0..count).map(|_| depot.connect()).collect();
    for (number, client) in clients.iter().enumerate() {
        let answer = ask(client, if number % 2 == 0 { "/versions/0/" } else { PAYLOAD });
        assert_eq!(answer.status, 200, "{number}");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", depot.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident < 30 << 10, "{resident} kB for {count} clients");
    println!("{count} clients, {resident} kB");
}

#[test]
fn where_descriptors_end_the_idlest_go_first() {
    let limited = ["prlimit", "--nofile=64:64"];
    let depot = Depot::under(&limited, &golden(), &["--readonly"]);
    let clients: Vec<TcpStream> = (0..300).map(|_| depot.connect()).collect();
    // The last one waits in the queue until those that say nothing are given up.
    let last = clients.last().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(ask(last, PAYLOAD).status, 200);
}

#[test]
fn requests_sent_without_reading_cost_little() {
    let depot = Depot::of(&golden());
    let mut greedy = depot.connect();
    greedy.set_nonblocking(true).unwrap();
    let requests = format!("GET {PAYLOAD} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(100);
    // Until the depot reads no more and the sockets are full.
    let mut full = 0;
    while full < 50 {
        match greedy.write(requests.as_bytes()) {
            Ok(sent) if sent > 0 => full = 0,
            Ok(_) | Err(_) => {
                full += 1;
                assert_eq!(depot.get(PAYLOAD).status, 200);
            }
        }
    }
    let cpu = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", depot.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // Nothing is done for a client that takes nothing: no event comes again and again.
    let (before, begun) = (cpu(), Instant::now());
    let mut quiet = depot.connect();
    quiet.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(quiet.read(&mut [0]).is_err());
    let ticks = cpu() - before;
    assert!(ticks <= 10, "{ticks} ticks of work in {:?}", begun.elapsed());
}
