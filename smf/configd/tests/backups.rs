//! Backups are made and rotated, damage is found and set aside, a backup takes its place.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use smf_configd::backup::{BackupError, backups};
use smf_configd::restore::{RestoreError, Source, check, restore};
use smf_configd::rights::Caller;
use smf_configd::{OpenError, Repository};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Root(tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("etc/svc/volatile")).unwrap();
        root
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn lasting(&self) -> PathBuf {
        self.path().join("etc/svc/repository.db")
    }

    fn volatile(&self) -> PathBuf {
        self.path().join("etc/svc/volatile/svc_nonpersist.db")
    }

    fn open(&self) -> Result<Repository, OpenError> {
        Repository::open(&self.lasting(), &self.volatile())
    }

    fn reboot(&self) -> Repository {
        fs::remove_file(self.volatile()).unwrap();
        self.open().unwrap()
    }

    fn backups(&self) -> Vec<String> {
        backups(&self.lasting()).unwrap().into_iter().map(|backup| backup.tag).collect()
    }

    /// Names in etc/svc that begin so, without what follows the last `_corrupt_` or `_old_`.
    fn beside(&self, stem: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(self.path().join("etc/svc")).unwrap();
        let paths = all.map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> = paths
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(stem))
            .collect();
        found.sort();
        found
    }
}

const SERVICE: &str = "svc:/a/b";

fn set(repository: &mut Repository, port: u32) {
    let value = Property { kind: "count".into(), values: vec![port.to_string()] };
    let mut operations = Vec::new();
    if repository.groups(SERVICE).is_err() {
        let group = Group { kind: "application".into(), ..Group::default() };
        operations.push(Operation::Add(SERVICE.into()));
        operations.push(Operation::AddGroup(SERVICE.into(), "p".into(), group));
    }
    operations.push(Operation::Set(SERVICE.into(), "p".into(), "port".into(), value));
    repository.carry_out(&operations, &Caller::Owner).unwrap();
}

fn port(repository: &Repository) -> String {
    repository.group(SERVICE, "p").unwrap().properties["port"].values[0].clone()
}

#[test]
fn four_of_a_tag_are_kept_and_none_twice() {
    let root = Root::new();
    let mut repository = root.open().unwrap();
    set(&mut repository, 0);
    for number in 1..=6 {
        set(&mut repository, number);
        let made = repository.backup("mine").unwrap().unwrap();
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(repository.backup("mine").unwrap(), None, "nothing has changed");
        // The same values at other generations are no change.
        set(&mut repository, 99);
        set(&mut repository, number);
        assert_eq!(repository.backup("mine").unwrap(), None);
        let newest = fs::canonicalize(root.path().join("etc/svc/repository-mine")).unwrap();
        assert_eq!(newest, fs::canonicalize(&made).unwrap());
    }
    repository.backup("other").unwrap().unwrap();
    let mut tags = root.backups();
    tags.sort();
    assert_eq!(tags, ["mine", "mine", "mine", "mine", "other"]);
    let all = backups(&root.lasting()).unwrap().into_iter();
    let ports = all
        .filter(|backup| backup.tag == "mine")
        .map(|backup| port(&Repository::open_read_only(&backup.path, Path::new("")).unwrap()));
    assert_eq!(ports.collect::<Vec<_>>(), ["3", "4", "5", "6"]);
    assert!(root.beside("repository-tmp").is_empty());
    for tag in ["", "a/b", "..", "tmp"] {
        let refused = repository.backup(tag);
        assert!(matches!(refused, Err(BackupError::Tag(_))), "{tag}: {refused:?}");
    }
}

#[test]
fn the_first_lasting_write_of_a_boot_is_preceded_by_a_backup() {
    let root = Root::new();
    let mut repository = root.open().unwrap();
    set(&mut repository, 1);
    assert!(root.backups().is_empty(), "nothing was there before");
    drop(repository);
    let mut repository = root.reboot();
    let volatile = Group { kind: "framework".into(), volatile: true, ..Group::default() };
    let state = Operation::AddGroup(SERVICE.into(), "restarter".into(), volatile);
    repository.carry_out(&[state], &Caller::Owner).unwrap();
    assert!(root.backups().is_empty(), "nothing lasting was written");
    set(&mut repository, 2);
    set(&mut repository, 3);
    drop(repository);
    // Another svc.startd in the same boot makes none.
    set(&mut root.open().unwrap(), 4);
    let all = backups(&root.lasting()).unwrap();
    assert_eq!(root.backups(), ["boot"]);
    assert_eq!(port(&Repository::open_read_only(&all[0].path, Path::new("")).unwrap()), "1");
    set(&mut root.reboot(), 5);
    assert_eq!(root.backups(), ["boot", "boot"]);
}

