//! pkg.depotd: a package repository over HTTP (the program; `lib.rs` is the map of its parts).
//!
//! Signals: SIGUSR1 reads publishers and configuration again without dropping a connection;
//! SIGTERM and SIGINT end it.
//!
//! Exit status: 0; by hand 1 error, 2 usage; under SMF (`--cfg svc:...`) 96 configuration,
//! 100 permission, 95 anything else that no retry mends.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use pkg_server::jobs::Jobs;
use pkg_server::log::Log;
use pkg_server::options::{Arguments, Options, OptionsError};
use pkg_server::server::BindError;
use pkg_server::service::Service;
use pkg_server::tls::{Dialog, Identity, TlsError};
use pkg_server::view::{View, ViewError};
use pkg_server::{admin, daemon, properties, server, tls, worker};

const USAGE: &str = "\
Usage:
        pkg.depotd [-a address] [-d inst_root] [-p port] [-s threads]
            [-t socket_timeout] [--add-content] [--cfg (file|svc:fmri)]
            [--content-root root_dir] [--daemon]
            [--debug=feature,...] [--disable-ops=op[/version],...] [--exit-ready]
            [--log-access dest] [--log-errors dest] [--mirror] [--proxy-base url]
            [--readonly] [--rebuild] [--refresh-index]
            [--set-property section/property=value]
            [--ssl-cert-file source] [--ssl-dialog type] [--ssl-key-file source]
            [--writable-root path]

        dest is stdout, stderr, none or a path.
Options:
        --help or -?

Environment:
        PKG_REPO                The repository, if -d is not given.
        PKG_DEPOT_CONTENT       The content root, if --content-root is not given.
";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let arguments = match Arguments::parse(words.iter().cloned()) {
        Ok(arguments) => arguments.in_surroundings(&|name| std::env::var(name).ok()),
        Err(error) => {
            eprint!("pkg.depotd: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.help {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let done = if arguments.daemon {
        let rest: Vec<OsString> = words.into_iter().filter(|word| word != "--daemon").collect();
        daemon::start(&rest).context("starting in the background")
    } else {
        run(&arguments)
    };
    done.unwrap_or_else(|error| {
        eprintln!("pkg.depotd: {error:#}");
        ExitCode::from(status(&error, under_smf(&arguments)))
    })
}

fn under_smf(arguments: &Arguments) -> bool {
    arguments.cfg.as_ref().is_some_and(|cfg| cfg.starts_with("svc:"))
}

/// The exit status that stands for an error.
fn status(error: &anyhow::Error, smf: bool) -> u8 {
    let usage = matches!(error.downcast_ref(), Some(OptionsError::Usage(_)));
    if !smf {
        return if usage { 2 } else { 1 };
    }
    let configuration = error.is::<OptionsError>()
        || error.is::<properties::PropertyError>()
        || error.is::<TlsError>()
        || matches!(
            error.downcast_ref(),
            Some(
                ViewError::NoRepository { .. }
                    | ViewError::Version { .. }
                    | ViewError::NoPublisher { .. }
            )
        );
    if configuration {
        96
    } else if matches!(error.downcast_ref(), Some(BindError::Permission { .. })) {
        100
    } else {
        95
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.background {
        daemon::leave_session();
    }
    let mut options = told(arguments)?;
    let view = View::read_by(&options.repository, &options.configuration)?;
    options.writable &= !view.is_older();
    // Who watches sees who comes.
    let is_watched = !arguments.background && io::stdout().is_terminal();
    let usual = if is_watched { "stdout" } else { "none" };
    let dest = options.log_access.as_deref().unwrap_or(usual);
    let access = Log::open(dest).with_context(|| dest.to_string())?;
    let errors = Log::open(&options.log_errors).with_context(|| options.log_errors.clone())?;
    // Who only makes something ready takes nobody's port.
    let addresses: &[String] = if arguments.exit_ready { &[] } else { &options.addresses };
    let listeners = server::bind(addresses, options.port)?;
    // Before the workers start: they inherit that these signals are the main thread's.
    let signals = Signals::new([SIGUSR1, SIGTERM, SIGINT]).context("signals")?;
    let descriptors = raise_descriptor_limit();
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let uris: Vec<String> = listeners
        .iter()
        .map(|listener| Ok(format!("{scheme}://{}/", listener.local_addr()?)))
        .collect::<io::Result<_>>()
        .context("local address")?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = options.threads.min(threads);
    let mut identity = options.tls.clone();
    let port = options.port;
    let (writable, first) = (options.writable, options.first);
    let service = Arc::new(Service::new(options, view, access, errors));
    if let Some(identity) = &mut identity {
        service.set_tls(open_identity(identity, port)?);
    }
    if let Some(task) = first {
        admin::carry_out(&service, task, None)?;
    }
    if writable || service.has_own_indexes() {
        admin::start(&service).context("starting the maintenance thread")?;
    }
    if arguments.exit_ready {
        return Ok(ExitCode::SUCCESS);
    }
    if service.has_own_indexes() {
        admin::index_soon(&service);
    }
    worker::start(listeners, &service, &Jobs::new(), workers, descriptors / 4 * 3)
        .context("starting the workers")?;
    daemon::say_listening(&uris).context("standard output")?;
    if arguments.background {
        daemon::join_outputs().context("standard output")?;
        // No file system is kept busy by a depot whose repository lies elsewhere.
        std::env::set_current_dir(Path::new("/")).context("/")?;
    }
    serve(signals, &service, identity.as_mut(), port);
    Ok(ExitCode::SUCCESS)
}

/// What flags and properties say.
fn told(arguments: &Arguments) -> anyhow::Result<Options> {
    let properties = match &arguments.cfg {
        None => properties::Properties::new(),
        Some(cfg) if under_smf(arguments) => properties::parse(&daemon::svcprop(cfg)?)?,
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| file.clone())?;
            properties::parse(&text)?
        }
    };
    let directory = std::env::current_dir().context("current directory")?;
    Ok(Options::new(arguments, properties, &directory)?)
}

/// Reads certificate and key; a passphrase that was told is remembered, to read them again.
fn open_identity(identity: &mut Identity, port: u16) -> Result<Arc<ServerConfig>, TlsError> {
    let mut told = None;
    let configuration = tls::load(identity, |dialog| {
        let passphrase = daemon::passphrase(dialog, port)?;
        told = Some(passphrase.clone());
        Ok(passphrase)
    })?;
    if let Some(passphrase) = told {
        identity.dialog = Dialog::Known(passphrase);
    }
    Ok(configuration)
}

/// Waits for signals until one ends the depot.
fn serve(mut signals: Signals, service: &Service, mut identity: Option<&mut Identity>, port: u16) {
    for signal in signals.forever() {
        if signal != SIGUSR1 {
            return;
        }
        match service.refresh() {
            Ok(()) => {
                service.log_error("refreshed");
                if service.has_own_indexes() {
                    admin::index_soon(service);
                }
            }
            Err(error) => service.log_error(&format!("refresh: {error}; serving as before")),
        }
        if let Some(identity) = &mut identity {
            match open_identity(identity, port) {
                Ok(configuration) => service.set_tls(configuration),
                Err(error) => service.log_error(&format!("refresh: {error}; as before")),
            }
        }
    }
}

/// Every connection is a descriptor; the usual soft limit of 1024 is for programs with select.
/// How many there may be now.
fn raise_descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
    // SAFETY: all calls get a structure that lives through them.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0
            && limit.rlim_cur < limit.rlim_max
        {
            limit.rlim_cur = limit.rlim_max;
            // Fewer descriptors serve fewer clients at once, nothing worse.
            let _fewer = libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
