//! rights.rs - which authorizations a user holds: user_attr(5) and prof_attr(5) below the root.
//!
//! ```text
//! etc/user_attr, etc/user_attr.d/*                      alice::::auths=A,B;profiles=Software Builder
//!                                                       @staff::::auths=A
//! etc/security/prof_attr, etc/security/prof_attr.d/*    Software Builder:::what for:auths=C;profiles=D
//! ```
//! etc/security/policy.conf                              AUTHS_GRANTED=A  PROFS_GRANTED=D
//!
//! An entry whose name begins with @ is for the members of a group; policy.conf is for everybody.
//! An authorization that ends in `.*` stands for all that begin so.  Lines of another form grant
//! nothing.  The files are read for every connection: what is taken away is gone for the next one.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use nix::unistd::User;

/// The largest file that is read, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

/// What a caller may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Everything: root, the server's own user, the restarter.
    Owner,
    /// What these authorizations allow.
    Holder(BTreeSet<String>),
}

impl Caller {
    /// Whether the caller holds no authorization at all.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        matches!(self, Caller::Holder(authorizations) if authorizations.is_empty())
    }

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
pub fn of_user(user: &User, root: &Path) -> Caller {
    let users = text_of(root, "etc/user_attr");
    let profiles = text_of(root, "etc/security/prof_attr");
    let policy = text_of(root, "etc/security/policy.conf");
    let entries = users.lines().filter_map(|line| line.split_once(':'));
    let groups = entries.filter(|(name, _)| is_member(user, name)).map(|(name, _)| name.to_owned());
    let names: Vec<String> = groups.chain([user.name.clone()]).collect();
    Caller::Holder(authorizations(&names, &users, &profiles, &policy))
}

/// Whether an entry is of a group, and the user is in it.
fn is_member(user: &User, name: &str) -> bool {
    let named = name.strip_prefix('@').map(nix::unistd::Group::from_name);
    let group = named.and_then(|found| found.ok().flatten());
    group.is_some_and(|group| group.gid == user.gid || group.mem.contains(&user.name))
}

/// A file and the fragments beside it, one after the other; none of them has to be there.
fn text_of(root: &Path, name: &str) -> String {
    let mut paths = vec![root.join(name)];
    let fragments = fs::read_dir(root.join(format!("{name}.d")));
    let mut more: Vec<_> = fragments.into_iter().flatten().flatten().map(|e| e.path()).collect();
    more.sort();
    paths.extend(more);
    paths.iter().filter_map(|path| entries_of(path)).map(|text| text + "\n").collect()
}

/// What is no file, or too large for what it is, grants nothing; nor does a line of odd bytes.
fn entries_of(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > LENGTH_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    // Somebody may be writing to it.
    fs::File::open(path).ok()?.take(LENGTH_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn authorizations(names: &[String], users: &str, profiles: &str, policy: &str) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    let mut wanted: Vec<String> =
        names.iter().flat_map(|name| grants(users, name, &mut held)).collect();
    for line in policy.lines() {
        match line.split_once('=') {
            Some(("AUTHS_GRANTED", list)) => held.extend(words(list)),
            Some(("PROFS_GRANTED", list)) => wanted.extend(words(list)),
            Some(_) | None => {}
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(profile) = wanted.pop() {
        if seen.insert(profile.clone()) {
            wanted.extend(grants(profiles, &profile, &mut held));
        }
    }
    held
}

fn words(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|word| word.trim().to_owned())
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
        let alice = Caller::Holder(authorizations(&["alice".into()], users, profiles, ""));
        for (authorization, held) in [
            ("solaris.smf.read", true),
            ("solaris.smf.manage.builder", true),
            ("solaris.smf.manage", false),
            ("solaris.smf.modify", false),
        ] {
            assert_eq!(alice.holds(authorization), held, "{authorization}");
        }
        assert_eq!(
            authorizations(&["bob".into()], users, profiles, ""),
            BTreeSet::new(),
            "too few fields"
        );
        let everybody = "AUTHS_GRANTED=a.b,c.*\nPROFS_GRANTED=Builder\n";
        let granted = authorizations(&["eve".into()], users, profiles, everybody);
        assert_eq!(granted.into_iter().collect::<Vec<_>>(), ["a.b", "c.*", "solaris.smf.manage.*"]);
        assert!(!Caller::Holder(["*".to_owned()].into()).holds("solaris.smf.read"));
        assert!(Caller::Owner.holds("anything"));
    }

    #[test]
    fn files_and_fragments() {
        let root = tempfile::tempdir().unwrap();
        let user = User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
        let group = nix::unistd::Group::from_gid(user.gid).unwrap().unwrap().name;
        assert!(of_user(&user, root.path()).holds_nothing());
        fs::create_dir_all(root.path().join("etc/user_attr.d")).unwrap();
        fs::create_dir_all(root.path().join("etc/security")).unwrap();
        let site =
            format!("{}::::profiles=B\n@{group}::::auths=of.group\n@none::::auths=no", user.name);
        fs::write(root.path().join("etc/user_attr.d/site"), site).unwrap();
        fs::write(root.path().join("etc/security/prof_attr"), "B::::auths=a.b").unwrap();
        let caller = of_user(&user, root.path());
        for (authorization, held) in [("a.b", true), ("of.group", true), ("no", false)] {
            assert_eq!(caller.holds(authorization), held, "{authorization}");
        }
        // What cannot be read takes nothing from the others, and holds nobody up.
        let folder = root.path().join("etc/user_attr.d");
        std::os::unix::fs::symlink("/dev/zero", folder.join("endless")).unwrap();
        nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let large = format!("{}::::auths=large\n", user.name).repeat(1 << 17);
        fs::write(folder.join("large"), large).unwrap();
        let odd = [b"\xff::::auths=a\n", user.name.as_bytes(), b"::::auths=odd"].concat();
        fs::write(folder.join("odd"), odd).unwrap();
        let caller = of_user(&user, root.path());
        for (authorization, held) in [("a.b", true), ("odd", true), ("large", false)] {
            assert_eq!(caller.holds(authorization), held, "{authorization}");
        }
    }
}
