//! Clients that mean no good, or are stuck, stop neither the engine nor another client.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use smf_configd::rights::Caller;
use smf_configd::{Host, Limits, Repository};
use smf_scf::handle::{CallError, Handle};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};
use smf_scf::protocol::{Choice, Expected, Query, Refusal, Request, Response, send};
use smf_scf::socket;

struct Served {
    root: tempfile::TempDir,
    host: Host,
}

const INSTANCE: &str = "svc:/a/b:c";

/// A repository of so many instances, served.
fn served(limits: Limits, instances: usize) -> Served {
    let root = tempfile::tempdir().unwrap();
    let (lasting, volatile) = (root.path().join("lasting.db"), root.path().join("volatile.db"));
    let mut repository = Repository::open(&lasting, &volatile).unwrap();
    let text = Property { kind: "astring".into(), values: vec!["x".repeat(4000)] };
    let group = Group {
        kind: "application".into(),
        properties: BTreeMap::from([("text".into(), text)]),
        ..Group::default()
    };
    let mut operations = vec![Operation::Add("svc:/a/b".into()), Operation::Add(INSTANCE.into())];
    for number in 0..instances {
        let fmri = format!("svc:/a/b:i{number}");
        operations.push(Operation::Add(fmri.clone()));
        operations.push(Operation::AddGroup(fmri, "p".into(), group.clone()));
    }
    repository.carry_out(&operations, &Caller::Owner).unwrap();
    let host = Host::new(repository).unwrap();
    host.serve_within(limits, &root.path().join("door"), root.path()).unwrap();
    Served { root, host }
}

impl Served {
    fn door(&self) -> PathBuf {
        self.root.path().join("door")
    }

    fn raw(&self) -> UnixStream {
        socket::connect(&self.door()).unwrap()
    }

    /// An ordinary client gets its answer and the engine its commit, at once.
    fn works(&self, what: &str) {
        let begun = Instant::now();
        let mut client = Handle::connect(&self.door()).unwrap();
        assert!(matches!(client.call(&Request::Entities), Ok(Response::Entities(_))), "{what}");
        let value = Property { kind: "astring".into(), values: vec![what.to_owned()] };
        self.host
            .update(|repository| {
                let group = Group { kind: "framework".into(), volatile: true, ..Group::default() };
                let (entity, name) = (INSTANCE.to_owned(), "restarter".to_owned());
                let add = Operation::AddGroup(entity.clone(), name.clone(), group);
                let there = repository.generation(&entity, &name) != 0;
                let set = Operation::Set(entity, name, "state".into(), value);
                if there { vec![set] } else { vec![add, set] }
            })
            .unwrap();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
}

/// Until the other side has closed.
fn until_closed(mut stream: &UnixStream) -> usize {
    let mut read = 0;
    let mut bytes = [0; 1 << 16];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return read,
            Ok(count) => read += count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return read,
            Err(error) => panic!("{error}"),
        }
    }
}

fn soon() -> Limits {
    let idle = Duration::from_millis(300);
    Limits { idle, message: Duration::from_millis(300), ..Limits::default() }
}

#[test]
fn what_is_no_message_ends_a_connection() {
    let served = served(Limits::default(), 0);
    let long = u32::try_from(Limits::default().request + 1).unwrap().to_be_bytes();
    let zeros = vec![0; 1 << 20];
    for (what, bytes) in [
        ("another protocol", &b"GET / HTTP/1.0\r\n\r\n"[..]),
        ("a length beyond every limit", b"\xff\xff\xff\xff"),
        ("a length just beyond the limit", &long),
        ("no JSON", b"\0\0\0\x03foo"),
        ("no request", b"\0\0\0\x06\"Nope\""),
        ("a request of another shape", b"\0\0\0\x12{\"Groups\":[1,2,3]}"),
        ("not UTF-8", b"\0\0\0\x04\"\xff\xfe\""),
        ("empty messages", &zeros),
        ("deep nesting", &[&b"\0\0\x10\0"[..], &[b'['; 0x1000]].concat()),
    ] {
        let mut stream = served.raw();
        // It may be closed before all is written.
        let _closed = stream.write_all(bytes);
        assert_eq!(until_closed(&stream), 0, "{what}");
        served.works(what);
    }
}

