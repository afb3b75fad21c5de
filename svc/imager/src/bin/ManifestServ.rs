//! ManifestServ - shows what a manifest says, and serves it to finalizer scripts.
//!
//! Reads, completes and checks a manifest as distro_const does, then answers node paths from
//! standard input until it ends; with -s also those that come by a socket.  The schema is built
//! in: -f gives it the name that messages call it by.  Exit status: 0, EINVAL for usage, 1.

// The name is the original's: scripts call it.
#![allow(non_snake_case)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use image_manifest::{Document, QueryError};
use imager::socket::Server;
use imager::source::{self, ReadError, ThisHost};
use lexopt::prelude::*;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    debug: bool,
    help: bool,
    serve: bool,
    keep: bool,
    verbose: bool,
    /// Base name of schema and defaults, as messages call them.
    base: Option<String>,
    out: Option<PathBuf>,
    manifests: Vec<String>,
}

fn main() -> ExitCode {
    let name = std::env::args().next().unwrap_or_else(|| "ManifestServ".to_owned());
    let invalid = || ExitCode::from(u8::try_from(Errno::EINVAL as i32).unwrap_or(1));
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("ManifestServ: {error}");
            eprint!("{}", usage(&name));
            return invalid();
        }
    };
    if asked.help {
        print!("{}", usage(&name));
        return ExitCode::SUCCESS;
    }
    if asked.manifests.len() != 1 || (asked.debug && !asked.serve) {
        eprint!("{}", usage(&name));
        return invalid();
    }
    match run(&asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            eprintln!("Error running Manifest Server");
            ExitCode::FAILURE
        }
    }
}

fn asked() -> Result<Asked, lexopt::Error> {
    let mut asked = Asked::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('d') => asked.debug = true,
            Short('f') => asked.base = Some(parser.value()?.string()?),
            Short('h' | '?') => asked.help = true,
            Short('o') => asked.out = Some(parser.value()?.into()),
            Short('s') => asked.serve = true,
            Short('t') => asked.keep = true,
            Short('v') => asked.verbose = true,
            Value(manifest) => {
                // After the first that is no option, nothing is one.
                asked.manifests.push(manifest.string()?);
                for other in parser.raw_args()? {
                    asked.manifests.push(other.string()?);
                }
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(asked)
}

fn usage(name: &str) -> String {
    format!(
        "Usage: {name} [-d] [-h|-?] [-s] [-t] [-v] [-f <validation_file_base> ]\n\
         \x20   [-o <out_manifest.xml file> ] <manifest.xml file>\n\
         where:\n\
         \x20 -d: turn on socket debug output (valid when -s also specified)\n\
         \x20 -f <validation_file_base>: give basename for schema and defval files\n\
         \x20     Defaults to the built-in schema's when not provided\n\
         \x20 -h or -?: print this message\n\
         \x20 -o <out_manifest.xml file>: write resulting XML after defaults and\n\
         \x20     validation processing\n\
         \x20 -t: save temporary file\n\
         \x20     Temp file is \"/tmp/<manifest_basename>_temp_<pid>\"\n\
         \x20 -v: verbose defaults/validation output\n\
         \x20 -s: start socket server for use by ManifestRead\n"
    )
}

fn run(asked: &Asked) -> Result<()> {
    let named = &asked.manifests[0];
    let named = named.trim();
    let path = PathBuf::from(if named.ends_with(".xml") {
        named.to_owned()
    } else {
        format!("{named}.xml")
    });
    let document = source::parse(&path)?.with_defaults(&unnamed());
    if asked.verbose {
        document.filled().iter().for_each(|line| println!("{line}"));
    }
    if asked.keep {
        keep(&document, &path)?;
    }
    let checked = document.check(&ThisHost).map_err(|mut problems| {
        if let Some(base) = &asked.base {
            problems.schema = format!("{base}.rng");
        }
        ReadError::Invalid(problems)
    })?;
    let document = Arc::new(checked.document().clone());
    if let Some(out) = &asked.out {
        write(out, &document.to_xml()).with_context(|| out.display().to_string())?;
    }
    // Before anybody knows of the socket: whoever is told of it may end this at once.
    let signalled = signals().context("signals")?;
    let debug = asked.debug;
    let log = Arc::new(move |line: &str| {
        if debug {
            println!("{line}");
        }
    });
    // Dropped at the end of this function, and its socket with it.
    let _server = if asked.serve {
        let socket = PathBuf::from(format!("/tmp/ManifestServ.{}", std::process::id()));
        let server = Server::start(Arc::clone(&document), &socket, log)
            .with_context(|| format!("Error starting socket server: {}", socket.display()))?;
        println!("Connect to socket with name {}", socket.display());
        Some(server)
    } else {
        None
    };
    answer(&document, &signalled)
}

/// What a distribution without a name is called.
fn unnamed() -> String {
    jiff::Zoned::now().strftime("%Y%m%d-%H%M").to_string()
}

/// Leaves the manifest, with what was filled in, in a file that was not there before.
fn keep(document: &Document, manifest: &Path) -> Result<()> {
    let stem = manifest.file_stem().unwrap_or_default().to_string_lossy();
    let path = format!("/tmp/{stem}_temp_{}.xml", std::process::id());
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(document.to_xml().as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("Error saving temporary manifest {path}:"))
}

/// Writes beside, synced, and renames.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// A stream that something can be read from as soon as a signal has come.
fn signals() -> io::Result<UnixStream> {
    let (signalled, signals) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, signals.try_clone()?)?;
    }
    Ok(signalled)
}

