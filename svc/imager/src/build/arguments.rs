//! arguments.rs - what `distro_const build` was asked to do, by either form's rules.
//!
//! ```text
//! old   build [-R] [-r step] [-p step] [-l] manifest      getopt: options end at the manifest
//! dc    build [-v] [-r checkpoint] [-p checkpoint] [-l] manifest       options may follow it
//! ```
//!
//! Which form holds is known only when the manifest has been read, so the words are read by both
//! ([`Both::of`]) and one of the two answers counts.  Not here: whether steps of these names
//! exist (`choice.rs`).

/// What the words ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The manifest's path.
    pub manifest: String,
    /// Every `-r`, in order.
    pub resume: Vec<String>,
    /// Every `-p`, in order.
    pub pause: Vec<String>,
    /// `-R`.
    pub resume_last: bool,
    /// `-l`.
    pub list: bool,
    /// `-h` or `-?`.
    pub help: bool,
    /// `-v`: the console hears what the detail log does.
    pub verbose: bool,
    /// `-d`: the manifest's server tells what it is asked.
    pub debug: bool,
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

/// getopt(3) with `r:p:hRl?d`.
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
            if let 'r' | 'p' = letter {
                let rest = &letters[at + 1..];
                let value = if rest.is_empty() { words.next().cloned() } else { Some(rest.into()) };
                let value = value.ok_or(Misuse(""))?;
                let list = if letter == 'r' { &mut request.resume } else { &mut request.pause };
                list.push(value);
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
        'R' => request.resume_last = true,
        'l' => request.list = true,
        'h' | '?' => request.help = true,
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
        match name {
            "r" | "resume" => request.resume = vec![value()?],
            "p" | "pause" => request.pause = vec![value()?],
            "v" | "verbose" => request.verbose = true,
            "l" | "list" => request.list = true,
            "h" | "help" => request.help = true,
            _ => return Err(Misuse("no such option")),
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
        return if request.help { Ok(request) } else { Err(COUNT) };
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

    fn request(manifest: &str, change: impl FnOnce(&mut Request)) -> Request {
        let mut request = Request { manifest: manifest.to_string(), ..Request::default() };
        change(&mut request);
        request
    }

    #[test]
    fn the_old_form_stops_at_the_manifest() {
        let cases: [(&str, Request); 7] = [
            ("m.xml", request("m.xml", |_| {})),
            ("-R m.xml", request("m.xml", |r| r.resume_last = true)),
            ("-r im-mod -p iso m.xml", {
                request("m.xml", |r| {
                    (r.resume, r.pause) = (vec!["im-mod".into()], vec!["iso".into()])
                })
            }),
            ("-r1 -r 2 m", request("m", |r| r.resume = vec!["1".into(), "2".into()])),
            ("-lR m -p x", request("m", |r| (r.list, r.resume_last) = (true, true))),
            ("-dh m n o", request("m", |r| (r.debug, r.help) = (true, true))),
            ("-- -m", request("-m", |_| {})),
        ];
        for (line, wanted) in cases {
            assert_eq!(both(line).old, Ok(wanted), "{line}");
        }
        for line in ["", "-l", "-x m", "-r", "-v m", "--list m", "--"] {
            assert!(both(line).old.is_err(), "{line}");
        }
    }

    #[test]
    fn the_newer_form_takes_long_options_anywhere() {
        let cases: [(&str, Request); 5] = [
            ("m -l", request("m", |r| r.list = true)),
            ("-vl m", request("m", |r| (r.verbose, r.list) = (true, true))),
            ("--resume=a m --pause b", {
                request("m", |r| (r.resume, r.pause) = (vec!["a".into()], vec!["b".into()]))
            }),
            ("-r a -r b m -v", {
                request("m", |r| (r.resume, r.verbose) = (vec!["b".into()], true))
            }),
            ("--help", request("", |r| r.help = true)),
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
