//! maintainer.rs - a day of who keeps a distribution's packages (tests/maintainer), compared whole.
//!
//! Needs `cargo build -p ips-cmd -p pkg-server`.  A depot serves the repository `served` of the
//! day's folder at `$DEPOT`; it is started by the test and ends with it.

use std::process::Command;

use tests::case::{Case, difference};
use tests::depot::{Depot, programs};
use tests::{Said, top};

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
            .env("DEPOT", depot.uri())
            .env("SERVED", &served)
            .env("KEYS", top().join("svc/ips/client/tests/keys"));
        shell
    });
    let said = said.replace(depot.uri(), "@D@").replace(served.to_str().unwrap(), "@S@");
    if let Some(difference) = difference(&case.expected(), &said) {
        panic!("{difference}");
    }
}
