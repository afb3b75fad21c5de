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

/// The words are not a command; the text says why, where the form has a text for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misuse(pub &'static str);

/// The words, read by the rules of both forms.
#[derive(Debug)]
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

    /// The path of the manifest, by whichever form finds one.
    pub fn manifest(&self) -> Option<&str> {
        let found = self.old.as_ref().ok().or(self.dc.as_ref().ok());
        found.map(|request| request.manifest.as_str())
    }
}

/// getopt(3) with `r:p:hRl?d`, and `k:`.
fn getopt(words: &[String]) -> Result<Request, Misuse> {
    let mut request = Request::default();
    let mut words = words.iter();
    let manifest = loop {
        let word = words.next().ok_or(Misuse(""))?;
        let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            break word;
        };
        if letters == "-" {
            break words.next().ok_or(Misuse(""))?;
        }
        for (at, letter) in letters.char_indices() {
            if let 'r' | 'p' | 'k' = letter {
                let rest = &letters[at + 1..];
                let value = if rest.is_empty() { words.next().cloned() } else { Some(rest.into()) };
                let value = value.ok_or(Misuse(""))?;
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
        _ => return Err(Misuse("")),
    }
    Ok(())
}

/// Python's optparse: long options, `--name=value`, options anywhere; the last of a name counts.
fn optparse(words: &[String]) -> Result<Request, Misuse> {
    const COUNT: Misuse = Misuse("invalid number of arguments to distro_const");
    let mut request = Request::default();
    let mut operands = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            operands.extend(words.by_ref());
            break;
        }
        let Some(option) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            operands.push(word);
            continue;
        };
        let (name, attached) = match option.strip_prefix('-') {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (long, None),
            },
            // One letter, then its value or more letters.
            None => {
                let end = option.char_indices().nth(1).map_or(option.len(), |(at, _)| at);
                let rest = &option[end..];
                (&option[..end], (!rest.is_empty()).then(|| rest.to_string()))
            }
        };
        let mut value = || attached.clone().or_else(|| words.next().cloned()).ok_or(COUNT);
        let asked = match name {
            "r" | "resume" => Some(Asked::Resume(value()?)),
            "p" | "pause" => Some(Asked::Pause(value()?)),
            "l" | "list" => Some(Asked::List),
            "h" | "help" => Some(Asked::Help),
            "v" | "verbose" => {
                request.verbose = true;
                None
            }
            "k" | "key" => {
                request.key = Some(value()?);
                None
            }
            _ => return Err(Misuse("no such option")),
        };
        if let Some(asked) = asked {
            // The last of a name counts.
            request.options.retain(|other| discriminant(other) != discriminant(&asked));
            request.options.push(asked);
        }
        // -vl: what follows a letter without a value is letters too.
        if let (false, Some(rest), "v" | "l" | "h") = (option.starts_with('-'), &attached, name) {
            for letter in rest.chars() {
                match letter {
                    'v' => request.verbose = true,
                    other => flag(&mut request, other)?,
                }
            }
        }
    }
    let [manifest] = operands.as_slice() else {
        return if request.options.contains(&Asked::Help) { Ok(request) } else { Err(COUNT) };
    };
    request.manifest.clone_from(manifest);
    Ok(request)
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
        let cases: [(&str, Request); 6] = [
            ("m -l", request("m", &[Asked::List])),
            ("-vl m", verbose(request("m", &[Asked::List]))),
            ("--resume=a m --pause b", request("m", &[resume("a"), pause("b")])),
            ("-r a -r b m -v", verbose(request("m", &[resume("b")]))),
            ("m --key=a", Request { key: Some("a".into()), ..request("m", &[]) }),
            ("--help", request("", &[Asked::Help])),
        ];
        for (line, wanted) in cases {
            assert_eq!(both(line).dc, Ok(wanted), "{line}");
        }
        for line in ["", "a b", "-R m", "--nothing m", "-r"] {
            assert!(both(line).dc.is_err(), "{line}");
        }
        assert_eq!(both("-v m").manifest(), Some("m"));
    }
}
