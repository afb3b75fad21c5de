//! explain.rs - svcs -x: which services need a hand, why, and what they keep from running.
//!
//! Without operands only root causes are listed, those first that keep most from running: what an
//! administrator has to act on.  An offline service whose cause lies elsewhere is counted in the
//! Impact of that cause instead.

use std::collections::HashMap;
use std::io::{self, Write};

use smf_cmd::clock;
use smf_cmd::instance::{Depth, Instance, MASTER_RESTARTER};
use smf_cmd::repository::RepositoryError;
use smf_cmd::say;
use smf_cmd::states::{self, State};
use smf_scf::import::merge::{Group, Groups};

use crate::graph::{Cause, Graph, Id};
use crate::options::Zones;
use crate::reasons::{self, Reason};
use crate::world::World;

/// Where messages are explained, unless the restarter says otherwise.
const MESSAGE_BASE: &str = "http://illumos.org/msg/";

/// Where manual pages are that name no place.
const MAN_PATH: &str = "/usr/share/man";

/// The columns of a terminal; what is longer is broken.
const WIDTH: usize = 80;

/// Explains the operands, or whatever needs it.
pub fn print(
    world: &mut World,
    operands: &[String],
    verbose: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let graph = Graph::new(read(world)?);
    for complaint in &graph.complaints {
        say!("{complaint}");
    }
    let chosen = if operands.is_empty() {
        graph.roots()
    } else {
        let named = world.named(operands, &Groups::new())?.unwrap_or_default();
        named.iter().filter_map(|fmri| graph.id(fmri)).collect()
    };
    let of = |id: &Id| graph.nodes[*id].instance.fmri.clone();
    let requesters = chosen.iter().filter_map(|id| requester(&graph, *id));
    let fmris: Vec<String> =
        chosen.iter().map(of).chain(requesters).chain([MASTER_RESTARTER.to_owned()]).collect();
    let whole = Instance::of(&mut world.repository, &fmris, Depth::Causes)?;
    let whole: HashMap<String, Instance> =
        whole.into_iter().map(|instance| (instance.fmri.clone(), instance)).collect();
    let base = message_base(whole.get(MASTER_RESTARTER));
    let mut page = Page { world, graph: &graph, whole, base, verbose, out };
    for (position, id) in chosen.into_iter().enumerate() {
        if position > 0 {
            writeln!(page.out)?;
        }
        page.explain(id)?;
    }
    Ok(())
}

/// Every instance: of what runs its state, of the others what may be the reason, too.
fn read(world: &mut World) -> Result<Vec<Instance>, RepositoryError> {
    let states = states::read(&mut world.repository, None, None)?;
    let is_fine = |state: &State| state.state == "online";
    let others: Vec<String> =
        states.iter().filter(|state| !is_fine(state)).map(|state| state.fmri.clone()).collect();
    let mut others = Instance::of(&mut world.repository, &others, Depth::Causes)?.into_iter();
    let mut next = others.next();
    let mut every = Vec::with_capacity(states.len());
    for state in states {
        match next.take_if(|instance| instance.fmri == state.fmri) {
            Some(instance) => {
                every.push(instance);
                next = others.next();
            }
            None => every.push(state.into()),
        }
    }
    Ok(every)
}

/// Whose logs tell more of an instance's reason.
fn requester(graph: &Graph, id: Id) -> Option<String> {
    reasons::own(graph, &graph.nodes[id])?.requester
}

/// None when the restarter's msg/base is empty or has several values.
fn message_base(restarter: Option<&Instance>) -> Option<String> {
    let group = restarter.and_then(|instance| instance.live.get("msg"));
    match group.and_then(|group| group.properties.get("base")) {
        None => Some(MESSAGE_BASE.to_owned()),
        Some(base) => match base.values.as_slice() {
            [one] if !one.is_empty() => Some(one.clone()),
            _ => None,
        },
    }
}

