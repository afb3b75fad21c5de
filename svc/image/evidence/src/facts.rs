//! facts.rs - all that is known of a build, for programs: one JSON document.
//!
//! ```text
//! {"format": 1, "name", "time", "tool": {name, version},
//!  "packages": [{publisher, name, version, summary, licenses, requires, manifest_sha256}],
//!  "files":    [{path, package, size, sha1, sha256}],
//!  "media":    [{name, size, sha256}],
//!  "table":    ["d 0755 0 3 1700000000 - usr", ...]}        image_tree's rows
//! ```
//!
//! It has what a bill of materials has no place for: directories, links and devices, modes and
//! owners.  Law: the same contents give the same bytes, in whatever order they were found.

use image_tree::{TableError, Tree};
use serde::{Deserialize, Serialize};

use crate::contents::Contents;
use crate::read::Bill;

const FORMAT: u32 = 1;

/// A text that is no facts of ours.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// Not JSON, or with other fields.
    #[error("these are no facts of a build: {0}")]
    Json(#[from] serde_json::Error),
    /// Of a later program.
    #[error("facts of format {0} are not known here")]
    Format(u32),
    /// A row that is none.
    #[error("the facts' table: {0}")]
    Table(#[from] TableError),
}

/// What is known of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What the image is made of.
    pub contents: Contents,
    /// Every path of it.
    pub table: Tree,
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    #[serde(flatten)]
    contents: Contents,
    table: Vec<String>,
}

impl Facts {
    /// The document.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut contents = self.contents.clone();
        contents
            .packages
            .sort_by(|one, two| (&one.name, &one.publisher).cmp(&(&two.name, &two.publisher)));
        contents.files.sort_by(|one, two| one.path.cmp(&two.path));
        contents.media.sort_by(|one, two| one.name.cmp(&two.name));
        let table = self.table.to_string().lines().map(str::to_owned).collect();
        let text = Text { format: FORMAT, contents, table };
        // Texts and numbers in lists: nothing of it can fail to be JSON.
        serde_json::to_string_pretty(&text).expect("facts are plain values") + "\n"
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or of another format.
    pub fn parse(text: &str) -> Result<Facts, FactsError> {
        let Text { format, contents, table } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(FactsError::Format(format));
        }
        let mut rows = table.join("\n");
        if !rows.is_empty() {
            rows.push('\n');
        }
        Ok(Facts { contents, table: Tree::parse(&rows)? })
    }

    /// The part of it that a bill of materials has too.
    #[must_use]
    pub fn bill(&self) -> Bill {
        let Contents { name, packages, files, .. } = self.contents.clone();
        Bill { name, packages, files }
    }
}
