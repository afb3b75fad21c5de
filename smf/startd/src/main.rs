//! svc.startd(8): the restarter, and the repository it hosts.
//!
//! Exit status: 0 served (the daemon goes on), 1 another engine has this root or something is
//! wrong, 2 usage.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use smf_configd::{Host, Repository};
use smf_startd::daemon::{self, Signals};
use smf_startd::engine::Engine;
use smf_startd::place::Place;
use smf_startd::sys::background::{Ready, Side, background};
use smf_startd::sys::machine::Machine;

const HELP: &str = "\
Usage: svc.startd [-f]

Starts the restarter for the root $SMF_ROOT (default: / for root, else
$XDG_STATE_HOME/lamplighter) and returns when it serves.

  -f, --foreground  stay in the foreground
  -h, --help        this text

SIGTERM takes all services down, dependents first, and ends it.
";

/// What follows the prefix in the path of a method.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn main() -> ExitCode {
    let foreground = match options() {
        Ok(Some(foreground)) => foreground,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprint!("svc.startd: {error}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let ready = if foreground {
        Ready::foreground()
    } else {
        match background() {
            Ok(Side::Caller(status)) => return ExitCode::from(u8::try_from(status).unwrap_or(1)),
            Ok(Side::Daemon(ready)) => ready,
            Err(error) => {
                eprintln!("svc.startd: {error}");
                return ExitCode::FAILURE;
            }
        }
    };
    match serve(ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("svc.startd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether to stay in the foreground; none when help was all that was asked for.
fn options() -> Result<Option<bool>, lexopt::Error> {
    use lexopt::prelude::{Long, Short};
    let mut foreground = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('f') | Long("foreground") => foreground = true,
            Short('h' | '?') | Long("help") => {
                print!("{HELP}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(foreground))
}

fn serve(ready: Ready) -> Result<()> {
    let is_root = nix::unistd::geteuid().is_root();
    let root = smf_scf::root::root(|name| std::env::var_os(name), is_root)
        .context("neither SMF_ROOT nor HOME is set")?;
    let root = std::path::absolute(root)?;
    let place = Place::take(&root)?;
    let repository = Repository::open(&place.repository(), &place.volatile("svc_nonpersist.db"))?;
    let host = Host::new(repository)?;
    smf_startd::repository::appear(&host)?;
    let signals = Signals::take()?;
    host.serve(&place.door(), place.root())?;
    let machine = Machine::new(&place.owner(), &place.logs(), environment(&place)?)
        .with_context(|| place.logs().display().to_string())?;
    let mut engine = Engine::new(host.clone(), machine);
    engine.begin()?;
    let keep = engine.contracts();
    engine.sys().sweep(&keep);
    place.write_pid().context("svc.startd.pid")?;
    ready.tell()?;
    daemon::run(&mut engine, &signals, host.ear())?;
    place.leave();
    Ok(())
}

/// What every method gets beside the variables of SMF.
fn environment(place: &Place) -> Result<Vec<(String, String)>> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let program = std::env::current_exe().context("the path of this program")?;
    // PREFIX/lib/svc/bin/svc.startd
    let path = match program.ancestors().nth(4) {
        Some(prefix) => format!("{}:{SYSTEM_PATH}", text(&prefix.join("bin"))),
        None => SYSTEM_PATH.to_owned(),
    };
    let mut environment = vec![
        ("SMF_ROOT".to_owned(), text(place.root())),
        ("LIBSCF_DOORPATH".to_owned(), text(&place.door())),
        ("PATH".to_owned(), path),
    ];
    for name in [smf_contract::FORBID_CGROUP, "TZ"] {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        environment.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(environment)
}
