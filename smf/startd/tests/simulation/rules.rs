//! rules.rs - what must hold after every event, and in a world that has come to rest.
//!
//! After every call into the engine:
//! - a start method begins only for an enabled instance whose every dependency is satisfied at that
//!   moment; only an immediate retry of a failed start does not ask again;
//! - no method of an instance begins while another of its methods lives, that of a dead engine
//!   included, nor a start while the processes of the last run live that nobody let go of;
//! - between two starts of an instance that came online its stop method ran, except after
//!   maintenance, after the death of an engine, and where there is nothing to stop;
//! - a running instance that a change obliges to stop is on its way down.  The change is one of:
//!   something it names stops with a severity that its restart_on passes; something it names with
//!   restart_on restart or refresh enters a state other than uninitialized from one that is not
//!   running; the same for exclude_all whatever restart_on says; something it names is deleted.
//!   It may go on only while a refresh method runs, for whose end the order waits;
//! - every living process is in a contract that the engine holds or has knowingly let go of;
//! - what `restarter` tells is the state the engine acts on, unless the repository refused it;
//! - what was ordered is done, once (ordered.rs);
//! - what is to be left alone is (restraint.rs).
//!
//! At rest, see rest.rs: each state follows from the configuration (oracle.rs), so no wake-up was
//! lost; a running instance whose dependency is not satisfied is so only as the rules above allow:
//! restart_on none; restart_on error and no error; an optional one; a file (files are not watched);
//! or its dependencies changed while it ran.

use std::collections::BTreeMap;

use smf_startd::state::State;
use smf_startd::store::{Groups, View as Which, Write};
use smf_startd::sys::Spawn;

use crate::oracle::{Known, View};
use crate::ordered::Ordered;
use crate::plan::Need;
use crate::reality::Reality;
use crate::restraint::Restraint;

/// What was seen of an instance.
#[derive(Debug, Clone)]
pub struct Seen {
    pub state: State,
    pub next: State,
    pub aux: String,
    pub needs: Vec<Need>,
    /// Why it must stop.
    pub obliged: Option<String>,
    /// Its dependencies changed since it was started.
    pub changed: bool,
    /// A start method was begun, and the transition is not over.
    starting: bool,
    /// It came online, and no stop method has run since.
    unstopped: bool,
    /// Its last start exited with 94: there is nothing to stop.
    no_daemon: bool,
    /// When its dependencies were read they led back to it, and it has not run since.
    cyclic: bool,
    /// Since it left maintenance: methods that failed, and starts.
    pub failures: usize,
    pub starts: usize,
    /// How often it was marked.
    pub marks: usize,
    pub ordered: Ordered,
    /// The engine has read of it.
    pub met: bool,
    /// The milestone none was ordered, and since then nothing for this one.
    pub outside: bool,
}

#[derive(Debug, Default)]
pub struct Rules {
    pub seen: BTreeMap<String, Seen>,
    pub broken: Option<String>,
    pub disk_refused: bool,
    pub ending: bool,
    pub restraint: Restraint,
    /// What the deleted needed, until the engine has dealt with their deletion; whether it has been
    /// told of it.
    gone: BTreeMap<String, (Vec<Need>, bool)>,
}

