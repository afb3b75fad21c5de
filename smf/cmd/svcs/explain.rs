//! explain.rs - svcs -x: which services need a hand, why, and what they keep from running.
//!
//! Without operands only root causes are listed, those first that keep most from running: what an
//! administrator has to act on.  An offline service whose cause lies elsewhere is counted in the
//! Impact of that cause instead.

use std::io::{self, Write};

use smf_cmd::clock;
use smf_cmd::instance::{Depth, Instance, MASTER_RESTARTER};
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
    let every = Instance::every(&mut world.repository, Depth::Causes)?;
    let base = message_base(&every);
    let graph = Graph::new(every);
    for complaint in &graph.complaints {
        eprintln!("{complaint}");
    }
    let chosen = if operands.is_empty() {
        graph.roots()
    } else {
        let named = world.named(operands, &Groups::new())?.unwrap_or_default();
        named.iter().filter_map(|fmri| graph.id(fmri)).collect()
    };
    let mut page = Page { world, graph: &graph, base, verbose, out };
    for (position, id) in chosen.into_iter().enumerate() {
        if position > 0 {
            writeln!(page.out)?;
        }
        page.explain(id)?;
    }
    Ok(())
}

/// None when the restarter's msg/base is empty or has several values.
fn message_base(every: &[Instance]) -> Option<String> {
    let restarter = every.iter().find(|instance| instance.fmri == MASTER_RESTARTER);
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
    base: Option<String>,
    verbose: bool,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn explain(&mut self, id: Id) -> io::Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let instance = &node.instance;
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
        let requester = reason.requester.as_deref().and_then(|fmri| self.graph.id(fmri));
        if let Some(id) = requester {
            self.logs(&self.graph.nodes[id].instance)?;
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
