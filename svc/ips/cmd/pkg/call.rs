//! call.rs - one call of a subcommand: its arguments as getopt() reads them, and its image.
//!
//! Options end at the first operand.  A long option may be cut short where it stays one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ips_client::Control;
use ips_client::execute::{journal, recover};
use ips_client::image::{Image, ImageError, LockError, PlaceError, RecordError};
use ips_cmd::Failure;
use ips_cmd::transport::surroundings;

/// A subcommand as it was called.
#[derive(Debug)]
pub struct Call {
    /// The subcommand.
    pub name: &'static str,
    /// `-R`.
    pub root: Option<PathBuf>,
    /// What follows the subcommand.
    pub arguments: Vec<String>,
    /// The whole command line, for the history.
    pub line: Vec<String>,
    /// `-D`, each `NAME=VALUE` or `NAME`.
    pub debug: Vec<String>,
}

/// Options and operands.
#[derive(Debug, Default)]
pub struct Given {
    options: Vec<(String, String)>,
    /// Each known option, as a user spells it.
    spelled: BTreeMap<String, String>,
    /// What is no option.
    pub operands: Vec<String>,
}

impl Given {
    /// Whether an option was given; a name is the letter, or the word where there is none.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| given == name)
    }

    /// How often it was given.
    pub fn times(&self, name: &str) -> usize {
        self.options.iter().filter(|(given, _)| given == name).count()
    }

    /// The last value of an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut given = self.options.iter().rev();
        given.find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option.
    pub fn values<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.options.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The names of the options, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(|(name, _)| name.as_str())
    }
}

/// An option: `H`, `F|output-format=` (with a value), `no-refresh` (a word alone), `v*` (also more
/// than once).
struct Known<'a> {
    letter: Option<&'a str>,
    word: Option<&'a str>,
    valued: bool,
    repeated: bool,
}

impl<'a> Known<'a> {
    fn parse(text: &'a str) -> Self {
        let (text, repeated) = text.strip_suffix('*').map_or((text, false), |text| (text, true));
        let (text, valued) = text.strip_suffix('=').map_or((text, false), |text| (text, true));
        let (letter, word) = match text.split_once('|') {
            Some((letter, word)) => (Some(letter), Some(word)),
            None if text.len() == 1 => (Some(text), None),
            None => (None, Some(text)),
        };
        Known { letter, word, valued, repeated }
    }

    fn name(&self) -> &'a str {
        self.letter.or(self.word).unwrap_or_default()
    }

    /// As a user spells it.
    fn shown(&self) -> String {
        match (self.letter, self.word) {
            (Some(letter), Some(word)) => format!("-{letter}/--{word}"),
            (Some(letter), None) => format!("-{letter}"),
            (None, word) => format!("--{}", word.unwrap_or_default()),
        }
    }
}

impl Call {
    /// Reads the arguments; `known` are the options of the subcommand.
    pub fn given(&self, known: &[&str]) -> Result<Given, Failure> {
        let known: Vec<Known<'_>> = known.iter().map(|text| Known::parse(text)).collect();
        let illegal = |option: &str| self.usage(format!("illegal option -- {option}"));
        let spelled = known.iter().map(|one| (one.name().to_string(), one.shown())).collect();
        let mut given = Given { spelled, ..Given::default() };
        let mut rest = self.arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                break;
            }
            if let Some(word) = argument.strip_prefix("--") {
                let (word, value) = match word.split_once('=') {
                    Some((word, value)) => (word, Some(value.to_string())),
                    None => (word, None),
                };
                let option = meant(&known, word).ok_or_else(|| illegal(word))?;
                let value = match (option.valued, value) {
                    (true, None) => rest.next().cloned().ok_or_else(|| illegal(word))?,
                    (false, Some(_)) => return Err(illegal(word)),
                    (_, value) => value.unwrap_or_default(),
                };
                self.take(&mut given, option, value)?;
                continue;
            }
            let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty())
            else {
                given.operands.push(argument.clone());
                break;
            };
            for (at, letter) in letters.char_indices() {
                let letter = &letters[at..at + letter.len_utf8()];
                let option = known.iter().find(|known| known.letter == Some(letter));
                let option = option.ok_or_else(|| illegal(letter))?;
                if option.valued {
                    let value = match &letters[at + letter.len()..] {
                        "" => rest.next().cloned().ok_or_else(|| illegal(letter))?,
                        value => value.to_string(),
                    };
                    self.take(&mut given, option, value)?;
                    break;
                }
                self.take(&mut given, option, String::new())?;
            }
        }
        given.operands.extend(rest.cloned());
        Ok(given)
    }

    fn take(&self, given: &mut Given, option: &Known<'_>, value: String) -> Result<(), Failure> {
        if !option.repeated && given.has(option.name()) {
            return Err(self.usage(format!("Option '{}' may not be repeated.", option.shown())));
        }
        given.options.push((option.name().to_string(), value));
        Ok(())
    }

    /// Refuses two options at once.
    pub fn apart(&self, given: &Given, one: &str, other: &str) -> Result<(), Failure> {
        if given.has(one) && given.has(other) {
            return Err(self.together(given, one, other));
        }
        Ok(())
    }

    /// Two options that were given, or are meant by what was, and make no sense together.
    pub fn together(&self, given: &Given, one: &str, other: &str) -> Failure {
        let shown =
            |name: &str| given.spelled.get(name).cloned().unwrap_or_else(|| format!("--{name}"));
        let (one, other) = (shown(one), shown(other));
        self.usage(format!("The '{one}' and '{other}' options may not be combined."))
    }

    /// Refuses operands.
    pub fn no_operands(&self, given: &Given) -> Result<(), Failure> {
        if given.operands.is_empty() {
            return Ok(());
        }
        let operands = given.operands.join(" ");
        Err(self.usage(format!("command does not take operands ('{operands}')")))
    }

    /// The arguments are wrong: status 2, and what the subcommand takes.
    pub fn usage(&self, message: impl std::fmt::Display) -> Failure {
        Failure::usage(message).of(self.name)
    }

    /// The subcommand failed: status 1.
    pub fn failed(&self, message: impl std::fmt::Display) -> Failure {
        Failure::new(message).of(self.name)
    }

    /// The image that is meant: `-R`, `$PKG_IMAGE`, or the one around the working directory.
    pub fn image(&self) -> Result<Image, Failure> {
        let variable = std::env::var_os("PKG_IMAGE").filter(|value| !value.is_empty());
        let named = self.root.clone().or(variable.map(PathBuf::from));
        let opened = match &named {
            Some(root) => {
                let root = std::path::absolute(root)?;
                Image::open(&root, "pkg")
            }
            None => Image::find(&std::env::current_dir()?, "pkg"),
        };
        let image = opened.map_err(|error| match error {
            ImageError::Place(PlaceError::NoneAbove) => Failure::new(
                "Could not find image.  Use the -R option or set $PKG_IMAGE to the\nlocation of an image.",
            ),
            other => Failure::new(other),
        })?;
        recovered(image.within(surroundings))
    }

    /// A path as it was given, from the working directory.
    pub fn absolute(path: &str) -> Result<PathBuf, Failure> {
        Ok(std::path::absolute(Path::new(path))?)
    }
}

