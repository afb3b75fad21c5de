//! prepare.rs - differences as steps, after a look at what lies on the disk.
//!
//! Here is decided what depends on the disk: whether a file was edited, whether something lies in the way
//! and whose it is, which directories are missing.  Nothing is changed.  What is nobody's is never
//! destroyed: it goes to lost+found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ips_model::action::{Action, Kind};
use ips_model::query::Glob;

use super::difference::Came;
use super::files::{Content, Removal, Way, content, is_editable, removal};
use super::plan::Planned;
use super::{ChangeError, Reverted, Want};
use crate::below::{Lies, Look};
use crate::digest::check_contents;
use crate::execute::fetch::Wanted;
use crate::execute::steps::Step;
use crate::lay::first_name;
use crate::plan::{Item, mode};
use crate::root::{Directory, Root};

/// What is to be at a path; owners are not numbers yet.
#[derive(Debug)]
pub enum Intent<'a> {
    /// A directory.
    Directory(Item<'a>),
    /// A file, from the stage.
    Put {
        /// The action.
        item: Item<'a>,
        /// Its name in the stage.
        staged: String,
    },
    /// The attributes of a file that lies there.
    Attributes(Item<'a>),
    /// A symbolic link.
    Link(Item<'a>),
    /// A further name of the file at this path.
    HardLink(String),
}

/// Everything that is to be done, but for files that are edited.
pub struct Prepared<'a> {
    /// The first phase.
    pub clear: Vec<Step>,
    /// What was salvaged and lies somewhere else afterwards.
    pub recover: Vec<Step>,
    /// Paths of the second phase.
    pub intents: BTreeMap<String, Intent<'a>>,
    /// Payloads that have to be in the stage.
    pub wanted: Vec<Wanted<'a>>,
    /// Paths of which only attributes may differ, which are done only if they do.
    pub checked: BTreeSet<String>,
}

/// Looks below a root, one directory after the other.
struct Looker<'a> {
    root: &'a Root,
    open: Option<(String, Option<Directory>)>,
}

impl Looker<'_> {
    fn directory(&mut self, above: &str) -> Result<Option<&Directory>, ChangeError> {
        if self.open.as_ref().is_none_or(|(path, _)| path != above) {
            self.open = Some((above.to_string(), self.root.existing(above)?));
        }
        Ok(self.open.as_ref().and_then(|(_, directory)| directory.as_ref()))
    }

    fn look(&mut self, path: &str) -> Result<Option<Look>, ChangeError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.directory(above)? {
            Some(directory) => Ok(directory.look(name)?),
            None => Ok(None),
        }
    }

    fn file(&mut self, path: &str) -> Result<Option<Vec<u8>>, ChangeError> {
        match self.look(path)? {
            Some(look) if look.lies == Lies::File => Ok(self.root.bytes(path)?),
            Some(_) | None => Ok(None),
        }
    }
}

struct Preparer<'a, 'p> {
    planned: &'p Planned<'a>,
    looker: Looker<'p>,
    /// `PLACE/lost+found`, as a path below the root.
    lost: String,
    /// The ending of what is put there.
    stamp: String,
    prepared: Prepared<'a>,
    staged: HashMap<String, u32>,
    /// Gone paths of which the file is moved.
    moved: BTreeSet<&'a str>,
    /// Directories that make way, when what was in them is gone.
    last: Vec<Step>,
}

/// Prepares a plan.  `metadata` is the image's folder as a path below the root, `stamp` the time.
pub fn prepare<'a>(
    planned: &Planned<'a>,
    root: &Root,
    metadata: &str,
    stamp: &str,
) -> Result<Prepared<'a>, ChangeError> {
    let prepared = Prepared {
        clear: Vec::new(),
        recover: Vec::new(),
        intents: BTreeMap::new(),
        wanted: Vec::new(),
        checked: BTreeSet::new(),
    };
    let mut preparer = Preparer {
        planned,
        looker: Looker { root, open: None },
        lost: format!("{metadata}/lost+found"),
        stamp: stamp.to_string(),
        prepared,
        staged: HashMap::new(),
        moved: BTreeSet::new(),
        last: Vec::new(),
    };
    preparer.check_ways()?;
    // Whether a further name has to be made anew depends on its file.
    let further = |came: &&Came<'_>| came.new.action.kind == Kind::Hardlink;
    let all = || planned.difference.came.iter();
    for (path, came) in all().filter(|(_, came)| !further(came)) {
        preparer.come(path, came)?;
    }
    for (path, came) in all().filter(|(_, came)| further(came)) {
        preparer.come(path, came)?;
    }
    preparer.licenses(metadata);
    preparer.strays()?;
    preparer.go()?;
    preparer.prepared.clear.append(&mut preparer.last);
    preparer.recover();
    Ok(preparer.prepared)
}

