//! config.rs - pkglintrc: which checks are made, what is told of them, and their parameters.
//!
//! ```text
//! [pkglint]
//! log_level = INFO
//! pkglint.exclude = pkg.lint.opensolaris
//!     pkg.lint.pkglint_action.PkgActionChecker.legacy
//! pkglint.action005.1.missing-deps = pkg:/a pkg:/b
//! ```
//!
//! A line that begins with white space goes on with the value before it.

use std::collections::BTreeMap;

use super::ini::sections;
use super::log::Level;

/// A file that says nothing that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A line that is neither section nor property.
    #[error("line {0} is neither a section nor 'name = value'")]
    Line(usize),
    /// The section is not there.
    #[error("No section: 'pkglint'")]
    Section,
    /// No level.
    #[error("{0} is not a valid level")]
    Level(String),
    /// Checks in Python that are not ours: property and module.
    #[error("{}", .0.iter().map(unloadable).collect::<Vec<_>>().join("\n"))]
    Modules(Vec<(String, String)>),
}

fn unloadable((key, module): &(String, String)) -> String {
    format!(
        "Error parsing config value for {key}: No module named '{module}'; checks written in Python cannot be loaded here"
    )
}

/// The modules of pkg5 whose checks are made here.
pub(super) const MODULES: [&str; 3] =
    ["pkg.lint.opensolaris", "pkg.lint.pkglint_action", "pkg.lint.pkglint_manifest"];

/// The properties.
#[derive(Debug, Clone)]
pub struct Config {
    values: BTreeMap<String, String>,
    found: bool,
}

impl Default for Config {
    fn default() -> Config {
        let values = [
            ("log_level", "INFO"),
            ("do_pub_checks", "True"),
            ("ignore_different_publishers", "True"),
            ("info_classification_path", "/usr/share/lib/pkg/opensolaris.org.sections"),
            ("use_progress_tracker", "True"),
            ("version.pattern", "*,5.11-0."),
        ];
        let own = |(name, value): &(&str, &str)| ((*name).to_string(), (*value).to_string());
        Config { values: values.iter().map(own).collect(), found: true }
    }
}

impl Config {
    /// Takes over what a file says.
    pub fn overlay(&mut self, text: &str) -> Result<(), ConfigError> {
        for section in sections(text).map_err(ConfigError::Line)? {
            // What stands in DEFAULT is so in every section.
            if matches!(section.title.as_str(), "pkglint" | "DEFAULT") {
                self.values.extend(section.properties);
            }
            self.found |= section.title == "pkglint";
        }
        self.check()
    }

    /// The defaults, to be completed by a file that must have the section.
    pub fn of_file(text: &str) -> Result<Config, ConfigError> {
        let mut config = Config { found: false, ..Config::default() };
        config.overlay(text)?;
        if config.found { Ok(config) } else { Err(ConfigError::Section) }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.level()?;
        let named = self.values.iter().filter(|(key, _)| key.starts_with("pkglint.ext."));
        let foreign: Vec<(String, String)> = named
            .filter(|(_, value)| !MODULES.contains(&value.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !foreign.is_empty() {
            return Err(ConfigError::Modules(foreign));
        }
        Ok(())
    }

    /// A property; the lines of its value are words.
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(&name.to_lowercase()).map(|value| value.replace('\n', " "))
    }

    fn is_true(&self, name: &str) -> bool {
        let value = self.get(name).unwrap_or_default().to_lowercase();
        matches!(value.as_str(), "true" | "yes" | "on" | "1")
    }

    /// The least severe level that is told.
    pub fn level(&self) -> Result<Level, ConfigError> {
        let text = self.get("log_level").unwrap_or_default();
        Level::parse(&text).ok_or(ConfigError::Level(text))
    }

    /// Whether what only matters for published packages is checked.
    pub fn publication(&self) -> bool {
        self.is_true("do_pub_checks")
    }

    /// Whether the same package of another publisher is the same.
    pub fn any_publisher(&self) -> bool {
        self.is_true("ignore_different_publishers")
    }

    /// Whether what was waved aside is told.
    pub fn tells_linted(&self) -> bool {
        self.get("pkglint001.5.report-linted").is_none_or(|text| text.to_lowercase() != "false")
    }

    /// Whether a check is not made: it, its class or its module is excluded.  That objects are 64
    /// bits wide is an aim that not every package has: who has it gives the check its parameter.
    pub fn excludes(&self, method: &str) -> bool {
        let asked = self.values.contains_key("pkglint.action014.report_errors");
        if method.ends_with(".PkgActionChecker.arch64") && !asked {
            return true;
        }
        let excluded = self.get("pkglint.exclude").unwrap_or_default();
        let within = |name: &str| {
            method.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        excluded.split_whitespace().any(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties() {
        let text = "# no\n[pkglint]\nLog_Level = ERROR\npkglint.exclude = pkg.lint.opensolaris\n  pkg.lint.pkglint_action.PkgActionChecker\ndo_pub_checks: no\n[other]\nlog_level = x\n";
        let config = Config::of_file(text).unwrap();
        assert_eq!(config.level(), Ok(Level::Error));
        assert!(!config.publication() && config.any_publisher() && config.tells_linted());
        for (method, excluded) in [
            ("pkg.lint.opensolaris.OpenSolarisManifestChecker.missing_attrs", true),
            ("pkg.lint.pkglint_action.PkgActionChecker.legacy", true),
            ("pkg.lint.pkglint_action.PkgActionCheckerX.legacy", false),
        ] {
            assert_eq!(config.excludes(method), excluded, "{method}");
        }
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("", "No section: 'pkglint'"),
            ("[x]\na = b\n", "No section: 'pkglint'"),
            ("[pkglint]\nwords\n", "line 2 is neither a section nor 'name = value'"),
            ("a = b\n", "line 1 is neither a section nor 'name = value'"),
            ("[pkglint]\nlog_level = LOUD\n", "LOUD is not a valid level"),
            (
                "[pkglint]\npkglint.ext.mine = my.checks\n",
                "Error parsing config value for pkglint.ext.mine: No module named 'my.checks'; checks written in Python cannot be loaded here",
            ),
            (
                "[pkglint]\npkglint.ext.a = pkg.lint.opensolaris\npkglint.ext.b = b.b\npkglint.ext.c = c.c\n",
                "Error parsing config value for pkglint.ext.b: No module named 'b.b'; checks written in Python cannot be loaded here\n\
                 Error parsing config value for pkglint.ext.c: No module named 'c.c'; checks written in Python cannot be loaded here",
            ),
        ] {
            assert_eq!(Config::of_file(text).unwrap_err().to_string(), error, "{text}");
        }
    }
}
