//! identity - whom and where a method runs as: names become numbers, what the host has no equal
//! for becomes a line in the instance's log.
//!
//! All of it is worked out before the process exists; the child only carries it out (child.rs).
//! Who is not root runs everything as himself.

use std::path::Path;

use nix::unistd::{Group, User};

use super::child::{Capabilities, Credential};
use super::privilege::Privileges;
use super::{Context, Unfit, profile};

/// What a context comes to on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whom to become; none = nobody else.
    pub credential: Option<Credential>,
    /// What is kept of the engine's capabilities; none = what changes by itself.
    pub capabilities: Option<Capabilities>,
    /// Where to go.
    pub directory: String,
    /// The address space is laid out the same way every time.
    pub fixed_addresses: bool,
    /// For the log of the instance.
    pub lines: Vec<String>,
}

/// Works it out for a method whose program is `program`; profiles are read below `root`.
///
/// # Errors
/// What the context names does not exist.
pub fn identify(context: &Context, root: &Path, program: &str) -> Result<Identity, Unfit> {
    let mut context = context.clone();
    if let Some(name) = &context.profile {
        let found = profile::execution(root, name, program).ok_or_else(|| {
            let what = "Could not find the execution profile";
            Unfit::Unreadable(format!("{what} \"{name}\", command {program}."))
        })?;
        context.user = found.user;
        context.group = found.group;
        context.privileges = found.privileges;
        context.limit = found.limit;
    }
    let mut lines = Vec::new();
    let is_root = nix::unistd::geteuid().is_root();
    let credential = credential(&context, is_root, &mut lines)?;
    let capabilities = capabilities(&context, credential.as_ref(), is_root, &mut lines)?;
    let fixed_addresses = security_flags(&context, &mut lines);
    if let Some(pool) = &context.pool {
        lines.push(format!("Resource pool \"{pool}\" ignored: there are no resource pools here."));
    }
    let directory = directory(&context, credential.as_ref());
    Ok(Identity { credential, capabilities, directory, fixed_addresses, lines })
}

fn credential(
    context: &Context,
    is_root: bool,
    lines: &mut Vec<String>,
) -> Result<Option<Credential>, Unfit> {
    let Some(name) = &context.user else { return Ok(None) };
    let user = user(name)?;
    if !is_root {
        if user.uid != nix::unistd::geteuid() {
            lines.push(format!("Not running as root: method user \"{name}\" ignored."));
        }
        return Ok(None);
    }
    let gid = match &context.group {
        Some(name) => group(name)?,
        None => user.gid.as_raw(),
    };
    let groups = match &context.supplementary {
        Some(names) => names.iter().map(|name| group(name)).collect::<Result<_, _>>()?,
        None => initial_groups(&user, gid)?,
    };
    Ok(Some(Credential { uid: user.uid.as_raw(), gid, groups }))
}

fn capabilities(
    context: &Context,
    credential: Option<&Credential>,
    is_root: bool,
    lines: &mut Vec<String>,
) -> Result<Option<Capabilities>, Unfit> {
    let read = |text: &Option<String>| {
        let text = text.as_deref().filter(|text| *text != ":default");
        let parsed = text.map(Privileges::parse).transpose();
        parsed.map_err(|word| Unfit::Unsettable(format!("privileges: unknown \"{word}\"")))
    };
    let (inheritable, limit) = (read(&context.privileges)?, read(&context.limit)?);
    let unmet = inheritable.iter().flat_map(|set| &set.unmet).cloned().collect::<Vec<_>>();
    if !unmet.is_empty() {
        let unmet = unmet.join(",");
        lines.push(format!("Privileges \"{unmet}\" ignored: they have no equal here."));
    }
    let mask = |set: &Option<Privileges>| set.as_ref().map(Privileges::capabilities);
    let (given, limit) = (mask(&inheritable), mask(&limit));
    if given.is_none() && limit.is_none() {
        return Ok(None);
    }
    if !is_root {
        if given.is_some_and(|given| given != 0 && given != u64::MAX) {
            lines.push("Not running as root: method privileges ignored.".to_owned());
        }
        return Ok(None);
    }
    let limit = limit.unwrap_or(u64::MAX);
    let becomes_root = credential.is_none_or(|credential| credential.uid == 0);
    Ok(Some(if becomes_root {
        // Root gets at every exec whatever the bounding set lets through.
        Capabilities { bounding: given.unwrap_or(u64::MAX) & limit, ambient: 0 }
    } else {
        Capabilities { bounding: limit, ambient: given.unwrap_or(0) & limit }
    }))
}

