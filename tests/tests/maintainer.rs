//! maintainer.rs - a day of who keeps a distribution's packages (tests/maintainer), compared whole.
//!
//! Needs `cargo build -p ips-cmd -p pkg-server`.  A depot serves the repository `served` of the
//! day's folder at `$DEPOT`; it is started by the test and ends with it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tests::case::{Case, difference};
use tests::{Said, top};

/// The programs that were built.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(std::path::Path::parent).unwrap().to_path_buf()
}

struct Depot(Child, String);

impl Depot {
    /// Serves a repository on a free port.
    fn of(repository: &std::path::Path) -> Depot {
        let mut child = Command::new(programs().join("pkg-depotd"))
            .args(["-a", "127.0.0.1", "-p", "0", "--log-errors", "none", "-d"])
            .arg(repository)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; cargo build -p pkg-server"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let uri = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
        Depot(child, uri.trim_end_matches('/').to_string())
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

#[test]
fn a_day_of_a_maintainer() {
    let case = Case::read(&top().join("tests/maintainer"));
    assert!(case.commands() >= 60, "{} commands", case.commands());
    // Everybody may read a repository, or verify says so.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let place = tempfile::Builder::new().permissions(open).tempdir().unwrap();
    let served = place.path().join("served");
    let mut create = Command::new(programs().join("pkgrepo"));
    create.arg("create").arg(&served);
    Said::run(create).ok();
    let depot = Depot::of(&served);
    let said = case.play_in(&place.path().join("day"), &|| {
        let mut shell = Command::new("/bin/sh");
        shell
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", programs().display()))
            .env("LC_ALL", "C")
            .env("SOURCE_DATE_EPOCH", "1795316676")
            .env("DEPOT", &depot.1)
            .env("SERVED", &served)
            .env("KEYS", top().join("svc/ips/client/tests/keys"));
        shell
    });
    let said = said.replace(&depot.1, "@D@").replace(served.to_str().unwrap(), "@S@");
    if let Some(difference) = difference(&case.expected(), &said) {
        panic!("{difference}");
    }
}
