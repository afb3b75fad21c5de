//! conditions.rs - which actions an image takes: variants and facets; and what of them it leaves out
//! while a publisher is dehydrated.
//!
//! An action is taken when every `variant.X` tag equals the image's value (a variant the image has
//! not: only a tag that begins `false`; a list never), and its facets allow it: those tagged `all`
//! must all be true, of the others one.  `facet.debug.*` and `facet.optional.*` are false unless
//! said otherwise, everything else is true.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Fmri;
use ips_model::action::{Action, Kind};
use ips_model::pattern::glob_matches;

/// The variants and facets of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `variant.NAME` → value.
    pub variants: BTreeMap<String, String>,
    /// `facet.NAME` (perhaps with `*`) → wanted or not.
    pub facets: BTreeMap<String, bool>,
    /// Publishers of whose packages what can be fetched again is not laid down.
    pub dehydrated: BTreeSet<String>,
}

impl Conditions {
    /// Whether the image takes an action.
    pub fn allow(&self, action: &Action) -> bool {
        self.variants_allow(action) && self.facets_allow(action)
    }

    /// Whether what an action delivers is left out although the image takes the action: files that
    /// nobody edits, and hard links, of a publisher that is dehydrated.
    pub fn leaves_out(&self, package: &Fmri, action: &Action) -> bool {
        let publisher = package.publisher.as_ref();
        publisher.is_some_and(|publisher| self.dehydrated.contains(publisher))
            && match action.kind {
                Kind::Hardlink => true,
                Kind::File => {
                    let kept =
                        ["preserve", "overlay"].iter().any(|name| action.get(name).is_some());
                    let refused = action.get("dehydrate");
                    !kept && !refused.is_some_and(|text| text.eq_ignore_ascii_case("false"))
                }
                _ => false,
            }
    }

    fn variants_allow(&self, action: &Action) -> bool {
        let tags = action.attributes.iter().filter(|(name, _)| name.starts_with("variant."));
        let mut tags = tags.map(|(name, values)| (self.variants.get(name), values.as_slice()));
        tags.all(|(own, values)| match (own, values) {
            // The old spelling `opensolaris.zone=` beside the new one says the same twice.
            (_, [value, others @ ..]) if others.iter().any(|other| other != value) => false,
            (Some(own), [value, ..]) => own == value,
            (None, [value, ..]) => value.starts_with("false"),
            (_, []) => false,
        })
    }

    fn facets_allow(&self, action: &Action) -> bool {
        let tags = action.attributes.iter().filter(|(name, _)| name.starts_with("facet."));
        let (mut any, mut seen) = (false, false);
        for (name, values) in tags {
            let on = self.facet(name);
            if values.first().map(String::as_str) == Some("all") {
                if !on {
                    return false;
                }
            } else {
                seen = true;
                // A tag `facet.x=false` asks for images that leave x out.
                let wanted = !values.iter().all(|value| value.eq_ignore_ascii_case("false"));
                any |= on == wanted;
            }
        }
        any || !seen
    }

    /// A facet of the image: its own entry, else the longest pattern, else the default.
    fn facet(&self, name: &str) -> bool {
        if let Some(&own) = self.facets.get(name) {
            return own;
        }
        let patterns = self.facets.iter().filter(|(pattern, _)| glob_matches(pattern, name));
        match patterns.max_by_key(|(pattern, _)| pattern.len()) {
            Some((_, &on)) => on,
            None => !name.starts_with("facet.debug.") && !name.starts_with("facet.optional."),
        }
    }

    /// Whether a package is for this image.
    pub fn allow_package(&self, actions: &[Action]) -> bool {
        self.unsupported(actions).is_none()
    }

    /// The variant for which a package is not made: its `set name=variant.X` does not list the
    /// image's value.
    pub fn unsupported(&self, actions: &[Action]) -> Option<String> {
        let sets = actions.iter().filter(|action| action.kind == Kind::Set);
        let mut sets = sets.filter_map(|action| Some((action.key()?, action)));
        let foreign = sets.find(|(name, action)| match self.variants.get(*name) {
            Some(own) => !action.values("value").contains(own),
            None => false,
        });
        foreign.map(|(name, _)| name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let variants = [("variant.arch", "i386"), ("variant.opensolaris.zone", "global")];
        let conditions = Conditions {
            variants: variants.map(|(k, v)| (k.to_string(), v.to_string())).into(),
            facets: [("facet.locale.*", false), ("facet.locale.de", true), ("facet.doc", false)]
                .map(|(k, v)| (k.to_string(), v))
                .into(),
            dehydrated: BTreeSet::new(),
        };
        for (tags, taken) in [
            ("", true),
            ("variant.arch=i386", true),
            ("variant.arch=sparc", false),
            ("variant.arch=i386 variant.arch=sparc", false),
            ("variant.opensolaris.zone=global opensolaris.zone=global", true),
            ("variant.custom=false", true),
            ("variant.custom=true", false),
            ("variant.arch=i386 variant.opensolaris.zone=nonglobal", false),
            ("facet.devel=true", true),
            ("facet.debug.me=true", false),
            ("facet.optional.me=true", false),
            ("facet.locale.fr=true", false),
            ("facet.locale.de=true", true),
            ("facet.doc=true facet.locale.de=true", true),
            ("facet.doc=all facet.locale.de=all", false),
            ("facet.doc=true facet.locale.fr=true", false),
            ("facet.devel=all facet.locale.de=true", true),
        ] {
            let action = Action::parse(&format!("link path=a target=b {tags}")).unwrap();
            assert_eq!(conditions.allow(&action), taken, "{tags}");
        }
    }

    #[test]
    fn what_a_dehydrated_publisher_leaves_out() {
        let dehydrated = ["dry".to_string()].into();
        let conditions = Conditions { dehydrated, ..Conditions::default() };
        let [dry, wet] = ["dry", "wet"].map(|name| Fmri::of(name, "a", "1").unwrap());
        for (action, left_out) in [
            ("file path=a", true),
            ("file path=a dehydrate=true", true),
            ("file path=a dehydrate=false", false),
            ("file path=a preserve=true", false),
            ("file path=a overlay=allow", false),
            ("hardlink path=a target=b", true),
            ("link path=a target=b", false),
            ("dir path=a", false),
            ("license license=a", false),
        ] {
            let parsed = Action::parse(action).unwrap();
            assert_eq!(conditions.leaves_out(&dry, &parsed), left_out, "{action}");
            assert!(!conditions.leaves_out(&wet, &parsed), "{action}");
        }
    }

    #[test]
    fn packages_of_another_machine_are_not_chosen() {
        let variants = [("variant.arch".to_string(), "i386".to_string())].into();
        let conditions = Conditions { variants, ..Conditions::default() };
        for (text, taken) in [
            ("set name=variant.arch value=i386 value=sparc", true),
            ("set name=variant.arch value=sparc", false),
            ("set name=variant.other value=x", true),
        ] {
            let actions = [Action::parse(text).unwrap()];
            assert_eq!(conditions.unsupported(&actions).is_none(), taken, "{text}");
        }
    }
}
