//! What a publisher's tools decide, from texts alone: no file is opened here, nothing is printed.
//!
//! In reading order:
//!
//! - `variants`: the combinations of variants that something holds under, and what is done with them;
//! - `paths`: paths as text; `source`: the lines of a manifest that is being written;
//! - `depend`: what a file needs, by its own bytes (ELF, scripts, Python, service bundles);
//! - `resolve`: files that are needed → packages that are;
//! - `lint`: the checks of pkglint(1).
//!
//! Source of the rules: the manual pages pkgdepend(1) and pkglint(1), and what pkg5 does.

pub mod depend;
pub mod lint;
pub mod paths;
pub mod resolve;
pub mod source;
pub mod variants;
