//! ManifestServ and ManifestRead as scripts and users run them, and clients that mean harm.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;

use image_manifest::Document;
use imager::socket::Server;

const SERVE: &str = env!("CARGO_BIN_EXE_ManifestServ");
const READ: &str = env!("CARGO_BIN_EXE_ManifestRead");

fn slim() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/images/slim_cd_x86.xml")
}

fn output(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// ManifestServ -s while it serves.
struct Serving {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    socket: String,
}

impl Serving {
    fn start() -> Self {
        let mut child = Command::new(SERVE)
            .arg("-s")
            .arg(slim())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let socket = line.trim().strip_prefix("Connect to socket with name ").unwrap().to_owned();
        assert_eq!(socket, format!("/tmp/ManifestServ.{}", child.id()));
        Self { child, input, output, socket }
    }

    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        self.ended()
    }

    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(!Path::new(&self.socket).exists(), "{} is left", self.socket);
        (status.code(), rest)
    }
}

#[test]
fn manifestread_prints_values() {
    let serving = Serving::start();
    let socket = serving.socket.as_str();
    for (arguments, expected) in [
        (&[socket, "name"][..], "Lamplighter_Sample\n"),
        (&["-r", socket, "name"], "name: Lamplighter_Sample\n"),
        (
            &[socket, "name", "img_params/hostname"],
            "name: Lamplighter_Sample\nimg_params/hostname: lamplighter\n",
        ),
        (
            &[socket, "img_params/pkg_repo_addl_authority/main/authname"],
            "pkg5.example\n\
            caiman.example\n",
        ),
        (&["-k", socket, "iso_sort"], ""),
        (&[socket, "none"], ""),
        (&[socket, "/none"], ""),
        (&[socket], ""),
        (&[socket, "-r"], ""),
    ] {
        let read = output(READ, arguments, "");
        assert_eq!(text(&read.stdout), expected, "{arguments:?}");
        assert_eq!(read.status.code(), Some(0), "{arguments:?}");
        assert!(read.stderr.is_empty(), "{arguments:?}");
    }
    let read = output(READ, &["-d", socket, "name"], "");
    let lines = "Sending pre-request: 0 000004\nSending request: name\nReceiving 1 results...\n\
        Lamplighter_Sample\n";
    assert_eq!(text(&read.stdout), lines);
    let (status, _) = serving.end();
    assert_eq!(status, Some(0));
}

#[test]
fn a_signal_ends_the_server_and_its_socket() {
    let serving = Serving::start();
    let id = i32::try_from(serving.child.id()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGTERM).unwrap();
    let (status, _) = serving.ended();
    assert_eq!(status, Some(0));
}

#[test]
fn manifestserv_answers_what_is_typed() {
    let path = slim();
    let typed =
        "name\nimg_params/grub_menu_modifications\nB=]\n+key\nname\n-key\nimg_params/hostname";
    let served = output(SERVE, &[path.to_str().unwrap()], typed);
    let prompt = "Please enter an element or attribute path\nor \"+key\" to search for keys:\n";
    let keys = "Please enter a key or \n\"-key\" to search an element or attribute path:\n";
    let expected = [
        "\n",
        prompt,
        "Lamplighter_Sample\n",
        prompt,
        "(empty string / no value)\n",
        prompt,
        prompt,
        "key mode set to True\n",
        keys,
        keys,
        "key mode set to False\n",
        prompt,
        "lamplighter\n",
        prompt,
    ];
    assert_eq!(text(&served.stdout), expected.concat());
    assert_eq!(
        text(&served.stderr),
        "Error parsing nodepath\nAt index 2, remaining string:]\n\
         Exception caught when retrieving values\n    request: B=]\n    \
         Error parsing nodepath: Error parsing path token\n"
    );
    assert_eq!(served.status.code(), Some(0));
}

