//! builtin.rs - the patterns of svc:/system/svc/restarter and svc:/system/svc/global.
//!
//! They are those of the bundles that are shipped, so a repository that never imported them
//! validates and describes as one that did.

use std::sync::LazyLock;

use super::lookup::{Owner, STARTD};
use crate::bundle;
use crate::group::composed;

/// The service that has the patterns for every instance.
pub const GLOBAL: &str = "svc:/system/svc/global:default";

static RESTARTER: LazyLock<Owner> =
    LazyLock::new(|| owner(STARTD, include_str!("../../../../manifests/system/svc/restarter.xml")));
static GLOBALS: LazyLock<Owner> =
    LazyLock::new(|| owner(GLOBAL, include_str!("../../../../manifests/system/svc/global.xml")));

/// The patterns of svc.startd.
#[must_use]
pub fn restarter() -> &'static Owner {
    &RESTARTER
}

/// The patterns for every instance.
#[must_use]
pub fn global() -> &'static Owner {
    &GLOBALS
}

fn owner(fmri: &str, text: &str) -> Owner {
    let bundle = bundle::parse(text).expect("the shipped bundles are read by the tests below");
    let service = bundle.services.first().map(|service| service.entity.held());
    Owner::new(fmri, composed(&crate::group::Groups::new(), &service.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_bundles_have_the_patterns() {
        for (owner, patterns) in [
            (global(), &["nt_general", "t_dependency", "nt_method_context"][..]),
            (restarter(), &["nt_startd", "nt_start", "nt_stop", "nt_refresh", "nt_restarter"]),
        ] {
            for pattern in patterns {
                let name = format!("tm_pgpat{pattern}");
                assert!(owner.groups().contains_key(&name), "{}: {name}", owner.fmri());
            }
        }
    }
}
