//! findings.rs - what verifying found, for people and as JSON.
//!
//! ```text
//! PACKAGE                                                     STATUS     (NAME:70 STATUS:>7)
//! pkg://PUB/NAME                                               ERROR
//! \tTYPE: KEY
//! \t\tERROR: TEXT
//! PATH is not found in the image
//! --------------------------------------------------------------------------------
//! UNPACKAGED CONTENTS
//! dir: /ROOT/PATH:
//! \tUnpackaged directory
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use ips_client::image::{Report, Unpackaged, VerifiedPackage};
use serde_json::{Map, Value, json};

/// Everything that was found.
pub struct Findings<'a> {
    /// The packages that were looked at.
    pub packages: &'a [VerifiedPackage],
    /// Paths asked for that no package has.
    pub absent: Vec<String>,
    /// What is nobody's, if that was asked for.
    pub unpackaged: Option<&'a Unpackaged>,
    /// The image's root.
    pub root: &'a Path,
}

impl<'a> Findings<'a> {
    /// The findings of packages; of `paths`, if any were asked for.
    pub fn of(packages: &'a [VerifiedPackage], paths: &BTreeSet<String>, root: &'a Path) -> Self {
        let has = |path: &&String| packages.iter().any(|package| package.paths.contains(*path));
        let absent = paths.iter().filter(|path| !has(path)).cloned().collect();
        Self { packages, absent, unpackaged: None, root }
    }

    /// Whether anything is wrong.
    pub fn are_bad(&self) -> bool {
        self.packages.iter().any(|package| package.status() == "ERROR")
            || self.unpackaged.is_some_and(|found| !found.errors.is_empty())
    }

    /// What there is to say; with `verbose` of all packages.
    pub fn told(&self, bare: bool, verbose: bool) -> String {
        let mut out = packages(self.packages, bare, verbose);
        for path in &self.absent {
            if out.is_empty() && !bare {
                out.push_str(&line("PACKAGE", "STATUS"));
            }
            out.push_str(&format!("{path} is not found in the image\n"));
        }
        let Some(found) = self.unpackaged else { return out };
        let something = !found.strays.is_empty() || !found.errors.is_empty();
        if !out.is_empty() && something {
            out.push_str(&format!("{}\n", "-".repeat(80)));
        }
        if !bare {
            out.push_str("UNPACKAGED CONTENTS\n");
        }
        for stray in &found.strays {
            let (kind, what) = words(stray.is_directory);
            let path = self.root.join(&stray.path);
            out.push_str(&format!("{kind}: {}:\n\tUnpackaged {what}\n", path.display()));
        }
        for error in &found.errors {
            out.push_str(&format!("ERROR: {error}\n"));
        }
        out
    }

    /// Item → its messages, or for a package and what is unpackaged: part of it → its messages.
    pub fn messages(&self, time: &str) -> Value {
        let message = |level: &str, kind: &str, text: String| json!({ "msg_time": time, "msg_level": level, "msg_type": kind, "msg_text": text });
        let mut items = Map::new();
        for package in self.packages {
            let level = level(package.status());
            let told = line(&package.fmri.stem(), package.status()).trim_end().to_string();
            let mut own = vec![message(level, "general", told)];
            let errors = package.errors.iter();
            own.extend(errors.map(|text| message("error", "general", format!("ERROR: {text}"))));
            let mut parts = Map::from_iter([("messages".to_string(), Value::Array(own))]);
            for finding in &package.findings {
                let texts = texts(&finding.report);
                let all = texts.map(|(level, text)| message(level, "general", text));
                let part = format!("{}: {}", finding.kind.as_str(), finding.key);
                let place = parts.entry(part).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = place {
                    list.extend(all);
                }
            }
            items.insert(package.fmri.to_string(), Value::Object(parts));
        }
        if !self.absent.is_empty() {
            let told = |path: &String| {
                message("warning", "general", format!("{path} is not found in the image"))
            };
            let all: Vec<Value> = self.absent.iter().map(told).collect();
            items.insert("path not found".to_string(), json!({ "messages": all }));
        }
        if let Some(found) = self.unpackaged {
            let mut parts = Map::new();
            for stray in &found.strays {
                let (kind, what) = words(stray.is_directory);
                let part = format!("{kind}: {}", self.root.join(&stray.path).display());
                let told = message("info", "unpackaged", format!("Unpackaged {what}"));
                parts.insert(part, json!([told]));
            }
            if !found.errors.is_empty() {
                let told = |text: &String| message("error", "unpackaged", text.clone());
                let all: Vec<Value> = found.errors.iter().map(told).collect();
                parts.insert("errors".to_string(), Value::Array(all));
            }
            items.insert("unpackaged".to_string(), Value::Object(parts));
        }
        Value::Object(items)
    }
}

fn words(is_directory: bool) -> (&'static str, &'static str) {
    if is_directory { ("dir", "directory") } else { ("file", "file") }
}

fn level(status: &str) -> &'static str {
    match status {
        "ERROR" => "error",
        "WARNING" => "warning",
        _ => "info",
    }
}

/// What is said of an action, with its level.
fn texts(report: &Report) -> impl Iterator<Item = (&'static str, String)> + '_ {
    let errors = report.errors.iter().map(|text| ("error", format!("ERROR: {text}")));
    let warnings = report.warnings.iter().map(|text| ("warning", format!("WARNING: {text}")));
    errors.chain(warnings).chain(report.info.iter().map(|text| ("info", text.clone())))
}

fn line(name: &str, status: &str) -> String {
    format!("{name:70} {status:>7}\n")
}

/// The packages of which there is something to say; with `-v` all of them.
fn packages(verified: &[VerifiedPackage], bare: bool, verbose: bool) -> String {
    let mut out = String::new();
    for package in verified {
        if package.status() == "OK" && !verbose {
            continue;
        }
        if out.is_empty() && !bare {
            out.push_str(&line("PACKAGE", "STATUS"));
        }
        out.push_str(&of_package(package, verbose));
    }
    out
}

/// What there is to say of a package.
pub fn of_package(package: &VerifiedPackage, verbose: bool) -> String {
    let mut out = line(&package.fmri.stem(), package.status());
    for text in &package.errors {
        out.push_str(&format!("ERROR: {text}\n"));
    }
    for finding in &package.findings {
        let told: Vec<String> = texts(&finding.report)
            .filter(|(level, _)| verbose || *level != "info")
            .map(|(_, text)| format!("\t\t{text}\n"))
            .collect();
        if !told.is_empty() {
            out.push_str(&format!("\t{}: {}\n", finding.kind.as_str(), finding.key));
            out.extend(told);
        }
    }
    out
}
