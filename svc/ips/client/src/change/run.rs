//! run.rs - a plan carried out: everything fetched and prepared, then written down, then done.

use std::collections::BTreeMap;

use image_tree::{Tree, check_path};
use ips_model::action::Action;
use ips_model::{Fmri, Timestamp};

use super::files::is_editable;
use super::plan::{Hydration, Planned};
use super::prepare::{Intent, Prepared, prepare};
use super::tables::{PASSWORD_LOCK, Tables, Texts, edit, foreseen};
use super::whole::Whole;
use super::{ChangeError, Order};
use crate::control::Control;
use crate::execute::fetch::{Place, Wanted, contents, fetch};
use crate::execute::steps::{Owned, Step, Steps};
use crate::execute::{journal, table};
use crate::image::{Change, Image, ImageLock, ImageSource, Installed};
use crate::owners::Owners;
use crate::plan::{Item, mode};
use crate::root::{Directory, Root, RootError};
use crate::source::Source;

/// What the name of an edited file in the stage begins with; of all others it is a hash.
const EDITED: &str = "edited";

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// How many steps it took.
    pub steps: usize,
    /// How many bytes of files had to be fetched.
    pub bytes: u64,
    /// Files that were put, and the hash of what each has; none: its content was edited.
    pub put: Vec<(String, Option<String>)>,
    /// What was in the way and is kept elsewhere: from where to where.
    pub salvaged: Vec<(String, String)>,
}

/// Does what a plan says.
pub fn carry_out(
    image: &mut Image,
    lock: &ImageLock,
    order: &Order<'_>,
    planned: &Planned<'_>,
    time: Timestamp,
    control: &Control<'_>,
) -> Result<Done, ChangeError> {
    let root = Root::open(image.root())?;
    let stage = journal::stage(image)?;
    let folder = image.kind().folder();
    let mut prepared = prepare(planned, &root, folder, &time.package())?;
    image.keep_manifests(lock, &planned.resolved.texts)?;
    image.keep_certificates(lock, &planned.resolved.certificates)?;
    let old_table = image.table()?;
    let whole = match order.donor {
        Some(donor) if old_table.is_some() && planned.resolved.before.is_empty() => {
            Whole::take(donor, &prepared.intents, &root, &stage, folder)?
        }
        Some(_) | None => Whole::default(),
    };
    whole.spare(&mut prepared);
    let bytes = fetch_all(image, order, &prepared, &stage, control)?;
    let texts =
        Texts { root: &root, stage: &stage, prepared: &prepared, gone: &planned.difference.gone };
    let tables = edit(planned, &texts, time.seconds())?;
    let table = old_table.as_ref();
    let stepper =
        Stepper { planned, root: &root, stage: &stage, table, tables: &tables, whole: &whole };
    let steps = stepper.steps(prepared)?;
    let mut change = change(planned, time);
    if let Some(old) = &old_table {
        let new = table::apply(old, &steps, time.seconds());
        change.table = Some(new.map_err(|source| crate::image::ImageError::Table {
            path: image.metadata().join("state/table"),
            source,
        })?);
    }
    let count = steps.len();
    let put = steps.make.iter().filter_map(put).collect();
    let may_be: Vec<(String, String)> = steps.clear.iter().filter_map(salvage).collect();
    journal::open(image, &whole.rest(&steps), &change)?;
    journal::finish(image, lock, control)?;
    let mut salvaged = Vec::new();
    for (from, to) in may_be {
        if root.look(&to)?.is_some() {
            salvaged.push((from, to));
        }
    }
    Ok(Done { steps: count, bytes, put, salvaged })
}

/// From where to where a step takes what it finds; of a directory there may be nothing left, or
/// nowhere to go.
fn salvage(step: &Step) -> Option<(String, String)> {
    match step {
        Step::Salvage { path, to } => Some((path.clone(), to.clone())),
        Step::Rmdir { path, to } if !to.is_empty() => Some((path.clone(), to.clone())),
        _ => None,
    }
}

/// The path of a file that is put, and the hash that its name in the stage tells.
fn put(step: &Step) -> Option<(String, Option<String>)> {
    let Step::Put { path, staged, .. } = step else { return None };
    let hash = staged.rsplit_once('.').map(|(hash, _)| hash.to_string());
    Some((path.clone(), hash.filter(|hash| hash != EDITED)))
}