impl<'a> Preparer<'a, '_> {
    /// No path may lead through what is no directory, unless that goes.
    fn check_ways(&mut self) -> Result<(), ChangeError> {
        let difference = &self.planned.difference;
        let mut checked = BTreeSet::new();
        for path in difference.came.keys() {
            let Some((above, _)) = path.rsplit_once('/') else { continue };
            if !checked.insert(above) {
                continue;
            }
            let Some(parent) = self.looker.root.barred(above)? else { continue };
            let cleared = difference.gone.contains_key(parent.as_str())
                || difference.came.contains_key(parent.as_str());
            if !cleared {
                let target = self.looker.root.target(&parent)?.unwrap_or_default();
                return Err(ChangeError::Barred { path: path.to_string(), parent, target });
            }
        }
        Ok(())
    }

    fn lost(&self, path: &str) -> String {
        format!("{}/{path}-{}", self.lost, self.stamp)
    }

    fn salvage(&mut self, path: &str) {
        let to = self.lost(path);
        self.prepared.clear.push(Step::Salvage { path: path.to_string(), to });
    }

    fn intend(&mut self, path: &str, intent: Intent<'a>) {
        self.prepared.intents.insert(path.to_string(), intent);
    }

    fn come(&mut self, path: &'a str, came: &Came<'a>) -> Result<(), ChangeError> {
        let there = self.looker.look(path)?;
        let restored = self.planned.restored.contains(path);
        match came.new.action.kind {
            Kind::Dir => self.come_directory(path, came, there),
            Kind::File if restored => self.restore(path, came.new, there),
            Kind::File => self.come_file(path, came, there),
            Kind::Link => {
                let target = came.new.action.get("target").unwrap_or("");
                let is_so = there.is_some_and(|there| there.lies == Lies::Link)
                    && self.looker.root.target(path)?.as_deref() == Some(target);
                if !is_so {
                    self.clear_way(path, came.old, there);
                    self.intend(path, Intent::Link(came.new));
                }
                Ok(())
            }
            Kind::Hardlink => self.come_hard_link(path, came, there, restored),
            Kind::Set
            | Kind::Depend
            | Kind::Group
            | Kind::User
            | Kind::Driver
            | Kind::License
            | Kind::Legacy
            | Kind::Signature => Ok(()),
        }
    }

    fn come_directory(
        &mut self,
        path: &str,
        came: &Came<'a>,
        there: Option<Look>,
    ) -> Result<(), ChangeError> {
        match there.map(|there| there.lies) {
            None => {}
            Some(Lies::Directory) => {
                let restored = self.planned.restored.contains(path);
                self.prepared.checked.extend(restored.then(|| path.to_string()));
            }
            Some(Lies::Link) if came.old.is_none_or(|old| old.action.kind == Kind::Dir) => {
                let target = self.looker.root.target(path)?.unwrap_or_default();
                let (path, parent) = (path.to_string(), path.to_string());
                return Err(ChangeError::Barred { path, parent, target });
            }
            Some(_) if came.old.is_some_and(|old| old.action.kind != Kind::Dir) => {
                self.prepared.clear.push(Step::Unlink { path: path.to_string() });
            }
            Some(_) => self.salvage(path),
        }
        self.intend(path, Intent::Directory(came.new));
        Ok(())
    }

    /// What lies where a file or link is to be and cannot simply be replaced.
    fn clear_way(&mut self, path: &str, old: Option<Item<'a>>, there: Option<Look>) {
        let Some(there) = there else { return };
        match (there.lies, old.map(|old| old.action.kind)) {
            (Lies::Directory, Some(Kind::Dir)) => {
                let to = self.lost(path);
                self.last.push(Step::Rmdir { path: path.to_string(), to });
            }
            (Lies::Directory, _) | (Lies::File | Lies::Other, None) => self.salvage(path),
            (Lies::File | Lies::Other, Some(_)) | (Lies::Link, _) => {}
        }
    }

    fn come_hard_link(
        &mut self,
        path: &str,
        came: &Came<'a>,
        there: Option<Look>,
        restored: bool,
    ) -> Result<(), ChangeError> {
        let said = came.new.action.get("target").unwrap_or("");
        let missing = || ChangeError::HardLink {
            fmri: came.new.package.fmri.to_string(),
            path: path.to_string(),
            target: said.to_string(),
        };
        let target = first_name(&self.planned.new, path, said).ok_or_else(missing)?;
        let file = self.looker.look(&target)?;
        let same = match (there, file) {
            (Some(there), Some(file)) => there.identity == file.identity,
            (_, _) => false,
        };
        let put = matches!(self.prepared.intents.get(&target), Some(Intent::Put { .. }));
        if restored && same && !put {
            return Ok(());
        }
        if !same {
            self.clear_way(path, came.old, there);
        }
        self.intend(path, Intent::HardLink(target));
        Ok(())
    }

    /// Wants a payload in the stage; its name there.
    fn want(&mut self, item: Item<'a>, mode: u32) -> String {
        let hash = item.action.payload_hash().unwrap_or("none").to_string();
        let number = self.staged.entry(hash.clone()).or_insert(0);
        let staged = format!("{hash}.{number}");
        *number += 1;
        let (fmri, action) = (&item.package.fmri, item.action);
        self.prepared.wanted.push(Wanted { fmri, action, staged: staged.clone(), mode });
        staged
    }

    fn put(&mut self, path: &str, item: Item<'a>) {
        let staged = self.want(item, mode(item.action).unwrap_or(0o644));
        self.intend(path, Intent::Put { item, staged });
    }

    fn come_file(
        &mut self,
        path: &'a str,
        came: &Came<'a>,
        there: Option<Look>,
    ) -> Result<(), ChangeError> {
        let new = came.new;
        let old = came.old.filter(|old| old.action.kind == Kind::File);
        if came.old.is_none() && there.is_none() {
            if let Some((from, source)) = self.origin(new) {
                return self.come_moved(from, source, path, new);
            }
        }
        let same = old.is_some_and(|old| old.action.payload_hash() == new.action.payload_hash());
        if same && !is_editable(new.action) && there.is_some_and(|there| there.lies == Lies::File) {
            self.intend(path, Intent::Attributes(new));
            return Ok(());
        }
        // Only what may have been edited has to be read.
        let read = is_editable(new.action) || old.is_none();
        let disk = if read && there.is_some() { self.looker.file(path)? } else { None };
        if old.is_none() {
            return self.come_fresh(path, came, there, disk.as_deref());
        }
        let decided =
            content(old.map(|old| old.action), new.action, disk.as_deref(), self.way(new));
        if disk.is_none() && !matches!(decided, Content::Leave) {
            self.clear_way(path, came.old, there);
        }
        self.decide(path, path, decided, new, disk.as_deref());
        Ok(())
    }

    /// A file that is delivered here for the first time.  What lies there already is nobody's.
    fn come_fresh(
        &mut self,
        path: &str,
        came: &Came<'a>,
        there: Option<Look>,
        disk: Option<&[u8]>,
    ) -> Result<(), ChangeError> {
        let decided = content(None, came.new.action, None, Way::Forward);
        if decided == Content::Leave {
            return Ok(());
        }
        if disk.is_some_and(|disk| check_contents(came.new.action, disk).is_ok()) {
            self.intend(path, Intent::Attributes(came.new));
            return Ok(());
        }
        self.clear_way(path, came.old, there);
        self.put(path, came.new);
        Ok(())
    }

    fn decide(
        &mut self,
        path: &str,
        from: &str,
        decided: Content,
        new: Item<'a>,
        disk: Option<&[u8]>,
    ) {
        let sha1 = disk.map(ips_model::digest::sha1_hex).unwrap_or_default();
        match decided {
            Content::Leave => {}
            Content::Put => self.put(path, new),
            Content::Keep if disk.is_none() => self.put(path, new),
            Content::Keep => self.intend(path, Intent::Attributes(new)),
            Content::Aside(ending) => {
                let (from, to) = (from.to_string(), format!("{path}.{ending}"));
                self.prepared.clear.push(Step::Save { path: from, to, sha1 });
                self.put(path, new);
            }
            Content::Beside(ending) => self.put(&format!("{path}.{ending}"), new),
        }
    }

    fn way(&self, new: Item<'_>) -> Way {
        let name = &new.package.fmri.name;
        let before = self.planned.resolved.before.iter().find(|fmri| fmri.name == *name);
        match before {
            Some(before) if before.version > new.package.fmri.version => Way::Back,
            Some(_) | None => Way::Forward,
        }
    }

    /// The file that goes elsewhere and is the one that comes here.
    fn origin(&self, new: Item<'_>) -> Option<(&'a str, Item<'a>)> {
        let wanted = new.action.get("original_name")?;
        let name = |path: &str, item: &Item<'_>| match item.action.get("original_name") {
            Some(name) => name == wanted,
            None => wanted == format!("{}:{path}", item.package.fmri.name) || wanted == path,
        };
        let mut gone = self.planned.difference.gone.iter();
        let found = gone.find(|(path, item)| item.action.kind == Kind::File && name(path, item));
        found.map(|(path, item)| (*path, *item))
    }

    fn come_moved(
        &mut self,
        from: &'a str,
        source: Item<'a>,
        path: &str,
        new: Item<'a>,
    ) -> Result<(), ChangeError> {
        let disk = if is_editable(new.action) { self.looker.file(from)? } else { None };
        let decided = content(Some(source.action), new.action, disk.as_deref(), Way::Forward);
        let to = match decided {
            Content::Keep | Content::Beside(_) if disk.is_some() => path.to_string(),
            Content::Aside(ending) => format!("{path}.{ending}"),
            _ => {
                self.decide(path, from, decided, new, disk.as_deref());
                return Ok(());
            }
        };
        self.moved.insert(from);
        self.prepared.clear.push(Step::Move { from: from.to_string(), to });
        match decided {
            Content::Aside(_) => self.put(path, new),
            Content::Beside(ending) => {
                self.intend(path, Intent::Attributes(new));
                self.put(&format!("{path}.{ending}"), new);
            }
            _ => self.intend(path, Intent::Attributes(new)),
        }
        Ok(())
    }

    /// A file put back as it was delivered.
    fn restore(
        &mut self,
        path: &str,
        item: Item<'a>,
        there: Option<Look>,
    ) -> Result<(), ChangeError> {
        let reverts = matches!(
            self.planned.resolved.want,
            Want::Revert(Reverted::Paths(_) | Reverted::Tags(_))
        );
        let Some(disk) = self.looker.file(path)? else {
            if content(None, item.action, None, Way::Forward) != Content::Leave {
                self.clear_way(path, Some(item), there);
                self.put(path, item);
            }
            return Ok(());
        };
        let edited_by_right = is_editable(item.action) && !reverts;
        if edited_by_right || check_contents(item.action, &disk).is_ok() {
            self.prepared.checked.insert(path.to_string());
            self.intend(path, Intent::Attributes(item));
        } else {
            self.put(path, item);
        }
        Ok(())
    }

    fn licenses(&mut self, metadata: &str) {
        let quote = ips_model::quote::quote;
        let place = |item: &Item<'_>| {
            let name = item.action.key().unwrap_or("license");
            let folder = format!("{metadata}/license/{}", quote(&item.package.fmri.name));
            (folder.clone(), format!("{folder}/license.{}", quote(name)))
        };
        for came in &self.planned.difference.licenses.came {
            let staged = self.want(came.new, 0o444);
            let (_, path) = place(&came.new);
            self.intend(&path, Intent::Put { item: came.new, staged });
        }
        for item in &self.planned.difference.licenses.gone {
            let (folder, path) = place(item);
            self.prepared.clear.push(Step::Unlink { path });
            self.prepared.clear.push(Step::Rmdir { path: folder, to: String::new() });
        }
    }

    fn go(&mut self) -> Result<(), ChangeError> {
        let stays: BTreeSet<&str> =
            self.planned.resolved.after.iter().map(|fmri| fmri.name.as_str()).collect();
        for (path, item) in self.planned.difference.gone.iter().rev() {
            if self.moved.contains(path) {
                continue;
            }
            let goes = !stays.contains(item.package.fmri.name.as_str());
            match item.action.kind {
                Kind::File => self.go_file(path, item.action, goes)?,
                Kind::Link | Kind::Hardlink => {
                    let there = self.looker.look(path)?;
                    let file = there.is_some_and(|there| there.lies != Lies::Link);
                    if file && item.action.kind == Kind::Link {
                        self.salvage(path);
                    } else {
                        self.prepared.clear.push(Step::Unlink { path: path.to_string() });
                    }
                }
                _ => {}
            }
        }
        for item in &self.planned.difference.legacies.gone {
            let folder = format!("var/sadm/pkg/{}", item.action.key().unwrap_or(""));
            self.prepared.clear.push(Step::Unlink { path: format!("{folder}/pkginfo") });
            self.prepared.clear.push(Step::Rmdir { path: folder, to: String::new() });
        }
        if self.planned.new.legacies.is_empty() && !self.planned.difference.legacies.is_empty() {
            let path = "var/sadm/pkg".to_string();
            self.prepared.clear.push(Step::Rmdir { path, to: String::new() });
        }
        for path in &self.planned.difference.directories {
            // What came in its place has cleared the way already.
            if !self.planned.difference.came.contains_key(path.as_str()) {
                let to = self.lost(path);
                self.prepared.clear.push(Step::Rmdir { path: path.clone(), to });
            }
        }
        Ok(())
    }

    /// What nobody delivers and lies in tagged directories goes, as far as their patterns mean it.
    fn strays(&mut self) -> Result<(), ChangeError> {
        let Want::Revert(Reverted::Tags(tags)) = &self.planned.resolved.want else {
            return Ok(());
        };
        let paths = &self.planned.new.paths;
        let delivers = |path: &str| {
            let below = format!("{path}/");
            let mut after = paths.range(below.as_str()..);
            paths.contains_key(path) || after.next().is_some_and(|(own, _)| own.starts_with(&below))
        };
        let patterns = |action: &Action| -> Vec<Glob> {
            let own = action.values("revert-tag").iter();
            let parted = own.map(|own| own.split_once('=').unwrap_or((own, "*")));
            let meant = parted.filter(|(name, _)| tags.iter().any(|tag| tag == name));
            meant.map(|(_, pattern)| Glob::exact(pattern)).collect()
        };
        for (path, item) in paths.iter().filter(|(_, item)| item.action.kind == Kind::Dir) {
            let patterns = patterns(item.action);
            if patterns.is_empty() {
                continue;
            }
            let Some(directory) = self.looker.root.existing(path)? else { continue };
            for name in directory
                .names()?
                .iter()
                .filter(|name| patterns.iter().any(|pattern| pattern.matches(name)))
            {
                let own = format!("{path}/{name}");
                // The image's own folder is nobody's package's.
                if !delivers(&own) && !self.lost.starts_with(&format!("{own}/")) {
                    self.salvage(&own);
                }
            }
        }
        Ok(())
    }

    /// What is left in directories that go lies in the one that says `salvage-from` of them.
    fn recover(&mut self) {
        for (path, came) in &self.planned.difference.came {
            let action = came.new.action;
            if action.kind != Kind::Dir {
                continue;
            }
            let sources = action.values("salvage-from").iter().map(|path| path.trim_matches('/'));
            for source in sources.filter(|source| !source.is_empty()) {
                for step in &self.prepared.clear {
                    let Step::Rmdir { path: gone, to } = step else { continue };
                    let below = gone.strip_prefix(source);
                    let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/'));
                    if let Some(below) = below.filter(|_| !to.is_empty()) {
                        let (path, from) = (format!("{path}{below}"), to.clone());
                        self.prepared.recover.push(Step::Recover { path, from });
                    }
                }
            }
        }
    }

    fn go_file(&mut self, path: &str, old: &Action, goes: bool) -> Result<(), ChangeError> {
        let disk = if is_editable(old) { self.looker.file(path)? } else { None };
        match removal(old, disk.as_deref(), goes) {
            Removal::Unlink => self.prepared.clear.push(Step::Unlink { path: path.to_string() }),
            Removal::Salvage => self.salvage(path),
            Removal::Leave => {}
        }
        Ok(())
    }
}
