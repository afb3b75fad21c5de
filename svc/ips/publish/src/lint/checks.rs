//! checks.rs - every check: its id, the name it has in pkglintrc, what it looks for.
//!
//! In the order in which they are made.

use ips_model::action::Action;

use super::engine::Run;
use super::{
    Config, Package, actions, depends, duplicates, lineage, manifests, mediators, overlays,
};

/// What a check looks at.
#[derive(Clone, Copy)]
pub(super) enum Looks {
    /// A package as a whole.
    Manifest(for<'a> fn(&mut Run<'a>, &'a Package)),
    /// An action of it.
    Action(for<'a> fn(&mut Run<'a>, &'a Package, &'a Action)),
}

/// A check.
#[derive(Clone, Copy)]
pub struct Check {
    /// What its messages begin with.
    pub id: &'static str,
    /// Module, class and method of pkg5.
    pub method: &'static str,
    /// What it looks for.
    pub description: &'static str,
    pub(super) looks: Looks,
}

macro_rules! checks {
    ($($looks:ident $id:literal $method:literal $description:literal $function:path,)*) => {
        &[$(Check {
            id: $id,
            method: $method,
            description: $description,
            looks: Looks::$looks($function),
        },)*]
    };
}

/// All checks.
#[rustfmt::skip]
pub(super) const ALL: &[Check] = checks! {
    Manifest "opensolaris.manifest001" "pkg.lint.opensolaris.OpenSolarisManifestChecker.missing_attrs" "Standard package attributes should be present." manifests::opensolaris,
    Manifest "pkglint.manifest009" "pkg.lint.pkglint_manifest.PkgManifestChecker.bogus_description" "A package's description should not match its summary." manifests::description,
    Manifest "pkglint.manifest005" "pkg.lint.pkglint_manifest.PkgManifestChecker.duplicate_deps" "Packages should not have duplicate 'depend' actions." manifests::duplicate_depends,
    Manifest "pkglint.manifest016" "pkg.lint.pkglint_manifest.PkgManifestChecker.duplicate_licenses" "Packages should not have duplicate 'license' actions." manifests::duplicate_licenses,
    Manifest "pkglint.manifest006" "pkg.lint.pkglint_manifest.PkgManifestChecker.duplicate_sets" "Packages should not have duplicate 'set' actions." manifests::duplicate_sets,
    Manifest "pkglint.manifest008" "pkg.lint.pkglint_manifest.PkgManifestChecker.info_classification" "info.classification attribute should be valid." manifests::classification,
    Manifest "pkglint.manifest007" "pkg.lint.pkglint_manifest.PkgManifestChecker.linted" "Show manifests with pkg.linted attributes." manifests::linted,
    Manifest "pkglint.manifest010" "pkg.lint.pkglint_manifest.PkgManifestChecker.missing_attrs" "Standard package attributes should be present." manifests::summary,
    Manifest "pkglint.manifest011" "pkg.lint.pkglint_manifest.PkgManifestChecker.missing_smf_fmri" "Packages delivering SMF services should have org.opensolaris.smf.fmri attributes." manifests::services,
    Manifest "pkglint.manifest004" "pkg.lint.pkglint_manifest.PkgManifestChecker.naming" "Packages are encouraged to use unique leaf names." lineage::naming,
    Manifest "pkglint.manifest001" "pkg.lint.pkglint_manifest.PkgManifestChecker.obsoletion" "Obsolete packages should have valid contents." lineage::obsoletion,
    Manifest "pkglint.manifest002" "pkg.lint.pkglint_manifest.PkgManifestChecker.renames" "Renamed packages should have valid contents." lineage::renames,
    Manifest "pkglint.manifest003" "pkg.lint.pkglint_manifest.PkgManifestChecker.variants" "Variants used by packages should be valid." manifests::variants,
    Manifest "pkglint.action004" "pkg.lint.pkglint_action.PkgActionChecker.unknown" "'unknown' actions should never occur." actions::unknown,
    Action "pkglint.action014" "pkg.lint.pkglint_action.PkgActionChecker.arch64" "non-library ELF files should be 64-bit" actions::arch64,
    Action "pkglint.action005" "pkg.lint.pkglint_action.PkgActionChecker.dep_obsolete" "Packages should not have dependencies on obsolete packages." depends::obsolete,
    Action "pkglint.action012" "pkg.lint.pkglint_action.PkgActionChecker.facet_value" "facet value should be set to a valid value in an action attribute" actions::facet_value,
    Action "pkglint.action003" "pkg.lint.pkglint_action.PkgActionChecker.legacy" "'legacy' actions should have valid attributes." depends::legacy,
    Action "pkglint.action007" "pkg.lint.pkglint_action.PkgActionChecker.license" "'license' actions should not have paths." actions::license,
    Action "pkglint.action008" "pkg.lint.pkglint_action.PkgActionChecker.linted" "Show actions with pkg.linted attributes." actions::linted,
    Action "pkglint.action013" "pkg.lint.pkglint_action.PkgActionChecker.supported_pkg_actuator" "package actuator should be set to a valid value" actions::actuator,
    Action "pkglint.action001" "pkg.lint.pkglint_action.PkgActionChecker.underscores" "Underscores are discouraged in action attributes." actions::underscores,
    Action "pkglint.action002" "pkg.lint.pkglint_action.PkgActionChecker.unusual_perms" "Paths should not have unusual permissions." actions::permissions,
    Action "pkglint.action010" "pkg.lint.pkglint_action.PkgActionChecker.username_format" "User names should be valid." actions::user_name,
    Action "pkglint.action006" "pkg.lint.pkglint_action.PkgActionChecker.valid_fmri" "pkg(5) FMRIs should be valid." depends::valid,
    Action "pkglint.action009" "pkg.lint.pkglint_action.PkgActionChecker.validate" "Publication checks for actions." actions::publication,
    Action "pkglint.action011" "pkg.lint.pkglint_action.PkgActionChecker.version_incorporate" "'incorporate' dependencies should have a version." depends::incorporate,
    Action "pkglint.dupaction011" "pkg.lint.pkglint_action.PkgDupActionChecker.dir_parents" "Parent paths should be directories." duplicates::parents,
    Action "pkglint.dupaction002" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_drivers" "Driver names should be unique." duplicates::drivers,
    Action "pkglint.dupaction006" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_gids" "GIDs should be unique." duplicates::group_ids,
    Action "pkglint.dupaction005" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_groupnames" "Group names should be unique." duplicates::group_names,
    Action "pkglint.dupaction015" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_legacy" "Legacy package names should be unique." duplicates::legacy,
    Action "pkglint.dupaction008" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_path_types" "Paths should be delivered by one action type only." duplicates::path_types,
    Action "pkglint.dupaction001" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_paths" "Paths should be unique." duplicates::paths,
    Action "pkglint.dupaction007" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_refcount_path_attrs" "Duplicated reference counted actions should have the same attrs." duplicates::counted,
    Action "pkglint.dupaction004" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_uids" "UIDs should be unique." duplicates::user_ids,
    Action "pkglint.dupaction003" "pkg.lint.pkglint_action.PkgDupActionChecker.duplicate_usernames" "User names should be unique." duplicates::user_names,
    Action "pkglint.dupaction010" "pkg.lint.pkglint_action.PkgDupActionChecker.mediated_links" "Mediated-links should be valid." mediators::links,
    Action "pkglint.dupaction009" "pkg.lint.pkglint_action.PkgDupActionChecker.overlays" "Overlaying actions should be valid." overlays::overlays,
};

/// The checks that are made and those that are excluded, each by id.
pub fn listed(config: &Config) -> (Vec<Check>, Vec<Check>) {
    let mut all = ALL.to_vec();
    all.sort_by_key(|check| check.id);
    all.into_iter().partition(|check| !config.excludes(check.method))
}
