//! rights.rs - which authorizations a user holds: user_attr(5) and prof_attr(5) below the root.
//!
//! ```text
//! etc/user_attr, etc/user_attr.d/*                      alice::::auths=A,B;profiles=Software Builder
//! etc/security/prof_attr, etc/security/prof_attr.d/*    Software Builder:::what for:auths=C;profiles=D
//! ```
//!
//! An authorization that ends in `.*` stands for all that begin so.  Lines of another form grant
//! nothing.  The files are read for every connection: what is taken away is gone for the next one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a caller may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Everything: root, the server's own user, the restarter.
    Owner,
    /// What these authorizations allow.
    Holder(BTreeSet<String>),
}

impl Caller {
    /// Whether the caller holds an authorization.
    #[must_use]
    pub fn holds(&self, authorization: &str) -> bool {
        let granted = |own: &String| match own.strip_suffix('*') {
            Some(stem) => stem.ends_with('.') && authorization.starts_with(stem),
            None => own == authorization,
        };
        match self {
            Caller::Owner => true,
            Caller::Holder(authorizations) => authorizations.iter().any(granted),
        }
    }
}

/// What a user holds by the files below `root`.
#[must_use]
pub fn of_user(user: &str, root: &Path) -> Caller {
    let users = text_of(root, "etc/user_attr");
    let profiles = text_of(root, "etc/security/prof_attr");
    Caller::Holder(authorizations(user, &users, &profiles))
}

/// A file and the fragments beside it, one after the other; none of them has to be there.
fn text_of(root: &Path, name: &str) -> String {
    let mut paths = vec![root.join(name)];
    let fragments = fs::read_dir(root.join(format!("{name}.d")));
    let mut more: Vec<_> = fragments.into_iter().flatten().flatten().map(|e| e.path()).collect();
    more.sort();
    paths.extend(more);
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.map(|text| text + "\n").collect()
}

fn authorizations(user: &str, users: &str, profiles: &str) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    let mut wanted = grants(users, user, &mut held);
    let mut seen = BTreeSet::new();
    while let Some(profile) = wanted.pop() {
        if seen.insert(profile.clone()) {
            wanted.extend(grants(profiles, &profile, &mut held));
        }
    }
    held
}

/// Takes the authorizations of an entry; the profiles it names.
fn grants(text: &str, name: &str, held: &mut BTreeSet<String>) -> Vec<String> {
    let mut profiles = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.splitn(5, ':').collect();
        let [own, _, _, _, attributes] = fields[..] else { continue };
        if own != name {
            continue;
        }
        for attribute in attributes.split(';') {
            let words = |list: &str| -> Vec<String> {
                list.split(',').map(|word| word.trim().to_owned()).collect()
            };
            match attribute.trim().split_once('=') {
                Some(("auths", list)) => held.extend(words(list)),
                Some(("profiles", list)) => profiles.extend(words(list)),
                Some(_) | None => {}
            }
        }
    }
    profiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_profiles_and_patterns() {
        let users = "# alice::::auths=solaris.*\n\
                     alice::::auths=solaris.smf.read;profiles=Builder,Nothing\n\
                     bob:::auths=solaris.smf.modify\n";
        let profiles = "Builder:::builds:auths=solaris.smf.manage.*;profiles=Builder\n";
        let alice = Caller::Holder(authorizations("alice", users, profiles));
        for (authorization, held) in [
            ("solaris.smf.read", true),
            ("solaris.smf.manage.builder", true),
            ("solaris.smf.manage", false),
            ("solaris.smf.modify", false),
        ] {
            assert_eq!(alice.holds(authorization), held, "{authorization}");
        }
        assert_eq!(authorizations("bob", users, profiles), BTreeSet::new(), "too few fields");
        assert!(!Caller::Holder(["*".to_owned()].into()).holds("solaris.smf.read"));
        assert!(Caller::Owner.holds("anything"));
    }

    #[test]
    fn files_and_fragments() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(of_user("alice", root.path()), Caller::Holder(BTreeSet::new()));
        fs::create_dir_all(root.path().join("etc/user_attr.d")).unwrap();
        fs::create_dir_all(root.path().join("etc/security")).unwrap();
        fs::write(root.path().join("etc/user_attr.d/site"), "alice::::profiles=B").unwrap();
        fs::write(root.path().join("etc/security/prof_attr"), "B::::auths=a.b").unwrap();
        assert!(of_user("alice", root.path()).holds("a.b"));
    }
}
