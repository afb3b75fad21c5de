//! check.rs - what publication refuses.
//!
//! One action at a time (`action`), then the package as a whole (`manifest`).  All faults of an
//! action are told together; attributes that are not known are always allowed.

use crate::action::{Action, Kind};
use crate::fmri::Fmri;
use crate::manifest::Manifest;
use crate::version::Version;

/// An action with faults, in pkg5's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The action '{action}' has invalid attribute(s):\n{}", .faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"))]
pub struct InvalidAction {
    /// The action as printed.
    pub action: String,
    /// Its faults.
    pub faults: Vec<String>,
}

/// A package whose actions do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPackage {
    /// Obsolete and renamed at once.
    #[error("A package may not  be marked for both obsoletion and renaming.")]
    ObsoleteAndRenamed,
    /// An action that such a package may not have.
    #[error("A '{kind}' action cannot be present in {state} package: {action}")]
    Forbidden {
        /// The action's type.
        kind: &'static str,
        /// `an obsolete` or `a renamed`.
        state: &'static str,
        /// The action as printed.
        action: String,
    },
    /// A renamed package has to say what it became.
    #[error("A renamed package must contain at least one 'depend' action.")]
    RenamedWithoutDepend,
}

const MODE_FORM: &str = "value must be of the form '644', '0644', or '04755'.";

/// Checks one action.
pub fn action(action: &Action) -> Result<(), InvalidAction> {
    let mut faults = Vec::new();
    match action.kind {
        Kind::Dir | Kind::File => {
            mode(action, &mut faults);
            required(action, &["owner", "group"], &mut faults);
        }
        Kind::Link | Kind::Hardlink => {
            required(action, &["target"], &mut faults);
            mediator(action, &mut faults);
        }
        Kind::Depend => depend(action, &mut faults),
        Kind::Group => number(action, "gid", &mut faults),
        Kind::User => {
            required(action, &["group"], &mut faults);
            for name in ["uid", "lastchg", "min", "max", "warn", "inactive", "expire", "flag"] {
                number(action, name, &mut faults);
            }
        }
        Kind::Set => {
            if action.values("value").is_empty() {
                faults.push("value is required".into());
            }
            // Packages that change with this one.
            if action.get("name").is_some_and(|name| name.starts_with("pkg.additional-")) {
                let illegal = |value: &&String| crate::Fmri::parse(value).is_err();
                let values = action.values("value").iter().filter(illegal);
                faults.extend(values.map(|value| format!("Illegal FMRI '{value}'")));
            }
        }
        Kind::Signature => required(action, &["algorithm"], &mut faults),
        Kind::Driver | Kind::License | Kind::Legacy => {}
    }
    for (name, values) in &action.attributes {
        if name.starts_with("facet.") && values.len() > 1 {
            faults.push(format!("{name} may only be specified once"));
        }
    }
    if action.values("path").iter().any(|path| climbs(path)) {
        faults.push("path may not contain '..'".into());
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(InvalidAction { action: action.to_string(), faults })
    }
}

/// A path that would leave the image it is delivered to.
pub fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..") || path.contains('\0')
}

fn required(action: &Action, names: &[&str], faults: &mut Vec<String>) {
    for name in names {
        match action.values(name).len() {
            0 => faults.push(format!("{name} is required")),
            1 => {}
            _ => faults.push(format!("{name} may only be specified once")),
        }
    }
}

fn mode(action: &Action, faults: &mut Vec<String>) {
    match action.values("mode") {
        [] => faults.push(format!("mode is required; {MODE_FORM}")),
        [mode] if is_mode(mode) => {}
        [mode] => faults.push(format!("'{mode}' is not a valid mode; {MODE_FORM}")),
        _ => faults.push("mode may only be specified once".into()),
    }
}

/// Three or four octal digits; a fifth only as a leading zero.
fn is_mode(text: &str) -> bool {
    let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    octal && (matches!(text.len(), 3 | 4) || (text.len() == 5 && text.starts_with('0')))
}

fn number(action: &Action, name: &str, faults: &mut Vec<String>) {
    match action.values(name) {
        [] => {}
        [value] if value.parse::<i64>().is_ok() => {}
        [_] => faults.push(format!("{name} must be an integer")),
        _ => faults.push(format!("{name} may only be specified once")),
    }
}

fn mediator(action: &Action, faults: &mut Vec<String>) {
    let version = action.get("mediator-version");
    let implementation = action.get("mediator-implementation");
    let priority = action.get("mediator-priority");
    match action.get("mediator") {
        None if version.is_some() || implementation.is_some() || priority.is_some() => {
            faults.push("a mediator must be provided when mediator-version, mediator-implementation, or mediator-priority is specified".into());
        }
        None => {}
        Some(name) => {
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if name.is_empty() || !name.bytes().all(fine) {
                faults.push(format!(
                    "'{name}' is not a valid mediator; only alphanumeric characters are allowed"
                ));
            }
            if version.is_none() && implementation.is_none() {
                faults.push("a mediator-version or mediator-implementation must be provided if a mediator is specified".into());
            }
        }
    }
    if let Some(version) = version.filter(|version| Version::parse(version).is_err()) {
        faults.push(format!("'{version}' is not a valid mediator-version"));
    }
    if let Some(priority) = priority.filter(|priority| !matches!(*priority, "site" | "vendor")) {
        faults.push(format!(
            "'{priority}' is not a valid mediator-priority; valid values are 'site' or 'vendor'"
        ));
    }
}

