//! tests - the world an end-to-end test lives in.
//!
//! `prefix()` installs the built programs once; `World` is one `$SMF_ROOT` of its own with a copy
//! of the tiny gates.  Dropping a world stops its engine and proves that nothing of it is alive.
//!
//! Law: free loopback ports, temporary directories, no process left behind.

pub mod case;
pub mod cost;
pub mod depot;
pub mod dice;
pub mod hold;
pub mod living;
pub mod sample;
pub mod severed;
pub mod smf;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a test waits for something that should come to pass.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// The folder that holds Cargo.toml.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The folder of the programs that `cargo build` made for this profile.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_path_buf()
}

/// Makes a folder that test programs share, and holds its lock until the file is dropped.
fn alone_in(place: &Path) -> fs::File {
    fs::create_dir_all(place).unwrap();
    let lock = fs::File::create(place.join("lock")).unwrap();
    // SAFETY: flock on a descriptor this function owns; it is released with the file.
    assert_eq!(0, unsafe { libc::flock(std::os::fd::AsRawFd::as_raw_fd(&lock), libc::LOCK_EX) });
    lock
}

/// The install prefix all tests share: laid out once by packaging/install, under a lock.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let place = built().join("lamplighter-test");
        let _lock = alone_in(&place);
        let prefix = place.join("prefix");
        let install = Command::new("sh")
            .arg(top().join("packaging/install"))
            .arg(&prefix)
            .env("LAMPLIGHTER_BUILD", built())
            .output()
            .unwrap();
        assert!(install.status.success(), "install: {}", String::from_utf8_lossy(&install.stderr));
        prefix
    })
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Exit status; 128 + signal when it was killed.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Runs a command to its end.
    pub fn run(mut command: Command) -> Self {
        Said::of(command.output().unwrap())
    }

    /// Runs a command that reads `input` (its standard input is a pipe) to its end.
    pub fn to(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A command that reads nothing may be gone already.
            scope.spawn(move || stdin.write_all(input.as_bytes()).is_ok());
            Said::of(child.wait_with_output().unwrap())
        })
    }

    fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        Said {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts success and gives the standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "out: {}\nerr: {}", self.out, self.err);
        self.out
    }
}

/// One root of services and outputs, with gates of its own.
pub struct World {
    directory: Option<tempfile::TempDir>,
    /// `$SMF_ROOT`.
    pub root: PathBuf,
    /// The copy of the gates this world builds.
    pub gates: PathBuf,
    environment: Vec<(String, String)>,
    unprivileged: bool,
    within: Vec<String>,
}