#[test]
fn whoever_is_slow_or_idle_is_let_go() {
    let served = served(soon(), 2000);
    let mut half = served.raw();
    half.write_all(b"\0\0\0\x10\"Enti").unwrap();
    let mut header = served.raw();
    header.write_all(b"\0\0").unwrap();
    let idle = served.raw();
    // Eight megabytes that nobody reads.
    let deaf = served.raw();
    let everything = Query { live: Choice::Everything, ..Query::default() };
    send(&deaf, &Request::Composed(everything)).unwrap();
    served.works("while they are stuck");
    for (what, stream) in [("half", &half), ("header", &header), ("idle", &idle)] {
        assert_eq!(until_closed(stream), 0, "{what}");
    }
    // A byte now and then is not enough either.
    let mut trickle = served.raw();
    trickle.write_all(&1000_u32.to_be_bytes()).unwrap();
    let begun = Instant::now();
    trickle.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while trickle.write_all(b" ").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "still heard");
        match trickle.read(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
            Ok(_) => panic!("an answer"),
        }
    }
    // What was written before it was given up is all that comes.
    assert!(until_closed(&deaf) < 2000 * 4000, "all of it came");
}

#[test]
fn a_client_that_was_let_go_while_idle_connects_again() {
    let served = served(soon(), 0);
    let mut client = Handle::connect(&served.door()).unwrap();
    for _ in 0..2 {
        assert!(client.call(&Request::Mark).is_ok());
        // Younger than the client's last question, and one as long again: when they have been
        // closed, one after the other, the client's connection is.
        for _ in 0..2 {
            let younger = served.raw();
            younger.set_read_timeout(None).unwrap();
            assert_eq!(until_closed(&younger), 0);
        }
    }
    assert!(client.call(&Request::Mark).is_ok());
}

#[test]
fn ten_thousand_connections() {
    let served = served(Limits::default(), 0);
    let mut held = Vec::new();
    for number in 0..10_000 {
        held.push(served.raw());
        if number % 1000 == 999 {
            served.works("among thousands");
        }
        // This process has not descriptors enough for both ends of all of them.
        if held.len() == 300 {
            held.remove(0);
        }
    }
    // Not one for each; the other tests of this program have some too.
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(threads < 4 * Limits::default().owner, "{threads} threads");
    drop(held);
    served.works("afterwards");
}

#[test]
fn waits_are_limited_and_wake() {
    let served = served(Limits { waits: 3, ..Limits::default() }, 0);
    let generation = served.host.read(|repository| repository.generation(INSTANCE, "restarter"));
    let known = Expected { entity: INSTANCE.into(), group: "restarter".into(), generation };
    let wait = Request::WaitGroup(known, 30_000);
    let (tell, told) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (door, wait, tell) = (served.door(), wait.clone(), tell.clone());
            std::thread::spawn(move || {
                tell.send(Handle::connect(&door).unwrap().call(&wait)).unwrap();
            })
        })
        .collect();
    // Those that are too many are told so while the others sleep.
    for _ in 0..5 {
        let answer = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(answer, Err(CallError::Refused(Refusal::Busy))), "{answer:?}");
    }
    served.works("while some sleep");
    for _ in 0..3 {
        let answer = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(answer, Ok(Response::Generation(_))), "{answer:?}");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn large_answers_hold_up_no_commit() {
    let served = served(Limits::default(), 3000);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let door = served.door();
    let hog = std::thread::spawn(move || {
        let everything = Query { live: Choice::Everything, ..Query::default() };
        let mut client = Handle::connect(&door).unwrap();
        while stopped.try_recv().is_err() {
            client.call(&Request::Composed(everything.clone())).unwrap();
        }
    });
    for _ in 0..20 {
        served.works("beside large answers");
    }
    stop.send(()).unwrap();
    hog.join().unwrap();
}

