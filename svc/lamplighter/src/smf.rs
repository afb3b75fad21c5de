//! smf.rs - SMF as this command sees it: the public commands and what they print.
//!
//! The texts are parsed by pure functions; `Smf` only runs the commands.  How a program is run
//! is behind the seam [`Host`].

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::place::Place;

/// The switch of the pipeline.
pub const PIPELINE: &str = "svc:/application/builder/pipeline:default";
/// The last stage.
pub const RELEASE: &str = "svc:/application/builder/release:default";

/// What every command of SMF says when nobody answers and there is no file to read.
pub const UNAVAILABLE: &str = "repository server unavailable";

/// What a program said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Exit status; 128 and the signal when it was killed.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The seam to the world.
pub trait Host {
    /// Runs a program to its end; `environment` is added to a clean one.  A daemon that it
    /// leaves behind lives on.
    fn run(&self, program: &Path, arguments: &[&str], environment: &[(&str, &str)])
    -> Result<Said>;
}

/// An instance as its restarter has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Full.
    pub fmri: String,
    /// `online`, `offline`, ...; `-` when no restarter knows it.
    pub state: String,
    /// The state it is on its way to.
    pub next: Option<String>,
    /// When it came into its state, as SMF prints it.
    pub since: String,
}

impl Instance {
    /// In this state, and to stay.
    pub fn rests(&self, state: &str) -> bool {
        self.next.is_none() && self.state == state
    }

    /// As svcs prints it: with a star in transition.
    pub fn shown(&self) -> String {
        format!("{}{}", self.state, if self.next.is_some() { "*" } else { "" })
    }
}

/// One line of `svcprop -f`.
struct Line<'a> {
    fmri: &'a str,
    group: &'a str,
    property: &'a str,
    values: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|line| {
        let (fmri, rest) = line.split_once("/:properties/")?;
        let (name, rest) = rest.split_once(' ')?;
        let (group, property) = name.split_once('/')?;
        let values = rest.split_once(' ').map_or("", |(_, values)| values);
        Some(Line { fmri, group, property, values })
    })
}

/// The states that `svcprop -f -p restarter/...` prints, one for each of `fmris`, in their order.
pub fn states(text: &str, fmris: &[String]) -> Vec<Instance> {
    let mut found: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for line in lines(text).filter(|line| line.group == "restarter") {
        found.entry(line.fmri).or_default().insert(line.property, line.values);
    }
    let instance = |fmri: &String| {
        let of = |name: &str| found.get(fmri.as_str()).and_then(|p| p.get(name)).copied();
        Instance {
            fmri: fmri.clone(),
            state: of("state").unwrap_or("-").to_owned(),
            next: of("next_state").filter(|next| *next != "none").map(str::to_owned),
            since: of("state_timestamp").unwrap_or_default().to_owned(),
        }
    };
    fmris.iter().map(instance).collect()
}

/// Which instance takes which others along when it restarts: dependency to dependents, among
/// `fmris`, read from `svcprop -f`.
pub fn edges(text: &str, fmris: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<(&str, &str), (&str, &str)> = BTreeMap::new();
    for line in lines(text) {
        let group = groups.entry((line.fmri, line.group)).or_default();
        match line.property {
            "entities" => group.0 = line.values,
            "restart_on" => group.1 = line.values,
            _ => {}
        }
    }
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((dependent, _), (entities, restart_on)) in groups {
        if !matches!(restart_on, "restart" | "refresh") {
            continue;
        }
        for entity in entities.split_whitespace() {
            // A dependency on a service is one on each of its instances.
            let is_meant = |fmri: &&String| {
                fmri.as_str() == entity || fmri.rsplit_once(':').is_some_and(|(s, _)| s == entity)
            };
            for fmri in fmris.iter().filter(is_meant) {
                edges.entry(fmri.clone()).or_default().push(dependent.to_owned());
            }
        }
    }
    edges
}

/// The commands of SMF.
pub struct Smf<'a> {
    /// Where they are.
    pub place: &'a Place,
    /// How they are run.
    pub host: &'a dyn Host,
}

