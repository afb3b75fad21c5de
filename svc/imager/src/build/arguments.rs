//! arguments.rs - what `distro_const build` was asked to do, by either form's rules.
//!
//! ```text
//! old   build [-R] [-r step] [-p step] [-l] manifest      getopt: options end at the manifest
//! dc    build [-v] [-r checkpoint] [-p checkpoint] [-l] manifest       options may follow it
//! both  -k file: the key that signs what is said of the media; ours, not the original's
//! ```
//!
//! Which form holds is known only when the manifest has been read, so the words are read by both
//! ([`Both::of`]) and one of the two answers counts.  Not here: whether steps of these names
//! exist (`choice.rs`).

use std::mem::discriminant;

/// An option that asks for something of the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `-r`: go on from this step.
    Resume(String),
    /// `-p`: stop before this step.
    Pause(String),
    /// `-R`: go on from the last step that was begun.
    ResumeLast,
    /// `-l`: show the table.
    List,
    /// `-h` or `-?`.
    Help,
}

impl Asked {
    /// As it is written.
    pub fn letter(&self) -> &'static str {
        match self {
            Self::Resume(_) => "-r",
            Self::Pause(_) => "-p",
            Self::ResumeLast => "-R",
            Self::List => "-l",
            Self::Help => "-h",
        }
    }
}

/// What the words ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The manifest's path.
    pub manifest: String,
    /// What is asked of the steps, in order.
    pub options: Vec<Asked>,
    /// `-v`: the console hears what the detail log does.
    pub verbose: bool,
    /// `-d`: the manifest's server tells what it is asked.
    pub debug: bool,
    /// `-k`: the file with the key that signs.
    pub key: Option<String>,
}

impl Request {
    /// The step to go on from; the last that was asked for counts.
    pub fn resume(&self) -> Option<&str> {
        self.last(|asked| if let Asked::Resume(step) = asked { Some(step) } else { None })
    }

    /// The step before which to stop; the last that was asked for counts.
    pub fn pause(&self) -> Option<&str> {
        self.last(|asked| if let Asked::Pause(step) = asked { Some(step) } else { None })
    }

    fn last<'a>(&'a self, step: impl Fn(&'a Asked) -> Option<&'a String>) -> Option<&'a str> {
        self.options.iter().rev().find_map(step).map(String::as_str)
    }
}

/// The words are not a command; the text says why, where the form has a text for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse(pub String);

fn misuse<T>(text: impl Into<String>) -> Result<T, Misuse> {
    Err(Misuse(text.into()))
}

/// The words, read by the rules of both forms.
#[derive(Debug, Clone)]
pub struct Both {
    /// The original form.
    pub old: Result<Request, Misuse>,
    /// The newer one.
    pub dc: Result<Request, Misuse>,
}

impl Both {
    /// Reads the words after `build`.
    pub fn of(words: &[String]) -> Self {
        Self { old: getopt(words), dc: optparse(words) }
    }

    /// Reads all words where the first is an option: only the newer form finds `build` behind it.
    pub fn behind_options(words: &[String]) -> Option<Self> {
        words.first().filter(|word| word.starts_with('-'))?;
        let (mut request, operands) = optparse_all(words).ok()?;
        let [subcommand, manifest] = operands.as_slice() else { return None };
        (subcommand == "build").then_some(())?;
        request.manifest.clone_from(manifest);
        Some(Self { old: misuse("Invalid or missing subcommand"), dc: Ok(request) })
    }

    /// The path of the manifest, by whichever form finds one.
    pub fn manifest(&self) -> Option<&str> {
        let found = self.old.as_ref().ok().or(self.dc.as_ref().ok());
        found.map(|request| request.manifest.as_str())
    }
}

/// The older form has its usage for all that is wrong.
fn unsaid() -> Misuse {
    Misuse(String::new())
}

