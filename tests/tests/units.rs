//! units.rs - the systemd units, as systemd reads them.

use std::fs;
use std::process::Command;

use tests::top;

/// What systemd-analyze has to say of a unit; none where it is not installed.
fn objections(unit: &str, text: &str) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("svc-startd.service");
    fs::write(&path, text).unwrap();
    let mut command = Command::new("systemd-analyze");
    if unit.starts_with("user/") {
        command.arg("--user");
    }
    command.args(["verify", "--man=no"]).arg(&path);
    command.env("HOME", place.path()).env("XDG_RUNTIME_DIR", place.path()).env("LC_ALL", "C");
    let said = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        other => other.unwrap(),
    };
    // What it objects to it says, and ends with 0 all the same.
    Some(format!("{}{}", said.status, String::from_utf8_lossy(&said.stderr)))
}

#[test]
fn systemd_has_no_objections() {
    for unit in ["svc-startd.service", "user/svc-startd.service"] {
        let text = fs::read_to_string(top().join("packaging/systemd").join(unit)).unwrap();
        let engine = "ExecStart=/opt/lamplighter/lib/svc/bin/svc.startd ";
        assert!(text.contains(engine), "{unit} starts another engine");
        // Whatever is installed where this test is run.
        let text = text.replace(engine, "ExecStart=/bin/true ");
        let Some(said) = objections(unit, &text) else {
            eprintln!("SKIPPED: no systemd-analyze");
            return;
        };
        assert_eq!(said, "exit status: 0", "{unit}");
        let wrong = text.replace("Type=notify", "Type=notfy");
        let said = objections(unit, &wrong).unwrap();
        assert!(said.contains("notfy"), "{unit}: {said}");
    }
}
