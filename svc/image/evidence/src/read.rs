//! read.rs - a bill of materials, read back.
//!
//! Reads what bill.rs writes.  A document of another tool is read as far as it has the same fields;
//! a field that two builds are compared by and that is missing is an error, not an empty one.

use std::collections::HashMap;

use serde_json::Value;

use crate::contents::{Digests, File, Package};

/// A text that is no bill of materials of ours.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON.
    #[error("the bill of materials is no JSON")]
    Json(#[from] serde_json::Error),
    /// Not SPDX 2.
    #[error("the document is \"{found}\", not SPDX-2.3")]
    Version {
        /// What it says it is.
        found: String,
    },
    /// A field that is missing or of another type.
    #[error("{place} has no {field}")]
    Missing {
        /// The element's identifier.
        place: String,
        /// The field.
        field: &'static str,
    },
}

/// What a bill says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The distribution's name.
    pub name: String,
    /// Its packages, by name.
    pub packages: Vec<Package>,
    /// Its files, by path.
    pub files: Vec<File>,
}

/// Reads a document.
///
/// # Errors
/// It is no SPDX 2.3 document, or lacks what builds are compared by.
pub fn read(text: &str) -> Result<Bill, ReadError> {
    let document: Value = serde_json::from_str(text)?;
    let version = document["spdxVersion"].as_str().unwrap_or_default();
    if version != "SPDX-2.3" {
        return Err(ReadError::Version { found: version.to_owned() });
    }
    let list = |field: &str| document[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let described = list("documentDescribes").first().and_then(Value::as_str);
    let mut packages = Vec::new();
    let mut names = HashMap::new();
    for element in list("packages") {
        let id = string(element, "SPDXID")?;
        if Some(id) != described {
            let package = package(element)?;
            names.insert(id, package.name.clone());
            packages.push(package);
        }
    }
    let mut owners = HashMap::new();
    let mut requires: HashMap<&str, Vec<String>> = HashMap::new();
    for relation in list("relationships") {
        let from = string(relation, "spdxElementId")?;
        let to = string(relation, "relatedSpdxElement")?;
        match string(relation, "relationshipType")? {
            "CONTAINS" => {
                owners.insert(to, from);
            }
            "DEPENDS_ON" => {
                requires.entry(from).or_default().extend(names.get(to).cloned());
            }
            _ => {}
        }
    }
    for element in list("packages") {
        let id = string(element, "SPDXID")?;
        let package = packages.iter_mut().find(|package| names.get(id) == Some(&package.name));
        if let Some(package) = package {
            package.requires = requires.remove(id).unwrap_or_default();
        }
    }
    let files = list("files").iter().map(|element| {
        let owner = owners.get(string(element, "SPDXID")?);
        file(element, owner.and_then(|owner| names.get(owner)).cloned())
    });
    let files = files.collect::<Result<_, _>>()?;
    Ok(Bill { name: string(&document, "name")?.to_owned(), packages, files })
}

fn string<'a>(element: &'a Value, field: &'static str) -> Result<&'a str, ReadError> {
    let place = || element["SPDXID"].as_str().unwrap_or("the document").to_owned();
    element[field].as_str().ok_or_else(|| ReadError::Missing { place: place(), field })
}

fn package(element: &Value) -> Result<Package, ReadError> {
    let text = |field| string(element, field).map(str::to_owned);
    let supplier = text("supplier")?;
    let source = text("sourceInfo")?;
    let summary = text("summary").ok().filter(|summary| !summary.is_empty());
    let licenses = text("licenseDeclared")?;
    let licenses = licenses.split(" AND ").filter(|word| *word != "NOASSERTION");
    Ok(Package {
        publisher: supplier.strip_prefix("Organization: ").unwrap_or(&supplier).to_owned(),
        name: text("name")?,
        version: text("versionInfo")?,
        summary,
        licenses: licenses.map(str::to_owned).collect(),
        requires: Vec::new(),
        manifest_sha256: source.rsplit(' ').next().unwrap_or_default().to_owned(),
    })
}

fn file(element: &Value, package: Option<String>) -> Result<File, ReadError> {
    let name = string(element, "fileName")?;
    let missing = |field| {
        let place = name.to_owned();
        move || ReadError::Missing { place, field }
    };
    let sums = element["checksums"].as_array().ok_or_else(missing("checksums"))?;
    let sum = |algorithm: &str, field| {
        let found = sums.iter().find(|sum| sum["algorithm"] == algorithm);
        let value = found.and_then(|sum| sum["checksumValue"].as_str());
        value.map(str::to_owned).ok_or_else(missing(field))
    };
    let size = string(element, "comment")?.strip_suffix(" bytes").map(str::parse);
    let size = size.and_then(Result::ok).ok_or_else(missing("size"))?;
    let digests = Digests { sha1: sum("SHA1", "SHA1")?, sha256: sum("SHA256", "SHA256")? };
    Ok(File { path: name.strip_prefix("./").unwrap_or(name).to_owned(), package, size, digests })
}