impl Rules {
    pub fn broke(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub fn of(&mut self, fmri: &str) -> &mut Seen {
        self.seen.entry(fmri.to_owned()).or_insert_with(|| Seen {
            state: State::None,
            next: State::None,
            aux: String::new(),
            needs: Vec::new(),
            obliged: None,
            changed: false,
            starting: false,
            unstopped: false,
            no_daemon: false,
            cyclic: false,
            failures: 0,
            starts: 0,
            marks: 0,
            ordered: Ordered::default(),
            met: false,
            outside: false,
        })
    }

    /// The engine asks what has changed: it has dealt with what it was told the time before.
    pub fn tells_changes(&mut self) {
        self.gone.retain(|_, (_, told)| !std::mem::replace(told, true));
    }

    /// A method of it failed, or is about to.
    pub fn failed(&mut self, fmri: &str) {
        self.of(fmri).failures += 1;
    }

    pub fn no_daemon(&mut self, fmri: &str, none: bool) {
        self.of(fmri).no_daemon = none;
    }

    pub fn marked(&mut self, fmri: &str) {
        self.of(fmri).marks += 1;
    }

    /// The engine died: what it had in mind is lost, what it wrote is not.
    pub fn bereave(&mut self) {
        self.restraint.bereave();
        self.gone.clear();
        for seen in self.seen.values_mut() {
            seen.starting = false;
            seen.unstopped = false;
            seen.met = false;
            seen.obliged = None;
        }
    }

    /// It entered a state.
    fn entered(&mut self, fmri: &str, from: State, to: State, severity: u32) {
        let service = fmri.rsplit_once(':').map_or(fmri, |(service, _)| service);
        for (name, seen) in self.seen.iter_mut().filter(|(name, _)| *name != fmri) {
            let running = seen.state.is_running() && seen.obliged.is_none();
            let stops = seen.needs.iter().find(|need| {
                let named = need.entities.iter().any(|on| on == fmri || on == service);
                named && obliges(need, from, to, severity)
            });
            if let Some(need) = stops.filter(|_| running) {
                seen.obliged = Some(format!(
                    "{name} must stop: {fmri} went from {from} to {to}, {} {}",
                    need.grouping, need.level
                ));
            }
        }
    }

    /// It is gone.
    pub fn deleted(&mut self, fmri: &str) {
        self.restraint.deleted(fmri);
        let seen = self.seen.remove(fmri);
        let known = seen.as_ref().is_some_and(|seen| seen.state != State::None);
        self.gone.extend(seen.map(|seen| (fmri.to_owned(), (seen.needs, false))));
        let service = fmri.rsplit_once(':').map_or(fmri, |(service, _)| service);
        if !known {
            return;
        }
        for (name, seen) in self.seen.iter_mut().filter(|(_, seen)| seen.state.is_running()) {
            let stops = seen.needs.iter().any(|need| {
                let named = need.entities.iter().any(|on| on == fmri || on == service);
                named && (need.grouping == "exclude_all" || level(need) >= 2)
            });
            if stops {
                seen.obliged.get_or_insert(format!("{name} must stop: {fmri} was deleted"));
            }
        }
    }
}

fn level(need: &Need) -> u32 {
    match need.level {
        "none" => 0,
        "error" => 1,
        "restart" => 2,
        _ => 3,
    }
}

fn obliges(need: &Need, from: State, to: State, severity: u32) -> bool {
    let appears = !from.is_running() && from != State::None && to != State::Uninitialized;
    match need.grouping {
        "exclude_all" => appears,
        _ if from.is_running() && !to.is_running() => severity <= level(need),
        _ => appears && level(need) >= 2,
    }
}

/// How bad a stop was, as the reason tells; of two possible ones the one that obliges less.
fn severity(to: State, aux: &str) -> u32 {
    match aux {
        "ct_ev_core" | "ct_ev_signal" => 1,
        "method_failed" | "fault_threshold_reached" | "restarting_too_quickly"
            if to == State::Maintenance =>
        {
            1
        }
        _ => 2,
    }
}

/// The dependencies in property groups.
pub fn needs(groups: &Groups) -> Vec<Need> {
    let of_kind = groups.values().filter(|group| group.kind == "dependency");
    let word = |text: Option<&str>, words: &[&'static str]| {
        words.iter().copied().find(|word| Some(*word) == text).unwrap_or_default()
    };
    let groupings = ["require_all", "require_any", "optional_all", "exclude_all"];
    let levels = ["none", "error", "restart", "refresh"];
    of_kind
        .map(|group| Need {
            grouping: word(group.first("grouping"), &groupings),
            level: word(group.first("restart_on"), &levels),
            entities: group.properties.get("entities").map_or(Vec::new(), |all| all.values.clone()),
        })
        .collect()
}

/// Whether it is to run, as the live groups say; none when nobody manages it.
pub fn enabled(groups: &Groups) -> Option<bool> {
    let of = |group: &str| groups.get(group).and_then(|group| group.first("enabled"));
    let general = of("general")?;
    Some(of("general_ovr").unwrap_or(general) == "true")
}

impl Reality {
    /// The engine wrote the group `restarter`, or tried to.
    pub fn recorded(&mut self, fmri: &str, writes: &[Write]) {
        let value = |name: &str| {
            let write = writes.iter().find(|(known, _, _)| *known == name);
            write.and_then(|(_, _, values)| values.first()).map(String::as_str)
        };
        let (Some(state), Some(next)) = (value("state"), value("next_state")) else { return };
        let (Some(to), Some(next)) = (State::parse(state), State::parse(next)) else { return };
        let aux = value("auxiliary_state").unwrap_or_default().to_owned();
        self.tell(|| format!("{fmri}: {to} -> {next} ({aux})"));
        // Where no snapshot could be taken, what is live counts.
        if to == State::Uninitialized {
            self.configured(fmri);
        }
        let seen = self.rules.of(fmri);
        let twice = seen.carried_out(to, next, &aux);
        if let Some(what) = twice.filter(|_| !self.rules.disk_refused) {
            self.rules.broke(format!("{fmri} {what}"));
        }
        let seen = self.rules.of(fmri);
        let from = seen.state;
        (seen.state, seen.next) = (to, next);
        aux.clone_into(&mut seen.aux);
        if next == State::None {
            seen.starting = false;
        }
        // On its way down, or down.
        if !to.is_running() || (next != State::None && next != to) {
            seen.obliged = None;
        }
        if to == State::Maintenance {
            seen.unstopped = false;
        }
        if from == State::Maintenance && to != State::Maintenance {
            (seen.failures, seen.starts) = (0, 0);
        }
        if !from.is_running() && to.is_running() {
            seen.unstopped = !seen.no_daemon;
        }
        let cycle = to == State::Maintenance && from != to && aux == "dependency_cycle";
        // What was found may be gone by the time the instance has started and stopped.
        let found = cycle && std::mem::take(&mut self.rules.of(fmri).cyclic);
        if cycle && !found && !self.view().cyclic(fmri) {
            self.rules.broke(format!("{fmri} is in no cycle"));
        }
        self.restrained(fmri, from, to, &aux);
        if from != to {
            self.rules.entered(fmri, from, to, severity(to, &aux));
        }
    }

