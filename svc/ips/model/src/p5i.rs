//! p5i.rs - publisher descriptions, `application/vnd.pkg5.info`: JSON, two-space indent, sorted.

use serde_json::{Value, json};

/// A description of one publisher and of packages of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publisher {
    /// The prefix.
    pub name: String,
    /// The other name, if any.
    pub alias: Option<String>,
    /// FMRIs, as `p5i/0` answers fill in.
    pub packages: Vec<String>,
    /// Where its packages are.
    pub repositories: Vec<Repository>,
}

/// A repository of a publisher.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// It adds to other repositories (`supplemental`) and is not one of its own (`core`).
    pub supplemental: bool,
    /// A title.
    pub name: String,
    /// What is in it.
    pub description: String,
    /// URIs packages come from.
    pub origins: Vec<String>,
    /// URIs content may also come from.
    pub mirrors: Vec<String>,
    /// Licences and terms.
    pub legal_uris: Vec<String>,
    /// Further reading.
    pub related_uris: Vec<String>,
    /// Where to register.
    pub registration_uri: String,
    /// Seconds between refreshes.
    pub refresh_seconds: Option<u64>,
}

impl Repository {
    /// The word for what it is.
    pub fn collection_type(&self) -> &'static str {
        if self.supplemental { "supplemental" } else { "core" }
    }
}

/// The text of a description, line feed included.
pub fn print(publishers: &[Publisher]) -> String {
    let publishers: Vec<Value> = publishers.iter().map(publisher).collect();
    let value = json!({ "packages": [], "publishers": publishers, "version": 1 });
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn publisher(publisher: &Publisher) -> Value {
    let repositories: Vec<Value> = publisher.repositories.iter().map(repository).collect();
    json!({
        "alias": publisher.alias,
        "name": publisher.name,
        "packages": publisher.packages,
        "repositories": repositories,
    })
}

fn repository(repository: &Repository) -> Value {
    json!({
        "collection_type": repository.collection_type(),
        // pkg5 has no description where it has no text.
        "description": Some(&repository.description).filter(|text| !text.is_empty()),
        "legal_uris": repository.legal_uris,
        "mirrors": repository.mirrors,
        "name": repository.name,
        "origins": repository.origins,
        "refresh_seconds": repository.refresh_seconds,
        "registration_uri": repository.registration_uri,
        "related_uris": repository.related_uris,
    })
}

/// Reads a description's publishers; names are all that must be there.
pub fn parse(text: &str) -> Result<Vec<Publisher>, serde_json::Error> {
    let value: Value = serde_json::from_str(text)?;
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let list_of = |value: &Value| -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_string).collect()
    };
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let repository = |value: &Value| Repository {
        supplemental: value["collection_type"] == "supplemental",
        name: text_of(&value["name"]),
        description: text_of(&value["description"]),
        origins: list_of(&value["origins"]),
        mirrors: list_of(&value["mirrors"]),
        legal_uris: list_of(&value["legal_uris"]),
        related_uris: list_of(&value["related_uris"]),
        registration_uri: text_of(&value["registration_uri"]),
        refresh_seconds: value["refresh_seconds"].as_u64(),
    };
    let publisher = |value: &Value| Publisher {
        name: text_of(&value["name"]),
        alias: value["alias"].as_str().map(str::to_string),
        packages: list_of(&value["packages"]),
        repositories: items(&value["repositories"]).iter().map(repository).collect(),
    };
    Ok(items(&value["publishers"]).iter().map(publisher).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unconfigured_publisher() {
        let text = print(&[Publisher { name: "p.example".into(), ..Publisher::default() }]);
        let expected = "{\n  \"packages\": [],\n  \"publishers\": [\n    {\n      \"alias\": null,\n      \
            \"name\": \"p.example\",\n      \"packages\": [],\n      \"repositories\": []\n    }\n  ],\n  \
            \"version\": 1\n}\n";
        assert_eq!(text, expected);
        assert_eq!(parse(&text).unwrap()[0].name, "p.example");
    }

    #[test]
    fn a_repository_is_read_back() {
        let repository = Repository {
            origins: vec!["http://x/".into()],
            refresh_seconds: Some(60),
            supplemental: true,
            ..Repository::default()
        };
        let one =
            Publisher { name: "p".into(), repositories: vec![repository], ..Publisher::default() };
        assert_eq!(parse(&print(std::slice::from_ref(&one))).unwrap(), [one]);
        assert!(parse("{\"publishers\"").is_err());
    }
}