/// getopt(3) with `r:p:hRl?d`, and `k:`.
fn getopt(words: &[String]) -> Result<Request, Misuse> {
    let mut request = Request::default();
    let mut words = words.iter();
    let manifest = loop {
        let word = words.next().ok_or_else(unsaid)?;
        let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            break word;
        };
        if letters == "-" {
            break words.next().ok_or_else(unsaid)?;
        }
        for (at, letter) in letters.char_indices() {
            if let 'r' | 'p' | 'k' = letter {
                let rest = &letters[at + 1..];
                let value = if rest.is_empty() { words.next().cloned() } else { Some(rest.into()) };
                let value = value.ok_or_else(unsaid)?;
                match letter {
                    'r' => request.options.push(Asked::Resume(value)),
                    'p' => request.options.push(Asked::Pause(value)),
                    _ => request.key = Some(value),
                }
                break;
            }
            flag(&mut request, letter)?;
        }
    };
    request.manifest.clone_from(manifest);
    Ok(request)
}

fn flag(request: &mut Request, letter: char) -> Result<(), Misuse> {
    match letter {
        'R' => request.options.push(Asked::ResumeLast),
        'l' => request.options.push(Asked::List),
        'h' | '?' => request.options.push(Asked::Help),
        'd' => request.debug = true,
        _ => return Err(unsaid()),
    }
    Ok(())
}

/// The long options of the newer form; a beginning that only one has will do.
const LONG: [(&str, char); 6] =
    [("help", 'h'), ("key", 'k'), ("list", 'l'), ("pause", 'p'), ("resume", 'r'), ("verbose", 'v')];

fn takes_value(letter: char) -> bool {
    matches!(letter, 'r' | 'p' | 'k')
}

/// Python's optparse: options anywhere, one operand; the last of a name counts.
fn optparse(words: &[String]) -> Result<Request, Misuse> {
    let (mut request, operands) = optparse_all(words)?;
    match operands.as_slice() {
        [manifest] => request.manifest.clone_from(manifest),
        // Who asks for help is helped at once.
        [] if request.options.contains(&Asked::Help) => {}
        _ => return misuse("invalid number of arguments to distro_const"),
    }
    Ok(request)
}

/// The options, and the operands among them.  Nothing behind a plea for help is looked at.
fn optparse_all(words: &[String]) -> Result<(Request, Vec<String>), Misuse> {
    let mut request = Request::default();
    let mut operands = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            operands.extend(words.by_ref().cloned());
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (name, letter) = long_option(name)?;
            let value = match attached {
                Some(_) if !takes_value(letter) => {
                    return misuse(format!("--{name} option does not take a value"));
                }
                None if takes_value(letter) => words.next().cloned(),
                attached => attached,
            };
            option(&mut request, letter, value, &format!("--{name}"))?;
        } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let rest = &letters[at + letter.len_utf8()..];
                if takes_value(letter) {
                    let attached = (!rest.is_empty()).then(|| rest.to_owned());
                    let value = attached.or_else(|| words.next().cloned());
                    option(&mut request, letter, value, &format!("-{letter}"))?;
                    break;
                }
                option(&mut request, letter, None, &format!("-{letter}"))?;
            }
        } else {
            operands.push(word.clone());
        }
        if request.options.contains(&Asked::Help) {
            break;
        }
    }
    Ok((request, operands))
}

/// The long option that a word means.
fn long_option(word: &str) -> Result<(&'static str, char), Misuse> {
    let begun = LONG.iter().filter(|(name, _)| name.starts_with(word));
    match begun.collect::<Vec<_>>().as_slice() {
        [one] => Ok(**one),
        [] => misuse(format!("no such option: --{word}")),
        several => {
            let names: Vec<String> = several.iter().map(|(name, _)| format!("--{name}")).collect();
            misuse(format!("ambiguous option: --{word} ({}?)", names.join(", ")))
        }
    }
}

