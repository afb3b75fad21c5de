//! change.rs - what every subcommand that changes packages does: refresh, plan, tell, ask, carry out.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use ips_client::change::{
    ChangeError, Order, Planned, Want, carry_out, editables, payload_text, plan, resolve,
};
use ips_client::image::{Image, LinkedError, Outcome, Refresh};
use ips_client::solve::SolveError;
use ips_client::{Origin, Source};
use ips_cmd::Failure;

use crate::at_once::Told;
use crate::call::{Call, Given, refused};
use crate::children::{Followers, present};
use crate::linked::refused as refused_link;
use crate::session::Session;
use crate::{licenses, parsable, refresh, summary};

/// The options that these subcommands have in common.
pub const COMMON: [&str; 26] = [
    "n*",
    "v*",
    "q*",
    "C|concurrency=",
    "g=*",
    "r|recurse",
    "z=*",
    "Z=*",
    "i=*",
    "accept*",
    "licenses*",
    "no-be-activate*",
    "t|temp-be-activate*",
    "no-index*",
    "no-refresh*",
    "no-backup-be*",
    "require-backup-be*",
    "backup-be-name=",
    "deny-new-be*",
    "require-new-be*",
    "be-name=",
    "sync-actuators*",
    "sync-actuators-timeout=",
    "reject=*",
    "parsable=",
    "R|norecurse",
];

/// Options that take a number, and how they are told.
const NUMBERS: [(&str, &str); 2] =
    [("C", "-C/--concurrency"), ("sync-actuators-timeout", "--sync-actuators-timeout")];

/// Nothing was to be done.
pub const NOTHING: u8 = 4;

/// Children do not have the sources that their parent has for one operation.
const TEMPORARY: &str = "
The proposed operation on this parent image can not be performed because
temporary origins were specified and this image has children.  Please either
retry the operation again without specifying any temporary origins, or if
packages from additional origins are required, please configure those origins
persistently.";

/// A licence was not accepted.
pub const LICENSE: u8 = 6;

/// What one of these subcommands was told.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its options.
    pub given: &'a Given,
    /// What is said where there is nothing to do.
    pub nothing: &'static str,
    /// What the history calls it.
    pub operation: &'static str,
    /// Whether it is a child: what was told of the parent alone is not for it.
    pub below: bool,
    /// Whether a child does what was asked of its parent (`-r`), not what follows from it.
    pub own: bool,
    /// An archive that is a source for this once, also for children.
    pub hot_fix: Option<&'a Path>,
    /// Where it is told of.
    pub told: Told<'a>,
}

impl<'a> Change<'a> {
    /// Checks the common options.
    pub fn of(call: &'a Call, given: &'a Given, operation: &'static str) -> Result<Self, Failure> {
        call.apart(given, "v", "q")?;
        call.apart(given, "parsable", "v")?;
        boot_environments(call, given)?;
        if let Some(version) = given.value("parsable").filter(|version| *version != "0") {
            return Err(call.usage(format!("invalid argument '{version}' for option '--parsable'")));
        }
        for (option, told) in NUMBERS {
            if given.value(option).is_some_and(|text| text.parse::<i64>().is_err()) {
                let value = given.value(option).unwrap_or_default();
                return Err(call.usage(format!("value '{value}' invalid: {told}")));
            }
        }
        let nothing = "No updates necessary for this image.";
        let (below, own, hot_fix, told) = (false, false, None, Told::Now);
        let change = Self { call, given, nothing, operation, below, own, hot_fix, told };
        call.apart(given, "z", "Z")?;
        call.apart(given, "i", "I")?;
        for option in ["z", "Z"] {
            if given.has(option) && !given.has("r") {
                return Err(
                    call.usage(format!("'-{option}' may only be used with '-r/--recurse'."))
                );
            }
        }
        Ok(change)
    }

    /// A child says what it does through its parent.
    fn quiet(&self) -> bool {
        self.below || self.given.has("q") || self.given.has("parsable")
    }

    /// Patterns of packages that must not be there afterwards.
    pub fn rejected(&self) -> Vec<String> {
        self.given.values("reject").map(str::to_string).collect()
    }

    /// Whether packages that go may bring further changes with them: not with
    /// `-D ignore-pkg-actuators=true`.
    pub fn triggers(&self) -> bool {
        let ignored = self.call.debug.iter().rev().find_map(|switch| {
            switch.split_once('=').filter(|(name, _)| *name == "ignore-pkg-actuators")
        });
        !ignored.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
    }

