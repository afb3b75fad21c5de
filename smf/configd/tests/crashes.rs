//! What is committed survives whoever kills the process at any instant; a full disk and a root that
//! cannot be written refuse and tear nothing.
//!
//! What is killed, starved or not let in is this test program, started again with a task.

#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use smf_configd::rights::Caller;
use smf_configd::{Change, Repository, restore};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};
use smf_scf::protocol::Refusal;

const TASK: &str = "SMF_CONFIGD_TEST_ROOT";
const NOBODY: u32 = 65534;
const SERVICE: &str = "svc:/a/b";
const INSTANCE: &str = "svc:/a/b:c";

fn files(root: &Path) -> (PathBuf, PathBuf) {
    (root.join("repository.db"), root.join("volatile/volatile.db"))
}

fn new_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("volatile")).unwrap();
    root
}

fn open(root: &Path) -> Repository {
    let (lasting, volatile) = files(root);
    Repository::open(&lasting, &volatile).unwrap()
}

fn set(entity: &str, group: &str, value: u64) -> Operation {
    let value = Property { kind: "count".into(), values: vec![value.to_string()] };
    Operation::Set(entity.into(), group.into(), "number".into(), value)
}

fn add(entity: &str, group: &str, volatile: bool) -> Operation {
    let empty = Group { kind: "application".into(), volatile, ..Group::default() };
    Operation::AddGroup(entity.into(), group.into(), empty)
}

fn owner(repository: &mut Repository, operations: &[Operation]) -> Result<Vec<Change>, Refusal> {
    repository.carry_out(operations, &Caller::Owner)
}

fn number(repository: &Repository, entity: &str, group: &str) -> u64 {
    repository.group(entity, group).unwrap().properties["number"].values[0].parse().unwrap()
}

/// The root to work in, if this process is one that was started with a task.
fn task() -> Option<PathBuf> {
    std::env::var_os(TASK).map(PathBuf::from)
}

/// Starts this program again for one test.
fn again(test: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(TASK, root);
    command
}

/// Commits one number after the other into three groups at once, and says each when it is done.
fn count(root: &Path) -> ! {
    let mut repository = open(root);
    for value in number(&repository, SERVICE, "p") + 1.. {
        let mut operations = vec![
            set(SERVICE, "p", value),
            set(INSTANCE, "q", value),
            set(INSTANCE, "v", value),
            Operation::Take(INSTANCE.into(), "running".into()),
        ];
        if value % 7 == 0 {
            operations.push(Operation::RemoveGroup(INSTANCE.into(), "v".into()));
            operations.push(add(INSTANCE, "v", true));
            operations.push(set(INSTANCE, "v", value));
        }
        owner(&mut repository, &operations).unwrap();
        println!("\ndone {value}");
        std::io::stdout().flush().unwrap();
        if value % 5 == 0 {
            repository.backup("often").unwrap();
        }
    }
    unreachable!("numbers do not end")
}

#[test]
fn a_writer_that_is_killed_at_any_instant_loses_nothing_it_was_told() {
    if let Some(root) = task() {
        count(&root);
    }
    let root = new_root();
    let first = [
        Operation::Add(SERVICE.into()),
        Operation::Add(INSTANCE.into()),
        add(SERVICE, "p", false),
        add(INSTANCE, "q", false),
        add(INSTANCE, "v", true),
        set(SERVICE, "p", 0),
        set(INSTANCE, "q", 0),
        set(INSTANCE, "v", 0),
    ];
    owner(&mut open(root.path()), &first).unwrap();
    let mut least = 0;
    for round in 0..40_u64 {
        let name = "a_writer_that_is_killed_at_any_instant_loses_nothing_it_was_told";
        let mut child = again(name, root.path()).stdout(Stdio::piped()).spawn().unwrap();
        let told = killed_somewhere(&mut child, round);
        least = told.unwrap_or(least);
        // For reading first, as svcs does; then as the next svc.startd does.
        let (lasting, volatile) = files(root.path());
        for repository in [
            Repository::open_read_only(&lasting, &volatile).unwrap(),
            Repository::open(&lasting, &volatile).unwrap(),
        ] {
            let now = number(&repository, SERVICE, "p");
            assert!(now == least || now == least + 1, "round {round}: {now} after {least}");
            assert_eq!(number(&repository, INSTANCE, "q"), now, "half a commit");
            // The volatile half may be one behind: it is written second.
            let behind = now - number(&repository, INSTANCE, "v");
            assert!(behind <= 1, "round {round}");
            if now > 0 {
                let (own, service) = repository.snapshot(INSTANCE, "running").unwrap().unwrap();
                for group in [&own["q"], &service["p"]] {
                    assert_eq!(group.properties["number"].values, [now.to_string()]);
                }
            }
            least = now;
        }
        restore::check(&lasting).unwrap();
    }
    assert!(least > 40, "only {least} commits in 40 lives");
    for backup in smf_configd::backup::backups(&files(root.path()).0).unwrap() {
        restore::check(&backup.path).unwrap();
    }
}