/// The paths that carrying out a plan would touch; nothing is fetched.
pub fn pending(
    image: &Image,
    _lock: &ImageLock,
    planned: &Planned<'_>,
    time: Timestamp,
) -> Result<Vec<String>, ChangeError> {
    let root = Root::open(image.root())?;
    let stage = journal::stage(image)?;
    let prepared = prepare(planned, &root, image.kind().folder(), &time.package())?;
    let tables = foreseen(planned, &root, time.seconds())?;
    let table = image.table()?;
    let (table, whole) = (table.as_ref(), &Whole::default());
    let stepper = Stepper { planned, root: &root, stage: &stage, table, tables: &tables, whole };
    let steps = stepper.steps(prepared)?;
    Ok(steps.clear.iter().chain(&steps.make).map(|step| step.path().to_string()).collect())
}

/// Files that may be edited and are put, moved or taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Editables {
    /// From one path to another.
    pub moved: Vec<(String, String)>,
    /// Those that go.
    pub removed: Vec<String>,
    /// Those that are delivered for the first time.
    pub installed: Vec<String>,
    /// Those that are put anew, or get other attributes.
    pub updated: Vec<String>,
}

/// What carrying out a plan would mean for files that may be edited; nothing is fetched.
pub fn editables(
    image: &Image,
    planned: &Planned<'_>,
    time: Timestamp,
) -> Result<Editables, ChangeError> {
    let root = Root::open(image.root())?;
    let prepared = prepare(planned, &root, image.kind().folder(), &time.package())?;
    let mut editables = Editables::default();
    for step in &prepared.clear {
        match step {
            Step::Move { from, to } => editables.moved.push((from.clone(), to.clone())),
            Step::Unlink { path } | Step::Salvage { path, .. } => {
                let gone = planned.difference.gone.get(path.as_str());
                if gone.is_some_and(|item| is_editable(item.action)) {
                    editables.removed.push(path.clone());
                }
            }
            _ => {}
        }
    }
    let moved = |path: &String| editables.moved.iter().any(|(_, to)| to == path);
    let mut there = (Vec::new(), Vec::new());
    for (path, intent) in &prepared.intents {
        let (Intent::Put { item, .. } | Intent::Attributes(item)) = intent else { continue };
        let delivered = item.action.get("path").unwrap_or_default();
        let came = planned.difference.came.get(delivered);
        match came.filter(|_| is_editable(item.action) && !moved(path)) {
            Some(came) if came.old.is_none() => there.0.push(path.clone()),
            Some(_) => there.1.push(path.clone()),
            None => {}
        }
    }
    (editables.installed, editables.updated) = there;
    Ok(editables)
}

/// How much room there is for files below the image's root, in bytes.
pub fn free_space(image: &Image) -> Result<u64, ChangeError> {
    let failed = |source: rustix::io::Errno| RootError::Io {
        path: image.root().display().to_string(),
        source: source.into(),
    };
    let free = rustix::fs::statvfs(image.root()).map_err(failed)?;
    Ok(free.f_bavail.saturating_mul(free.f_frsize))
}

/// The text of a licence or release note that comes.
pub fn payload_text(
    image: &Image,
    order: &Order<'_>,
    fmri: &Fmri,
    action: &Action,
) -> Result<String, ChangeError> {
    let wanted = Wanted { fmri, action, staged: String::new(), mode: 0o444 };
    let mirrors = image.mirrors()?;
    let contents = contents(&wanted, &places(image.sources()?, &mirrors, order.sources))?;
    Ok(String::from_utf8_lossy(&contents).into_owned())
}

fn places<'a>(
    own: &'a [ImageSource],
    mirrors: &'a [ImageSource],
    sources: &'a [Source],
) -> Vec<Place<'a>> {
    let of_publisher = own.iter().chain(mirrors);
    of_publisher
        .map(|one| Place::new(&one.source, Some(&one.publisher)))
        .chain(sources.iter().map(|source| Place::new(source, None)))
        .collect()
}

fn fetch_all(
    image: &Image,
    order: &Order<'_>,
    prepared: &Prepared<'_>,
    stage: &Directory,
    control: &Control<'_>,
) -> Result<u64, ChangeError> {
    if prepared.wanted.is_empty() {
        return Ok(0);
    }
    let mirrors = image.mirrors()?;
    let places = places(image.sources()?, &mirrors, order.sources);
    Ok(fetch(&prepared.wanted, &places, order.donor, stage, control)?)
}