    /// Whether children are to do what is asked of their parent: where it is asked for, or where the
    /// image has it so for the operations that are meant by that.
    pub fn recurses(&self, image: &Image) -> bool {
        let by_default = matches!(
            self.call.name,
            "update" | "apply-hot-fix" | "change-facet" | "change-variant" | "set-publisher"
        );
        let property = image.configuration().property("default-recurse");
        let asked = property.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        self.given.has("r") || (by_default && asked && !self.given.has("R"))
    }

    /// A line of progress, as the original tells it where standard output is no terminal.
    pub fn tell(&self, line: &str) {
        if !self.quiet() {
            self.told.say(&format!("{line}\n"));
            // Who reads along shall see it before what takes long.
            let _ = std::io::stdout().flush();
        }
    }

    /// Does it.
    pub fn run(&self, want: Want) -> Result<u8, Failure> {
        self.run_in(Session::begin(self.call, self.operation)?, want)
    }

    /// Whether it can be done, and its licences are accepted.
    pub fn check(&self, session: &Session, want: Want) -> Result<(), Failure> {
        let order = Order::of(want);
        let refuse = |error| self.refuse(error).1;
        let resolved =
            self.told.shown(|control| resolve(&session.image, &order, control)).map_err(refuse)?;
        let planned = plan(&session.image, &resolved).map_err(refuse)?;
        self.check_licenses(&planned)
    }

    /// Whether the licences are accepted that have to be.
    pub fn check_licenses(&self, planned: &Planned<'_>) -> Result<(), Failure> {
        if self.given.has("accept") || !licenses::missing(planned) {
            return Ok(());
        }
        let mut failure = self.call.failed("Package licenses have not been accepted.");
        failure.status = LICENSE;
        Err(failure)
    }

    /// Does it in a session that has begun.
    pub fn run_in(&self, mut session: Session, asked: Want) -> Result<u8, Failure> {
        let sources = self.sources()?;
        let reject = if self.below && !self.own { Vec::new() } else { self.rejected() };
        let loose = self.given.has("ignore-missing") || !self.recursed(&session.image)?.is_empty();
        let want = if loose { present(&session.image, &asked)? } else { asked.clone() };
        let order =
            Order { reject, sources: &sources, triggers: self.triggers(), ..Order::of(want) };
        match self.changed(&mut session, &asked, &order) {
            Ok(status) => {
                let dry = self.given.has("n");
                let outcome = if status == NOTHING { Outcome::NOTHING } else { Outcome::SUCCEEDED };
                if !dry {
                    session.end(outcome)?;
                }
                Ok(status)
            }
            Err((_, failure)) if self.given.has("n") => Err(failure),
            Err((outcome, failure)) => Err(session.fail(outcome, failure)),
        }
    }

    /// What this once is a source beside the image's own.
    pub fn sources(&self) -> Result<Vec<Source>, Failure> {
        let open = |text: &str| -> Result<Source, Failure> {
            let origin = Origin::parse(text).map_err(|error| self.call.failed(error))?;
            let origin = match origin.path() {
                Some(path) if path.is_file() => Origin::archive(path),
                Some(_) | None => origin,
            };
            Source::open(&origin).map_err(|error| self.call.failed(format!("\n{error}")))
        };
        let archive = self.hot_fix.map(|path| {
            Source::open(&Origin::archive(path)).map_err(|error| self.call.failed(error))
        });
        let own = |_: &&str| !self.below;
        archive.into_iter().chain(self.given.values("g").filter(own).map(open)).collect()
    }

    fn changed(
        &self,
        session: &mut Session,
        asked: &Want,
        order: &Order<'_>,
    ) -> Result<u8, (Outcome, Failure)> {
        self.check_links(&session.image, order)?;
        let looks_for_new = order.want.solves() && !matches!(&order.want, Want::Uninstall(_));
        // A child was refreshed when it was asked whether it can follow.
        if looks_for_new && !self.below {
            self.refresh(session)?;
        }
        let began = Instant::now();
        let refuse = |error: ChangeError| self.refuse(error);
        let resolved =
            self.told.shown(|control| resolve(&session.image, order, control)).map_err(refuse)?;
        for line in ["Solver setup", "Running solver", "Finding local manifests"] {
            self.tell(&format!("Planning: {line} ... Done"));
        }
        let planned = plan(&session.image, &resolved).map_err(refuse)?;
        for line in [
            "Package planning",
            "Merging actions",
            "Checking for conflicting actions",
            "Consolidating action changes",
            "Evaluating mediators",
        ] {
            self.tell(&format!("Planning: {line} ... Done"));
        }
        let took = began.elapsed().as_secs_f64();
        self.tell(&format!("Planning: Planning completed in {took:.2} seconds"));
        let unknown = |failure: Failure| (Outcome::UNKNOWN, failure);
        let idle = planned.is_empty();
        let notes = release_notes(session, order, &planned).map_err(unknown)?;
        if idle {
            self.tell(self.nothing);
        } else {
            self.show(session, order, &planned, &notes).map_err(unknown)?;
        }
        let mut followers = self.followers(&session.image, asked, &planned)?;
        self.announce(&followers);
        if self.given.has("parsable") {
            let told = self.print_parsable(session, order, &planned, &notes, &mut followers);
            told.map_err(unknown)?;
        }
        if idle && followers.is_idle() {
            return Ok(NOTHING);
        }
        if self.given.has("n") {
            return Ok(0);
        }
        if !idle {
            self.check_licenses(&planned).map_err(|failure| (Outcome::CONSTRAINED, failure))?;
            self.execute(session, order, &planned)?;
            session.notes = notes;
        }
        self.follow(followers, &session.image).map_err(unknown)
    }

