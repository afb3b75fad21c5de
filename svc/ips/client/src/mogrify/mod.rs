//! Manifests edited by rules, the language of pkgmogrify(1).
//!
//! In reading order: `lines` (files, includes, macros), `rule` (what a `<transform>` says),
//! `pattern` (its regular expressions), `substitute` (`%(…)`), `apply` (a rule on an action), `run`
//! (all rules on all actions).  Input is read whole before anything is changed, so a rule holds
//! wherever it stands.
//!
//! Not here: reading arguments, writing what came of it.

use std::path::PathBuf;

use ips_model::Manifest;

mod apply;
mod lines;
mod pattern;
mod rule;
mod run;
mod substitute;

pub use lines::{Input, find, read, text_of};
pub use run::{Ended, Output, run};

/// What is wrong with rules or manifests, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MogrifyError(pub String);

/// How input is read.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Macros: name and value; each name once.
    pub macros: Vec<(String, String)>,
    /// Where includes are looked for, after the working directory.
    pub includes: Vec<PathBuf>,
    /// `<include>` lines are output as they are.
    pub keep_includes: bool,
    /// What rules do to an action is told in comments before it.
    pub verbose: bool,
}

/// Rules for packages on their way from one repository to another.
#[derive(Debug, Clone, Default)]
pub struct Transforms(Vec<(String, String)>);

impl Transforms {
    /// Rules from files: their names and texts.  They are read once here, so that what is wrong with
    /// them is told before anything is done.
    pub fn parse(files: Vec<(String, String)>) -> Result<Transforms, MogrifyError> {
        read(&files, &Settings::default())?;
        Ok(Transforms(files))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A package after the rules; none where they drop its name, which drops the package.
    pub fn apply(&self, name: &str, manifest: &Manifest) -> Result<Option<Manifest>, MogrifyError> {
        let mut files = vec![(name.to_string(), manifest.to_string())];
        files.extend(self.0.iter().cloned());
        let text = match run(&read(&files, &Settings::default())?)? {
            Ended::Done(output) => output.manifest,
            Ended::Early { status, message } => {
                let said = message.unwrap_or_else(|| format!("a rule ended with status {status}"));
                return Err(MogrifyError(format!("{name}: {said}")));
            }
        };
        let refused = |error: String| MogrifyError(format!("{name}: {error}"));
        let changed = Manifest::parse(&text).map_err(|error| refused(error.to_string()))?;
        let is_name = |action: &&ips_model::Action| {
            action.kind == ips_model::Kind::Set && action.key() == Some("pkg.fmri")
        };
        match changed.actions.iter().filter(is_name).count() {
            0 => Ok(None),
            1 => Ok(Some(changed)),
            _ => Err(refused("the rules name the package twice".to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_on_their_way() {
        let manifest = Manifest::parse(
            "set name=pkg.fmri value=pkg://a/x@1,5.11:20240101T000000Z\nset name=s value=1\n",
        )
        .unwrap();
        let apply = |rule: &str| {
            Transforms::parse(vec![("rules".into(), format!("{rule}\n"))])
                .and_then(|rules| rules.apply("x", &manifest))
                .map(|changed| changed.map(|manifest| manifest.to_string()))
        };
        let renamed = apply("<transform set name=pkg.fmri -> edit value pkg://a/ pkg://b/>");
        assert!(renamed.unwrap().unwrap().starts_with(
            "set name=pkg.fmri value=pkg://b/x@1,5.11:20240101T000000Z\nset name=s value=1\n"
        ));
        assert_eq!(apply("<transform set name=pkg.fmri -> drop>"), Ok(None));
        for (rule, expected) in [
            ("<transform set name=s -> set name pkg.fmri>", "x: the rules name the package twice"),
            ("<transform set name=s -> exit 3 no>", "x: no"),
            ("<transform set>", "File rules, line 1: Missing -> in transform"),
        ] {
            assert_eq!(apply(rule).unwrap_err().to_string(), expected, "{rule}");
        }
    }
}
