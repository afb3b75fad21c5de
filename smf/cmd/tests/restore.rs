//! restore_repository, typed.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use smf_configd::Repository;
use smf_configd::rights::Caller;
use smf_scf::import::Operation;

/// Standard output, standard error and status.
fn typed(root: &Path, arguments: &[&str], input: &str) -> (String, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_restore_repository"))
        .args(["-r", root.to_str().unwrap()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that asks nothing may be gone already.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn add(root: &Path, service: &str) -> Repository {
    let folder = root.join("etc/svc/volatile");
    std::fs::create_dir_all(&folder).unwrap();
    let lasting = root.join("etc/svc/repository.db");
    let mut repository = Repository::open(&lasting, &folder.join("svc_nonpersist.db")).unwrap();
    repository.carry_out(&[Operation::Add(service.into())], &Caller::Owner).unwrap();
    repository
}

fn services(root: &Path) -> Vec<String> {
    let lasting = root.join("etc/svc/repository.db");
    let repository = Repository::open_read_only(&lasting, Path::new("")).unwrap();
    repository.entities().into_keys().collect()
}

#[test]
fn choices() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    add(root, "svc:/one").backup("boot").unwrap().unwrap();
    let repository = add(root, "svc:/two");
    let path = repository.backup("manifest_import").unwrap().unwrap();
    drop(repository);
    drop(add(root, "svc:/three"));
    let name = path.file_name().unwrap().to_str().unwrap().strip_prefix("repository-").unwrap();
    for (arguments, input, left) in [
        (vec![], "-quit-\n", vec!["svc:/one", "svc:/three", "svc:/two"]),
        (vec![], "", vec!["svc:/one", "svc:/three", "svc:/two"]),
        (vec![], "manifest_import\nno\n", vec!["svc:/one", "svc:/three", "svc:/two"]),
        (vec![name], "", vec!["svc:/one", "svc:/two"]),
        (vec![], "\nyes\n", vec!["svc:/one"]),
        (vec!["-y", "manifest_import"], "", vec!["svc:/one", "svc:/two"]),
        (vec![path.to_str().unwrap()], "", vec!["svc:/one", "svc:/two"]),
        (vec!["-seed-"], "", vec![]),
    ] {
        let (out, err, status) = typed(root, &arguments, input);
        assert_eq!((err.as_str(), status), ("", 0), "{arguments:?} {input:?} {out}");
        assert_eq!(services(root), left, "{arguments:?} {input:?} {out}");
    }
    let (out, ..) = typed(root, &["-l"], "");
    let listed: Vec<&str> = out.lines().collect();
    assert!(listed.len() == 2 && listed.contains(&name), "{out}");
}

#[test]
fn what_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let path = add(root, "svc:/one").backup("boot").unwrap().unwrap();
    std::fs::write(&path, "nonsense".repeat(1000)).unwrap();
    let (_, err, status) = typed(root, &["boot"], "");
    assert!(err.contains("cannot be restored") && status == 1, "{err}");
    let (out, _, status) = typed(root, &["-l"], "");
    assert!(out.contains("the repository is damaged") && status == 0, "{out}");
    let (_, err, status) = typed(root, &["nothing"], "");
    assert_eq!((err.as_str(), status), ("restore_repository: Invalid choice: nothing\n", 1));
    assert_eq!(typed(root, &["-x"], "").2, 2);
    let lock = std::fs::File::create(root.join("etc/svc/volatile/svc.startd.lock")).unwrap();
    let _held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let (_, err, status) = typed(root, &["-seed-"], "");
    assert!(err.contains("svc.startd is running") && status == 1, "{err}");
    assert_eq!(services(root), ["svc:/one"]);
}
