//! admin.rs - admin/0 and index/0: maintenance that a client asks for and does not wait for.
//!
//! One thread does what is asked, in order; a few orders may wait.  What comes of it is in the
//! error log and in status/0.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::{fmt, io};

use ips_repository::{Repository, WriteError};

use crate::http::{self, Response};
use crate::operations::{TEXT, uncached};
use crate::publish;
use crate::service::{Call, Service};

/// How many orders may wait.
const WAITING: usize = 10;

/// What may be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Make catalogs anew, with what else is made of packages.
    Rebuild,
    /// Make catalogs anew.
    RebuildPackages,
    /// Make anew what searches read.
    RebuildIndexes,
    /// Take in what catalogs do not know yet, with what else is made of packages.
    Refresh,
    /// Take in what catalogs do not know yet.
    RefreshPackages,
    /// Bring what searches read up to date.
    RefreshIndexes,
}

impl Task {
    const ALL: [(&'static str, Task); 6] = [
        ("rebuild", Task::Rebuild),
        ("rebuild-indexes", Task::RebuildIndexes),
        ("rebuild-packages", Task::RebuildPackages),
        ("refresh", Task::Refresh),
        ("refresh-indexes", Task::RefreshIndexes),
        ("refresh-packages", Task::RefreshPackages),
    ];
}

impl fmt::Display for Task {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, task)| task == self).map_or("", |(name, _)| *name);
        to.write_str(name)
    }
}

/// An order: what, and for which publisher; none: all.
type Order = (Task, Option<String>);

/// Where orders go.
#[derive(Debug)]
pub struct Orders {
    sender: SyncSender<Order>,
    /// A publication's order for the indexes is among those that wait.
    index_waits: Arc<AtomicBool>,
}

/// Starts the thread that carries out orders.
pub fn start(service: &Arc<Service>) -> io::Result<()> {
    let (sender, orders) = sync_channel::<Order>(WAITING);
    let for_thread = service.clone();
    let index_waits = Arc::new(AtomicBool::new(false));
    let waits = index_waits.clone();
    std::thread::Builder::new().name("admin".to_string()).spawn(move || {
        for (task, publisher) in orders {
            // Before the work: a package that comes meanwhile needs another look.
            if task == Task::RefreshIndexes {
                waits.store(false, Ordering::Release);
            }
            let told = match carry_out(&for_thread, task, publisher.as_deref()) {
                Ok(()) => format!("{task}: done"),
                Err(error) => format!("{task}: {error}"),
            };
            for_thread.log_error(&told);
        }
    })?;
    service.take_orders(Orders { sender, index_waits });
    Ok(())
}

/// Answers `admin/0?cmd=TASK`.
pub fn admin(service: &Service, call: &Call<'_>) -> Response {
    let parameters = call.request.query.split('&').filter_map(|pair| pair.split_once('='));
    let command = parameters.filter(|(name, _)| *name == "cmd").map(|(_, value)| value).next_back();
    let command = http::decode(command.unwrap_or_default());
    match Task::ALL.iter().find(|(name, _)| *name == command) {
        Some((_, task)) => order(service, *task, call),
        None => http::error(400, &format!("Unknown command: '{command}'.")),
    }
}

/// Answers `index/0/refresh`.
pub fn index(service: &Service, call: &Call<'_>) -> Response {
    match call.argument.as_deref() {
        Some("refresh") => order(service, Task::RefreshIndexes, call),
        other => {
            let named = http::decode(other.unwrap_or_default());
            http::error(400, &format!("Unknown index subcommand: '{named}'."))
        }
    }
}

fn order(service: &Service, task: Task, call: &Call<'_>) -> Response {
    let taken = service.with_orders(|orders| {
        orders.map(|orders| orders.sender.try_send((task, call.publisher.clone())))
    });
    match taken {
        Some(Ok(())) => uncached(Response::new(200, TEXT, "")),
        Some(Err(TrySendError::Full(_))) => {
            http::error(503, "Another operation is already in progress; try again later.")
        }
        Some(Err(TrySendError::Disconnected(_))) | None => {
            http::error(503, "Maintenance is not done here.")
        }
    }
}

/// Does what was ordered, and shows it.
pub fn carry_out(service: &Service, task: Task, publisher: Option<&str>) -> Result<(), WriteError> {
    let repository = service.repository()?;
    let all = repository.publishers()?;
    for name in all.iter().filter(|name| publisher.is_none_or(|wanted| wanted == *name)) {
        packages(&repository, task, name)?;
        indexes(&repository, task, name)?;
    }
    service.follow();
    Ok(())
}

fn packages(repository: &Repository, task: Task, publisher: &str) -> Result<(), WriteError> {
    match task {
        Task::Rebuild | Task::RebuildPackages => {
            repository.rebuild(publisher, publish::now()).map(drop)
        }
        Task::Refresh | Task::RefreshPackages => {
            repository.refresh(publisher, publish::now()).map(drop)
        }
        Task::RebuildIndexes | Task::RefreshIndexes => Ok(()),
    }
}

/// After the catalog: an index is of what that names.
fn indexes(repository: &Repository, task: Task, publisher: &str) -> Result<(), WriteError> {
    match task {
        Task::Rebuild | Task::RebuildIndexes => repository.rebuild_index(publisher).map(drop),
        Task::Refresh | Task::RefreshIndexes => repository.refresh_index(publisher).map(drop),
        Task::RebuildPackages | Task::RefreshPackages => Ok(()),
    }
}

/// Has the indexes brought up to date, after a publication.  Publications come by the hundred and
/// an index takes in all that came before it, so one order that waits is enough.
pub fn index_soon(service: &Service) {
    service.with_orders(|orders| {
        let Some(Orders { sender, index_waits }) = orders else { return };
        if !index_waits.swap(true, Ordering::AcqRel) {
            // With a full queue the next publication, or an order among those, does it.
            if sender.try_send((Task::RefreshIndexes, None)).is_err() {
                index_waits.store(false, Ordering::Release);
            }
        }
    });
}