#[test]
fn options_are_the_originals() {
    let scratch = tempfile::tempdir().unwrap();
    let path = slim();
    let path = path.to_str().unwrap();
    let out = scratch.path().join("out.xml");
    let served = output(SERVE, &["-vo", out.to_str().unwrap(), path], "");
    assert_eq!(served.status.code(), Some(0));
    let told = "Adding attribute value at img_params/locale_defaults/timezone with GMT...\n";
    assert!(text(&served.stdout).contains(told), "{}", text(&served.stdout));
    let written = Document::parse(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(written.query("img_params/locale_defaults/timezone").unwrap(), ["GMT"]);
    // The suffix may be left out, as it may be of the original.
    let served = output(SERVE, &[path.strip_suffix(".xml").unwrap()], "name\n");
    assert!(text(&served.stdout).contains("Lamplighter_Sample\n"));
    for (program, arguments, code) in [
        (SERVE, &["-h"][..], 0),
        (SERVE, &["-?"], 0),
        (SERVE, &[], 22),
        (SERVE, &["-x", path], 22),
        (SERVE, &["-d", path], 22),
        (SERVE, &[path, path], 22),
        (SERVE, &["-f"], 22),
        (READ, &["-h"], 0),
        (READ, &["-?"], 0),
        (READ, &[], 22),
        (READ, &["-x", path], 22),
    ] {
        let told = output(program, arguments, "");
        assert_eq!(told.status.code(), Some(code), "{arguments:?}");
        let usage = if code == 0 { &told.stdout } else { &told.stderr };
        assert!(text(usage).contains("Usage:"), "{arguments:?}");
    }
}

#[test]
fn a_temporary_file_is_kept_where_that_is_asked_for() {
    let path = slim();
    let child = Command::new(SERVE)
        .args(["-t", path.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let kept = PathBuf::from(format!("/tmp/slim_cd_x86_temp_{}.xml", child.id()));
    assert!(child.wait_with_output().unwrap().status.success());
    let document = Document::parse(&fs::read_to_string(&kept).unwrap()).unwrap();
    fs::remove_file(&kept).unwrap();
    assert_eq!(document.query("img_params/power_mgmt/enable").unwrap(), ["false"]);
}

#[test]
fn what_is_wrong_with_a_manifest_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.xml");
    let broken = fs::read_to_string(slim()).unwrap().replace("<hostname>", "<hostname>a.");
    fs::write(&path, broken.replace("entire", "entire*")).unwrap();
    let served = output(SERVE, &[path.to_str().unwrap()], "");
    let expected = "Content \"entire*\" at img_params/packages/pkg/name did not validate\n";
    assert_eq!(served.status.code(), Some(1));
    assert!(text(&served.stderr).contains(expected), "{}", text(&served.stderr));
    assert!(text(&served.stderr).contains("Content \"a.lamplighter\" at img_params/hostname"));
    assert!(text(&served.stderr).ends_with("\nError running Manifest Server\n"));
    fs::write(&path, "<distribution><x/></distribution>").unwrap();
    let served = output(SERVE, &["-f", "/a/b", path.to_str().unwrap()], "");
    let told = "Error validating manifest against schema /a/b.rng\n";
    assert!(text(&served.stderr).contains(told), "{}", text(&served.stderr));
}

#[test]
fn a_socket_that_is_not_served_is_named() {
    let read = output(READ, &["/nowhere/socket", "name"], "");
    assert_eq!(read.status.code(), Some(2));
    let told = text(&read.stderr);
    assert!(told.starts_with("Error connecting to listener socket /nowhere/socket\n"), "{told}");
    assert!(told.ends_with("\nError running Manifest Reader\n"), "{told}");
}

fn ask(socket: &Path, request: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("0 {:06}", request.len()).as_bytes()).unwrap();
    let mut wanted = [0];
    stream.read_exact(&mut wanted).unwrap();
    assert_eq!(wanted, [1]);
    stream.write_all(request.as_bytes()).unwrap();
    let mut sizes = [0; 64];
    let length = stream.read(&mut sizes).unwrap();
    let size = text(&sizes[..length]).split_once(',').unwrap().1.parse().unwrap();
    stream.write_all(&[4]).unwrap();
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).unwrap();
    answer
}

#[test]
fn clients_that_mean_harm_stop_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("socket");
    let document = Arc::new(Document::parse("<distribution name=\"x\"/>").unwrap());
    let server = Server::start(Arc::clone(&document), &socket, Arc::new(|_: &str| {})).unwrap();
    assert_eq!(server.path(), socket);
    // More than there is place for: silent, inside a message, saying nonsense, not reading.
    let mut harmful = Vec::new();
    for round in 0..100 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let said = [&b""[..], b"0 0000", b"nonsense", b"0 000004name"][round % 4];
        stream.write_all(said).unwrap();
        harmful.push(stream);
        assert_eq!(ask(&socket, "name"), b"x\0\x02");
    }
    // One server at a time: a second does not take the socket of the first.
    let second = Server::start(Arc::clone(&document), &socket, Arc::new(|_: &str| {}));
    assert!(second.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse));
    // It ends although they are still there.
    drop(server);
    assert!(!socket.exists());
    drop(harmful);
}

#[test]
fn a_socket_left_behind_is_taken_over_and_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("socket");
    let document = Arc::new(Document::parse("<distribution name=\"x\"/>").unwrap());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let server = Server::start(Arc::clone(&document), &socket, Arc::new(|_: &str| {})).unwrap();
    assert_eq!(ask(&socket, "name"), b"x\0\x02");
    drop(server);
    fs::write(&socket, "a file").unwrap();
    assert!(Server::start(document, &socket, Arc::new(|_: &str| {})).is_err());
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a file");
}