/// Writes over the middle of a file.
fn damage(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    for at in (4096..length).step_by(4096) {
        file.write_all_at(&[0x5a; 200], at).unwrap();
    }
}

#[test]
fn a_damaged_repository_is_set_aside_and_the_newest_good_backup_is_named() {
    let root = Root::new();
    let mut repository = root.open().unwrap();
    set(&mut repository, 1);
    let good = repository.backup("boot").unwrap().unwrap();
    set(&mut repository, 2);
    let bad = repository.backup("manifest_import").unwrap().unwrap();
    drop(repository);
    damage(&bad);
    damage(&root.lasting());
    let error = root.open().unwrap_err();
    let OpenError::SetAside { aside, .. } = &error else { panic!("{error}") };
    assert!(aside.exists() && !root.lasting().exists());
    let told = error.to_string();
    let name = good.file_name().unwrap().to_str().unwrap().strip_prefix("repository-").unwrap();
    let command = format!("restore_repository -r {} {name}", root.path().display());
    assert!(told.contains(&command), "{told}");
    let errors = fs::read_to_string(root.path().join("etc/svc/volatile/db_errors")).unwrap();
    assert!(errors.contains(&aside.display().to_string()), "{errors}");
    // Nobody begins anew by starting again.
    let again = root.open().unwrap_err();
    assert!(matches!(&again, OpenError::Gone { .. }), "{again}");
    assert!(again.to_string().contains(&command), "{again}");
    let refused = restore(root.path(), &Source::Backup(bad)).unwrap_err();
    assert!(matches!(refused, RestoreError::Source(OpenError::Corrupt { .. })), "{refused}");
    assert_eq!(restore(root.path(), &Source::Backup(good)).unwrap(), None);
    assert_eq!(port(&root.open().unwrap()), "1");
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let root = Root::new();
    fs::write(root.lasting(), "not a database, but long enough to look at".repeat(100)).unwrap();
    let error = root.open().unwrap_err();
    assert!(matches!(error, OpenError::SetAside { .. }), "{error}");
    assert!(error.to_string().contains("restore_repository -r"), "{error}");
    assert!(error.to_string().ends_with("-seed-"), "{error}");
    let absent = Repository::open_read_only(&root.lasting(), &root.volatile()).unwrap_err();
    assert!(matches!(absent, OpenError::Absent(_)), "{absent}");
    restore(root.path(), &Source::Empty).unwrap();
    assert!(root.open().unwrap().entities().is_empty());
}

#[test]
fn a_damaged_volatile_file_is_begun_anew() {
    let root = Root::new();
    set(&mut root.open().unwrap(), 1);
    fs::write(root.volatile(), "nonsense".repeat(1000)).unwrap();
    let repository = root.open().unwrap();
    assert_eq!(port(&repository), "1");
    let volatile = fs::read_dir(root.path().join("etc/svc/volatile")).unwrap();
    let names = volatile.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().any(|name| name.starts_with("svc_nonpersist.db_corrupt_")));
}

#[test]
fn a_restore_keeps_what_was_there_with_its_log() {
    let root = Root::new();
    let mut repository = root.open().unwrap();
    set(&mut repository, 1);
    let backup = repository.backup("boot").unwrap().unwrap();
    set(&mut repository, 2);
    // As after SIGKILL: the log is still beside it.
    std::mem::forget(repository);
    let old = restore(root.path(), &Source::Backup(backup)).unwrap().unwrap();
    assert_eq!(port(&root.open().unwrap()), "1");
    assert_eq!(port(&Repository::open_read_only(&old, Path::new("")).unwrap()), "2");
    check(&root.lasting()).unwrap();
}

#[test]
fn nothing_is_restored_below_a_running_engine() {
    let root = Root::new();
    set(&mut root.open().unwrap(), 1);
    let lock = fs::File::create(root.path().join("etc/svc/volatile/svc.startd.lock")).unwrap();
    let held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let refused = restore(root.path(), &Source::Empty).unwrap_err();
    assert!(matches!(refused, RestoreError::Running(_)), "{refused}");
    assert!(refused.to_string().contains("svc.startd is running"), "{refused}");
    drop(held);
    restore(root.path(), &Source::Empty).unwrap();
    assert_eq!(root.beside("repository.db_old_").len(), 1);
}