/// What this program does when it is started again as somebody else: asks, and says what it heard.
fn as_somebody(door: &Path) {
    let mut client = Handle::connect(door).unwrap();
    let Response::Groups(groups) = client.call(&Request::Groups(INSTANCE.into())).unwrap() else {
        panic!()
    };
    let secret = &groups["secret"].properties["key"].values;
    let hidden = client.call(&Request::Hidden(INSTANCE.into())).unwrap();
    let value = Property { kind: "count".into(), values: vec!["2".into()] };
    let set =
        |group: &str| Operation::Set(INSTANCE.into(), group.into(), "number".into(), value.clone());
    let mut may = |request: Request| match client.call(&request) {
        Ok(_) => "yes",
        Err(CallError::Refused(Refusal::Denied)) => "no",
        Err(error) => panic!("{error}"),
    };
    let open = may(Request::CarryOut(vec![set("open")]));
    let other = may(Request::CarryOut(vec![set("other")]));
    let delete = may(Request::Delete(INSTANCE.into()));
    let backup = may(Request::Backup("mine".into()));
    println!("\nheard {secret:?} {hidden:?} {open} {other} {delete} {backup}");
    // Sixty-four connections are what one may have; the owner's are others.
    let held: Vec<_> = (0..500).map(|_| socket::connect(door).unwrap()).collect();
    println!("\nholding {}", held.len());
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn the_credentials_of_the_socket_decide() {
    if let Some(door) = std::env::var_os("SMF_CONFIGD_TEST_DOOR") {
        as_somebody(Path::new(&door));
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can be somebody else");
        return;
    }
    let served = served(Limits::default(), 0);
    let words = |text: &str| Property { kind: "astring".into(), values: vec![text.into()] };
    let operations = |group: &str, rule: &str, name: &str, value: Property| {
        let kind = "application".to_owned();
        let properties =
            BTreeMap::from([(rule.to_owned(), words("site.one")), (name.into(), value)]);
        let group_of = Group { kind, volatile: false, properties };
        Operation::AddGroup(INSTANCE.into(), group.into(), group_of)
    };
    let number = Property { kind: "count".into(), values: vec!["1".into()] };
    served
        .host
        .update(|_| {
            vec![
                operations("secret", "read_authorization", "key", words("of life")),
                operations("open", "value_authorization", "number", number.clone()),
                operations("other", "unrelated", "number", number),
            ]
        })
        .unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(served.root.path(), 0o755);
    std::fs::create_dir_all(served.root.path().join("etc")).unwrap();
    for (entries, heard) in [
        ("", "[] Hidden([\"secret\"]) no no no no"),
        ("nobody::::auths=site.one\n", "[\"of life\"] Hidden([]) yes no no no"),
        ("nobody::::auths=solaris.smf.*\n", "[\"of life\"] Hidden([]) yes yes yes yes"),
    ] {
        std::fs::write(served.root.path().join("etc/user_attr"), entries).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_credentials_of_the_socket_decide", "--nocapture"])
            .env("SMF_CONFIGD_TEST_DOOR", served.door())
            .uid(65534)
            .gid(65534)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.find_map(|line| line.strip_prefix("heard ").map(str::to_owned)).unwrap();
        assert_eq!(said, heard, "{entries}");
        assert_eq!(lines.find(|line| line.starts_with("holding")).unwrap(), "holding 500");
        let begun = Instant::now();
        assert!(Handle::connect(&served.door()).unwrap().call(&Request::Mark).is_ok());
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
    let file = std::fs::metadata(served.root.path().join("lasting.db")).unwrap();
    assert_eq!(file.permissions().mode() & 0o077, 0, "nobody reads it past the server");
}

/// What this program does when it is started again to run out of descriptors: serves, takes all there
/// are, and gives them back when it is told.
fn in_want() {
    use nix::sys::resource::{Resource, setrlimit};
    let served = served(Limits::default(), 0);
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    // The server may have been about to use its own, and not have it yet.
    drop(taken.pop());
    println!("\nserves {}", served.door().display());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    drop(taken);
    println!("\nhas room");
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn without_descriptors_it_says_so() {
    if std::env::var_os("SMF_CONFIGD_TEST_WANT").is_some() {
        in_want();
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "without_descriptors_it_says_so", "--nocapture"])
        .env("SMF_CONFIGD_TEST_WANT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let door = lines.find_map(|line| line.strip_prefix("serves ").map(str::to_owned)).unwrap();
    let ask = || Handle::connect(Path::new(&door)).unwrap().call(&Request::Mark);
    // It may have one for whom it waited when they were taken, and one more.
    let _first = [(); 2].map(|()| socket::connect(Path::new(&door)).unwrap());
    for _ in 0..100 {
        let answer = ask();
        assert!(matches!(answer, Err(CallError::Refused(Refusal::Busy))), "{answer:?}");
    }
    writeln!(stdin).unwrap();
    assert!(lines.any(|line| line == "has room"));
    let answer = ask();
    assert!(answer.is_ok(), "{answer:?}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
