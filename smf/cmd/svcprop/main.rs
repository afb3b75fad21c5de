//! svcprop(1): prints property values, for scripts.
//!
//! Reading order: `options`, `target` (what an operand names), `view` (which groups an entity
//! shows), `print` (a line), then here.  Standard output carries values only; scripts split them at
//! blanks.

mod options;
mod print;
mod target;
mod view;

use std::io::Write;
use std::process::ExitCode;

use smf_cmd::operand;
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::say;
use smf_scf::import::merge::{Group, Groups, Property};

use options::{Options, Refusal, Selector, View};
use print::Style;
use target::{Part, Target};

/// Why it ends at once.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Output(#[from] std::io::Error),
    /// A status, and what is said.
    #[error("{1}")]
    Said(u8, String),
    /// With the usage.
    #[error("{0}")]
    Usage(String),
}

fn main() -> ExitCode {
    let options = match options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(refusal) => return refused(refusal),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let done = run(&options, &mut out).and_then(|failed| Ok(out.flush().map(|()| failed)?));
    let said = |status, text: &str| {
        if !options.quiet {
            say!("svcprop: {text}");
        }
        ExitCode::from(status)
    };
    match done {
        Ok(failed) => ExitCode::from(u8::from(failed)),
        // Whoever reads has seen enough.
        Err(End::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(End::Usage(text)) => refused(Refusal::Usage(Some(text))),
        Err(End::Said(2, text)) => refused(Refusal::Wrong(text)),
        Err(End::Said(status, text)) => said(status, &text),
        Err(End::Repository(RepositoryError::NoServer)) => {
            let why = "repository server unavailable";
            said(1, &format!("Could not connect to configuration repository: {why}."))
        }
        Err(error) => said(1, &error.to_string()),
    }
}

fn refused(refusal: Refusal) -> ExitCode {
    let (text, usage, status) = match refusal {
        Refusal::Usage(text) => (text, options::USAGE, 2),
        Refusal::Wrong(text) => (Some(text), "", 2),
        Refusal::Fatal(text) => (Some(text), "", 1),
    };
    if let Some(text) = text {
        say!("svcprop: {text}");
    }
    say::error(format_args!("{usage}"));
    ExitCode::from(status)
}

/// Whether anything was not found.
fn run(options: &Options, out: &mut dyn Write) -> Result<bool, End> {
    let mut repository = Repository::open()?;
    let mut printer = Printer { options, style: Style::of(options), failed: false };
    let targets = printer.targets(&mut repository)?;
    if options.wait {
        printer.wait(&mut repository, &targets, out)?;
        return Ok(printer.failed);
    }
    // Of several entities nobody could tell whose a property is.
    if targets.len() > 1 {
        printer.style = Style { full: true, types: true };
    }
    let fmris: Vec<&str> = targets.iter().map(|target| target.fmri.as_str()).collect();
    let groups = wanted(options, &targets);
    let mut reader = view::Reader::new(&mut repository, &options.view, &fmris, &groups)?;
    for target in &targets {
        let snapshot = matches!(options.view, View::Snapshot(_));
        if snapshot && !operand::is_instance(&target.fmri) {
            return Err(End::Said(1, "Only instances have snapshots.".into()));
        }
        let Some(shown) = reader.groups(&mut repository, &target.fmri)? else {
            return Err(End::Said(1, "No such snapshot.".into()));
        };
        let denied = printer.denied(&mut repository, target, &shown)?;
        printer.target(target, &shown, out)?;
        if denied {
            return Err(End::Said(1, "Permission denied.".into()));
        }
        // Nobody will hear of the others.
        if printer.failed && options.quiet && !options.verbose {
            return Ok(true);
        }
    }
    Ok(printer.failed)
}

/// The groups that will be looked at; all when there are none.
fn wanted<'a>(options: &'a Options, targets: &'a [Target]) -> Vec<&'a str> {
    let of_options = || options.selectors.iter().map(|selector| selector.group.as_str());
    let mut groups = Vec::new();
    for target in targets {
        match &target.part {
            Part::Entity if options.selectors.is_empty() => return Vec::new(),
            Part::Entity => groups.extend(of_options()),
            Part::Group(group) | Part::Property(group, _) => groups.push(group),
        }
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

struct Printer<'a> {
    options: &'a Options,
    style: Style,
    failed: bool,
}

impl Printer<'_> {
    /// Says what was not found.
    fn missing(&mut self, message: &str) {
        self.failed = true;
        if !self.options.quiet || self.options.verbose {
            say!("svcprop: {message}");
        }
    }

    /// Whether -p names a property whose values the caller may not read; without -p its line just
    /// shows none.
    fn denied(
        &self,
        repository: &mut Repository,
        target: &Target,
        shown: &view::Shown,
    ) -> Result<bool, RepositoryError> {
        let group_of = |selector: &'_ Selector| match &target.part {
            Part::Entity => selector.group.clone(),
            Part::Group(group) | Part::Property(group, _) => group.clone(),
        };
        let is_bare = |group: &String| {
            let found = shown.selectable.get(group);
            found.is_some_and(|group| group.properties.values().any(|p| p.values.is_empty()))
        };
        let bare: Vec<String> =
            self.options.selectors.iter().map(group_of).filter(is_bare).collect();
        if bare.is_empty() {
            return Ok(false);
        }
        let hidden = repository.hidden(&target.fmri)?;
        Ok(bare.iter().any(|group| hidden.contains(group)))
    }

    /// Says that an operand is the FMRI of nothing.
    fn no_part(&mut self, operand: &str) {
        match self.options.quiet {
            true => self.failed = true,
            false => self.missing(&target::nothing(operand)),
        }
    }

    fn targets(&mut self, repository: &mut Repository) -> Result<Vec<Target>, End> {
        let mut targets: Vec<Target> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for operand in &self.options.operands {
            match target::find(repository, operand)? {
                Ok(found) if self.options.wait && found.len() > 1 => {
                    let fmris: Vec<String> = found.into_iter().map(|one| one.fmri).collect();
                    self.missing(&operand::several("Pattern", operand, &fmris));
                }
                Ok(found) => {
                    let new = |one: &Target| seen.insert((one.fmri.clone(), one.part.clone()));
                    targets.extend(found.into_iter().filter(new));
                }
                // What does not name anything is not spoken of with -q, -v or not.
                Err(_) if self.options.quiet => self.failed = true,
                Err(message) => self.missing(&message),
            }
        }
        Ok(targets)
    }

    fn target(
        &mut self,
        target: &Target,
        shown: &view::Shown,
        out: &mut dyn Write,
    ) -> Result<(), End> {
        let (fmri, groups) = (&target.fmri, &shown.selectable);
        let selectors = &self.options.selectors;
        match &target.part {
            Part::Entity if selectors.is_empty() => {
                for (name, group) in &shown.whole {
                    self.group(fmri, (name, group), out)?;
                }
            }
            Part::Entity => {
                for selector in selectors {
                    self.select(fmri, groups, selector, out)?;
                }
            }
            Part::Group(name) if selectors.is_empty() => match groups.get(name) {
                Some(group) => self.group(fmri, (name, group), out)?,
                None => self.no_part(&target.operand),
            },
            Part::Group(name) => {
                for selector in selectors {
                    self.select_within(fmri, groups, (name, selector), out)?;
                }
            }
            Part::Property(_, _) if !selectors.is_empty() => {
                let text = "The -p option cannot be used with property operands.";
                return Err(End::Usage(text.into()));
            }
            Part::Property(name, property) => {
                match groups.get(name).and_then(|group| group.properties.get(property)) {
                    Some(value) => self.property(fmri, (name, property), value, out)?,
                    None => self.no_part(&target.operand),
                }
            }
        }
        Ok(())
    }

    fn select(
        &mut self,
        fmri: &str,
        groups: &Groups,
        selector: &Selector,
        out: &mut dyn Write,
    ) -> Result<(), End> {
        let what = if operand::is_instance(fmri) { "instance" } else { "service" };
        let name = &selector.group;
        let Some(group) = groups.get(name) else {
            self.missing(&format!("Couldn't find property group `{name}' for {what} `{fmri}'."));
            return Ok(());
        };
        let Some(property) = &selector.property else {
            return self.group(fmri, (name, group), out);
        };
        match group.properties.get(property) {
            Some(value) => self.property(fmri, (name, property), value, out),
            None => {
                let text =
                    format!("Couldn't find property `{name}/{property}' for {what} `{fmri}'.");
                self.missing(&text);
                Ok(())
            }
        }
    }

    /// -p with the FMRI of a group: a property of it.
    fn select_within(
        &mut self,
        fmri: &str,
        groups: &Groups,
        (name, selector): (&str, &Selector),
        out: &mut dyn Write,
    ) -> Result<(), End> {
        let whole = format!("{fmri}/:properties/{name}");
        let first = &selector.group;
        if let Some(second) = &selector.property {
            let text = "has too many components for property group";
            return Err(End::Said(2, format!("-p argument `{first}/{second}' {text} `{whole}'.")));
        }
        match groups.get(name).and_then(|group| group.properties.get(first)) {
            Some(value) => self.property(fmri, (name, first), value, out),
            None => {
                self.missing(&format!(
                    "Couldn't find property `{first}' in property group `{whole}'."
                ));
                Ok(())
            }
        }
    }

    fn group(
        &mut self,
        fmri: &str,
        (name, group): (&str, &Group),
        out: &mut dyn Write,
    ) -> Result<(), End> {
        // Once a whole group has been shown, types stay.
        self.style.types = true;
        for (property, value) in &group.properties {
            self.property(fmri, (name, property), value, out)?;
        }
        Ok(())
    }

    fn property(
        &self,
        fmri: &str,
        (group, property): (&str, &str),
        value: &Property,
        out: &mut dyn Write,
    ) -> Result<(), End> {
        if !self.options.quiet {
            let line = print::line(self.style, fmri, (group, property), value);
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// -w: waits for one change of the group, then prints it as it is then.
    fn wait(
        &mut self,
        repository: &mut Repository,
        targets: &[Target],
        out: &mut dyn Write,
    ) -> Result<(), End> {
        let [target] = targets else { return Ok(()) };
        let fmri = &target.fmri;
        let (name, property) = target::awaited(target, &self.options.selectors)?;
        let not_found = || End::Said(1, "Not found.".into());
        let found = repository.groups(fmri)?.remove(&name).ok_or_else(not_found)?;
        if property.as_ref().is_some_and(|property| !found.properties.contains_key(property)) {
            return Err(not_found());
        }
        repository.wait_for_change(fmri, &name)?;
        let now = repository.groups(fmri)?.remove(&name).ok_or_else(not_found)?;
        match property {
            None => self.group(fmri, (&name, &now), out)?,
            Some(property) => match now.properties.get(&property) {
                Some(value) => self.property(fmri, (&name, &property), value, out)?,
                None => self.missing("Not found."),
            },
        }
        Ok(())
    }
}