    /// Refuses what cannot be done to an image on which others hang, or which hangs on one.
    fn check_links(&self, image: &Image, order: &Order<'_>) -> Result<(), (Outcome, Failure)> {
        if !order.want.solves() {
            return Ok(());
        }
        let failed = |error: LinkedError| (Outcome::UNKNOWN, refused_link(self.call, &error));
        if image.child_link().map_err(failed)?.is_some() {
            let state = match self.given.has("no-parent-sync") {
                true => image.kept_parent_state(),
                false => image.parent_state(),
            };
            let state = state.map_err(failed)?;
            image.check_publishers(&state).map_err(failed)?;
        }
        let unknown = |failure| (Outcome::UNKNOWN, failure);
        let temporary = !self.below && self.given.has("g");
        if temporary && !self.heeded(image).map_err(unknown)?.is_empty() {
            return Err((Outcome::BAD_REQUEST, self.call.failed(TEMPORARY)));
        }
        Ok(())
    }

    /// Refreshes the publishers.
    pub fn refresh(&self, session: &mut Session) -> Result<(), (Outcome, Failure)> {
        if self.given.has("no-refresh") {
            return Ok(());
        }
        let publishers = session.image.configuration().publishers().iter();
        let mut names: Vec<String> =
            publishers.filter(|one| !one.disabled).map(|one| one.prefix.clone()).collect();
        names.sort();
        let refreshed = session.image.refresh(&session.lock, &[], Refresh::Now, session.start);
        let refreshed = refreshed.map_err(|error| (Outcome::STORAGE, refused(error)))?;
        if let Some(mut failure) = refresh::failure(&refreshed) {
            failure.status = 1;
            return Err((Outcome::TRANSPORT, failure));
        }
        for name in names {
            self.tell(&format!(" Startup: Refreshing catalog '{name}' ... Done"));
        }
        Ok(())
    }

    fn show(
        &self,
        session: &Session,
        order: &Order<'_>,
        planned: &Planned<'_>,
        notes: &[String],
    ) -> Result<(), Failure> {
        if self.below || self.given.has("parsable") {
            return Ok(());
        }
        let verbosity = self.given.times("v");
        if !self.quiet() {
            self.told.say(&self.summary(session, planned)?);
            let shown = verbosity > 0 || self.given.has("n") || planned.must_display_notes();
            self.told.say(&summary::release_notes(notes, shown));
        }
        let (all, quiet) = (self.given.has("licenses"), self.quiet());
        self.told.say(&licenses::shown(&session.image, order, planned, all, quiet)?);
        Ok(())
    }

    /// What is planned, for people.
    pub fn summary(&self, session: &Session, planned: &Planned<'_>) -> Result<String, Failure> {
        let verbosity = self.given.times("v");
        let mut text = summary::told(planned, verbosity);
        if verbosity == 0 && matches!(self.operation, "install" | "update") {
            text.push_str(&summary::removed(planned));
        }
        if verbosity > 0 {
            let edited = editables(&session.image, planned, session.start);
            text.push_str(&summary::edited(&edited.map_err(Failure::new)?));
        }
        Ok(text)
    }

    fn print_parsable(
        &self,
        session: &Session,
        order: &Order<'_>,
        planned: &Planned<'_>,
        notes: &[String],
        followers: &mut Followers,
    ) -> Result<(), Failure> {
        // That of a child is in its parent's.
        if self.below {
            return Ok(());
        }
        let mut value = parsable::value(&session.image, order, planned, notes, session.start)?;
        value.insert("child-images".to_string(), followers.plans());
        self.told.say(&format!("{}\n", serde_json::Value::Object(value)));
        Ok(())
    }

