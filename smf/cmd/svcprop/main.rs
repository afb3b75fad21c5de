//! svcprop(1): the values of properties, for scripts.
//!
//! Reading order: `options`, then `view` (which groups an operand shows), then here (what is
//! printed of them).  Standard output carries values only; scripts split them at blanks.

mod options;
mod view;

use std::io::Write;
use std::process::ExitCode;

use smf_cmd::operand::{self, Entities, Wanted};
use smf_cmd::repository::Repository;
use smf_scf::import::merge::{Groups, Property};

use options::{Options, Selector, View};

/// Characters that a backslash makes plain.
const SPECIAL: &str = ";&()|^<>\n \t\\\"'`";

fn main() -> ExitCode {
    let options = match options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(message) => {
            if let Some(message) = message {
                eprintln!("svcprop: {message}");
            }
            eprint!("{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options, &mut std::io::stdout().lock()) {
        Ok(failed) => ExitCode::from(u8::from(failed)),
        Err(error) => {
            eprintln!("svcprop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether anything was not found.
fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut repository = Repository::open()?;
    let entities = repository.entities()?;
    let mut failed = false;
    let targets = targets(options, &entities, &mut failed);
    if options.wait {
        return wait(options, &mut repository, &targets, out);
    }
    // Of several entities nobody could tell whose a property is.
    let several = targets.len() > 1;
    let style = Style {
        full: options.full || several,
        types: options.types || several || options.full || mixed(&options.selectors),
    };
    for target in &targets {
        let mut printer = Printer { options, style, failed: false };
        printer.entity(&mut repository, target, out)?;
        failed |= printer.failed;
        if failed && options.quiet && !options.verbose {
            return Ok(true);
        }
    }
    Ok(failed)
}

/// An operand: the entity, and what of it, when the operand is a property FMRI.
struct Target {
    fmri: String,
    selector: Option<Selector>,
}

fn targets(options: &Options, entities: &Entities, failed: &mut bool) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for operand in &options.operands {
        let (entity, selector) = match operand.split_once("/:properties/") {
            Some((entity, rest)) => (entity, Some(Selector::from_text(rest))),
            None => (operand.as_str(), None),
        };
        match operand::find(entity, Wanted::Either, entities) {
            Ok(matched) => {
                for fmri in matched.fmris {
                    targets.push(Target { fmri, selector: selector.clone() });
                }
            }
            Err(message) => {
                *failed = true;
                if !options.quiet || options.verbose {
                    let message = message.replace("instances or services", "entities");
                    eprintln!("svcprop: {message}");
                }
            }
        }
    }
    targets
}

/// One-part and two-part selectors together turn types on everywhere.
fn mixed(selectors: &[Selector]) -> bool {
    selectors.iter().any(|s| s.property.is_none()) && selectors.iter().any(|s| s.property.is_some())
}

#[derive(Clone, Copy)]
struct Style {
    full: bool,
    types: bool,
}

struct Printer<'a> {
    options: &'a Options,
    style: Style,
    failed: bool,
}

impl Printer<'_> {
    fn entity(
        &mut self,
        repository: &mut Repository,
        target: &Target,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let fmri = &target.fmri;
        let view = self.options.view.clone();
        if let (View::Snapshot(_), false) = (&view, operand::is_instance(fmri)) {
            eprintln!("svcprop: Only instances have snapshots.");
            self.failed = true;
            return Ok(());
        }
        let selectors: Vec<Selector> = match &target.selector {
            Some(selector) => vec![selector.clone()],
            None => self.options.selectors.clone(),
        };
        let Some(shown) = view::groups(repository, fmri, &view)? else {
            let View::Snapshot(name) = &view else { return Ok(()) };
            eprintln!("svcprop: Couldn't find snapshot `{name}' for instance `{fmri}'.");
            self.failed = true;
            return Ok(());
        };
        if selectors.is_empty() {
            let style = Style { types: true, ..self.style };
            for (name, group) in &shown.whole {
                for (property, value) in &group.properties {
                    self.print(fmri, (name, property), value, style, out)?;
                }
            }
            return Ok(());
        }
        for selector in &selectors {
            self.select(fmri, &shown.selectable, selector, out)?;
        }
        Ok(())
    }

    fn select(
        &mut self,
        fmri: &str,
        groups: &Groups,
        selector: &Selector,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let what = if operand::is_instance(fmri) { "instance" } else { "service" };
        let name = &selector.group;
        let Some(group) = groups.get(name) else {
            let missing = match &selector.property {
                Some(property) => format!("property `{name}/{property}'"),
                None => format!("property group `{name}'"),
            };
            self.missing(&format!("Couldn't find {missing} for {what} `{fmri}'."));
            return Ok(());
        };
        match &selector.property {
            None => {
                // Once a whole group has been shown, types stay.
                self.style.types = true;
                for (property, value) in &group.properties {
                    self.print(fmri, (name, property), value, self.style, out)?;
                }
            }
            Some(property) => match group.properties.get(property) {
                Some(value) => self.print(fmri, (name, property), value, self.style, out)?,
                None => self.missing(&format!(
                    "Couldn't find property `{name}/{property}' for {what} `{fmri}'."
                )),
            },
        }
        Ok(())
    }

    fn missing(&mut self, message: &str) {
        self.failed = true;
        if !self.options.quiet || self.options.verbose {
            eprintln!("svcprop: {message}");
        }
    }

    fn print(
        &self,
        fmri: &str,
        (group, property): (&str, &str),
        value: &Property,
        style: Style,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        if self.options.quiet {
            return Ok(());
        }
        let values: Vec<String> = value.values.iter().map(|value| quoted(value)).collect();
        let values = values.join(" ");
        if style.full {
            writeln!(out, "{fmri}/:properties/{group}/{property} {} {values}", value.kind)
        } else if style.types {
            writeln!(out, "{group}/{property} {} {values}", value.kind)
        } else {
            writeln!(out, "{values}")
        }
    }
}

/// -w: waits for a change of the group, then prints.
fn wait(
    options: &Options,
    repository: &mut Repository,
    targets: &[Target],
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let [target] = targets else { return Ok(true) };
    let selector = target.selector.as_ref().or(options.selectors.first());
    let Some(selector) = selector else {
        eprintln!("svcprop: Cannot wait for an instance.");
        std::process::exit(2);
    };
    repository.wait_for_change(&target.fmri, &selector.group)?;
    let style = Style { full: options.full, types: options.types || options.full };
    let mut printer = Printer { options, style, failed: false };
    let shown = Target { fmri: target.fmri.clone(), selector: Some(selector.clone()) };
    printer.entity(repository, &shown, out)?;
    Ok(printer.failed)
}

/// A value that a shell reads back as one word.
fn quoted(value: &str) -> String {
    if value.is_empty() {
        return "\"\"".into();
    }
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if SPECIAL.contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metacharacter_gets_a_backslash() {
        for (value, expected) in [
            ("", "\"\""),
            ("plain", "plain"),
            ("two words", "two\\ words"),
            ("a;b&c(d)e|f^g<h>i", "a\\;b\\&c\\(d\\)e\\|f\\^g\\<h\\>i"),
            ("\n\t\\\"'`", "\\\n\\\t\\\\\\\"\\'\\`"),
            ("$*#", "$*#"),
            ("ä", "ä"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn mixing_selectors_is_noticed() {
        let selector = |text: &str| Selector::from_text(text);
        assert!(mixed(&[selector("a"), selector("a/b")]));
        assert!(!mixed(&[selector("a/c"), selector("a/b")]));
        assert!(!mixed(&[]));
    }
}
