//! ManifestRead - asks a manifest's socket for values, one a line.
//!
//! What a finalizer script in any language calls: the socket is its first argument.  Values go to
//! standard output, after their request where more than one is made or -r is given.  Exit
//! status: 0, EINVAL for usage, else the number of the error.

// The name is the original's: scripts call it.
#![allow(non_snake_case)]

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use image_manifest::protocol::{Client, ProtocolError};
use lexopt::prelude::*;
use nix::errno::Errno;

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    debug: bool,
    help: bool,
    keys: bool,
    /// Each value after its request, even of one.
    named: bool,
    socket: String,
    requests: Vec<String>,
}

fn main() -> ExitCode {
    let name = std::env::args().next().unwrap_or_else(|| "ManifestRead".to_owned());
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("ManifestRead: {error}");
            eprint!("{}", usage(&name));
            return status(Errno::EINVAL);
        }
    };
    if asked.help {
        print!("{}", usage(&name));
        return ExitCode::SUCCESS;
    }
    if asked.socket.is_empty() {
        eprint!("{}", usage(&name));
        return status(Errno::EINVAL);
    }
    match run(&asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            eprintln!("Error running Manifest Reader");
            match error {
                ProtocolError::Stream(error) => {
                    error.raw_os_error().map_or(ExitCode::FAILURE, |n| status(Errno::from_raw(n)))
                }
                _ => status(Errno::EPROTO),
            }
        }
    }
}

fn status(errno: Errno) -> ExitCode {
    u8::try_from(errno as i32).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn asked() -> Result<Asked, lexopt::Error> {
    let mut asked = Asked::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('d') => asked.debug = true,
            Short('h' | '?') => asked.help = true,
            Short('k') => asked.keys = true,
            Short('r') => asked.named = true,
            Value(socket) => {
                // After the first that is no option, nothing is one.
                asked.socket = socket.string()?;
                for request in parser.raw_args()? {
                    asked.requests.push(request.string()?);
                }
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(asked)
}

fn usage(name: &str) -> String {
    format!(
        "Usage:\n\
         \x20 {name} [-d] [-r] <socket name> <nodepath> [ ...<nodepath> ]\n\
         \x20 {name} [-d] [-r] [-k] <socket name> <key> [ ...<key> ]\n\
         \x20 {name} [-h|-?]\n\
         where:\n\
         \x20 -d: turn on debug output\n\
         \x20 -h or -?: print this message\n\
         \x20 -k: specify keys instead of nodepaths\n\
         \x20 -r: Always print nodepath next to a value\n\
         \x20     (even when only one nodepath is specified)\n\n"
    )
}

fn run(asked: &Asked) -> Result<(), ProtocolError> {
    let stream = UnixStream::connect(&asked.socket).inspect_err(|_| {
        eprintln!("Error connecting to listener socket {}", asked.socket);
    })?;
    let mut client = Client::new(stream);
    let named = asked.named || asked.requests.len() > 1;
    let mut out = io::stdout().lock();
    for request in &asked.requests {
        let values = client.values(request, asked.keys, &mut |line| {
            if asked.debug {
                println!("{line}");
            }
        })?;
        for value in values {
            if named {
                writeln!(out, "{request}: {value}")?;
            } else {
                writeln!(out, "{value}")?;
            }
        }
    }
    client.end()
}
