//! services.rs - the configuration repository of an image, from the bundles and profiles in it.
//!
//! | read | by |
//! |---|---|
//! | every *.xml of lib/svc/manifest, then of var/svc/manifest (`site` last) | import |
//! | the profiles that the manifest names, in its order, those of the image only below etc/svc | apply |
//!
//! A bundle that cannot be taken over is said and left out, as `svccfg import` of a directory does; the
//! first boot tries it again.  Files are named as the running system sees them, so it finds their
//! hashes and has nothing to do.

use image_manifest::Profile;
use image_tree::Kind;
use smf_seed::{Contents, Delivered, SeedError, repository};

use crate::root::{Rooted, RootedError};

/// Links in links are followed so far.
const LINKS: usize = 8;

/// What was made.
pub struct Made {
    /// The bytes of etc/svc/repository.db; none without a single bundle.
    pub repository: Option<Vec<u8>>,
    /// How many files were taken over.
    pub files: usize,
    /// What could not be taken over, a line each.
    pub warnings: Vec<String>,
}

/// Makes the repository of a root.
///
/// # Errors
/// A file cannot be read.
pub fn seed(root: &Rooted, profiles: &[Profile]) -> Result<Made, RootedError> {
    let mut made = Made { repository: None, files: 0, warnings: Vec::new() };
    let mut contents = Contents::default();
    for path in bundles(root) {
        let Some(bytes) = root.read(&path)? else { continue };
        let named = format!("/{path}");
        let taken = contents.import(&Delivered { path: &named, bytes: &bytes });
        made.took(taken);
    }
    if made.files == 0 {
        return Ok(made);
    }
    let mut included = Vec::new();
    for (path, _) in root.tree.below("etc/svc/profile").filter(|(path, _)| is_bundle(path)) {
        let bytes = resolved(root, path).map(|to| root.read(&to)).transpose()?.flatten();
        included.extend(bytes.map(|bytes| (format!("/{path}"), bytes)));
    }
    let included: Vec<Delivered<'_>> =
        included.iter().map(|(path, bytes)| Delivered { path, bytes }).collect();
    for path in profiles.iter().filter_map(in_image) {
        let Some(path) = resolved(root, &path) else {
            made.warnings.push(format!("profile /{path} is not in the image"));
            continue;
        };
        let Some(bytes) = root.read(&path)? else { continue };
        let named = format!("/{path}");
        let taken = contents.apply(&Delivered { path: &named, bytes: &bytes }, &included);
        made.took(taken);
    }
    made.warnings.extend_from_slice(contents.conflicts());
    made.repository = Some(repository(&contents));
    Ok(made)
}

impl Made {
    fn took(&mut self, taken: Result<(), SeedError>) {
        match taken {
            Ok(()) => self.files += 1,
            Err(error) => self.warnings.push(error.to_string()),
        }
    }
}

fn is_bundle(path: &str) -> bool {
    path.ends_with(".xml")
}

/// The manifests in the order of their import.
fn bundles(root: &Rooted) -> Vec<String> {
    let mut all = Vec::new();
    for below in ["lib/svc/manifest", "var/svc/manifest"] {
        let found = root.tree.below(below).map(|(path, _)| path);
        let found = found.filter(|path| is_bundle(path) && root.is_file(path));
        let (last, first): (Vec<&str>, Vec<&str>) =
            found.partition(|path| path[below.len()..].starts_with("/site/"));
        all.extend(first.into_iter().chain(last).map(str::to_owned));
    }
    all
}

/// Where a profile is in the image; none for those that the image itself does not look at.
fn in_image(profile: &Profile) -> Option<String> {
    if profile.on_build_host {
        let name = profile.path.rsplit('/').next()?;
        return Some(format!("etc/svc/profile/{name}"));
    }
    let path = profile.path.trim_start_matches('/');
    path.starts_with("etc/svc/").then(|| path.to_owned())
}

/// The file that a path leads to, inside the root.
fn resolved(root: &Rooted, path: &str) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let target = match root.kind(&path)? {
            Kind::Symlink { target } => target,
            _ => return root.is_file(&path).then_some(path),
        };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let from = if target.starts_with('/') { "" } else { folder };
        let mut parts: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        path = parts.join("/");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Owned;

    const DTD: &str = "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM \
        '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n";

    fn bundle(kind: &str, enabled: &str) -> String {
        format!(
            "{DTD}<service_bundle type='{kind}' name='x'><service name='site/x' type='service' \
             version='1'><instance name='default' enabled='{enabled}'/></service></service_bundle>"
        )
    }

    #[test]
    fn what_an_image_has() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("root");
        let mut root = Rooted::create(&dir, &dir.with_extension("table"), 0).unwrap();
        let file = Owned::root(0o444);
        for (path, text) in [
            ("lib/svc/manifest/site/x.xml", bundle("manifest", "false")),
            ("lib/svc/manifest/system/broken.xml", "<x".to_owned()),
            ("lib/svc/manifest/system/README", String::new()),
            ("var/svc/manifest/a.xml", bundle("profile", "false")),
            ("etc/svc/profile/generic_open.xml", bundle("profile", "true")),
        ] {
            root.put(path, text.as_bytes(), file).unwrap();
        }
        root.link("etc/svc/profile/generic.xml", "./generic_open.xml").unwrap();
        let profile = |path: &str, on_build_host| Profile { path: path.into(), on_build_host };
        let profiles = [
            profile("/etc/svc/profile/generic.xml", false),
            profile("/var/svc/profile/generic.xml", false),
            profile("/usr/share/distro_const/absent.xml", true),
        ];
        let made = seed(&root, &profiles).unwrap();
        assert_eq!(made.files, 2, "{:?}", made.warnings);
        let starts = [
            "/lib/svc/manifest/system/broken.xml: ",
            "/var/svc/manifest/a.xml: bundle x is a profile, not a manifest",
            "profile /etc/svc/profile/absent.xml is not in the image",
        ];
        assert_eq!(made.warnings.len(), starts.len(), "{:?}", made.warnings);
        for (warning, start) in made.warnings.iter().zip(starts) {
            assert!(warning.starts_with(start), "{warning}");
        }
        let repository = made.repository.unwrap();
        let has = |text: &str| repository.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has("** This file contains an SQLite 2.1 database **"));
        assert!(has("etc_svc_profile_generic_open_xml"), "named where the link leads");
    }

    #[test]
    fn an_image_without_services_has_no_repository() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("root");
        let root = Rooted::create(&dir, &dir.with_extension("table"), 0).unwrap();
        assert!(seed(&root, &[]).unwrap().repository.is_none());
    }

    #[test]
    fn links_lead_nowhere_else() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("root");
        let mut root = Rooted::create(&dir, &dir.with_extension("table"), 0).unwrap();
        root.put("etc/a", b"", Owned::root(0o444)).unwrap();
        for (link, target) in [
            ("etc/up", "../../../etc/a"),
            ("etc/absolute", "/etc/a"),
            ("etc/circle", "circle"),
            ("etc/gone", "b"),
        ] {
            root.link(link, target).unwrap();
        }
        let leads = |path: &str| resolved(&root, path);
        assert_eq!(leads("etc/up").as_deref(), Some("etc/a"));
        assert_eq!(leads("etc/absolute").as_deref(), Some("etc/a"));
        assert_eq!((leads("etc/circle"), leads("etc/gone")), (None, None));
    }
}
