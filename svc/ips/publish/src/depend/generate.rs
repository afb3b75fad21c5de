//! generate.rs - every need of what a manifest delivers.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::action::Action;
use ips_model::{Kind, Manifest};

use super::elf::Tokens;
use super::file::Payload;
use super::smf::Services;
use super::{
    DependError, FatalError, FileType, Need, attribute, bypass, elf, file_type, internal, script,
    smf,
};
use crate::paths::{split, target};
use crate::variants::{MOST, Template};

/// An action with a tag that the package is not for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "WARNING: The action delivering {path} is tagged with a variant type or value not declared for the package; use pkglint for details.\nThe action's variants are: {action}\nThe package's variants are: {package}"
)]
pub struct UndeclaredVariant {
    path: String,
    action: Template,
    package: Template,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Generated {
    /// The dependencies, by their text.
    pub dependencies: Vec<Action>,
    /// `set` actions about the package.
    pub attributes: Vec<Action>,
    /// What could not be looked into.
    pub errors: Vec<DependError>,
    /// What is odd.
    pub warnings: Vec<UndeclaredVariant>,
    /// Kinds of file that are not looked into.
    pub passed_over: BTreeSet<FileType>,
}

/// Finds the needs of one manifest, file by file.
#[derive(Debug)]
pub struct Generator<'a> {
    manifest: &'a Manifest,
    package: Template,
    tokens: &'a Tokens,
    run_paths: Vec<String>,
    bypassed: Vec<String>,
    services: &'a Services,
    needs: Vec<Need>,
    attributes: BTreeMap<&'static str, Vec<String>>,
    stopped: bool,
    generated: Generated,
}

/// The paths of a `pkg.depend.runpath`.
fn run_path(values: &[String]) -> Result<Vec<String>, DependError> {
    let [one] = values else { return Err(DependError::RunpathList) };
    if one.split(':').all(str::is_empty) {
        return Err(DependError::RunpathEmpty);
    }
    Ok(one.split(':').map(str::to_string).collect())
}

/// The values of the last `set` of a name.
fn property<'a>(manifest: &'a Manifest, name: &str) -> Option<&'a [String]> {
    let sets = manifest.of_kind(Kind::Set).filter(|action| action.key() == Some(name));
    sets.last().map(|action| action.values("value"))
}

impl<'a> Generator<'a> {
    /// Starts on a manifest; `run_paths` is where modules are looked for unless it says where.
    pub fn new(
        manifest: &'a Manifest,
        tokens: &'a Tokens,
        run_paths: Vec<String>,
        services: &'a Services,
    ) -> Result<Generator<'a>, FatalError> {
        let declared = Template::of_manifest(manifest);
        let mut package = declared.clone();
        let mut generated = Generated::default();
        for action in &manifest.actions {
            let tags = Template::of_action(action);
            if !tags.is_subset(&declared) {
                let path = action.key().unwrap_or_default().to_string();
                package.merge_values(&tags);
                let package = declared.clone();
                generated.warnings.push(UndeclaredVariant { path, action: tags, package });
            }
        }
        if package.size() > MOST {
            return Err(FatalError::Variants);
        }
        let mut generator = Generator {
            manifest,
            package,
            tokens,
            run_paths,
            bypassed: property(manifest, attribute::BYPASS).unwrap_or_default().to_vec(),
            services,
            needs: Vec::new(),
            attributes: BTreeMap::new(),
            stopped: false,
            generated,
        };
        if let Some(values) = property(manifest, attribute::RUNPATH) {
            match run_path(values) {
                Ok(paths) => generator.run_paths = paths,
                Err(error) => generator.stop(error),
            }
        }
        Ok(generator)
    }

    fn stop(&mut self, error: DependError) {
        self.generated.errors.push(error);
        self.stopped = true;
    }

    /// Whether a file's bytes would be looked at.
    pub fn wants(&self, action: &Action) -> bool {
        !self.stopped && !bypass::is_all(self.bypassed_of(action))
    }

    fn bypassed_of<'b>(&'b self, action: &'b Action) -> &'b [String] {
        match action.values(attribute::BYPASS) {
            [] => &self.bypassed,
            values => values,
        }
    }

    /// Notes a file that is waved aside as a whole.
    pub fn skip(&mut self, action: &Action) {
        if !self.stopped {
            let path = action.get("path").unwrap_or_default();
            self.attributes.insert(attribute::BYPASSED, vec![format!("{path}:.*")]);
        }
    }

    /// Looks at a file; no bytes where it is no regular file.
    pub fn file(&mut self, payload: Payload<'_>, regular: bool) -> Result<(), FatalError> {
        let own = payload.action.values(attribute::RUNPATH);
        let run_paths = match own {
            [] => self.run_paths.clone(),
            values => match run_path(values) {
                Ok(paths) => paths,
                Err(error) => {
                    self.stop(error);
                    return Ok(());
                }
            },
        };
        let kind = match regular {
            true => file_type(payload.local, payload.bytes),
            false => FileType::NoFile,
        };
        let (needs, errors) = match kind {
            FileType::Elf => elf::needs(payload, &self.package, self.tokens, &run_paths)?,
            FileType::Script => script::needs(payload, &self.package, &run_paths),
            FileType::Bundle => {
                let (found, delivered) = smf::needs(payload, &self.package, self.services);
                if !delivered.is_empty() {
                    let known = self.attributes.entry("org.opensolaris.smf.fmri").or_default();
                    known.extend(delivered);
                }
                found
            }
            FileType::Xml | FileType::Empty | FileType::NoFile | FileType::Unknown => {
                self.generated.passed_over.insert(kind);
                return Ok(());
            }
        };
        match bypass::apply(needs, self.bypassed_of(payload.action)) {
            Ok((needs, gone)) => {
                self.needs.extend(needs);
                if let Some(gone) = gone {
                    self.attributes.insert(attribute::BYPASSED, gone);
                }
                self.generated.errors.extend(errors);
            }
            Err(error) => self.generated.errors.push(error),
        }
        Ok(())
    }

    /// All of it; `internal`: also what the package meets itself.
    pub fn finish(mut self, internal: bool) -> Generated {
        if !self.stopped {
            for action in self.manifest.of_kind(Kind::Hardlink) {
                let path = action.get("path").unwrap_or_default();
                let to = target(path, action.get("target").unwrap_or_default());
                let (folder, name) = split(&to);
                let (files, folders) = (vec![name.to_string()], vec![folder.to_string()]);
                self.needs.push(Need::new("hardlink", action, &self.package, files, folders));
            }
        }
        let needs = match internal {
            true => self.needs,
            false => internal::unmet(self.needs, self.manifest, &self.package),
        };
        let mut found: Vec<(String, Action)> = needs
            .iter()
            .flat_map(|need| need.actions(&self.package))
            .map(|action| (action.to_string(), action))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let attributes = self.attributes.into_iter().map(|(name, values)| {
            let mut action = Action::set_of(name, "");
            action.set("value", values);
            action
        });
        Generated {
            dependencies: found.into_iter().map(|(_, action)| action).collect(),
            attributes: attributes.collect(),
            ..self.generated
        }
    }
}
