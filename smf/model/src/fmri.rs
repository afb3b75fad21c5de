//! fmri.rs - the names of services and instances.
//!
//! ```text
//! svc:/application/pkg/server           a service
//! svc:/application/pkg/server:pkg5      an instance of it
//! ```
//!
//! Canonical names have the scheme, one slash and no scope; everything that stores or compares a
//! name uses that form.  Names of properties are not for here.

const SCHEME: &str = "svc:/";

/// The canonical form of a service or instance FMRI, if this can be one.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let rest = text.strip_prefix("svc:").unwrap_or(text);
    let rest = match rest.strip_prefix("//") {
        Some(rest) => {
            let (scope, rest) = rest.split_once('/')?;
            if !matches!(scope, "" | "localhost" | "localhost@localhost") {
                return None;
            }
            rest
        }
        None => rest.strip_prefix('/').unwrap_or(rest),
    };
    // Another scheme would stand where the name of a service ends.
    if rest.is_empty()
        || rest.starts_with(['/', ':'])
        || rest.contains("/:")
        || rest.split_once(':').is_some_and(|(_, instance)| instance.contains(['/', ':']))
    {
        return None;
    }
    Some(format!("{SCHEME}{rest}"))
}

/// The service of an instance FMRI, or the FMRI itself.
#[must_use]
pub fn service_of(fmri: &str) -> &str {
    let name = fmri.strip_prefix(SCHEME).unwrap_or(fmri);
    name.rfind(':').map_or(fmri, |at| &fmri[..at + (fmri.len() - name.len())])
}

/// Whether a canonical FMRI names an instance.
#[must_use]
pub fn is_instance(fmri: &str) -> bool {
    service_of(fmri).len() != fmri.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, want) in [
            ("svc:/a/b:c", Some("svc:/a/b:c")),
            ("a/b:c", Some("svc:/a/b:c")),
            ("/a/b", Some("svc:/a/b")),
            ("////c", None),
            ("svc:/:b", None),
            ("svc://localhost/a/b", Some("svc:/a/b")),
            ("svc:///a/b", Some("svc:/a/b")),
            ("svc://elsewhere/a/b", None),
            ("svc:/a/b/:properties/x", None),
            ("file:///etc/passwd", None),
            ("lrc:/etc/rc2_d/S47", None),
            ("", None),
        ] {
            assert_eq!(canonical(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn services_of_instances() {
        for (fmri, service) in [("svc:/a/b:c", "svc:/a/b"), ("svc:/a/b", "svc:/a/b"), ("", "")] {
            assert_eq!(service_of(fmri), service);
            assert_eq!(is_instance(fmri), fmri != service);
        }
    }
}
