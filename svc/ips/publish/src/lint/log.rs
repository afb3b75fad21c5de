//! log.rs - what is told of packages: severity, id, text; and what the packager waved aside.
//!
//! `pkg.linted=true` on an action or a package, or `pkg.linted.ID=true` where ID begins the id,
//! makes information of whatever is found.

use std::collections::BTreeMap;

use ips_model::action::Action;

use super::Package;

/// How bad it is; from ERROR on pkglint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What is being done.
    Debug,
    /// Worth knowing.
    Info,
    /// May be wanted.
    Warning,
    /// Wrong.
    Error,
    /// Cannot even be checked.
    Critical,
}

impl Level {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Level> {
        let all = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical];
        all.into_iter().find(|level| level.name() == text.to_uppercase())
    }
}

/// A message as it is printed.
pub fn line(level: Level, id: &str, text: &str) -> String {
    format!("{:34}{text}", format!("{} {id}", level.name()))
}

/// What is told, and to whom.
pub(super) struct Log<'a> {
    pub(super) least: Level,
    pub(super) tells_linted: bool,
    pub(super) out: &'a mut dyn FnMut(&str),
    pub(super) failed: bool,
    package: Option<&'a Package>,
    action: Option<&'a Action>,
}

/// A `pkg.linted` with several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ambiguous(pub(super) String);

fn waved<'v>(
    attributes: impl Iterator<Item = (&'v String, &'v Vec<String>)>,
    id: &str,
    owner: impl Fn() -> String,
) -> Result<bool, Ambiguous> {
    let wanted = format!("pkg.linted.{id}");
    for (name, values) in attributes {
        if !name.starts_with("pkg.linted") || !wanted.starts_with(name.as_str()) {
            continue;
        }
        match values.as_slice() {
            [value] if value.eq_ignore_ascii_case("true") => return Ok(true),
            [_] | [] => {}
            _ => return Err(Ambiguous(format!("Multiple values for {name} in {}", owner()))),
        }
    }
    Ok(false)
}

/// Whether an action waves a check aside.
pub(super) fn action_waves(action: &Action, id: &str) -> Result<bool, Ambiguous> {
    waved(action.attributes.iter(), id, || action.to_string())
}

/// Whether a package does.
pub(super) fn package_waves(package: &Package, id: &str) -> Result<bool, Ambiguous> {
    let attributes: &BTreeMap<String, Vec<String>> = &package.attributes;
    waved(attributes.iter(), id, || package.fmri.to_string())
}

impl<'a> Log<'a> {
    pub(super) fn new(least: Level, tells_linted: bool, out: &'a mut dyn FnMut(&str)) -> Log<'a> {
        Log { least, tells_linted, out, failed: false, package: None, action: None }
    }

    /// What is told next concerns these.
    pub(super) fn about(&mut self, package: &'a Package, action: Option<&'a Action>) {
        self.package = Some(package);
        self.action = action;
    }

    fn is_waved(&self, id: &str) -> Result<bool, Ambiguous> {
        let by_action = self.action.map_or(Ok(false), |action| action_waves(action, id))?;
        Ok(by_action || self.package.map_or(Ok(false), |package| package_waves(package, id))?)
    }

    /// Tells it, unless it was waved aside: then that.
    pub(super) fn tell(&mut self, level: Level, id: &str, text: &str) {
        if level < self.least {
            return;
        }
        match self.is_waved(id) {
            Ok(true) => {
                if self.tells_linted {
                    let text = format!("Linted message: {id}  {text}");
                    (self.out)(&line(Level::Info, "pkglint001.5", &text));
                }
                return;
            }
            Ok(false) => {}
            Err(Ambiguous(what)) => {
                let text = format!("Logging error: {what}");
                (self.out)(&line(Level::Error, "pkglint001.6", &text));
            }
        }
        self.tell_always(level, id, text);
    }

    /// Tells it whatever was waved aside.
    pub(super) fn tell_always(&mut self, level: Level, id: &str, text: &str) {
        if level >= self.least {
            (self.out)(&line(level, id, text));
            self.failed |= level >= Level::Error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ips_model::Manifest;

    fn package(text: &str) -> Package {
        let text = format!("set name=pkg.fmri value=pkg:/a@1\n{text}");
        Package::new(Manifest::parse(&text).unwrap(), 0).unwrap()
    }

    #[test]
    fn waved_aside() {
        for (attribute, id, waves) in [
            ("pkg.linted", "pkglint.action001", true),
            ("pkg.linted.pkglint.action", "pkglint.action001.2", true),
            ("pkg.linted.pkglint.action001.2", "pkglint.action001", false),
            ("pkg.linted.pkglint.manifest", "pkglint.action001", false),
        ] {
            let action = Action::parse(&format!("dir path=x {attribute}=True")).unwrap();
            assert_eq!(action_waves(&action, id), Ok(waves), "{attribute} {id}");
            let package = package(&format!("set name={attribute} value=true"));
            assert_eq!(package_waves(&package, id), Ok(waves), "{attribute} {id}");
        }
        let twice = Action::parse("dir path=x pkg.linted=true pkg.linted=false").unwrap();
        assert!(action_waves(&twice, "x").is_err());
    }

    #[test]
    fn told() {
        let one = package("set name=pkg.linted.b value=true");
        let (mut lines, mut failed) = (Vec::new(), Vec::new());
        for (level, id) in [(Level::Info, "a"), (Level::Error, "b1"), (Level::Error, "c")] {
            let mut out = |line: &str| lines.push(line.to_string());
            let mut log = Log::new(Level::Warning, true, &mut out);
            log.about(&one, None);
            log.tell(level, id, "text");
            failed.push(log.failed);
        }
        let expected = [
            "INFO pkglint001.5                 Linted message: b1  text",
            "ERROR c                           text",
        ];
        assert_eq!(lines, expected);
        assert_eq!(failed, [false, false, true]);
    }
}
