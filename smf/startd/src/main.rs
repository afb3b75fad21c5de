//! svc.startd(8): the restarter, and the repository it hosts.
//!
//! Exit status: 0 served (the daemon goes on), 1 another engine has this root or something is
//! wrong, 2 usage.

mod options;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use smf_configd::{Host, Repository};
use smf_startd::daemon::{self, Signals};
use smf_startd::engine::Engine;
use smf_startd::init::Init;
use smf_startd::place::Place;
use smf_startd::sys::Sys;
use smf_startd::sys::background::{Ready, Side, background};
use smf_startd::sys::machine::Machine;
use smf_startd::sys::manager::Manager;
use smf_startd::sys::memory::Allocator;

use options::Options;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// What follows the prefix in the path of a method.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn main() -> ExitCode {
    let boot = std::env::var("SMF_OPTIONS").unwrap_or_default();
    let options = match options::parse(lexopt::Parser::from_env(), &boot) {
        Ok(options) => options,
        Err(error) => {
            eprint!("svc.startd: {error}\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    if options.help {
        print!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    let ready = if options.foreground {
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
    match serve(ready, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("svc.startd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(ready: Ready, options: &Options) -> Result<()> {
    let mut manager = Manager::new(|name| std::env::var_os(name));
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
    let init = Init::read(place.root());
    let mut machine = Machine::new(&place.owner(), &place.logs(), environment(&place, &init)?)
        .with_context(|| place.logs().display().to_string())?;
    machine.set_root(place.root());
    machine.set_umask(init.umask);
    machine.set_logging(options.logging.unwrap_or_default());
    let mut engine = Engine::new(host.clone(), machine);
    if let Some(milestone) = &options.milestone {
        engine.boot_to(milestone);
    }
    engine.begin()?;
    let keep = engine.contracts();
    engine.sys().sweep(&keep);
    place.write_pid().context("svc.startd.pid")?;
    ready.tell()?;
    manager.ready();
    daemon::run(&mut engine, &signals, host.ear(), &mut manager)?;
    host.settle();
    place.leave();
    Ok(())
}

/// What every method gets beside the variables of SMF.
fn environment(place: &Place, init: &Init) -> Result<Vec<(String, String)>> {
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
    for (name, value) in &init.variables {
        environment.retain(|(known, _)| known != name);
        environment.push((name.clone(), value.clone()));
    }
    Ok(environment)
}