/// The types of dependency.
pub const DEPEND_TYPES: [&str; 10] = [
    "conditional",
    "exclude",
    "group",
    "group-any",
    "incorporate",
    "optional",
    "origin",
    "parent",
    "require",
    "require-any",
];

fn depend(action: &Action, faults: &mut Vec<String>) {
    match action.values("type") {
        [] => faults.push("type is required".into()),
        [kind] if !DEPEND_TYPES.contains(&kind.as_str()) => {
            faults.push(format!("Unknown type '{kind}' in depend action"));
        }
        [kind] if kind == "conditional" && action.values("predicate").is_empty() => {
            faults.push("predicate is required".into());
        }
        [_] => {}
        _ => faults.push("type may only be specified once".into()),
    }
    for name in ["fmri", "predicate"] {
        for value in action.values(name) {
            // Left by dependency generation before it is resolved.
            if value.contains("__TBD") {
                continue;
            }
            if let Err(error) = Fmri::parse(value) {
                faults.push(format!("invalid {name} value '{value}': {error}"));
            }
        }
    }
}

/// Checks the package as a whole.
pub fn manifest(manifest: &Manifest) -> Result<(), InvalidPackage> {
    let (obsolete, renamed) = (manifest.is_obsolete(), manifest.is_renamed());
    if obsolete && renamed {
        return Err(InvalidPackage::ObsoleteAndRenamed);
    }
    for action in &manifest.actions {
        let fine = match action.kind {
            Kind::Set | Kind::Signature => true,
            Kind::Depend => !obsolete,
            Kind::Group
            | Kind::User
            | Kind::Dir
            | Kind::File
            | Kind::Hardlink
            | Kind::Link
            | Kind::Driver
            | Kind::License
            | Kind::Legacy => !obsolete && !renamed,
        };
        if !fine {
            return Err(InvalidPackage::Forbidden {
                kind: action.kind.as_str(),
                state: if obsolete { "an obsolete" } else { "a renamed" },
                action: action.to_string(),
            });
        }
    }
    if renamed && manifest.of_kind(Kind::Depend).next().is_none() {
        return Err(InvalidPackage::RenamedWithoutDepend);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        for (text, fault) in [
            (
                "dir path=a owner=root group=bin",
                "mode is required; value must be of the form '644', '0644', or '04755'.",
            ),
            (
                "dir path=a mode=0788 owner=root group=bin",
                "'0788' is not a valid mode; value must be of the form '644', '0644', or '04755'.",
            ),
            (
                "dir path=a mode=12345 owner=root group=bin",
                "'12345' is not a valid mode; value must be of the form '644', '0644', or '04755'.",
            ),
            ("file path=a mode=0644 group=bin", "owner is required"),
            (
                "file path=a mode=0644 mode=0755 owner=r group=bin",
                "mode may only be specified once",
            ),
            ("file path=a/../../b mode=0644 owner=r group=bin", "path may not contain '..'"),
            ("link path=a", "target is required"),
            (
                "set name=pkg.additional-update-on-uninstall value=A@1 value=&@M",
                "Illegal FMRI '&@M'",
            ),
            (
                "link path=a target=b mediator=x",
                "a mediator-version or mediator-implementation must be provided if a mediator is specified",
            ),
            (
                "link path=a target=b mediator-version=1",
                "a mediator must be provided when mediator-version, mediator-implementation, or mediator-priority is specified",
            ),
            (
                "link path=a target=b mediator=x mediator-version=1 mediator-priority=first",
                "'first' is not a valid mediator-priority; valid values are 'site' or 'vendor'",
            ),
            ("depend fmri=x", "type is required"),
            ("depend fmri=x type=maybe", "Unknown type 'maybe' in depend action"),
            ("depend fmri=x type=conditional", "predicate is required"),
            (
                "depend fmri=x@@ type=require",
                "invalid fmri value 'x@@': Illegal FMRI 'x@@': Version cannot be empty",
            ),
            ("user username=a group=b uid=x", "uid must be an integer"),
            ("set name=a value=b facet.x=1 facet.x=2", "facet.x may only be specified once"),
        ] {
            let parsed = Action::parse(text).unwrap();
            assert_eq!(action(&parsed).unwrap_err().faults, [fault], "{text}");
        }
    }

    #[test]
    fn accepted_as_pkg5_accepts() {
        for text in [
            "file path=a mode=00644 owner=r group=b preserve=maybe timestamp=yesterday overlay=perhaps",
            "user username=a group=b uid=-1",
            "dir path=a mode=755 owner=r group=b odd=x odd=y",
            "depend fmri=__TBD type=require",
            "depend fmri=a fmri=b type=require-any",
            "link path=a target=../../b mediator=x mediator-implementation=y",
            "set name=variant.arch value=i386 value=sparc variant.arch=a variant.arch=b",
        ] {
            assert_eq!(action(&Action::parse(text).unwrap()), Ok(()), "{text}");
        }
    }

    #[test]
    fn packages() {
        for (text, refused) in [
            ("set pkg.obsolete=true\nset pkg.renamed=true\n", true),
            ("set pkg.obsolete=true\ndir path=a\n", true),
            ("set pkg.obsolete=true\ndepend fmri=a type=require\n", true),
            ("set pkg.renamed=true\n", true),
            ("set pkg.renamed=true\ndir path=a\n", true),
            ("set pkg.renamed=true\ndepend fmri=a type=require\n", false),
            ("set pkg.obsolete=true\nset a=b\n", false),
            ("set pkg.obsolete=false\ndir path=a\n", false),
        ] {
            let parsed = Manifest::parse(text).unwrap();
            assert_eq!(manifest(&parsed).is_err(), refused, "{text}");
        }
    }
}
