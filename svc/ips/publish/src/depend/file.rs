//! file.rs - a delivered file with its bytes, what kind it is of, and a need that was found in it.

use ips_model::Kind;
use ips_model::action::Action;

use super::{TO_BE_DONE, attribute, smf};
use crate::variants::{Combinations, Template};

/// A file of a manifest as it was found.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The action that delivers it.
    pub action: &'a Action,
    /// Where it was found.
    pub local: &'a str,
    /// The proto area it was found in.
    pub proto: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

impl Payload<'_> {
    /// Where it is delivered.
    pub fn path(&self) -> &str {
        self.action.get("path").unwrap_or_default()
    }
}

/// Kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileType {
    /// ELF.
    Elf,
    /// `#!` leads.
    Script,
    /// A service bundle.
    Bundle,
    /// Other XML.
    Xml,
    /// Nothing is in it.
    Empty,
    /// Not a regular file.
    NoFile,
    /// Anything else.
    Unknown,
}

impl FileType {
    /// How `generate -M` names a kind that is not looked into.
    pub fn name(self) -> &'static str {
        match self {
            FileType::Elf => "ELF",
            FileType::Script => "executable script",
            FileType::Bundle => "SMF manifest",
            FileType::Xml => "XML document",
            FileType::Empty => "empty file",
            FileType::NoFile => "cannot open",
            FileType::Unknown => "unknown",
        }
    }
}

/// What kind of file it is, by its first bytes and by its name.
pub fn file_type(local: &str, bytes: &[u8]) -> FileType {
    if bytes.is_empty() {
        FileType::Empty
    } else if bytes.starts_with(b"\x7fELF") {
        FileType::Elf
    } else if bytes.starts_with(b"#!") {
        FileType::Script
    } else if !local.ends_with(".xml") {
        FileType::Unknown
    } else if smf::is_bundle(bytes) {
        FileType::Bundle
    } else {
        FileType::Xml
    }
}

/// What a delivered path needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// `elf`, `script`, `python`, `smf_manifest` or `hardlink`.
    pub kind: &'static str,
    /// The path that has the need.
    pub reason: String,
    /// File names, any of which will do.
    pub files: Vec<String>,
    /// Where they may be.
    pub folders: Vec<String>,
    /// Whole paths, instead of the two.
    pub full_paths: Vec<String>,
    /// Whether it is delivered by the same package, though where nobody looks.
    pub elsewhere: bool,
    /// The tags of the action that has the need.
    tags: Template,
    /// Under which variants it is met.
    pub(super) met: Combinations,
}

impl Need {
    /// Files in folders; the folders are taken relative to the proto area or to the root.
    pub(super) fn new(
        kind: &'static str,
        action: &Action,
        package: &Template,
        files: Vec<String>,
        folders: Vec<String>,
    ) -> Need {
        let tags = Template::of_action(action);
        let mut all = tags.clone();
        all.merge_unknown(package);
        let mut need = Need {
            kind,
            reason: action.get("path").unwrap_or_default().to_string(),
            files,
            folders,
            full_paths: Vec::new(),
            elsewhere: false,
            tags,
            met: Combinations::open(all),
        };
        need.files.sort();
        need.folders.sort();
        need
    }

    /// Every path that would do.
    pub fn paths(&self) -> Vec<String> {
        if !self.full_paths.is_empty() {
            return self.full_paths.clone();
        }
        let files = |folder| self.files.iter().map(move |file| crate::paths::join(folder, file));
        self.folders.iter().flat_map(|folder| files(folder)).collect()
    }

    /// Actions, one for each combination of variants in which it is not met.
    pub fn actions(&self, package: &Template) -> Vec<Action> {
        let mut action = Action::new(Kind::Depend);
        let one = |text: &str| vec![text.to_string()];
        action.set("fmri", one(TO_BE_DONE));
        action.set("type", one("require"));
        action.set(attribute::REASON, one(&self.reason));
        action.set(attribute::TYPE, one(self.kind));
        if self.full_paths.is_empty() {
            action.set(attribute::FILE, self.files.clone());
            action.set(attribute::PATH, self.folders.clone());
        } else {
            action.set(attribute::FULL_PATH, self.full_paths.clone());
        }
        if self.elsewhere {
            action.set(attribute::SEVERITY, one("warning"));
        }
        for (name, values) in self.tags.attributes() {
            action.set(name, values);
        }
        let open = self.met.open_in(package);
        if open.is_empty() {
            return vec![action];
        }
        let tagged = open.iter().map(|combination| {
            let mut action = action.clone();
            for (name, value) in combination.iter() {
                action.set(name, one(value));
            }
            action
        });
        tagged.collect()
    }
}

/// A path as it stands in a need: without the proto area it may begin with, and without its slash.
pub(super) fn below(path: &str, proto: &str) -> String {
    path.strip_prefix(proto).unwrap_or(path).trim_start_matches('/').to_string()
}