fn change(planned: &Planned<'_>, time: Timestamp) -> Change {
    let mut change = Change::at(time);
    let resolved = planned.resolved;
    let came = resolved.after.difference(&resolved.before);
    let named = |fmri: &Fmri| resolved.named.contains(&fmri.name);
    change.installed =
        came.map(|fmri| Installed { fmri: fmri.clone(), manual: named(fmri) }).collect();
    change.removed = resolved.before.difference(&resolved.after).cloned().collect();
    let configured = !planned.mediators.is_empty()
        || !planned.tags.is_empty()
        || planned.hydration != Hydration::Same;
    change.configuration = configured.then(|| planned.configuration.clone());
    change.avoided = resolved.avoided.clone();
    change
}

/// Makes steps of intents, with numbers for owners.
struct Stepper<'a, 'p> {
    planned: &'p Planned<'a>,
    root: &'p Root,
    stage: &'p Directory,
    table: Option<&'p Tree>,
    tables: &'p Tables,
    whole: &'p Whole,
}

impl<'a> Stepper<'a, '_> {
    fn steps(&self, prepared: Prepared<'a>) -> Result<Steps, ChangeError> {
        let accounts = &self.tables.accounts;
        let (passwd, group) = self.tables.has_accounts;
        let owners = Owners::new(accounts, passwd, group);
        let mut made: BTreeMap<String, Step> = BTreeMap::new();
        let moved: BTreeMap<&str, &str> = prepared
            .clear
            .iter()
            .filter_map(|step| match step {
                Step::Move { from, to } => Some((to.as_str(), from.as_str())),
                _ => None,
            })
            .collect();
        for (path, intent) in &prepared.intents {
            let lies = moved.get(path.as_str()).copied().unwrap_or(path);
            if let Some(step) = self.step(path, lies, intent, &owners)? {
                let checked = prepared.checked.contains(path);
                if !checked || !self.is_so(&step)? {
                    made.insert(path.clone(), step);
                }
            }
        }
        for (number, (path, text)) in self.tables.changed.iter().enumerate() {
            let step = self.edited(path, text, number, &owners)?;
            made.insert(path.clone(), step);
        }
        self.add_directories(&mut made, &owners)?;
        let make = made.into_values().chain(prepared.recover).collect();
        let steps = Steps { clear: prepared.clear, make };
        self.check(&steps)?;
        Ok(steps)
    }

    /// What is written down is done, so what cannot be done must not be written down: a name that
    /// leaves the root, a way to what the client itself makes that leads elsewhere.
    fn check(&self, steps: &Steps) -> Result<(), ChangeError> {
        for step in steps.clear.iter().chain(&steps.make) {
            let path = step.path();
            check_path(path).map_err(|_| RootError::Path { path: path.to_string() })?;
        }
        for path in self.tables.changed.keys() {
            let Some((above, _)) = path.rsplit_once('/') else { continue };
            let Some(parent) = self.root.barred(above)? else { continue };
            if !self.planned.difference.came.contains_key(parent.as_str()) {
                let target = self.root.target(&parent)?.unwrap_or_default();
                return Err(ChangeError::Barred { path: path.clone(), parent, target });
            }
        }
        Ok(())
    }

    fn owned(
        &self,
        path: &str,
        item: &Item<'_>,
        owners: &Owners<'_>,
        default: u32,
    ) -> Result<Owned, ChangeError> {
        let (uid, gid) = owners.of(&item.package.fmri, path, item.action)?;
        Ok(Owned { mode: mode(item.action).unwrap_or(default), uid, gid })
    }

    /// An intent as a step; `lies` is where the file lies now.
    fn step(
        &self,
        path: &str,
        lies: &str,
        intent: &Intent<'_>,
        owners: &Owners<'_>,
    ) -> Result<Option<Step>, ChangeError> {
        let path = path.to_string();
        Ok(Some(match intent {
            Intent::Directory(item) => {
                let owned = self.owned(&path, item, owners, 0o755)?;
                Step::Directory { path, owned }
            }
            Intent::Put { item, staged } => {
                let license = item.action.kind == ips_model::action::Kind::License;
                let owned = match license {
                    true => Owned { mode: 0o444, uid: 0, gid: 0 },
                    false => self.owned(&path, item, owners, 0o644)?,
                };
                let size = match self.whole.size(&path) {
                    Some(size) => size,
                    None => self.stage.look(staged)?.map_or(0, |look| look.size),
                };
                Step::Put { path, staged: staged.clone(), owned, mtime: mtime(item), size }
            }
            Intent::Attributes(item) => {
                let owned = self.owned(&path, item, owners, 0o644)?;
                let size = self.root.look(lies)?.map_or(0, |look| look.size);
                Step::Attributes { path, owned, mtime: mtime(item), size }
            }
            Intent::Link(item) => {
                let target = item.action.get("target").unwrap_or("").to_string();
                Step::Link { path, target }
            }
            Intent::HardLink(target) => Step::HardLink { path, target: target.clone() },
        }))
    }

    /// What an edited file gets: what its action says, else what it has.
    fn edited(
        &self,
        path: &str,
        text: &str,
        number: usize,
        owners: &Owners<'_>,
    ) -> Result<Step, ChangeError> {
        let owned = match (self.planned.new.paths.get(path), self.current(path)?) {
            (Some(item), _) => self.owned(path, item, owners, 0o644)?,
            (None, Some(owned)) => owned,
            (None, None) if path == PASSWORD_LOCK => Owned { mode: 0o755, uid: 0, gid: 0 },
            (None, None) => Owned { mode: 0o644, uid: 0, gid: 0 },
        };
        let staged = format!("{EDITED}.{number}");
        self.stage.unlink(&staged)?;
        self.stage.create_now(&staged, text.as_bytes(), owned.mode)?;
        let (path, size) = (path.to_string(), text.len() as u64);
        Ok(Step::Put { path, staged, owned, mtime: None, size })
    }

    /// What a path has now.
    fn current(&self, path: &str) -> Result<Option<Owned>, ChangeError> {
        if let Some(table) = self.table {
            let entry = table.get(path);
            return Ok(entry.map(|one| Owned { mode: one.mode, uid: one.uid, gid: one.gid }));
        }
        let look = self.root.look(path)?;
        Ok(look.map(|look| Owned { mode: look.mode, uid: look.uid, gid: look.gid }))
    }

    /// Whether a step would change nothing.
    fn is_so(&self, step: &Step) -> Result<bool, ChangeError> {
        Ok(match step {
            Step::Directory { path, owned } => self.current(path)? == Some(*owned),
            Step::Attributes { path, owned, mtime, .. } => {
                let look = self.root.look(path)?;
                let dated = mtime.is_none_or(|m| look.is_some_and(|look| look.mtime == m));
                dated && self.current(path)? == Some(*owned)
            }
            _ => false,
        })
    }

    /// Directories that are missing above what is made.  Those that nobody delivers belong to whom
    /// the one above belongs.
    fn add_directories(
        &self,
        made: &mut BTreeMap<String, Step>,
        owners: &Owners<'_>,
    ) -> Result<(), ChangeError> {
        let mut known: BTreeMap<String, Owned> = BTreeMap::new();
        let paths: Vec<String> = made.keys().cloned().collect();
        for path in paths {
            let roots = Owned { mode: 0o755, uid: 0, gid: 0 };
            let delivered = self.planned.new.paths.contains_key(path.as_str());
            let mut above = roots;
            for (end, _) in path.match_indices('/') {
                let parent = &path[..end];
                if let Some(owned) = known.get(parent) {
                    above = *owned;
                    continue;
                }
                let there = self.root.look(parent)?.is_some();
                let owned = match (made.get(parent), self.planned.new.paths.get(parent)) {
                    (Some(Step::Directory { owned, .. }), _) => *owned,
                    (None, Some(item)) if !there => self.owned(parent, item, owners, 0o755)?,
                    (_, _) => match self.current(parent)? {
                        Some(owned) if there => owned,
                        // What the client itself makes lies in root's.
                        Some(_) | None if !delivered => roots,
                        Some(_) | None => Owned { mode: 0o755, ..above },
                    },
                };
                if !there && !made.contains_key(parent) {
                    let path = parent.to_string();
                    made.insert(path.clone(), Step::Directory { path, owned });
                }
                known.insert(parent.to_string(), owned);
                above = owned;
            }
        }
        Ok(())
    }
}

/// The time that a file is to have, if its action says one.
pub(super) fn mtime(item: &Item<'_>) -> Option<i64> {
    let text = item.action.get("timestamp")?;
    Timestamp::parse(text).ok().map(Timestamp::seconds)
}
