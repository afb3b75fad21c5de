//! context - the environment and the credentials of a method (smf_method, "Method Context").
//!
//! Every property is looked for in the method's own group first, then in `method_context`.

use std::path::PathBuf;

use crate::config::is_true;
use crate::state::Method;
use crate::store::{Group, Groups};
use crate::sys::Context;

/// What a context may say.
const PROPERTIES: [&str; 12] = [
    "working_directory",
    "project",
    "resource_pool",
    "security_flags",
    "use_profile",
    "user",
    "group",
    "supp_groups",
    "privileges",
    "limit_privileges",
    "profile",
    "environment",
];

/// Reads the context of a method.
///
/// # Errors
/// What is wrong, for the log.
pub fn context(groups: &Groups, method: Method) -> Result<Context, String> {
    let places = [groups.get(method.name()), groups.get("method_context")];
    let first = |property: &str| places.iter().flatten().find_map(|group| group.first(property));
    let any = PROPERTIES.iter().any(|property| {
        places.iter().flatten().any(|group| group.properties.contains_key(*property))
    });
    if !any {
        return Ok(Context::default());
    }
    // Who it runs as is said by one group alone: the first that has use_profile.
    let credential: Option<&Group> =
        places.iter().flatten().copied().find(|group| group.properties.contains_key("use_profile"));
    let mut context = Context::default();
    if let Some(group) = credential {
        let said = |property: &str| {
            group.first(property).filter(|word| *word != ":default").map(str::to_owned)
        };
        if group.first("use_profile").is_some_and(is_true) {
            let profile = group.first("profile").ok_or("method context has no profile")?;
            context.profile = Some(profile.to_owned());
        } else {
            let user = group.first("user").ok_or("method context has no user")?;
            context.user = Some(user.to_owned());
        }
        context.group = said("group");
        context.privileges = said("privileges");
        context.limit = said("limit_privileges");
        context.supplementary = group
            .first("supp_groups")
            .filter(|word| *word != ":default")
            .map(|list| list.split([',', ' ']).filter(|word| !word.is_empty()))
            .map(|list| list.map(str::to_owned).collect());
    }
    let named =
        |property: &str| first(property).filter(|word| *word != ":default").map(str::to_owned);
    context.project = named("project");
    context.pool = named("resource_pool");
    context.security_flags = named("security_flags");
    match first("working_directory") {
        // Any context at all moves the method from / to the user's home.
        None | Some(":default" | ":home") => context.home = true,
        Some(directory) => context.directory = Some(PathBuf::from(directory)),
    }
    Ok(context)
}

/// The environment of a method, and lines for the log about entries that were left out.
/// `base` is what every method gets, PATH first.
#[must_use]
pub fn environment(
    groups: &Groups,
    fmri: &str,
    method: Method,
    base: Vec<(String, String)>,
) -> (Vec<(String, String)>, Vec<String>) {
    let mut variables = base;
    for (name, value) in [
        ("SMF_FMRI", fmri),
        ("SMF_METHOD", method.name()),
        ("SMF_RESTARTER", "svc:/system/svc/restarter:default"),
        ("SMF_ZONENAME", "global"),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    let mut warnings = Vec::new();
    let entries = [method.name(), "method_context"]
        .iter()
        .find_map(|group| groups.get(*group)?.properties.get("environment"));
    let mut given: Vec<String> = Vec::new();
    for entry in entries.into_iter().flat_map(|property| &property.values) {
        let Some((name, value)) = entry.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            warnings.push(format!("Invalid environment variable \"{entry}\"."));
            continue;
        };
        if name.starts_with("SMF_") {
            warnings.push(format!(
                "Invalid environment variable \"{entry}\"; \"SMF_\" prefix is reserved."
            ));
            continue;
        }
        if let Some((_, old)) = variables.iter_mut().find(|(known, _)| known == name) {
            if given.iter().any(|known| known == name) {
                warnings.push(format!("Ignoring duplicate environment variable \"{name}={old}\"."));
            }
            *old = value.to_owned();
        } else {
            variables.push((name.to_owned(), value.to_owned()));
        }
        given.push(name.to_owned());
    }
    (variables, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::group;
    use crate::store::Property;

    fn with(name: &str, properties: &[(&str, &str, &str)]) -> Groups {
        Groups::from([(name.to_owned(), group("framework", properties))])
    }

    #[test]
    fn no_context_is_the_root_directory() {
        assert_eq!(Ok(Context::default()), context(&Groups::new(), Method::Start));
    }

    #[test]
    fn contexts() {
        let any = with("method_context", &[("environment", "astring", "A=1")]);
        assert!(context(&any, Method::Start).unwrap().home, "any context moves to the home");
        let directory = with("start", &[("working_directory", "astring", "/x")]);
        let found = context(&directory, Method::Start).unwrap();
        assert_eq!((Some(PathBuf::from("/x")), false), (found.directory, found.home));
        let user = with(
            "method_context",
            &[
                ("use_profile", "boolean", "false"),
                ("user", "astring", "nobody"),
                ("group", "astring", ":default"),
                ("supp_groups", "astring", "a,b c"),
            ],
        );
        let found = context(&user, Method::Stop).unwrap();
        assert_eq!((Some("nobody".to_owned()), None), (found.user, found.group));
        assert_eq!(3, found.supplementary.unwrap().len());
        for word in ["true", "false"] {
            let missing = with("method_context", &[("use_profile", "boolean", word)]);
            assert!(context(&missing, Method::Start).is_err());
        }
        let rest = with(
            "method_context",
            &[
                ("use_profile", "boolean", "true"),
                ("profile", "astring", "Media Backup"),
                ("project", "astring", "user.x"),
                ("resource_pool", "astring", ":default"),
                ("security_flags", "astring", "aslr"),
            ],
        );
        let found = context(&rest, Method::Stop).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!((some("Media Backup"), None), (found.profile, found.user));
        assert_eq!((some("user.x"), None), (found.project, found.pool));
        assert_eq!(some("aslr"), found.security_flags);
    }

    #[test]
    fn environments() {
        let mut groups = with("method_context", &[]);
        let entries = ["PATH=/x", "B=1", "SMF_X=1", "=bad", "bad", "B=2", "E=a=b"];
        let values = entries.map(str::to_owned).to_vec();
        let property = Property { kind: "astring".to_owned(), values };
        let group = groups.get_mut("method_context").unwrap();
        group.properties.insert("environment".to_owned(), property);
        let base = vec![("PATH".to_owned(), "/usr/bin".to_owned())];
        let (variables, warnings) = environment(&groups, "svc:/a:b", Method::Refresh, base);
        let text: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            vec![
                "PATH=/x",
                "SMF_FMRI=svc:/a:b",
                "SMF_METHOD=refresh",
                "SMF_RESTARTER=svc:/system/svc/restarter:default",
                "SMF_ZONENAME=global",
                "B=2",
                "E=a=b"
            ],
            text
        );
        assert_eq!(
            vec![
                "Invalid environment variable \"SMF_X=1\"; \"SMF_\" prefix is reserved.",
                "Invalid environment variable \"=bad\".",
                "Invalid environment variable \"bad\".",
                "Ignoring duplicate environment variable \"B=1\"."
            ],
            warnings
        );
    }
}
