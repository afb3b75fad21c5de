//! provenance.rs - who made the media, from what, how: an in-toto statement with SLSA's predicate.
//!
//! ```text
//! subject              the media, by SHA-256
//! externalParameters   the image manifest: what the maintainer chose
//! internalParameters   the steps with their ids: what the tool made of it
//! resolvedDependencies the packages, by FMRI and their manifests' SHA-256
//! builder              the tool and its version
//! ```
//!
//! Source: in-toto Statement v1, SLSA Provenance v1.

use serde_json::{Value, json};

use crate::bill::instant;
use crate::contents::{Medium, Tool};

/// The type of the statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// The type of the predicate.
pub const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// What went into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// An URI: a package's FMRI.
    pub uri: String,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// How the media came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The media.
    pub media: Vec<Medium>,
    /// The image manifest's file name and SHA-256.
    pub manifest: Material,
    /// The origins packages came from: publisher and URI.
    pub origins: Vec<(String, String)>,
    /// The steps in their order, each with its checkpoint's id.
    pub steps: Vec<(String, String)>,
    /// The packages.
    pub packages: Vec<Material>,
    /// What built it.
    pub tool: Tool,
    /// An URI that says what kind of build this is and how the parameters are meant.
    pub build_type: String,
    /// An URI for who runs the tool.
    pub builder: String,
    /// The time of the inputs, seconds since the epoch.
    pub time: i64,
}

/// The statement, as JSON.
#[must_use]
pub fn statement(provenance: &Provenance) -> String {
    let Provenance { manifest, tool, .. } = provenance;
    let mut media = provenance.media.clone();
    media.sort_by(|one, two| one.name.cmp(&two.name));
    let mut packages = provenance.packages.clone();
    packages.sort_by(|one, two| one.uri.cmp(&two.uri));
    let mut origins = provenance.origins.clone();
    origins.sort();
    let subject =
        |medium: &Medium| json!({ "name": medium.name, "digest": { "sha256": medium.sha256 } });
    let resource = |material: &Material| json!({ "uri": material.uri, "digest": { "sha256": material.sha256 } });
    let named = |(name, value): &(String, String), first: &str, second: &str| json!({ first: name, second: value });
    let origins: Vec<Value> =
        origins.iter().map(|origin| named(origin, "publisher", "uri")).collect();
    let steps: Vec<Value> = provenance.steps.iter().map(|step| named(step, "step", "id")).collect();
    let statement = json!({
        "_type": STATEMENT,
        "subject": media.iter().map(subject).collect::<Vec<_>>(),
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": provenance.build_type,
                "externalParameters": { "manifest": resource(manifest), "origins": origins },
                "internalParameters": {
                    "steps": steps,
                    "sourceDateEpoch": provenance.time,
                    "sourceDate": instant(provenance.time),
                },
                "resolvedDependencies": packages.iter().map(resource).collect::<Vec<_>>(),
            },
            "runDetails": {
                "builder": {
                    "id": provenance.builder,
                    "version": { tool.name.as_str(): tool.version },
                },
            },
        },
    });
    format!("{statement}\n")
}
