//! avoid.rs - what an administrator keeps out of group dependencies, and what is frozen.
//!
//! ```text
//! state/avoid_set     [1,{"STEM":"avoid"|"implicit-avoid"|"obsolete",…}]
//! state/frozen_dict   [1,{"STEM":["FMRI","REASON"|null,TIME],…}]      TIME: seconds since 1970
//! ```

use std::collections::{BTreeMap, BTreeSet};

use ips_model::fmri::{Fmri, is_name};
use serde_json::{Value, json};

/// A text that is no such list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ListError(String);

/// Stems that group dependencies do not bring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AvoidSet {
    /// Named by the administrator.
    pub avoided: BTreeSet<String>,
    /// Following from those.
    pub implied: BTreeSet<String>,
    /// Obsolete packages that groups name.
    pub obsolete: BTreeSet<String>,
}

impl AvoidSet {
    /// Reads `avoid_set`.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let mut set = Self::default();
        for (stem, why) in members(text)? {
            let stems = match why.as_str() {
                Some("avoid") => &mut set.avoided,
                Some("implicit-avoid") => &mut set.implied,
                Some("obsolete") => &mut set.obsolete,
                _ => return Err(ListError(format!("{stem}: {why} is unknown"))),
            };
            stems.insert(stem);
        }
        Ok(set)
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let mut members: BTreeMap<&str, &str> = BTreeMap::new();
        members.extend(self.avoided.iter().map(|stem| (stem.as_str(), "avoid")));
        members.extend(self.implied.iter().map(|stem| (stem.as_str(), "implicit-avoid")));
        members.extend(self.obsolete.iter().map(|stem| (stem.as_str(), "obsolete")));
        json!([1, members]).to_string()
    }
}

/// A frozen package.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// The name, with the version (or the leading parts of one) it is held at.
    pub fmri: Fmri,
    /// Why, in the administrator's words.
    pub reason: Option<String>,
    /// When, in seconds since 1970.
    pub time: f64,
}

/// The frozen packages by stem.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrozenSet {
    /// Stem → how it is frozen.
    pub stems: BTreeMap<String, Frozen>,
}

impl FrozenSet {
    /// Reads `frozen_dict`.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let mut stems = BTreeMap::new();
        for (stem, frozen) in members(text)? {
            let refused = |what: &str| ListError(format!("{stem}: {what}"));
            let fmri = frozen[0].as_str().ok_or_else(|| refused("no FMRI"))?;
            let fmri = Fmri::parse(fmri).map_err(|error| refused(&error.to_string()))?;
            let reason = frozen[1].as_str().map(str::to_string);
            let time = frozen[2].as_f64().unwrap_or_default();
            stems.insert(stem, Frozen { fmri, reason, time });
        }
        Ok(Self { stems })
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let value = |frozen: &Frozen| json!([frozen.fmri.to_string(), frozen.reason, frozen.time]);
        let members: BTreeMap<&str, Value> =
            self.stems.iter().map(|(stem, frozen)| (stem.as_str(), value(frozen))).collect();
        json!([1, members]).to_string()
    }
}

fn members(text: &str) -> Result<Vec<(String, Value)>, ListError> {
    let value: Value = serde_json::from_str(text).map_err(|error| ListError(error.to_string()))?;
    if value[0] != json!(1) {
        return Err(ListError(format!("version {} is unknown (1 is known)", value[0])));
    }
    let Some(members) = value[1].as_object() else {
        return Err(ListError("its second member is no object".to_string()));
    };
    let bad = members.keys().find(|stem| !is_name(stem));
    if let Some(stem) = bad {
        return Err(ListError(format!("package name {stem} is not valid")));
    }
    Ok(members.iter().map(|(stem, value)| (stem.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        let text = r#"[1,{"a/b":"avoid","c":"obsolete","d":"implicit-avoid"}]"#;
        assert_eq!(AvoidSet::parse(text).unwrap().print(), text);
        assert_eq!(AvoidSet::parse("[1, {}]").unwrap().print(), "[1,{}]");
        let text = r#"[1,{"a":["pkg://p/a@1,5.11","why",1.5],"b":["pkg:/b@2,5.11",null,7.0]}]"#;
        assert_eq!(FrozenSet::parse(text).unwrap().print(), text);
    }

    #[test]
    fn refused() {
        for bad in ["", "[2,{}]", "[1]", "[1,[]]", r#"[1,{"../x":"avoid"}]"#, r#"[1,{"x":"odd"}]"#]
        {
            assert!(AvoidSet::parse(bad).is_err(), "{bad}");
        }
        for bad in [r#"[1,{"x":[]}]"#, r#"[1,{"x":["@"]}]"#] {
            assert!(FrozenSet::parse(bad).is_err(), "{bad}");
        }
    }
}
