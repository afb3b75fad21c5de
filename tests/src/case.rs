//! case.rs - a folder of tests/conform: bundles, and commands with what they should say.
//!
//! ```text
//! # what the case shows              a note; "#: host no, WHY" keeps it from a host's own SMF,
//!                                    "#: root" needs root
//! $ command                          typed at sh, in a copy of the folder
//! > more of it                       as the shell's second prompt
//! < line                             its standard input
//! ! line                             its standard error
//! = status                           its exit status, 0 when not said
//! line, or |line                     its standard output (| keeps a line that looks like another)
//! ```
//!
//! Empty lines count for nothing.  `@T@`, here and in the bundles, is the copy's path.  What is
//! said and what should be said are brought into one form, masked by masks.sed, and compared whole.
//! packaging/conform reads the same folders, by sh alone.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::smf::{Root, smf_prefix};
use crate::{Said, top};

/// One command and what it should say.
#[derive(Debug, Default)]
struct Step {
    command: String,
    input: String,
    out: Vec<String>,
    err: Vec<String>,
    status: i32,
}

impl Step {
    /// As both sides are compared.
    fn render(&self, into: &mut String) {
        let command = self.command.replace('\n', "\n> ");
        writeln!(into, "$ {command}").unwrap();
        self.err.iter().for_each(|line| writeln!(into, "! {line}").unwrap());
        if self.status != 0 {
            writeln!(into, "= {}", self.status).unwrap();
        }
        self.out.iter().for_each(|line| writeln!(into, "|{line}").unwrap());
    }
}

/// A case, read.
#[derive(Debug)]
pub struct Case {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether only root can play it.
    pub for_root: bool,
    steps: Vec<Step>,
}

/// Where the cases lie.
#[must_use]
pub fn cases() -> PathBuf {
    top().join("tests/conform")
}

impl Case {
    /// Reads the file `commands` of a folder.
    #[must_use]
    pub fn read(folder: &Path) -> Case {
        let path = folder.join("commands");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut case = Case { folder: folder.to_owned(), for_root: false, steps: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            if let Some(command) = line.strip_prefix("$ ") {
                let command = command.to_owned();
                case.steps.push(Step { command, ..Step::default() });
            } else if line.starts_with('#') {
                case.for_root |= line == "#: root";
            } else if !line.is_empty() {
                let step = case.steps.last_mut();
                let step =
                    step.unwrap_or_else(|| panic!("{}:{}: no command", path.display(), index + 1));
                step.take(line);
            }
        }
        assert!(!case.steps.is_empty(), "{} commands nothing", path.display());
        case
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// How many commands it types.
    #[must_use]
    pub fn commands(&self) -> usize {
        self.steps.len()
    }

    /// What should be said.
    #[must_use]
    pub fn expected(&self) -> String {
        let mut text = String::new();
        self.steps.iter().for_each(|step| step.render(&mut text));
        masked(&text)
    }

    /// Plays it on a root and gives what was said.
    #[must_use]
    pub fn play(&self, root: &Root) -> String {
        let scratch = root.scratch().join(self.name());
        let path = [smf_prefix().join("bin"), cases().join("bin")];
        let path = path.map(|folder| folder.display().to_string()).join(":");
        let said = self.play_in(&scratch, &|| {
            let mut shell = root.command("/bin/sh");
            shell.env("PATH", format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin"));
            shell
        });
        said.replace(root.path().to_str().unwrap(), "")
    }

    /// Plays it in a folder that is made for it, by the shells that `shell` gives.
    #[must_use]
    pub fn play_in(&self, scratch: &Path, shell: &dyn Fn() -> Command) -> String {
        fs::create_dir(scratch).unwrap();
        let place = scratch.to_str().unwrap();
        for entry in fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap().replace("@T@", place);
            fs::write(scratch.join(path.file_name().unwrap()), text).unwrap();
        }
        let mut text = String::new();
        for step in &self.steps {
            let said = typed(shell(), scratch, step);
            let lines = |text: &str| text.lines().map(str::to_owned).collect();
            let (out, err) = (lines(&said.out), lines(&said.err));
            let command = step.command.clone();
            let said = Step { command, input: String::new(), out, err, status: said.status };
            said.render(&mut text);
        }
        masked(&text.replace(place, "@T@"))
    }
}

impl Step {
    fn take(&mut self, line: &str) {
        let starts = |mark: &str| line.strip_prefix(mark).or((line == mark.trim()).then_some(""));
        if let Some(rest) = starts("> ") {
            self.command.push('\n');
            self.command.push_str(rest);
        } else if let Some(rest) = starts("< ") {
            self.input.push_str(rest);
            self.input.push('\n');
        } else if let Some(rest) = starts("! ") {
            self.err.push(rest.to_owned());
        } else if let Some(rest) = line.strip_prefix("= ") {
            self.status = rest.parse().expect("a status is a number");
        } else {
            self.out.push(line.strip_prefix('|').unwrap_or(line).to_owned());
        }
    }
}

fn typed(mut shell: Command, scratch: &Path, step: &Step) -> Said {
    let place = scratch.to_str().unwrap();
    shell
        .args(["-c", &step.command.replace("@T@", place)])
        .current_dir(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Said::to(shell, &step.input.replace("@T@", place))
}

/// A text without what may differ between two runs.
fn masked(text: &str) -> String {
    let mut sed = Command::new("sed");
    sed.arg("-f").arg(cases().join("masks.sed")).stdin(Stdio::piped()).stdout(Stdio::piped());
    Said::to(sed, text).ok()
}

/// How two texts differ, as `diff -u` says it; none when they do not.
#[must_use]
pub fn difference(expected: &str, said: &str) -> Option<String> {
    if expected == said {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("expected", expected), ("said", said)] {
        fs::File::create(folder.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }
    let mut diff = Command::new("diff");
    diff.args(["-u", "--label=expected", "--label=said", "expected", "said"]);
    diff.current_dir(folder.path());
    Some(Said::run(diff).out)
}
