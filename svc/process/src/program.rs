//! program.rs - what to run: program, arguments, environment, directory; and the short ways to
//! run it.
//!
//! Not here: how a started program is heard and ended (child.rs).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smf_contract::ContractError;

use crate::account::Account;
use crate::child::{Child, Ended, Limits, Stream};
use crate::confinement::Confinement;
use crate::ledger::Ledger;
use crate::lines::Lines;

/// Where programs are looked for when the caller has no PATH.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program did not run to an end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not installed.
    #[error("{program}: not found")]
    Absent {
        /// The program.
        program: String,
    },
    /// What its first line names is not installed.
    #[error("{program}: its interpreter {interpreter}: not found")]
    Interpreter {
        /// The program.
        program: String,
        /// The interpreter.
        interpreter: String,
    },
    /// It could not be started.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It could not be heard or waited for.
    #[error("{program}: {source}")]
    Wait {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its contract could not be made or read.
    #[error("{program}: {source}")]
    Contract {
        /// The program.
        program: String,
        /// What is wrong with the contract.
        source: ContractError,
    },
}

/// What a short tool said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
}

impl Output {
    /// Exit status 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.ended.success()
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// The last line of standard error that is not empty, or how it ended.
    #[must_use]
    pub fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.err);
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        last.map_or_else(|| self.ended.to_string(), |line| line.trim().to_owned())
    }
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) contained: bool,
    pub(crate) account: Option<Account>,
    pub(crate) confinement: Option<Confinement>,
    pub(crate) ledger: Option<Arc<Ledger>>,
}

impl Program {
    /// A program, looked for in the caller's PATH when it has no slash.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Program {
        let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
        let environment = [("PATH", path), ("LC_ALL", "C".into()), ("TZ", "UTC".into())];
        Program {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: environment.map(|(name, value)| (name.into(), value)).into(),
            directory: None,
            contained: true,
            account: None,
            confinement: None,
            ledger: None,
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Program {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Program {
        self.arguments.extend(arguments.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// One more variable; the last of a name counts.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Program {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Variables as the caller has them; one that the caller lacks is left out.
    #[must_use]
    pub fn pass(mut self, names: &[&str]) -> Program {
        for name in names {
            if let Some(value) = std::env::var_os(name) {
                self.environment.insert(name.into(), value);
            }
        }
        self
    }

    /// Where it runs; without, where the caller is.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Program {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Whom it runs as; without, as the caller.
    #[must_use]
    pub fn account(mut self, account: Account) -> Program {
        self.account = Some(account);
        self
    }

    /// What of the file system it may change; without, what its rights allow.
    #[must_use]
    pub fn confined(mut self, confinement: Confinement) -> Program {
        self.confinement = Some(confinement);
        self
    }

    /// It may give files away and make devices as root does: what it says of them is in the ledger
    /// instead of on the disk.  Where the system knows no way, it may what its rights allow.
    #[must_use]
    pub fn ledger(mut self, ledger: &Arc<Ledger>) -> Program {
        self.ledger = Some(Arc::clone(ledger));
        self
    }

    /// Without a contract: what it leaves behind lives on (a daemon that it starts), and it is
    /// heard only until it ends itself.  Also for short tools known to start nothing.
    #[must_use]
    pub fn uncontained(mut self) -> Program {
        self.contained = false;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// It is not there, or no process or contract can be made.
    pub fn start(&self) -> Result<Child, ProcessError> {
        Child::start(self)
    }

    /// Runs it to its end, hearing standard output and error together, as bytes as they come.
    /// When `hear` breaks, it is ended.
    ///
    /// # Errors
    /// It cannot be started or heard.  A status other than 0 is no error.
    pub fn run(
        &self,
        limits: &Limits<'_>,
        hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Ended, ProcessError> {
        self.start()?.wait(limits, &mut |_, bytes| hear(bytes))
    }

    /// Runs it to its end, hearing both streams line by line.
    ///
    /// # Errors
    /// It cannot be started or heard.
    pub fn run_lines(
        &self,
        limits: &Limits<'_>,
        line: &mut dyn FnMut(&str),
    ) -> Result<Ended, ProcessError> {
        // One splitter per stream: a line of one is never torn by the other.
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let ended = self.start()?.wait(limits, &mut |stream, bytes| {
            match stream {
                Stream::Out => out.push(bytes, line),
                Stream::Err => err.push(bytes, line),
            }
            ControlFlow::Continue(())
        });
        out.finish(line);
        err.finish(line);
        ended
    }

    /// Runs a short tool to its end and gives what it wrote.
    ///
    /// # Errors
    /// It cannot be started or heard.
    pub fn output(&self, limits: &Limits<'_>) -> Result<Output, ProcessError> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended = self.start()?.wait(limits, &mut |stream, bytes| {
            match stream {
                Stream::Out => out.extend_from_slice(bytes),
                Stream::Err => err.extend_from_slice(bytes),
            }
            ControlFlow::Continue(())
        })?;
        Ok(Output { ended, out, err })
    }

    /// Becomes the program: nothing of the caller stays, its streams and environment are kept and
    /// added to.  Returns only when that fails.
    #[must_use]
    pub fn become_it(&self) -> ProcessError {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).envs(&self.environment);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        // SAFETY: between fork and exec it makes system calls only.
        unsafe { command.pre_exec(crate::child::unmask_signals) };
        self.start_error(command.exec())
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    pub(crate) fn start_error(&self, source: io::Error) -> ProcessError {
        let here = self.directory.as_ref().is_none_or(|directory| directory.is_dir());
        if source.kind() == io::ErrorKind::NotFound && here {
            let program = self.name();
            return match interpreter(Path::new(&self.program)) {
                Some(interpreter) => ProcessError::Interpreter { program, interpreter },
                None => ProcessError::Absent { program },
            };
        }
        ProcessError::Start { program: self.name(), source }
    }
}

/// What the first line of a script names, if it is not there.
fn interpreter(script: &Path) -> Option<String> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(script).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = String::from_utf8_lossy(start.strip_prefix(b"#!")?).into_owned();
    let word = line.lines().next()?.split_whitespace().next()?;
    (!Path::new(word).exists()).then(|| word.to_owned())
}