    /// The engine reads what an instance depends on that it has told nothing of, or reads it first: a
    /// cycle found now is told when the others may have left it.
    pub fn read(&mut self, fmri: &str, groups: &Groups) {
        let seen = self.rules.of(fmri);
        if std::mem::replace(&mut seen.met, true) && seen.state != State::None {
            return;
        }
        let mut view = self.with_newcomers();
        let (state, needs) = (State::Uninitialized, needs(groups));
        view.instances.insert(fmri.to_owned(), Known { state, enabled: true, needs });
        if view.cyclic(fmri) {
            self.rules.of(fmri).cyclic = true;
        }
    }

    /// The engine took the running snapshot: from now on its dependencies count.
    pub fn configured(&mut self, fmri: &str) {
        let groups = self.disk.groups(fmri, Which::Running).ok().flatten().unwrap_or_default();
        let needs = needs(&groups);
        let seen = self.rules.of(fmri);
        if seen.needs != needs {
            seen.changed = true;
            seen.needs = needs;
            // The engine may have read this first, and then the deletion.
            seen.obliged.take_if(|why| why.ends_with("was deleted"));
        }
        // What was found before a refresh may be told after it.
        let cyclic = self.view_with_the_gone().cyclic(fmri);
        self.rules.of(fmri).cyclic |= cyclic;
        let refresh = groups.get("refresh").and_then(|group| group.first("exec"));
        self.rules.of(fmri).snapshot_taken(refresh == Some("/refresh"));
    }

    /// The world as an engine sees it that has not dealt with deletions yet.
    pub fn view_with_the_gone(&mut self) -> View {
        let mut view = self.view();
        for (fmri, (needs, _)) in &self.rules.gone {
            let gone = Known { state: State::Offline, enabled: true, needs: needs.clone() };
            view.instances.entry(fmri.clone()).or_insert(gone);
        }
        view
    }