/// Answers what comes by standard input until it ends, or a signal comes.
fn answer(document: &Document, signalled: &UnixStream) -> Result<()> {
    let mut input = io::stdin().lock();
    let mut pending: Vec<u8> = Vec::new();
    let mut dialogue = Dialogue { document, keys: false };
    println!();
    dialogue.prompt()?;
    loop {
        let mut fds = [
            PollFd::new(input.as_fd(), PollFlags::POLLIN),
            PollFd::new(signalled.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        if fds[1].revents().is_some_and(|events| !events.is_empty()) {
            eprintln!("Caught SystemExit exception");
            return Ok(());
        }
        let mut bytes = [0; 4096];
        let length = input.read(&mut bytes)?;
        pending.extend_from_slice(&bytes[..length]);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            dialogue.line(&String::from_utf8_lossy(&line))?;
        }
        if length == 0 {
            if !pending.is_empty() {
                dialogue.line(&String::from_utf8_lossy(&pending))?;
            }
            return Ok(());
        }
    }
}

/// The conversation on standard input and output.
struct Dialogue<'a> {
    document: &'a Document,
    keys: bool,
}

impl Dialogue<'_> {
    fn prompt(&self) -> io::Result<()> {
        let mut out = io::stdout();
        let words = if self.keys {
            "Please enter a key or \n\"-key\" to search an element or attribute path:"
        } else {
            "Please enter an element or attribute path\nor \"+key\" to search for keys:"
        };
        writeln!(out, "{words}")?;
        out.flush()
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        let request = line.trim();
        let mut out = io::stdout();
        match request {
            "+key" | "-key" => {
                self.keys = request == "+key";
                let told = if self.keys { "True" } else { "False" };
                writeln!(out, "key mode set to {told}")?;
            }
            _ => match self.values(request) {
                Ok(values) => {
                    for value in values {
                        let empty = value.trim().is_empty();
                        let told = if empty { "(empty string / no value)" } else { &value };
                        writeln!(out, "{told}")?;
                    }
                }
                Err(error) => {
                    if let QueryError::Syntax { index, rest, .. } = &error {
                        eprintln!("Error parsing nodepath");
                        eprintln!("At index {index}, remaining string:{rest}");
                    }
                    eprintln!("Exception caught when retrieving values");
                    eprintln!("    request: {request}");
                    eprintln!("    {error}");
                }
            },
        }
        self.prompt()
    }

    fn values(&self, request: &str) -> Result<Vec<String>, QueryError> {
        if self.keys { self.document.key(request) } else { self.document.query(request) }
    }
}
