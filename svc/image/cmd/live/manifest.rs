//! manifest.rs - `live manifest`: check, sort, merge, compare and derive live manifests.
//!
//! Problems go to standard error, a line each; the manifest that comes of it to standard output, and
//! only if nothing is wrong.  Status 0: nothing is wrong, or nothing differs; 1 otherwise; 2 usage.

use std::fs;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use lexopt::prelude::*;
use live_manifest::{Accounts, Manifest, Package, Problem, check, compare, from_packages, merge};

/// Why there is no answer.
pub enum Failure {
    /// The arguments make no sense.
    Usage(String),
    /// Something else.
    Other(anyhow::Error),
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Other(error)
    }
}

/// What is asked for.
#[derive(Default)]
struct Options {
    files: Vec<String>,
    passwd: Option<String>,
    group: Option<String>,
    variants: Vec<(String, String)>,
}

/// Runs what follows `live manifest`.
pub fn run(mut parser: lexopt::Parser) -> Result<ExitCode, Failure> {
    let verb = match parser.next()? {
        Some(Value(verb)) => verb.string()?,
        Some(Long("help") | Short('h' | '?')) => {
            print!("{}", crate::USAGE);
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => return Err(other.unexpected().into()),
        None => {
            return Err(Failure::Usage(
                "manifest: check, sort, merge, diff or from-packages?".into(),
            ));
        }
    };
    let options = options(&mut parser, &verb)?;
    match verb.as_str() {
        "check" => checked(&options),
        "sort" => sorted(&options),
        "merge" => merged(&options),
        "diff" => compared(&options),
        "from-packages" => derived(&options),
        other => Err(Failure::Usage(format!("manifest: unknown command {other}"))),
    }
}

fn options(parser: &mut lexopt::Parser, verb: &str) -> Result<Options, Failure> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('p') if verb == "check" => options.passwd = Some(parser.value()?.string()?),
            Short('g') if verb == "check" => options.group = Some(parser.value()?.string()?),
            Short('v') if verb == "from-packages" => {
                let text = parser.value()?.string()?;
                let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
                let (name, value) =
                    parts.ok_or_else(|| Failure::Usage(format!("-v {text}: not VARIANT=VALUE")))?;
                let name = match name.strip_prefix("variant.") {
                    Some(_) => name.to_owned(),
                    None => format!("variant.{name}"),
                };
                options.variants.push((name, value.to_owned()));
            }
            Value(file) => options.files.push(file.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let wanted = match verb {
        "sort" => 1..=1,
        "diff" => 2..=2,
        _ => 1..=usize::MAX,
    };
    if !wanted.contains(&options.files.len()) {
        let wanted = match verb {
            "sort" => "one file",
            "diff" => "two files",
            _ => "at least one file",
        };
        return Err(Failure::Usage(format!(
            "manifest {verb}: {wanted}, not {}",
            options.files.len()
        )));
    }
    if options.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::Usage("the standard input can be read once".into()));
    }
    Ok(options)
}

fn text(file: &str) -> Result<String> {
    if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(text);
    }
    fs::read_to_string(file).with_context(|| file.to_owned())
}

fn read(file: &str) -> Result<(Manifest, Vec<Problem>)> {
    Ok(Manifest::parse(file, &text(file)?))
}

/// Tells the problems; the manifest is written if there are none.
fn answer(problems: &[Problem], manifest: Option<&Manifest>) -> Result<ExitCode, Failure> {
    for problem in problems {
        eprintln!("{problem}");
    }
    if !problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(manifest) = manifest {
        print(&manifest.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).context("standard output")
}

fn checked(options: &Options) -> Result<ExitCode, Failure> {
    let mut all = Manifest::default();
    let mut problems = Vec::new();
    for file in &options.files {
        let (manifest, wrong) = read(file)?;
        all.append(manifest);
        problems.extend(wrong);
    }
    let accounts = match (&options.passwd, &options.group) {
        (None, None) => None,
        (Some(passwd), Some(group)) => Some(Accounts::parse(&text(passwd)?, &text(group)?)),
        _ => return Err(Failure::Usage("manifest check: -p and -g go together".into())),
    };
    problems.extend(check(&all, accounts.as_ref()));
    answer(&problems, None)
}

fn sorted(options: &Options) -> Result<ExitCode, Failure> {
    let (mut manifest, problems) = read(&options.files[0])?;
    manifest.sort();
    answer(&problems, Some(&manifest))
}

fn merged(options: &Options) -> Result<ExitCode, Failure> {
    let read: Result<Vec<_>> = options.files.iter().map(|file| read(file)).collect();
    let (manifests, problems): (Vec<Manifest>, Vec<Vec<Problem>>) = read?.into_iter().unzip();
    let (manifest, conflicts) = merge(manifests);
    let problems: Vec<Problem> = problems.into_iter().flatten().chain(conflicts).collect();
    answer(&problems, Some(&manifest))
}

fn compared(options: &Options) -> Result<ExitCode, Failure> {
    let ((old, mut problems), (new, further)) =
        (read(&options.files[0])?, read(&options.files[1])?);
    problems.extend(further);
    if !problems.is_empty() {
        return answer(&problems, None);
    }
    let differences = compare(&old, &new);
    let lines: String = differences.iter().map(|difference| format!("{difference}\n")).collect();
    print(&lines)?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn derived(options: &Options) -> Result<ExitCode, Failure> {
    let texts: Result<Vec<_>> =
        options.files.iter().map(|file| Ok((file.as_str(), text(file)?))).collect();
    let texts = texts?;
    let packages: Vec<Package<'_>> =
        texts.iter().map(|(name, text)| Package { name, text }).collect();
    let variants: Vec<(&str, &str)> =
        options.variants.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (manifest, mut problems) = from_packages(&packages, &variants);
    problems.extend(check(&manifest, None));
    answer(&problems, Some(&manifest))
}
