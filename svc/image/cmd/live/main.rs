//! live - platform images from proto areas.
//!
//! `live manifest` looks after live manifests: `manifest.rs`.

mod manifest;

use std::process::ExitCode;

const USAGE: &str = "\
usage: live manifest check [-p PASSWD] [-g GROUP] FILE...
       live manifest sort FILE
       live manifest merge FILE...
       live manifest diff OLD NEW
       live manifest from-packages [-v VARIANT=VALUE]... FILE...
A FILE of - is the standard input.
";

fn main() -> ExitCode {
    let mut parser = lexopt::Parser::from_env();
    match first(&mut parser).as_deref() {
        Ok("manifest") => match manifest::run(parser) {
            Ok(status) => status,
            Err(manifest::Failure::Usage(text)) => usage(&text),
            Err(manifest::Failure::Other(error)) => {
                eprintln!("live: {error:#}");
                ExitCode::FAILURE
            }
        },
        Ok("--help" | "-h" | "-?") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok("") => usage("which command?"),
        Ok(other) => usage(&format!("unknown command {other}")),
        Err(error) => usage(error),
    }
}

/// The first word, be it a command or a plea for help.
fn first(parser: &mut lexopt::Parser) -> Result<String, String> {
    match parser.next().map_err(|error| error.to_string())? {
        None => Ok(String::new()),
        Some(lexopt::Arg::Value(word)) => Ok(word.to_string_lossy().into_owned()),
        Some(lexopt::Arg::Long(word)) => Ok(format!("--{word}")),
        Some(lexopt::Arg::Short(letter)) => Ok(format!("-{letter}")),
    }
}

fn usage(text: &str) -> ExitCode {
    eprint!("live: {text}\n{USAGE}");
    ExitCode::from(2)
}