    /// The world as dependencies see it.
    pub fn view(&mut self) -> View {
        let mut view = View { files: self.files.clone(), ..View::default() };
        for fmri in self.disk.instances().unwrap_or_default() {
            let live = self.disk.groups(&fmri, Which::Live).ok().flatten().unwrap_or_default();
            let Some(enabled) = enabled(&live) else { continue };
            let Some(seen) = self.rules.seen.get(&fmri) else { continue };
            let known = Known { state: seen.state, enabled, needs: seen.needs.clone() };
            view.instances.insert(fmri, known);
        }
        view
    }

    pub fn about_to_spawn(&mut self, spawn: &Spawn) {
        let fmri = spawn.fmri.as_str();
        let method = spawn.environment.iter().find(|(name, _)| name == "SMF_METHOD");
        let method = method.map(|(_, value)| value.clone()).unwrap_or_default();
        let other =
            self.kernel.processes.values().find(|one| one.fmri == fmri && one.method.is_some());
        // The child of a wait service is its start method.
        let child = self.kernel.wait_services.contains(fmri) && method != "start";
        if let Some(other) = other.filter(|one| !(child && one.method.as_deref() == Some("start")))
        {
            let abandoned =
                self.kernel.contracts.get(&other.contract).is_some_and(|one| one.abandoned);
            if !abandoned {
                let what = format!("{fmri}: {method} begins while {:?} lives", other.method);
                self.rules.broke(what);
            }
        }
        match method.as_str() {
            "start" => self.about_to_start(fmri),
            "stop" => self.rules.of(fmri).unstopped = false,
            "refresh" => self.rules.of(fmri).refreshes(),
            _ => {}
        }
    }

    fn about_to_start(&mut self, fmri: &str) {
        let live = self.disk.groups(fmri, Which::Live).ok().flatten().unwrap_or_default();
        let running = self.disk.groups(fmri, Which::Running).ok().flatten().unwrap_or_default();
        let mut view = self.view();
        let word = |group: &str, name: &str| {
            running.get(group).and_then(|group| group.first(name)).unwrap_or_default().to_owned()
        };
        let stops = word("stop", "exec") == "/stop"
            && word("start", "exec") == "/start"
            && matches!(word("startd", "duration").as_str(), "contract" | "transient");
        let left = self.kernel.contracts.iter().find(|(id, one)| {
            one.fmri == fmri && one.primary && !one.abandoned && self.kernel.populated(**id)
        });
        let left = left.map(|(id, _)| *id);
        // A disable may have reached the repository and not the engine.
        let mut satisfied = view.satisfied(fmri);
        view.disabling = true;
        satisfied |= view.satisfied(fmri);
        // Files are not watched: whoever was to be told of one was not.
        if self.rules.disk_refused {
            view.files.clone_from(&self.files_before);
            satisfied |= view.satisfied(fmri);
            view.files.clone_from(&self.files);
            view.without_files(fmri);
            satisfied |= view.satisfied(fmri);
            // Nor may it have been taken that somebody is disabled by a milestone.
            view.without_disabled();
            satisfied |= view.satisfied(fmri);
        }
        let ending = self.rules.ending;
        let seen = self.rules.of(fmri);
        seen.starts += 1;
        let first = !std::mem::replace(&mut seen.starting, true);
        seen.changed &= !first;
        let unstopped = std::mem::replace(&mut seen.unstopped, false);
        let broken = if ending {
            Some("starts though the engine ends".to_owned())
        } else if first && enabled(&live) != Some(true) {
            Some("starts though it is not enabled".to_owned())
        } else if first && !satisfied {
            Some(format!("starts though its dependencies are not satisfied: {:?}", seen.needs))
        } else if unstopped && stops {
            Some("starts again without having been stopped".to_owned())
        } else {
            left.map(|id| format!("starts while processes of its contract {id} live"))
        };
        if let Some(broken) = broken {
            self.rules.broke(format!("{fmri} {broken}"));
        }
    }
}
