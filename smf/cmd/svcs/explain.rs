//! explain.rs - svcs -x: which services need a hand, why, and what they keep from running.
//!
//! Without operands only root causes are listed: what an administrator has to act on.  An offline
//! service whose cause lies elsewhere is counted in the Impact of that cause instead.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use smf_cmd::clock;
use smf_cmd::instance::Instance;
use smf_cmd::operand::Wanted;

use crate::World;
use crate::reasons::{self, Cause, Graph, Reason};

/// Where messages are explained, unless the restarter says otherwise.
const MESSAGE_BASE: &str = "http://illumos.org/msg/";

/// Causes of every offline instance, by FMRI.
type Causes = BTreeMap<String, Vec<Cause>>;

/// Explains the operands, or whatever needs it.
pub fn print(
    world: &mut World,
    operands: &[String],
    verbose: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let every = world.every()?;
    let instances = every.into_iter().map(|instance| (instance.fmri.clone(), instance)).collect();
    let graph = Graph { instances, entities: world.entities.clone() };
    let offline = |instance: &&Instance| {
        instance.state() == Some("offline") && instance.next_state().is_none()
    };
    let causes: Causes = graph
        .instances
        .values()
        .filter(offline)
        .map(|instance| (instance.fmri.clone(), reasons::causes(&graph, instance)))
        .collect();
    let mut chosen: Vec<String> = if operands.is_empty() {
        roots(&graph, &causes).into_iter().collect()
    } else {
        world.chosen_fmris(operands, Wanted::Instances)
    };
    chosen.sort_by_key(|fmri| std::cmp::Reverse(impacted(&causes, fmri).len()));
    for (position, fmri) in chosen.iter().enumerate() {
        let Some(instance) = graph.instances.get(fmri) else { continue };
        if position > 0 {
            writeln!(out)?;
        }
        explain(world, &graph, &causes, instance, verbose, out)?;
    }
    Ok(())
}

/// What is listed without operands.
fn roots(graph: &Graph, causes: &Causes) -> BTreeSet<String> {
    let mut roots = BTreeSet::new();
    for instance in graph.instances.values() {
        let listed = match instance.state() {
            Some("maintenance") => true,
            Some("disabled") => instance.effectively_enabled() == Some(true),
            Some("offline") if instance.next_state().is_some() => true,
            Some("offline") if instance.effectively_enabled() != Some(true) => false,
            Some("offline") => {
                let own = causes.get(&instance.fmri).map_or(&[][..], Vec::as_slice);
                roots.extend(own.iter().filter_map(Cause::instance).map(str::to_owned));
                own.iter().all(|cause| cause.instance().is_none())
            }
            None | Some("online" | "degraded" | "uninitialized" | "legacy_run") => false,
            Some(_) => true,
        };
        if listed {
            roots.insert(instance.fmri.clone());
        }
    }
    roots
}

/// The offline instances that this one keeps down.
fn impacted<'a>(causes: &'a Causes, fmri: &str) -> Vec<&'a str> {
    let kept = causes.iter().filter(|(name, causes)| {
        name.as_str() != fmri && causes.iter().any(|cause| cause.instance() == Some(fmri))
    });
    kept.map(|(name, _)| name.as_str()).collect()
}

fn explain(
    world: &World,
    graph: &Graph,
    causes: &Causes,
    instance: &Instance,
    verbose: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let name = instance.common_name().unwrap_or_else(|| "?".into());
    writeln!(out, "{} ({name})", instance.fmri)?;
    let state = instance.state().unwrap_or("uninitialized");
    match instance.state_seconds() {
        Some(then) => writeln!(out, " State: {state} since {}", clock::date(then, &world.zone))?,
        None => writeln!(out, " State: {state}")?,
    }
    let base = message_base(graph);
    match causes.get(&instance.fmri).filter(|causes| !causes.is_empty()) {
        Some(causes) => {
            for cause in causes {
                print_cause(graph, cause, base.as_deref(), verbose, out)?;
            }
        }
        None => {
            if let Some(reason) = reasons::own(graph, instance) {
                print_reason(&reason, base.as_deref(), out)?;
            }
        }
    }
    see(instance, verbose, out)?;
    impact(causes, instance, verbose, out)?;
    Ok(())
}