impl Smf<'_> {
    /// Runs a command, whatever it answers.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Result<Said> {
        let environment = [("SMF_ROOT", self.place.root.to_str().context("SMF_ROOT is no text")?)];
        self.host.run(&self.place.command(command), arguments, &environment)
    }

    /// Runs a command that must succeed; its messages are the error.
    pub fn must(&self, command: &str, arguments: &[&str]) -> Result<Said> {
        let said = self.run(command, arguments)?;
        if said.status != 0 {
            match said.err.trim_end() {
                message if message.contains(UNAVAILABLE) => {
                    bail!("{}: svc.startd does not run: lamplighter up", self.place.root.display())
                }
                "" => bail!("{command} {}: exit status {}", arguments.join(" "), said.status),
                message => bail!("{message}"),
            }
        }
        Ok(said)
    }

    /// `svcprop -f` of instances; properties that are not there are no error.
    fn svcprop(&self, arguments: &[&str], fmris: &[String]) -> Result<String> {
        let mut all = vec!["-f"];
        all.extend(arguments);
        all.extend(fmris.iter().map(String::as_str));
        let said = self.run("svcprop", &all)?;
        let absent = |line: &str| line.contains("Couldn't find property");
        if said.status != 0 && !said.err.lines().all(absent) {
            bail!("{}", said.err.trim_end());
        }
        Ok(said.out)
    }

    /// The instances of the pipeline: the switch, then its stages, the release last.
    pub fn pipeline(&self) -> Result<Vec<String>> {
        let said = self.must("svcprop", &["-p", "pipeline/stages", PIPELINE])?;
        let mut all = vec![PIPELINE.to_owned()];
        all.extend(said.out.split_whitespace().map(str::to_owned));
        if !all.iter().any(|fmri| fmri == RELEASE) {
            all.push(RELEASE.to_owned());
        }
        Ok(all)
    }

    /// Their states.
    pub fn states(&self, fmris: &[String]) -> Result<Vec<Instance>> {
        let names = ["restarter/state", "restarter/next_state", "restarter/state_timestamp"];
        let arguments: Vec<&str> = names.iter().flat_map(|name| ["-p", name]).collect();
        Ok(states(&self.svcprop(&arguments, fmris)?, fmris))
    }

    /// Who takes whom along.
    pub fn edges(&self, fmris: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        Ok(edges(&self.svcprop(&[], fmris)?, fmris))
    }

    /// Gives an order for instances; with none, nothing is said.
    pub fn order(&self, words: &[&str], fmris: &[String]) -> Result<()> {
        if fmris.is_empty() {
            return Ok(());
        }
        let mut arguments = words.to_vec();
        arguments.extend(fmris.iter().map(String::as_str));
        self.must("svcadm", &arguments).map(|_| ())
    }

    /// The table of svcs.
    pub fn table(&self, fmris: &[String]) -> Result<String> {
        let arguments: Vec<&str> = fmris.iter().map(String::as_str).collect();
        Ok(self.must("svcs", &arguments)?.out)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A host that answers from a list and remembers what was run.
    #[derive(Default)]
    pub struct Played {
        pub answers: RefCell<Vec<Said>>,
        pub asked: RefCell<Vec<String>>,
    }

    impl Host for Played {
        fn run(&self, program: &Path, arguments: &[&str], _: &[(&str, &str)]) -> Result<Said> {
            let name = program.file_name().unwrap().to_str().unwrap();
            self.asked.borrow_mut().push(format!("{name} {}", arguments.join(" ")));
            let mut answers = self.answers.borrow_mut();
            Ok(if answers.is_empty() { Said::default() } else { answers.remove(0) })
        }
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| format!("svc:/application/{name}")).collect()
    }

    #[test]
    fn states_are_read_in_the_order_asked() {
        let text = "\
svc:/application/merger:default/:properties/restarter/state astring offline
svc:/application/merger:default/:properties/restarter/next_state astring online
svc:/application/merger:default/:properties/restarter/state_timestamp time 12.000000005
svc:/application/builder:pkg5/:properties/restarter/state astring maintenance
svc:/application/builder:pkg5/:properties/restarter/next_state astring none
svc:/application/builder:pkg5/:properties/restarter/state_timestamp time 11.5
";
        let found = states(text, &names(&["builder:pkg5", "merger:default", "imager:default"]));
        let shown: Vec<String> = found.iter().map(Instance::shown).collect();
        assert_eq!(shown, ["maintenance", "offline*", "-"]);
        assert_eq!(found[1].since, "12.000000005");
        assert!(found[0].rests("maintenance") && !found[1].rests("offline"));
    }

    #[test]
    fn edges_follow_restart_on() {
        let text = "\
svc:/application/merger:default/:properties/builders/entities fmri svc:/application/builder:illumos svc:/application/builder:pkg5
svc:/application/merger:default/:properties/builders/restart_on astring restart
svc:/application/merger:default/:properties/network/entities fmri svc:/milestone/network
svc:/application/merger:default/:properties/network/restart_on astring none
svc:/application/imager:default/:properties/merger/entities fmri svc:/application/merger
svc:/application/imager:default/:properties/merger/restart_on astring restart
svc:/application/builder:pkg5/:properties/other/entities fmri svc:/application/builder:illumos
svc:/application/builder:pkg5/:properties/other/restart_on astring none
";
        let all = names(&["builder:illumos", "builder:pkg5", "merger:default", "imager:default"]);
        let edges = edges(text, &all);
        assert_eq!(edges[&all[0]], names(&["merger:default"]));
        assert_eq!(edges[&all[1]], names(&["merger:default"]));
        assert_eq!(edges[&all[2]], names(&["imager:default"]));
        assert_eq!(edges.len(), 3);
    }

    #[test]
    fn properties_that_are_not_there_are_no_error() {
        let place = Place { root: "/r".into(), prefix: "/nowhere".into() };
        let host = Played::default();
        let missing = "svcprop: Couldn't find property `restarter/state' for instance `x'.\n";
        for (err, good) in [(missing, true), ("svcprop: Pattern 'x' doesn't match\n", false)] {
            let said = Said { status: 1, out: String::new(), err: err.to_owned() };
            host.answers.borrow_mut().push(said);
            let smf = Smf { place: &place, host: &host };
            assert_eq!(smf.states(&names(&["x:y"])).is_ok(), good, "{err}");
        }
    }
}