/// Takes one option, written as `shown`.
fn option(
    request: &mut Request,
    letter: char,
    value: Option<String>,
    shown: &str,
) -> Result<(), Misuse> {
    if takes_value(letter) && value.is_none() {
        return misuse(format!("{shown} option requires an argument"));
    }
    let value = value.unwrap_or_default();
    let asked = match letter {
        'r' => Asked::Resume(value),
        'p' => Asked::Pause(value),
        'l' => Asked::List,
        'h' => Asked::Help,
        'v' => {
            request.verbose = true;
            return Ok(());
        }
        'k' => {
            request.key = Some(value);
            return Ok(());
        }
        _ => return misuse(format!("no such option: {shown}")),
    };
    // The last of a name counts.
    request.options.retain(|other| discriminant(other) != discriminant(&asked));
    request.options.push(asked);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(line: &str) -> Both {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        Both::of(&words)
    }

    fn request(manifest: &str, options: &[Asked]) -> Request {
        let options = options.to_vec();
        Request { manifest: manifest.to_string(), options, ..Request::default() }
    }

    fn resume(step: &str) -> Asked {
        Asked::Resume(step.to_string())
    }

    fn pause(step: &str) -> Asked {
        Asked::Pause(step.to_string())
    }

    #[test]
    fn the_old_form_stops_at_the_manifest() {
        let cases: [(&str, Request); 8] = [
            ("m.xml", request("m.xml", &[])),
            ("-R m.xml", request("m.xml", &[Asked::ResumeLast])),
            ("-r im-mod -p iso m.xml", request("m.xml", &[resume("im-mod"), pause("iso")])),
            ("-r1 -r 2 m", request("m", &[resume("1"), resume("2")])),
            ("-lR m -p x", request("m", &[Asked::List, Asked::ResumeLast])),
            ("-k key -k other m", Request { key: Some("other".into()), ..request("m", &[]) }),
            ("-dh m n o", Request { debug: true, ..request("m", &[Asked::Help]) }),
            ("-- -m", request("-m", &[])),
        ];
        for (line, wanted) in cases {
            assert_eq!(both(line).old, Ok(wanted), "{line}");
        }
        for line in ["", "-l", "-x m", "-r", "-v m", "--list m", "--", "-k", "-k m"] {
            assert!(both(line).old.is_err(), "{line}");
        }
    }

    #[test]
    fn the_newer_form_takes_long_options_anywhere() {
        let verbose = |request: Request| Request { verbose: true, ..request };
        let cases: [(&str, Request); 8] = [
            ("m -l", request("m", &[Asked::List])),
            ("-vl m", verbose(request("m", &[Asked::List]))),
            ("--resume=a m --pause b", request("m", &[resume("a"), pause("b")])),
            ("-r a -r b m -v", verbose(request("m", &[resume("b")]))),
            ("m --key=a", Request { key: Some("a".into()), ..request("m", &[]) }),
            ("--help", request("", &[Asked::Help])),
            ("m --he -x", request("m", &[Asked::Help])),
            ("--verb --li -- -m", verbose(request("-m", &[Asked::List]))),
        ];
        for (line, wanted) in cases {
            assert_eq!(both(line).dc, Ok(wanted), "{line}");
        }
        for (line, wanted) in [
            ("", "invalid number of arguments to distro_const"),
            ("a b", "invalid number of arguments to distro_const"),
            ("-R m", "no such option: -R"),
            ("-vR m", "no such option: -R"),
            ("--nothing m", "no such option: --nothing"),
            ("-r", "-r option requires an argument"),
            ("m --res", "--resume option requires an argument"),
            ("--list=yes m", "--list option does not take a value"),
            (
                "m --=a",
                "ambiguous option: -- (--help, --key, --list, --pause, --resume, --verbose?)",
            ),
        ] {
            assert_eq!(both(line).dc, misuse(wanted), "{line}");
        }
        assert_eq!(both("-v m").manifest(), Some("m"));
    }

    #[test]
    fn options_may_come_before_the_subcommand_of_the_newer_form() {
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
            Both::behind_options(&words)
        };
        let found = read("-v --list build m").unwrap();
        let wanted = Request { verbose: true, ..request("m", &[Asked::List]) };
        assert_eq!(found.dc, Ok(wanted));
        assert!(found.old.is_err());
        for line in ["build m", "-l destroy m", "-l build", "-x build m", ""] {
            assert!(read(line).is_none(), "{line}");
        }
    }
}
