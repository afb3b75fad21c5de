//! read.rs - a catalog part from its text, straight into what it is.
//!
//! Parts have tens of megabytes where there are many packages; a tree of JSON values in between
//! would cost several times the reading.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::{Entry, Part};
use crate::fmri::{is_name, is_publisher};
use crate::json::{SIGNATURE, has_fraction};
use crate::version::Version;

/// A part as it is read: with what it says is its signature.
pub(super) struct Read {
    pub(super) part: Part,
    pub(super) signature: Option<Value>,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Read, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Read;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object of publishers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let mut read = Read { part: Part::default(), signature: None };
                while let Some(name) = map.next_key::<String>()? {
                    if name == SIGNATURE {
                        read.signature = Some(map.next_value()?);
                    } else if name.starts_with('_') {
                        let value: Value = map.next_value()?;
                        if has_fraction(&value) {
                            // It would be signed in another spelling than it was read in.
                            return Err(A::Error::custom("a number that is no integer"));
                        }
                        read.part.reserved.insert(name, value);
                    } else if is_publisher(&name) {
                        read.part.publishers.insert(name, map.next_value::<Stems>()?.0);
                    } else {
                        return Err(A::Error::custom(format!("publisher {name} is not valid")));
                    }
                }
                Ok(read)
            }
        }
        from.deserialize_map(Members)
    }
}

struct Stems(BTreeMap<String, Vec<Entry>>);

impl<'de> Deserialize<'de> for Stems {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Stems, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Stems;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object of packages")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stems, A::Error> {
                let mut stems = BTreeMap::new();
                while let Some(stem) = map.next_key::<String>()? {
                    if !is_name(&stem) {
                        let told = format!("package name {stem} is not valid");
                        return Err(A::Error::custom(told));
                    }
                    stems.insert(stem, map.next_value()?);
                }
                Ok(Stems(stems))
            }
        }
        from.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Entry, D::Error> {
        #[derive(Deserialize)]
        struct Members<'a> {
            #[serde(borrow)]
            version: Cow<'a, str>,
            #[serde(rename = "signature-sha-1", default)]
            signature: Option<String>,
            #[serde(default)]
            actions: Vec<String>,
        }
        let Members { version, signature, actions } = Members::deserialize(from)?;
        let parsed = Version::parse(&version)
            .map_err(|error| D::Error::custom(format!("version {version}: {error}")))?;
        Ok(Entry { version: parsed, signature, actions })
    }
}