/// Kills a child a moment after its first commits; the last number it said.
fn killed_somewhere(child: &mut Child, round: u64) -> Option<u64> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = None;
    let mut take = |line: std::io::Result<String>| {
        let said = line.unwrap().strip_prefix("done ").map(|number| number.parse().unwrap());
        last = said.or(last);
        said.is_some()
    };
    let mut commits = 0;
    while commits < round % 6 + 1 {
        commits += u64::from(take(lines.next().unwrap()));
    }
    // Any instant of a commit, or of the backup after it: microseconds that no two rounds share.
    std::thread::sleep(std::time::Duration::from_micros(round * 97 % 3000));
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        take(line);
    }
    last
}

#[test]
fn a_full_disk_refuses_and_tears_nothing() {
    if let Some(root) = task() {
        fill(&root);
        return;
    }
    let root = new_root();
    let status = again("a_full_disk_refuses_and_tears_nothing", root.path()).status().unwrap();
    assert!(status.success());
    let repository = open(root.path());
    let told = fs::read_to_string(root.path().join("told")).unwrap();
    assert_eq!(number(&repository, SERVICE, "p").to_string(), told);
    restore::check(&files(root.path()).0).unwrap();
}

/// Writes until no file may grow any more.
fn fill(root: &Path) {
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: no handler runs; the signal is ignored, so that a write fails instead.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    let mut repository = open(root);
    let long = Property { kind: "astring".into(), values: vec!["x".repeat(4000); 20] };
    let first = [Operation::Add(SERVICE.into()), add(SERVICE, "p", false), set(SERVICE, "p", 0)];
    owner(&mut repository, &first).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 1 << 20, nix::libc::RLIM_INFINITY).unwrap();
    let mut last = 0;
    let refused = loop {
        let value = last + 1;
        let name = format!("n{value}");
        let more = [
            add(SERVICE, &name, false),
            Operation::Set(SERVICE.into(), name, "text".into(), long.clone()),
            set(SERVICE, "p", value),
        ];
        match owner(&mut repository, &more) {
            Ok(_) => last = value,
            Err(refusal) => break refusal,
        }
        assert!(last < 1000, "nothing was refused");
    };
    assert!(matches!(refused, Refusal::Failed(_)), "{refused}");
    assert_eq!(number(&repository, SERVICE, "p"), last, "memory is as the file");
    // It goes on as soon as there is room.
    setrlimit(Resource::RLIMIT_FSIZE, nix::libc::RLIM_INFINITY, nix::libc::RLIM_INFINITY).unwrap();
    owner(&mut repository, &[set(SERVICE, "p", last + 1)]).unwrap();
    fs::write(root.join("told"), (last + 1).to_string()).unwrap();
}

#[test]
fn a_root_that_cannot_be_written_takes_what_is_volatile() {
    if let Some(root) = task() {
        read_only(&root);
        return;
    }
    let root = new_root();
    let first = [Operation::Add(SERVICE.into()), add(SERVICE, "p", false), set(SERVICE, "p", 1)];
    let mut repository = open(root.path());
    owner(&mut repository, &first).unwrap();
    // Its log is left beside it, as after a power cut.
    std::mem::forget(repository);
    let mut command = again("a_root_that_cannot_be_written_takes_what_is_volatile", root.path());
    if nix::unistd::geteuid().is_root() {
        // root may write everywhere.
        for folder in [root.path().to_path_buf(), root.path().join("volatile")] {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            for entry in fs::read_dir(&folder).unwrap() {
                chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    fs::set_permissions(root.path(), Permissions::from_mode(0o555)).unwrap();
    assert!(command.status().unwrap().success());
}

fn read_only(root: &Path) {
    let mut repository = open(root);
    assert_eq!(number(&repository, SERVICE, "p"), 1, "what is in the log counts");
    assert_eq!(owner(&mut repository, &[set(SERVICE, "p", 2)]), Err(Refusal::ReadOnly));
    let state = [add(SERVICE, "v", true), set(SERVICE, "v", 3)];
    owner(&mut repository, &state).unwrap();
    assert_eq!(number(&repository, SERVICE, "p"), 1);
    fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
    owner(&mut repository, &[set(SERVICE, "p", 2)]).unwrap();
    drop(repository);
    let repository = open(root);
    assert_eq!((number(&repository, SERVICE, "p"), number(&repository, SERVICE, "v")), (2, 3));
}
