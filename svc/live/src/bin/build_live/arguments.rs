//! arguments.rs - the command lines of build_live, of all times.
//!
//! ```text
//! build_live [-R|-r dir] [-a|-A altroot] [-o outdir] <manifest>          the first
//! build_live <manifest> <outdir> <dir> [<dir>...]                        the second
//! build_live [-p root_password] -m MANIFEST -o OUTPUT { DIR ... }        today's
//! ```
//!
//! Pure: words in, what is asked out.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use live::archive::Form;
use live::build::PAD_MB;

/// What every form of the command prints when it makes no sense.
pub const USAGE: &str = "\
usage: build_live [-R|-r dir] [-a|-A altroot] [-o outdir] <manifest>
       build_live <manifest> <outdir> <dir> [<dir>...]
       build_live [-p root_password] -m MANIFEST -o OUTPUT { DIR ... }
options: --man-dir DIR     the tree of manual pages
         --host-root DIR   take what is nowhere else from this system, and say so
         --log-dir DIR     where the log is (log)
         --customize DIR   where customize and customize.* are (tools)
         --archive FORM    ufs, or ufs+usr-lofi
         --pad-mb N        MiB of room for a running system (32)
         --iso --usb       media of the platform
         --no-boot-test    do not boot them
         --boot-pattern TEXT   what a line of a good guest contains
";

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The workspace's own folders, the overlay perhaps another.
    Workspace {
        /// Another overlay.
        altroot: Option<PathBuf>,
    },
    /// These, in this order.
    Dirs(Vec<PathBuf>),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The workspace, where that is not the working directory.
    pub top: Option<PathBuf>,
    /// The manifests.
    pub manifests: Vec<PathBuf>,
    /// Another folder for platforms.
    pub output: Option<PathBuf>,
    /// Where files come from.
    pub from: From,
    /// Root's password.
    pub password: Option<String>,
    /// The man tree.
    pub man: Option<PathBuf>,
    /// The system that may be taken from.
    pub host: Option<PathBuf>,
    /// Where the log is.
    pub logs: Option<PathBuf>,
    /// Where scripts are.
    pub customize: Option<PathBuf>,
    /// The boot archive.
    pub form: Form,
    /// Room in it, in MiB.
    pub pad_mb: u64,
    /// Media.
    pub iso: bool,
    /// Media.
    pub usb: bool,
    /// Whether they are booted.
    pub boot_test: bool,
    /// What a guest says.
    pub pattern: Option<String>,
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Help was asked for.
    Help,
    /// The words make no sense; the status is that of the form they look like.
    Usage(String, u8),
}

/// What the short options say.
#[derive(Default)]
struct Short {
    top: Option<PathBuf>,
    altroot: Option<PathBuf>,
    output: Option<PathBuf>,
    manifests: Vec<PathBuf>,
    password: Option<String>,
    words: Vec<PathBuf>,
}

/// Reads the words after the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Asked, Wrong> {
    let mut asked = Asked {
        top: None,
        manifests: Vec::new(),
        output: None,
        from: From::Dirs(Vec::new()),
        password: None,
        man: None,
        host: None,
        logs: None,
        customize: None,
        form: Form::default(),
        pad_mb: PAD_MB,
        iso: false,
        usb: false,
        boot_test: true,
        pattern: None,
    };
    let mut short = Short::default();
    let read = read(words, &mut asked, &mut short);
    // Today's form says 2 of usage, the earlier ones 1.
    let status = if short.manifests.is_empty() && short.password.is_none() { 1 } else { 2 };
    match read {
        Err(Some(text)) => return Err(Wrong::Usage(text, status)),
        Err(None) => return Err(Wrong::Help),
        Ok(()) => {}
    }
    fit(asked, short).map_err(|text| Wrong::Usage(text, status))
}

