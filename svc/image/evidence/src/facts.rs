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
use serde_json::json;

use crate::contents::{Contents, Digests, File, Medium, Package, Tool};
use crate::read::Bill;

const FORMAT: u32 = 1;

/// A text that is no facts of ours.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// Not JSON, or with other fields.
    #[error("these are no facts of a build")]
    Json(#[from] serde_json::Error),
    /// Of a later program.
    #[error("facts of format {0} are not known here")]
    Format(u32),
    /// A row that is none.
    #[error("the facts' table")]
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

/// The document as it is written: in order, and nothing of it copied.
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    name: &'a str,
    time: i64,
    tool: &'a Tool,
    packages: Vec<&'a Package>,
    files: Vec<Line<'a>>,
    media: Vec<&'a Medium>,
    table: Vec<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    package: Option<&'a str>,
    size: u64,
    sha1: &'a str,
    sha256: &'a str,
}

/// The document as it is read.
#[derive(Deserialize)]
struct Text {
    format: u32,
    name: String,
    time: i64,
    tool: Tool,
    packages: Vec<Package>,
    files: Vec<Row>,
    media: Vec<Medium>,
    table: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    path: String,
    package: Option<String>,
    size: u64,
    sha1: String,
    sha256: String,
}

impl From<Row> for File {
    fn from(Row { path, package, size, sha1, sha256 }: Row) -> File {
        File { path, package, size, digests: Digests { sha1, sha256 } }
    }
}

fn line(file: &File) -> Line<'_> {
    let File { path, package, size, digests: Digests { sha1, sha256 } } = file;
    Line { path, package: package.as_deref(), size: *size, sha1, sha256 }
}

impl Facts {
    /// The document.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Contents { name, time, tool, packages, files, media } = &self.contents;
        let mut packages: Vec<&Package> = packages.iter().collect();
        packages.sort_by_key(|package| (&package.name, &package.publisher));
        let mut files: Vec<Line<'_>> = files.iter().map(line).collect();
        files.sort_by_key(|file| file.path);
        let mut media: Vec<&Medium> = media.iter().collect();
        media.sort_by_key(|medium| &medium.name);
        let rows = self.table.to_string();
        let table = rows.lines().collect();
        let text =
            Written { format: FORMAT, name, time: *time, tool, packages, files, media, table };
        // Texts and numbers in lists: nothing of it can fail to be JSON.
        serde_json::to_string_pretty(&text).expect("facts are plain values") + "\n"
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or of another format.
    pub fn parse(text: &str) -> Result<Facts, FactsError> {
        let Text { format, name, time, tool, packages, files, media, table } =
            serde_json::from_str(text)?;
        let files = files.into_iter().map(File::from).collect();
        let contents = Contents { name, time, tool, packages, files, media };
        if format != FORMAT {
            return Err(FactsError::Format(format));
        }
        let mut rows = table.join("\n");
        if !rows.is_empty() {
            rows.push('\n');
        }
        Ok(Facts { contents, table: Tree::parse(&rows)? })
    }

    /// The document of facts that have no media, with media; `None`: it is none.
    #[must_use]
    pub fn with_media(text: &str, media: &[Medium]) -> Option<String> {
        let mut media: Vec<&Medium> = media.iter().collect();
        media.sort_by_key(|medium| &medium.name);
        let list = serde_json::to_string_pretty(&json!({ "media": media })).ok()?;
        // A text in JSON has no line breaks: a line that is so is that of the media.
        let (before, after) = text.split_once("\n  \"media\": []")?;
        Some([before, list.strip_prefix('{')?.strip_suffix("\n}")?, after].concat())
    }

    /// The part of it that a bill of materials has too.
    #[must_use]
    pub fn bill(&self) -> Bill {
        let Contents { name, packages, files, .. } = self.contents.clone();
        Bill { name, packages, files }
    }
}