/// Whether the layout of addresses is to be fixed.  The other flags are what Linux does anyway.
fn security_flags(context: &Context, lines: &mut Vec<String>) -> bool {
    let mut fixed = false;
    let flags = context.security_flags.as_deref().unwrap_or_default();
    for word in flags.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "-aslr" | "!aslr" | "none" => fixed = true,
            "aslr" | "all" => fixed = false,
            ":default" | "default" | "current" | "forbidnullmap" | "noexecstack" => {}
            other => {
                lines.push(format!("Security flag \"{other}\" ignored: it has no equal here."))
            }
        }
    }
    fixed
}

fn unsettable(what: String) -> Unfit {
    Unfit::Unsettable(what)
}

fn user(name: &str) -> Result<User, Unfit> {
    let found = match name.parse::<u32>() {
        Ok(uid) => User::from_uid(uid.into()),
        Err(_) => User::from_name(name),
    };
    let missing = || unsettable(format!("Missing passwd entry for user \"{name}\"."));
    found.map_err(|errno| unsettable(format!("user \"{name}\": {errno}")))?.ok_or_else(missing)
}

fn group(name: &str) -> Result<u32, Unfit> {
    if let Ok(gid) = name.parse::<u32>() {
        return Ok(gid);
    }
    let found = Group::from_name(name);
    let found = found.map_err(|errno| unsettable(format!("group \"{name}\": {errno}")))?;
    let missing = || unsettable(format!("Missing group entry for group \"{name}\"."));
    found.map(|group| group.gid.as_raw()).ok_or_else(missing)
}

#[cfg(target_os = "linux")]
fn initial_groups(user: &User, gid: u32) -> Result<Vec<u32>, Unfit> {
    let failed = |why: String| unsettable(format!("groups of \"{}\": {why}", user.name));
    let name = std::ffi::CString::new(user.name.as_str()).map_err(|why| failed(why.to_string()))?;
    let groups = nix::unistd::getgrouplist(&name, gid.into());
    let groups = groups.map_err(|errno| failed(errno.to_string()))?;
    Ok(groups.into_iter().map(nix::unistd::Gid::as_raw).collect())
}

#[cfg(not(target_os = "linux"))]
fn initial_groups(_user: &User, gid: u32) -> Result<Vec<u32>, Unfit> {
    Ok(vec![gid])
}

fn directory(context: &Context, credential: Option<&Credential>) -> String {
    if let Some(directory) = &context.directory {
        return directory.to_string_lossy().into_owned();
    }
    let root = "/".to_owned();
    if !context.home {
        return root;
    }
    let uid = credential.map_or_else(nix::unistd::geteuid, |credential| credential.uid.into());
    match User::from_uid(uid) {
        Ok(Some(user)) => user.dir.to_string_lossy().into_owned(),
        // Containers run as users that no passwd file knows.
        Ok(None) | Err(_) => root,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(context: &Context) -> Result<Identity, Unfit> {
        identify(context, Path::new("/nowhere"), "/bin/x")
    }

    #[test]
    fn what_has_no_equal_is_said() {
        let context = Context {
            pool: Some("p".to_owned()),
            security_flags: Some("aslr,noexecstack,strange".to_owned()),
            privileges: Some("basic,!proc_info".to_owned()),
            ..Context::default()
        };
        let found = set(&context).unwrap();
        assert_eq!(3, found.lines.len(), "{:?}", found.lines);
        assert!(!found.fixed_addresses);
        let fixed = Context { security_flags: Some("none".to_owned()), ..Context::default() };
        assert!(set(&fixed).unwrap().fixed_addresses);
        assert_eq!(Vec::<String>::new(), set(&Context::default()).unwrap().lines);
    }

    #[test]
    fn what_does_not_exist_is_unfit() {
        let some = |text: &str| Some(text.to_owned());
        for (context, unreadable) in [
            (Context { user: some("nobody at all"), ..Context::default() }, false),
            (Context { privileges: some("everything"), ..Context::default() }, false),
            (Context { profile: some("No Such"), ..Context::default() }, true),
        ] {
            let found = set(&context).unwrap_err();
            assert_eq!(unreadable, matches!(found, Unfit::Unreadable(_)), "{found:?}");
        }
    }
}