/// No text: help was asked for.
fn read(
    words: impl IntoIterator<Item = OsString>,
    asked: &mut Asked,
    short: &mut Short,
) -> Result<(), Option<String>> {
    let told = |error: lexopt::Error| Some(error.to_string());
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next().map_err(told)? {
        let path = |parser: &mut lexopt::Parser| parser.value().map(PathBuf::from).map_err(told);
        let text = |parser: &mut lexopt::Parser| {
            parser.value().and_then(|value| value.string()).map_err(told)
        };
        match argument {
            Short('R' | 'r') => short.top = Some(path(&mut parser)?),
            Short('a' | 'A') => short.altroot = Some(path(&mut parser)?),
            Short('o') => short.output = Some(path(&mut parser)?),
            Short('m') => short.manifests.push(path(&mut parser)?),
            Short('p') => short.password = Some(text(&mut parser)?),
            Short('h' | '?') | Long("help") => return Err(None),
            Long("man-dir") => asked.man = Some(path(&mut parser)?),
            Long("host-root") => asked.host = Some(path(&mut parser)?),
            Long("log-dir") => asked.logs = Some(path(&mut parser)?),
            Long("customize") => asked.customize = Some(path(&mut parser)?),
            Long("archive") => asked.form = text(&mut parser)?.parse().map_err(Some)?,
            Long("pad-mb") => {
                let value = text(&mut parser)?;
                let wrong = |_| Some(format!("--pad-mb {value}: not a number"));
                asked.pad_mb = value.parse().map_err(wrong)?;
            }
            Long("iso") => asked.iso = true,
            Long("usb") => asked.usb = true,
            Long("no-boot-test") => asked.boot_test = false,
            Long("boot-pattern") => asked.pattern = Some(text(&mut parser)?),
            Value(word) => short.words.push(word.into()),
            other => return Err(told(other.unexpected())),
        }
    }
    Ok(())
}

/// Which of the forms it is.
fn fit(mut asked: Asked, short: Short) -> Result<Asked, String> {
    let Short { top, altroot, output, manifests, password, mut words } = short;
    (asked.top, asked.password) = (top, password);
    if !manifests.is_empty() {
        let output = output.ok_or("-m needs -o OUTPUT")?;
        if words.is_empty() {
            return Err("at least one DIR is needed".to_owned());
        }
        if altroot.is_some() {
            return Err("-A does not go with -m".to_owned());
        }
        (asked.manifests, asked.output, asked.from) = (manifests, Some(output), From::Dirs(words));
        return Ok(asked);
    }
    match words.len() {
        0 => Err("<manifest> file required".to_owned()),
        1 => {
            (asked.manifests, asked.output) = (words, output);
            asked.from = From::Workspace { altroot };
            Ok(asked)
        }
        2 => Err("at least one <dir> required".to_owned()),
        _ if output.is_some() || altroot.is_some() => {
            Err("-o and -A do not go with <outdir> and <dir>".to_owned())
        }
        _ => {
            let dirs = words.split_off(2);
            asked.output = words.pop();
            (asked.manifests, asked.from) = (words, From::Dirs(dirs));
            Ok(asked)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        match parse(line.split_whitespace().map(OsString::from)) {
            Ok(asked) => {
                let manifests: Vec<_> = asked.manifests.iter().map(|path| path.display()).collect();
                let output = asked.output.as_ref().map(|path| path.display().to_string());
                let manifests: Vec<String> = manifests.iter().map(ToString::to_string).collect();
                let from = match &asked.from {
                    From::Workspace { altroot: None } => "workspace".to_owned(),
                    From::Workspace { altroot: Some(dir) } => format!("altroot {}", dir.display()),
                    From::Dirs(dirs) => {
                        let dirs: Vec<_> =
                            dirs.iter().map(|dir| dir.display().to_string()).collect();
                        dirs.join("+")
                    }
                };
                format!("{} > {} < {from}", manifests.join("+"), output.unwrap_or_default())
            }
            Err(Wrong::Help) => "help".to_owned(),
            Err(Wrong::Usage(text, status)) => format!("{status} {text}"),
        }
    }

    #[test]
    fn forms() {
        for (line, wanted) in [
            ("m", "m >  < workspace"),
            ("-R top -A alt -o out m", "m > out < altroot alt"),
            ("m out overlay proto man", "m > out < overlay+proto+man"),
            ("-m m -o out proto", "m > out < proto"),
            ("-p x -m m -m n -o out a b --iso", "m+n > out < a+b"),
            ("-?", "help"),
            ("", "1 <manifest> file required"),
            ("m out", "1 at least one <dir> required"),
            ("-P proto m", "1 invalid option '-P'"),
            ("-m m proto", "2 -m needs -o OUTPUT"),
            ("-m m -o out", "2 at least one DIR is needed"),
            ("--pad-mb x m", "1 --pad-mb x: not a number"),
            ("--archive zip m", "1 zip: boot archives are ufs or ufs+usr-lofi"),
        ] {
            assert_eq!(read(line), wanted, "{line}");
        }
    }
}