    fn execute(
        &self,
        session: &mut Session,
        order: &Order<'_>,
        planned: &Planned<'_>,
    ) -> Result<(), (Outcome, Failure)> {
        let began = Instant::now();
        session.states(&summary::states(&planned.packages), "");
        let (time, lock) = (session.start, &session.lock);
        let image = &mut session.image;
        let done = self
            .told
            .shown(|control| carry_out(image, lock, order, planned, time, control))
            .map_err(|error| self.refuse(error))?;
        let took = began.elapsed().as_secs_f64();
        if done.bytes > 0 {
            let (bytes, speed) = (summary::size(done.bytes), summary::speed(done.bytes, took));
            self.tell(&format!("Download: Completed {bytes} in {took:.2} seconds ({speed})"));
        }
        if !done.salvaged.is_empty() {
            self.tell(&summary::salvaged(&done.salvaged));
        }
        let steps = done.steps;
        self.tell(&format!(" Actions: Completed {steps} actions in {took:.2} seconds."));
        for line in
            ["Updating package state database", "Updating package cache", "Updating image state"]
        {
            self.tell(&format!("Finalize: {line} ... Done"));
        }
        if planned.needs_reboot() && std::io::stdout().is_terminal() {
            self.tell("\nThe image has to be booted anew for the changes to take effect.");
        }
        session.states(&summary::states(&planned.packages), &summary::states(&planned.packages));
        Ok(())
    }

    /// What an error means.
    pub fn refuse(&self, error: ChangeError) -> (Outcome, Failure) {
        let outcome = match &error {
            ChangeError::Solve(_) | ChangeError::Conflict(_) => Outcome::CONSTRAINED,
            ChangeError::Pattern(_)
            | ChangeError::NoMatch(_)
            | ChangeError::NotInstalled(_)
            | ChangeError::Ambiguous { .. }
            | ChangeError::NotPackaged(_) => Outcome::BAD_REQUEST,
            ChangeError::Manifest(_) | ChangeError::Source(_) => Outcome::TRANSPORT,
            ChangeError::Record(_) | ChangeError::Execute(_) | ChangeError::Root(_) => {
                Outcome::STORAGE
            }
            ChangeError::Signature { .. }
            | ChangeError::Trust(_)
            | ChangeError::Barred { .. }
            | ChangeError::HardLink { .. }
            | ChangeError::Image(_)
            | ChangeError::Account(_)
            | ChangeError::Driver(_)
            | ChangeError::Owner(_)
            | ChangeError::Verify(_)
            | ChangeError::Linked(_)
            | ChangeError::Attribute(_) => Outcome::UNKNOWN,
        };
        let text = match &error {
            ChangeError::Solve(why @ SolveError::NoVersion { .. }) if self.given.has("v") => {
                why.at_length()
            }
            ChangeError::Solve(SolveError::Needed { .. }) => {
                return (outcome, self.call.failed(error));
            }
            other => other.to_string(),
        };
        let mut failure = self.call.failed(format!("\n{text}"));
        if let ChangeError::Linked(error) = &error {
            failure.status = error.status();
        }
        (outcome, failure)
    }
}

/// The release notes that come with a change, line by line.
fn release_notes(
    session: &Session,
    order: &Order<'_>,
    planned: &Planned<'_>,
) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for note in &planned.release_notes {
        let text = payload_text(&session.image, order, &note.package.fmri, note.action);
        lines.extend(text.map_err(Failure::new)?.lines().map(str::to_string));
    }
    Ok(lines)
}

/// Checks what is asked of boot environments.  An image elsewhere than at `/` is in none, so there
/// is nothing to make or to name; pkg5 passes over these options there, too.
fn boot_environments(call: &Call, given: &Given) -> Result<(), Failure> {
    let new = ["be-name", "require-new-be"];
    let backup = ["backup-be-name", "require-backup-be"];
    let has = |names: [&str; 2]| names.iter().any(|name| given.has(name));
    // A name asks for what it names.
    for (asked, one, denied, other) in [
        (has(new), "require-new-be", given.has("deny-new-be"), "deny-new-be"),
        (has(backup), "require-backup-be", given.has("no-backup-be"), "no-backup-be"),
        (has(backup), "require-backup-be", has(new), "require-new-be"),
    ] {
        if asked && denied {
            return Err(call.together(given, one, other));
        }
    }
    Ok(())
}

/// Reads the options of a subcommand that has others besides the common ones.
pub fn given(call: &Call, others: &[&str]) -> Result<Given, Failure> {
    // `-I` passes over the children, but where it has another meaning.
    let all = ["I"].into_iter().filter(|_| !others.iter().any(|one| one.starts_with('I')));
    let known: Vec<&str> = COMMON.iter().chain(others).copied().chain(all).collect();
    call.given(&known)
}