impl World {
    /// An empty root beside a copy of the tiny gates; nothing runs yet.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("lamplighter-").tempdir().unwrap();
        let root = directory.path().join("root");
        let gates = directory.path().join("gates");
        fs::create_dir_all(&root).unwrap();
        copy_tree(&prefix().join("share/lamplighter/gates/tiny"), &gates);
        World {
            directory: Some(directory),
            root,
            gates,
            environment: Vec::new(),
            unprivileged: false,
            within: Vec::new(),
        }
    }

    /// A world whose commands and engine run as nobody, without a writable cgroup; `None`, with a
    /// visible line, where this test cannot become nobody or nobody cannot read the programs.
    pub fn unprivileged() -> Option<Self> {
        let mut world = World::new().with("LAMPLIGHTER_NO_CGROUP", "1");
        world.unprivileged = true;
        let folder = world.directory.as_ref().unwrap().path();
        let own = Command::new("chown").args(["-R", "65534:65534"]).arg(folder).status();
        let reads = world.command("svcs").arg("-?").output();
        if own.is_ok_and(|status| status.success()) && reads.is_ok_and(|said| said.status.success())
        {
            return Some(world);
        }
        eprintln!("SKIPPED: cannot run {} as nobody here", prefix().display());
        world.unprivileged = false;
        None
    }

    /// A world whose commands and engine see one more environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// From now on commands are run by this command (`nsenter ...`); by nothing when it is empty.
    pub fn within(&mut self, words: &[&str]) {
        self.within = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// `new`, with the engine up and the tiny gates configured on free ports.
    pub fn up() -> Self {
        let world = World::new();
        world.start();
        world
    }

    /// Brings the engine up on this root.
    pub fn start(&self) {
        let gates = self.gates.to_str().unwrap().to_string();
        self.run("lamplighter", &["up", "--tiny", "--gates", &gates, "--ports", "0"]).ok();
    }

    /// A command of the prefix (or of the host), with this world's environment.
    pub fn command(&self, program: &str) -> Command {
        let installed = prefix().join("bin").join(program);
        let program = if installed.exists() { installed.as_os_str() } else { OsStr::new(program) };
        let mut command = if self.unprivileged {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            command
        } else if let Some((first, rest)) = self.within.split_first() {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        } else {
            Command::new(program)
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("SMF_ROOT", &self.root)
            .env("PATH", format!("{}:{path}", prefix().join("bin").display()))
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Said {
        Said::of(self.command(program).args(arguments).output().unwrap())
    }

    /// Types one line at a shell that has the commands in its PATH.
    pub fn type_line(&self, line: &str) -> Said {
        self.run("sh", &["-c", line])
    }

    /// The state of an instance, as `svcs` prints it (with `*` in transition).
    pub fn state(&self, instance: &str) -> String {
        self.run("svcs", &["-H", "-o", "state", instance]).ok().trim().to_string()
    }

    /// Waits until an instance is in `state`, stable.
    #[track_caller]
    pub fn await_state(&self, instance: &str, state: &str) {
        let last = || {
            format!("{instance} is {}, {state} expected\n{}", self.state(instance), self.story())
        };
        await_true(&|| self.state(instance) == state, &last);
    }

    /// Waits until `svcs -x` has nothing to explain: a depot may still be starting when what it
    /// serves is already there.
    #[track_caller]
    pub fn await_well(&self) {
        await_true(&|| self.run("svcs", &["-x"]).out.is_empty(), &|| self.story());
    }

    /// What `svcs -a`, `svcs -x` and the end of every log say: printed by a failing test.
    pub fn story(&self) -> String {
        let mut story = self.run("svcs", &["-a"]).out + &self.run("svcs", &["-x"]).out;
        for entry in fs::read_dir(self.root.join("var/svc/log")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(12)..];
            story += &format!("\n== {}\n{}\n", entry.path().display(), tail.join("\n"));
        }
        story
    }

    /// The text of an instance's log, `service:instance` with `-` for `/`.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(format!("var/svc/log/{name}.log"))).unwrap_or_default()
    }

    /// Where a stage keeps its outputs.
    pub fn stage(&self, stage: &str) -> PathBuf {
        self.root.join("var/lamplighter").join(stage)
    }

    /// The output a stage's `current` names, or an empty path.
    pub fn current(&self, stage: &str) -> PathBuf {
        fs::canonicalize(self.stage(stage).join("current")).unwrap_or_default()
    }

    /// How often each stage has done its work so far: outputs it ever finished, told by the log.
    pub fn worked(&self, log: &str) -> usize {
        self.log(log).lines().filter(|line| line.contains("finished out/")).count()
    }

    /// The directory that holds all of this world.
    fn folder(&self) -> &Path {
        self.root.parent().unwrap()
    }

    /// Processes that belong to this world, by number and arguments.
    pub fn alive(&self) -> Vec<String> {
        self.living().iter().map(|one| format!("{} {}", one.pid, one.line)).collect()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let down = self.run("lamplighter", &["down"]);
        let alive = self.alive();
        if std::thread::panicking() {
            eprintln!("world kept: {}; alive: {alive:?}", self.root.display());
            for process in &alive {
                let pid: i32 = process.split(' ').next().unwrap().parse().unwrap();
                // SAFETY: the process carries this world's mark, so this test started it.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            if let Some(directory) = self.directory.take() {
                let _ = directory.keep();
            }
            return;
        }
        assert!(alive.is_empty(), "left behind: {alive:?} (down said {down:?})");
    }
}

/// Waits until `holds`; at the deadline panics with what `last` says.
#[track_caller]
pub fn await_true(holds: &dyn Fn() -> bool, last: &dyn Fn() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{}", last());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// All files below a place: their paths below `top`, and what they hold.
pub fn contents(place: &Path, top: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path, top));
        } else {
            let name = path.strip_prefix(top).unwrap().display().to_string();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// Copies files, directories, links and modes.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            copy_tree(&path, &target);
        } else if metadata.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), &target).unwrap();
        } else {
            fs::copy(&path, &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(metadata.mode_bits())).unwrap();
        }
    }
}

trait ModeBits {
    fn mode_bits(&self) -> u32;
}

impl ModeBits for fs::Metadata {
    fn mode_bits(&self) -> u32 {
        self.permissions().mode() & 0o7777
    }
}

/// Replaces `from` by `to` in a file; it must be there.
pub fn edit(path: &Path, from: &str, to: &str) {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.contains(from), "{} does not contain {from:?}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// A TCP port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
