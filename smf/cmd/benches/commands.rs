//! commands.rs - how long svcs and svcprop take, as whole processes, against a repository of many
//! instances: `cargo bench -p smf-cmd`, or `-- "svcs -a"` for one command.
//!
//! The restarter is not there; every instance has what a restarter would have written of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use smf_configd::{Host, Repository};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

/// Runs of each command; the median is printed.
const RUNS: usize = 25;

fn group(kind: &str, volatile: bool, properties: &[(&str, &str, &str)]) -> Group {
    let property = |kind: &str, value: &str| Property {
        kind: kind.into(),
        values: value.split_whitespace().map(str::to_owned).collect(),
    };
    let properties =
        properties.iter().map(|(name, kind, value)| ((*name).to_owned(), property(kind, value)));
    Group { kind: kind.into(), volatile, properties: properties.collect() }
}

/// One service with one instance, as an import and a restarter leave it.
fn instance(number: usize) -> Vec<Operation> {
    let service = format!("svc:/application/bench/n{number}");
    let fmri = format!("{service}:default");
    let need = format!("svc:/application/bench/n{}:default", number / 2);
    let add = |entity: &str, name: &str, group| {
        Operation::AddGroup(entity.to_owned(), name.to_owned(), group)
    };
    let restarter = [
        ("state", "astring", "online"),
        ("next_state", "astring", "none"),
        ("state_timestamp", "time", "1265947111.123456789"),
        ("auxiliary_state", "astring", "dependencies_satisfied"),
        ("contract", "count", "4711"),
        ("transient_contract", "count", ""),
        ("logfile", "astring", "/var/svc/log/application-bench:default.log"),
        ("start_pid", "count", "4712"),
        ("start_method_timestamp", "time", "1265947111.123456789"),
        ("start_method_waitstatus", "integer", "0"),
    ];
    let dependency = [
        ("entities", "fmri", need.as_str()),
        ("grouping", "astring", "require_all"),
        ("restart_on", "astring", "none"),
        ("type", "astring", "service"),
    ];
    let start = [("exec", "astring", "/bin/true"), ("timeout_seconds", "count", "60")];
    let config = [("port", "count", "8001"), ("root", "astring", "/var/bench")];
    vec![
        Operation::Add(service.clone()),
        add(&service, "start", group("method", false, &start)),
        add(&service, "config", group("application", false, &config)),
        add(&service, "need", group("dependency", false, &dependency)),
        add(&service, "tm_common_name", group("template", false, &[("C", "ustring", "a-bench")])),
        Operation::Add(fmri.clone()),
        add(&fmri, "general", group("framework", false, &[("enabled", "boolean", "true")])),
        add(&fmri, "restarter", group("framework", true, &restarter)),
        Operation::Take(fmri, "running".into()),
    ]
}

fn median(root: &Path, arguments: &[&str]) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let status = Command::new(match arguments[0] {
                "svcs" => env!("CARGO_BIN_EXE_svcs"),
                _ => env!("CARGO_BIN_EXE_svcprop"),
            })
            .args(&arguments[1..])
            .env("SMF_ROOT", root)
            .stdout(Stdio::null())
            .status()
            .expect("the program runs");
            assert!(status.success(), "{arguments:?}");
            start.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    for count in [1_000, 10_000] {
        let root = tempfile::tempdir().expect("a directory");
        let volatile = root.path().join("etc/svc/volatile");
        std::fs::create_dir_all(&volatile).expect("a directory");
        let lasting = root.path().join("etc/svc/repository.db");
        let repository = Repository::open(&lasting, &volatile.join("svc_nonpersist.db"));
        let host = Host::new(repository.expect("a repository")).expect("a host");
        host.serve(&volatile.join("repository_door"), root.path()).expect("a socket");
        host.update(|_| (0..count).flat_map(instance).collect()).expect("a commit");
        let last = format!("svc:/application/bench/n{}:default", count - 1);
        for arguments in [
            &["svcs", "-?"][..],
            &["svcs", "-a"],
            &["svcs", "-a", "-o", "fmri,desc"],
            &["svcs", "-x"],
            &["svcs", &last],
            &["svcs", "-l", &last],
            &["svcs", "-D", &last],
            &["svcprop", "-p", "config/port", &last],
            &["svcprop", &last],
        ] {
            let command = arguments.join(" ");
            if only.as_ref().is_some_and(|only| *only != command) {
                continue;
            }
            let [fastest, median] =
                fastest_and_median(root.path(), arguments).map(|time| time.as_secs_f64() * 1000.0);
            println!("{count:6} instances  {fastest:7.2} ms  {median:7.2} ms  {command}");
        }
    }
}