/// None when the restarter's msg/base is empty or has several values.
fn message_base(graph: &Graph) -> Option<String> {
    let restarter = graph.instances.get("svc:/system/svc/restarter:default");
    let group = restarter.and_then(|instance| instance.live.get("msg"));
    match group.and_then(|group| group.properties.get("base")) {
        None => Some(MESSAGE_BASE.to_owned()),
        Some(base) => match base.values.as_slice() {
            [one] if !one.is_empty() => Some(one.clone()),
            _ => None,
        },
    }
}

fn print_reason(reason: &Reason, base: Option<&str>, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "Reason: {}", reason.text)?;
    match base {
        Some(base) => writeln!(out, "   See: {base}SMF-8000-{}", reason.code),
        None => Ok(()),
    }
}

fn print_cause(
    graph: &Graph,
    cause: &Cause,
    base: Option<&str>,
    verbose: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let (text, code) = match cause {
        Cause::Absent(entity) => (format!("Dependency {entity} is absent."), "E2"),
        Cause::NotRunning(path) | Cause::Excluded(path) => {
            let fmri = path.last().map_or("", String::as_str);
            let summary = graph.instances.get(fmri).map_or("is absent.", reasons::summary);
            let line = format!("Service {fmri} {summary}");
            // Eighty columns, the label included.
            let wrapped = format!("Service {fmri}\n        {summary}");
            let fits = "Reason: ".len() + line.len() <= 80;
            let code = if matches!(cause, Cause::Excluded(_)) { "FJ" } else { "GE" };
            (if fits { line } else { wrapped }, code)
        }
    };
    print_reason(&Reason { text, code }, base, out)?;
    if verbose && cause.path().len() > 1 {
        for (hop, fmri) in cause.path().iter().enumerate() {
            match hop {
                0 => writeln!(out, "  Path: {fmri}")?,
                _ => writeln!(out, "{:1$}{fmri}", "", 8 + 2 * hop)?,
            }
        }
    }
    Ok(())
}

/// Manual pages, documents and logs.
fn see(instance: &Instance, verbose: bool, out: &mut dyn Write) -> std::io::Result<()> {
    for (name, group) in &instance.running {
        let text = |property: &str| {
            let value = group.properties.get(property).and_then(|p| p.values.first());
            value.map_or("", String::as_str)
        };
        if name.starts_with("tm_man_") {
            let (title, section, path) = (text("title"), text("section"), text("manpath"));
            match (verbose, path) {
                (true, ":default" | "") => writeln!(out, "   See: man -s {section} {title}")?,
                (true, path) => writeln!(out, "   See: man -M {path} -s {section} {title}")?,
                (false, _) => writeln!(out, "   See: {title}({section})")?,
            }
        } else if name.starts_with("tm_doc_") {
            writeln!(out, "   See: {}", text("uri"))?;
        }
    }
    for name in ["alt_logfile", "logfile"] {
        if let Some(file) = instance.live("restarter", name) {
            writeln!(out, "   See: {file}")?;
        }
    }
    Ok(())
}

fn impact(
    causes: &Causes,
    instance: &Instance,
    verbose: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let kept = impacted(causes, &instance.fmri);
    let (count, verb) = match kept.len() {
        0 if instance.runs() => return writeln!(out, "Impact: None."),
        0 => return writeln!(out, "Impact: This service is not running."),
        1 => ("1 dependent service".to_owned(), "is"),
        n => (format!("{n} dependent services"), "are"),
    };
    if !verbose {
        return writeln!(out, "Impact: {count} {verb} not running.  (Use -v for list.)");
    }
    writeln!(out, "Impact: {count} {verb} not running:")?;
    kept.iter().try_for_each(|fmri| writeln!(out, "        {fmri}"))
}
