//! Everything that is wrong, found before anything is begun.
//!
//! Reading order: [`report`] (what was found), `ground` (host, directories, room), `tools`
//! (compilers and programs), `gates` (sources: there, or to be brought), `files` (what the site
//! wrote).  A check looks, and changes nothing; it never stops at the first problem.

mod files;
mod gates;
mod ground;
pub mod report;
mod tools;

pub use files::{Branch, branches, buildver};
pub use gates::{Gate, Presence, Source, sources};
pub use report::{Problem, Report};

use crate::Workspace;
use crate::host::Host;
use crate::site::Site;

/// What the checks are about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The workspace.
    pub workspace: &'a Workspace,
    /// The host.
    pub host: &'a Host,
    /// The site.
    pub site: &'a Site,
}

/// All checks.
#[must_use]
pub fn all(about: &About<'_>) -> Report {
    let mut report = Report::default();
    ground::host(about, &mut report);
    ground::directories(about, &mut report);
    files::check(about, &mut report);
    gates::check(about, &mut report);
    tools::check(about, &mut report);
    ground::room(about, &mut report);
    report
}
