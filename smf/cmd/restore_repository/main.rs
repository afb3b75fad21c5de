//! restore_repository: puts a backup of the configuration repository in its place.
//!
//! What /lib/svc/bin/restore_repository does, in its words, without a reboot at the end: here the
//! repository belongs to svc.startd, which has to be down meanwhile.
//!
//! Exit status: 0 restored, or nothing wanted; 1 not restored; 2 usage.

mod text;

use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use smf_cmd::say;
use smf_configd::backup::{Backup, backups};
use smf_configd::restore::{Source, check, restore};
use smf_scf::root;

/// What is asked for.
#[derive(Debug, Default)]
struct Options {
    root: Option<PathBuf>,
    list: bool,
    yes: bool,
    choice: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args_os().skip(1).collect()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say::done(format_args!("{}", text::USAGE));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            say::error(format_args!("restore_repository: {error}\n{}", text::USAGE));
            return ExitCode::from(2);
        }
    };
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    match run(&options, &mut input, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say!("restore_repository: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the arguments ask for; none for help.
fn options(arguments: Vec<OsString>) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value};
    // Two choices look like options.
    let (choices, others): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|argument| argument == "-seed-" || argument == "-quit-");
    let choice = choices.into_iter().next().map(|choice| choice.to_string_lossy().into_owned());
    let mut options = Options { choice, ..Options::default() };
    let mut parser = lexopt::Parser::from_args(others);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('r') => options.root = Some(parser.value()?.into()),
            Short('l') => options.list = true,
            Short('y') => options.yes = true,
            Short('h' | '?') | Long("help") => return Ok(None),
            Value(choice) if options.choice.is_none() => {
                options.choice = Some(choice.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn run(options: &Options, input: &mut dyn BufRead, out: &mut dyn Write) -> anyhow::Result<()> {
    let root = options.root.clone().unwrap_or_else(smf_cmd::backend::root);
    let root = std::path::absolute(root)?;
    let lasting = root.join(root::LASTING);
    let all = backups(&lasting).with_context(|| lasting.display().to_string())?;
    if options.list {
        return list(&all, out);
    }
    let choice = match &options.choice {
        Some(choice) => choice.clone(),
        None => ask(&lasting, &all, input, out)?,
    };
    let Some((source, name)) = chosen(&choice, &all)? else { return Ok(()) };
    if let Source::Backup(path) = &source {
        check(path).with_context(|| format!("{name} cannot be restored"))?;
    }
    if !options.yes && options.choice.is_none() && !confirmed(&lasting, &name, input, out)? {
        return Ok(());
    }
    if let Some(old) = restore(&root, &source)? {
        writeln!(out, "{} -- renamed --> {}", lasting.display(), old.display())?;
    }
    writeln!(out, "{name} -- copied --> {}", lasting.display())?;
    Ok(())
}

/// Every backup, and whether it is whole.
fn list(all: &[Backup], out: &mut dyn Write) -> anyhow::Result<()> {
    for backup in all {
        match check(&backup.path) {
            Ok(()) => writeln!(out, "{}", backup.name())?,
            Err(error) => writeln!(out, "{} ({error})", backup.name())?,
        }
    }
    Ok(())
}

/// Shows the backups and asks which; an empty answer is the first choice.
fn ask(
    lasting: &Path,
    all: &[Backup],
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<String> {
    let preferred = ["boot", "manifest_import"];
    let there = |tag: &&str| all.iter().any(|backup| backup.tag == **tag);
    let default = preferred.into_iter().find(|tag| there(tag)).unwrap_or("-seed-");
    write!(out, "{}", text::introduction(lasting, all, default))?;
    out.flush()?;
    let answer = line(input)?;
    Ok(if answer.is_empty() { default.to_owned() } else { answer })
}

fn line(input: &mut dyn BufRead) -> anyhow::Result<String> {
    let mut answer = String::new();
    if input.read_line(&mut answer)? == 0 {
        return Ok("-quit-".to_owned());
    }
    Ok(answer.trim().to_owned())
}

/// What a choice stands for, and its name; none to quit.
fn chosen(choice: &str, all: &[Backup]) -> anyhow::Result<Option<(Source, String)>> {
    match choice {
        "-quit-" => return Ok(None),
        "-seed-" => return Ok(Some((Source::Empty, "an empty repository".to_owned()))),
        _ => {}
    }
    let newest_first = || all.iter().rev();
    let backup = newest_first()
        .find(|backup| backup.name() == choice)
        .or_else(|| newest_first().find(|backup| backup.tag == choice));
    if let Some(backup) = backup {
        return Ok(Some((Source::Backup(backup.path.clone()), backup.path.display().to_string())));
    }
    let path = Path::new(choice);
    if path.is_absolute() && path.is_file() {
        return Ok(Some((Source::Backup(path.to_path_buf()), choice.to_owned())));
    }
    bail!("Invalid choice: {choice}")
}

fn confirmed(
    lasting: &Path,
    name: &str,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    write!(out, "{}", text::confirmation(lasting, name))?;
    out.flush()?;
    Ok(matches!(line(input)?.as_str(), "y" | "yes" | "Y" | "YES" | "Yes"))
}