/// The image after what a program that died has begun with it is done.
fn recovered(mut image: Image) -> Result<Image, Failure> {
    if !journal::is_open(&image) {
        return Ok(image);
    }
    match image.lock() {
        Ok(lock) => {
            let done = recover(&mut image, &lock, &Control::silent());
            done.map_err(|error| Failure::new(format!("{UNFINISHED}\n{error}")))?;
            Ok(image)
        }
        // Who holds the lock is at it; who may not take it sees what there is.
        Err(_) => Ok(image),
    }
}

const UNFINISHED: &str = "An operation that was interrupted could not be finished:";

fn meant<'a, 'b>(known: &'a [Known<'b>], word: &str) -> Option<&'a Known<'b>> {
    if let Some(exact) = known.iter().find(|known| known.word == Some(word)) {
        return Some(exact);
    }
    let mut begin =
        known.iter().filter(|known| known.word.is_some_and(|own| own.starts_with(word)));
    let first = begin.next().filter(|_| !word.is_empty())?;
    begin.next().is_none().then_some(first)
}

/// A change that was not made, with its exit status.
pub fn refused(error: RecordError) -> Failure {
    let status = match &error {
        RecordError::Lock(LockError::Held { .. }) => 7,
        _ => 1,
    };
    let mut failure = Failure::new(denied(&error).unwrap_or_else(|| error.to_string()));
    failure.status = status;
    failure
}

/// What pkg5 says where the system said that it may not.
fn denied(error: &RecordError) -> Option<String> {
    let (path, source) = match error {
        RecordError::Lock(LockError::Io { path, source }) => (path, source),
        RecordError::Path(error) => (&error.path, &error.source),
        _ => return None,
    };
    if source.kind() != std::io::ErrorKind::PermissionDenied {
        return None;
    }
    Some(format!(
        "Could not operate on {}\nbecause of insufficient permissions. Please try the command again as a privileged user.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &[&str]) -> Call {
        let arguments = arguments.iter().map(|text| text.to_string()).collect();
        Call { name: "list", root: None, arguments, line: Vec::new(), debug: Vec::new() }
    }

    const KNOWN: [&str; 6] =
        ["H", "v*", "F|output-format=", "g|origin=*", "no-refresh", "no-index"];

    #[test]
    fn options_end_at_the_first_operand() {
        for (arguments, options, operands) in [
            (&["-Hv", "x", "-v"][..], vec![("H", ""), ("v", "")], &["x", "-v"][..]),
            (&["-Ftsv", "-F", "x"], vec![], &[]),
            (&["-g", "a", "--origin=b", "--"], vec![("g", "a"), ("g", "b")], &[]),
            (&["--no-r", "--", "-H"], vec![("no-refresh", "")], &["-H"]),
            (&["-", "-H"], vec![], &["-", "-H"]),
            (&["-HFdefault"], vec![("H", ""), ("F", "default")], &[]),
        ] {
            let Ok(given) = call(arguments).given(&KNOWN) else {
                assert_eq!(arguments[0], "-Ftsv", "{arguments:?}");
                continue;
            };
            let read: Vec<(&str, &str)> =
                given.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(
                (read, given.operands.as_slice()),
                (options, operands.iter().map(|o| o.to_string()).collect::<Vec<_>>().as_slice())
            );
        }
    }

    #[test]
    fn usage_errors() {
        for (arguments, message) in [
            (&["-x"][..], "illegal option -- x"),
            (&["--nothing"], "illegal option -- nothing"),
            (&["--no-"], "illegal option -- no-"),
            (&["-g"], "illegal option -- g"),
            (&["--no-refresh=x"], "illegal option -- no-refresh"),
            (&["-HH"], "Option '-H' may not be repeated."),
            (&["-F", "a", "-Fb"], "Option '-F/--output-format' may not be repeated."),
        ] {
            let failure = call(arguments).given(&KNOWN).unwrap_err();
            assert_eq!((failure.status, failure.message.as_str()), (2, message));
        }
    }
}
