//! pkgfmt(1) - manifests in one form: sorted, folded at 80 columns.
//!
//! In reading order: options.rs, lines.rs (a manifest as actions with what stands before each),
//! order.rs (where an action goes), layout.rs (how it is folded), form.rs (a whole manifest).
//! Files named are replaced; standard input goes to standard output.

mod form;
mod layout;
mod lines;
mod options;
mod order;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use ips_cmd::{Failure, output};

use crate::form::formatted;
use crate::options::{Form, Options, Request, Task, parse};

const USAGE: &str = "\
Usage:
        pkgfmt [-cdsu] [-f v1|v2] [file1] ...
";

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            let status = failure.tell("pkgfmt: error");
            if failure.is_usage() {
                eprint!("{USAGE}");
            }
            status
        }
    }
}

/// Whether all is well: with `-c` and `-d`, whether every manifest has its form.
fn run() -> Result<bool, Failure> {
    let options = match parse(lexopt::Parser::from_env())? {
        Request::Help => {
            eprint!("{USAGE}");
            return Ok(true);
        }
        Request::Run(options) => options,
    };
    if options.files.is_empty() {
        return stream(&options);
    }
    let mut well = true;
    for path in &options.files {
        well &= file(path, &options)?;
    }
    Ok(well)
}

fn stream(options: &Options) -> Result<bool, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let wanted = formatted(&text, options.style());
    let (shown, well) = match options.task {
        Task::Check if !is_formed(&text, options) => {
            return Err(Failure::new("manifest is not in pkgfmt form"));
        }
        Task::Differences => (differences(&wanted, &text), wanted == text),
        Task::Check | Task::Format => (wanted, true),
    };
    print!("{shown}");
    Ok(well)
}

fn file(path: &Path, options: &Options) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(failed)?;
    let wanted = formatted(&text, options.style());
    if wanted == text {
        return Ok(true);
    }
    match options.task {
        Task::Check => {
            let formed = is_formed(&text, options);
            if !formed {
                eprintln!(
                    "pkgfmt: error: {} is not in pkgfmt form; run pkgfmt on file without -c or -d to reformat manifest in place",
                    path.display()
                );
            }
            Ok(formed)
        }
        Task::Differences => {
            print!("{}", differences(&wanted, &text));
            Ok(false)
        }
        Task::Format => {
            output::replace(path, &wanted).map_err(failed)?;
            Ok(true)
        }
    }
}

/// Whether the manifest has its form; where none was asked for, the older one will do.
fn is_formed(text: &str, options: &Options) -> bool {
    let in_form = |form: Form| formatted(text, options.style_of(form)) == text;
    match options.form {
        Some(form) => in_form(form),
        None => in_form(Form::V2) || in_form(Form::V1),
    }
}

fn differences(wanted: &str, text: &str) -> String {
    similar::TextDiff::from_lines(wanted, text).unified_diff().header("", "").to_string()
}