struct Page<'a> {
    world: &'a World,
    graph: &'a Graph,
    /// What is explained, and who asked for it, with all there is to say.
    whole: HashMap<String, Instance>,
    base: Option<String>,
    verbose: bool,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn explain(&mut self, id: Id) -> io::Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        // Deleted since it was looked at, it has what was seen then.
        let instance = &self.whole.get(&node.instance.fmri).unwrap_or(&node.instance).clone();
        let name = instance.common_name(&self.world.locale).unwrap_or("?");
        writeln!(self.out, "{} ({name})", instance.fmri)?;
        if self.world.zones != Zones::Own {
            writeln!(self.out, "  Zone: global")?;
        }
        let state = instance.state().unwrap_or_default();
        match instance.state_seconds() {
            Some(then) => {
                let date = clock::date(then, &self.world.zone);
                writeln!(self.out, " State: {state} since {date}")?;
            }
            None => writeln!(self.out, " State: {state}")?,
        }
        let causes: Vec<Cause> =
            node.causes.iter().copied().filter(|cause| cause.next.is_some()).collect();
        if causes.is_empty() && node.absent.is_empty() {
            if let Some(reason) = reasons::own(graph, node) {
                self.reason(&reason)?;
            }
        }
        for entity in &node.absent {
            self.coded(&format!("Dependency {entity} is absent."), Some("E2"))?;
        }
        for cause in causes {
            self.cause(id, cause)?;
        }
        self.documents(instance)?;
        self.logs(instance)?;
        self.impact(id)
    }

    fn coded(&mut self, text: &str, code: Option<&str>) -> io::Result<()> {
        writeln!(self.out, "Reason: {text}")?;
        self.code(code)
    }

    fn code(&mut self, code: Option<&str>) -> io::Result<()> {
        match (&self.base, code) {
            (Some(base), Some(code)) => writeln!(self.out, "   See: {base}SMF-8000-{code}"),
            (None, _) | (_, None) => Ok(()),
        }
    }

    fn reason(&mut self, reason: &Reason) -> io::Result<()> {
        writeln!(self.out, "Reason: {}", reason.text)?;
        let requester = reason.requester.as_deref().and_then(|fmri| self.whole.get(fmri));
        if let Some(requester) = requester.cloned() {
            self.logs(&requester)?;
        }
        self.code(reason.code)
    }

    fn cause(&mut self, id: Id, cause: Cause) -> io::Result<()> {
        let culprit = &self.graph.nodes[cause.node];
        let (fmri, summary) = (&culprit.instance.fmri, reasons::summary(culprit));
        let line = format!("Service {fmri} {summary}");
        match culprit.instance.runs() {
            true => self.coded(&line, Some("FJ"))?,
            false if "Reason: ".len() + line.len() <= WIDTH => self.coded(&line, Some("GE"))?,
            false => self.coded(&format!("Service {fmri}\n        {summary}"), Some("GE"))?,
        }
        if self.verbose {
            for (hop, node) in self.graph.path(id, cause).into_iter().enumerate() {
                let fmri = &self.graph.nodes[node].instance.fmri;
                match hop {
                    0 => writeln!(self.out, "  Path: {fmri}")?,
                    _ => writeln!(self.out, "{:1$}{fmri}", "", 8 + 2 * hop)?,
                }
            }
        }
        Ok(())
    }

    /// Manual pages, and other documents.
    fn documents(&mut self, instance: &Instance) -> io::Result<()> {
        let templates = || instance.running.iter().filter(|(_, group)| group.kind == "template");
        for (_, page) in templates().filter(|(name, _)| name.starts_with("tm_man_")) {
            let (Some(title), Some(section)) = (text(page, "title"), text(page, "section")) else {
                continue;
            };
            match (self.verbose, text(page, "manpath")) {
                (false, _) => writeln!(self.out, "   See: {title}({section})")?,
                (true, Some(path)) => {
                    let path = if path == ":default" { MAN_PATH } else { path };
                    writeln!(self.out, "   See: man -M {path} -s {section} {title}")?;
                }
                (true, None) => {}
            }
        }
        for (_, document) in templates().filter(|(name, _)| name.starts_with("tm_doc_")) {
            if let Some(uri) = text(document, "uri") {
                writeln!(self.out, "   See: {uri}")?;
            }
        }
        Ok(())
    }

    fn logs(&mut self, instance: &Instance) -> io::Result<()> {
        for name in ["alt_logfile", "logfile"] {
            if let Some(file) = instance.live("restarter", name) {
                writeln!(self.out, "   See: {file}")?;
            }
        }
        Ok(())
    }

    fn impact(&mut self, id: Id) -> io::Result<()> {
        let hit = self.graph.impact(id);
        let (count, verb) = match hit.len() {
            0 if self.graph.nodes[id].instance.runs() => {
                return writeln!(self.out, "Impact: None.");
            }
            0 => return writeln!(self.out, "Impact: This service is not running."),
            1 => ("1 dependent service".to_owned(), "is"),
            n => (format!("{n} dependent services"), "are"),
        };
        if !self.verbose {
            let hint = "(Use -v for list.)";
            return writeln!(self.out, "Impact: {count} {verb} not running.  {hint}");
        }
        writeln!(self.out, "Impact: {count} {verb} not running:")?;
        for dependent in hit {
            writeln!(self.out, "        {}", self.graph.nodes[dependent].instance.fmri)?;
        }
        Ok(())
    }
}

fn text<'a>(group: &'a Group, property: &str) -> Option<&'a str> {
    let value = group.properties.get(property)?.values.first().map(String::as_str);
    value.filter(|value| !value.is_empty())
}
