//! gather.rs - the manifest's entries become rows of a table, and each file gets its source.
//!
//! ```text
//! pass 1 d     OK - DIR: PATH
//! pass 2 f     OK[A] - FILE: PATH        *FAILED* - FILE: PATH
//! pass 3 s     OK - SYMLINK: TARGET -> NAME
//! pass 4 h     OK - LINK: EXISTING -> NAME
//! ```
//!
//! Nothing is copied: owners and modes go into the table, so neither order nor umask, neither chown
//! nor who builds can change them.  All that is missing is told before the build fails.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image_tree::{Entry, Kind, Tree};
use live_manifest::{self as live, Accounts, Manifest, Owned, Problem, nearest};
use stage::seen::About;

use crate::digests::Known;
use crate::log::Log;
use crate::places::{self, Place, Search, Taken, Tried, Why};

const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";
/// For so many missing files the nearest path is looked for.
const NEAREST: usize = 20;

/// What the manifest asks for, found.
#[derive(Debug)]
pub struct Gathered {
    /// Every row, with the image's own numbers for owners.
    pub tree: Tree,
    /// Where each file is.
    pub files: BTreeMap<String, Taken>,
    /// Users and groups of the image.
    pub accounts: Accounts,
}

impl Gathered {
    /// Every file that was found, and what it looked like.
    pub fn sources(&self) -> impl Iterator<Item = (&Path, About)> {
        self.files.values().map(|file| (file.path.as_path(), file.about))
    }
}

/// What a build takes files for.
pub struct Wanted<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// Where files are looked for.
    pub places: &'a [Place],
    /// The time of every row.
    pub time: i64,
}

/// A file that was not found or may not be read.
struct Missing<'a> {
    entry: &'a live::Entry,
    why: String,
}

impl Wanted<'_> {
    /// Checks the manifest and finds every file of it.
    ///
    /// # Errors
    /// Something is wrong with the manifest, or files are missing; all of it has been said.
    pub fn gather(&self, known: &Known, log: &Log<'_>) -> Result<Gathered> {
        let mut search = Search::through(self.places);
        let accounts = self.accounts(&mut search)?;
        let problems = live::check(self.manifest, Some(&accounts));
        refuse(&problems, log)?;
        let files: Vec<&live::Entry> =
            self.of(|kind| matches!(kind, live::Kind::File(_))).collect();
        let mut missing = Vec::new();
        let mut sources = BTreeMap::new();
        self.directories(log);
        let mut from_host = 0;
        for entry in files {
            let found = search.find(&entry.path).map_err(|tried| tell(&tried));
            match found.and_then(|taken| readable(taken, known)) {
                Ok(taken) => {
                    let place = &self.places[taken.place];
                    from_host += usize::from(place.is_host);
                    log.say(&format!("OK[{}] - FILE: {}", place.letter, entry.path));
                    sources.insert(entry.path.clone(), taken);
                }
                Err(why) => {
                    log.say(&format!("*FAILED* - FILE: {}", entry.path));
                    missing.push(Missing { entry, why });
                }
            }
        }
        let tree = self.table(&accounts)?;
        self.links(log);
        self.told_host(from_host, &sources, log);
        self.complete(&missing, log)?;
        Ok(Gathered { tree: self.sized(tree, &sources), files: sources, accounts })
    }

    fn of(&self, which: impl Fn(&live::Kind) -> bool) -> impl Iterator<Item = &live::Entry> {
        self.manifest.entries.iter().filter(move |entry| which(&entry.kind))
    }

    /// Users and groups from the files that the image gets.
    fn accounts(&self, search: &mut Search<'_>) -> Result<Accounts> {
        let mut read = |path: &str| {
            let listed =
                self.of(|kind| matches!(kind, live::Kind::File(_))).any(|entry| entry.path == path);
            if !listed {
                bail!("the manifest has no file {path}: nobody knows the image's owners");
            }
            let taken = search.find(path).map_err(|tried| {
                anyhow::anyhow!("{path}: nobody knows the image's owners: not at {}", tell(&tried))
            })?;
            std::fs::read_to_string(&taken.path).with_context(|| taken.path.display().to_string())
        };
        Ok(Accounts::parse(&read(PASSWD)?, &read(GROUP)?))
    }

    fn directories(&self, log: &Log<'_>) {
        for entry in self.of(|kind| matches!(kind, live::Kind::Directory(_))) {
            log.say(&format!("OK - DIR: {}", entry.path));
        }
    }

    fn links(&self, log: &Log<'_>) {
        for entry in &self.manifest.entries {
            if let live::Kind::Symlink(target) = &entry.kind {
                log.say(&format!("OK - SYMLINK: {target} -> {}", entry.path));
            }
        }
        for entry in &self.manifest.entries {
            if let live::Kind::HardLink(target) = &entry.kind {
                log.say(&format!("OK - LINK: {target} -> {}", entry.path));
            }
        }
    }

    /// Every file of the running system is named once more where nobody overlooks it.
    fn told_host(&self, count: usize, sources: &BTreeMap<String, Taken>, log: &Log<'_>) {
        if count == 0 {
            return;
        }
        log.say(&format!("WARNING: {count} files were taken from the running system:"));
        for (path, source) in sources {
            if self.places[source.place].is_host {
                log.say(&format!("WARNING: {path} from {}", source.path.display()));
            }
        }
    }

    fn table(&self, accounts: &Accounts) -> Result<Tree> {
        let entries = &self.manifest.entries;
        let by_path: HashMap<&str, &live::Kind> =
            entries.iter().map(|entry| (entry.path.as_str(), &entry.kind)).collect();
        let mut tree = Tree::new();
        let row = |kind, mode, uid, gid| Entry { kind, mode, uid, gid, mtime: self.time };
        tree.insert("", row(Kind::Directory, 0o755, 0, 0))?;
        let owned = |owned: &Owned, kind: Kind| -> Result<Entry> {
            let ids = (accounts.users.get(&owned.owner), accounts.groups.get(&owned.group));
            let (Some(uid), Some(gid)) = ids else {
                bail!("the image has no {}:{}", owned.owner, owned.group);
            };
            Ok(row(kind, owned.mode, *uid, *gid))
        };
        for entry in entries {
            let made = match &entry.kind {
                live::Kind::Directory(about) => owned(about, Kind::Directory)?,
                live::Kind::File(about) => owned(about, Kind::File { size: 0 })?,
                live::Kind::Symlink(target) => {
                    row(Kind::Symlink { target: target.clone() }, 0o777, 0, 0)
                }
                live::Kind::HardLink(target) => {
                    let target = first_name(&by_path, target).to_owned();
                    Entry { kind: Kind::HardLink { target }, mode: 0, uid: 0, gid: 0, mtime: 0 }
                }
            };
            tree.insert(&entry.path, made)?;
        }
        Ok(tree)
    }

    fn sized(&self, mut tree: Tree, sources: &BTreeMap<String, Taken>) -> Tree {
        for (path, source) in sources {
            if let Some(entry) = tree.get_mut(path) {
                entry.kind = Kind::File { size: source.about.size };
            }
        }
        tree
    }

    /// Tells what is missing: each with the places that were tried and what may have been meant.
    fn complete(&self, missing: &[Missing<'_>], log: &Log<'_>) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let there = places::all_files(self.places);
        let mut first = None;
        for (number, Missing { entry, why }) in missing.iter().enumerate() {
            let file = self.manifest.files.get(entry.file).map_or("", String::as_str);
            let near = (number < NEAREST)
                .then(|| nearest(&entry.path, there.iter().map(String::as_str)))
                .flatten();
            let near = near.map(|near| format!("; there is {near}")).unwrap_or_default();
            let text = format!("{file}:{}: f {}: not at {why}{near}", entry.line, entry.path);
            log.say(&text);
            first.get_or_insert(text);
        }
        let more = match missing.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        bail!("{}{more}", first.unwrap_or_default())
    }

    /// Fails when a source is not any more what it was when it was found.
    ///
    /// # Errors
    /// A file changed, came or went.
    pub fn check_unchanged(&self, sources: &BTreeMap<String, Taken>) -> Result<()> {
        let mut search = Search::through(self.places);
        for (path, source) in sources {
            match search.find(path) {
                Ok(taken) if taken == *source => {}
                Ok(taken) => {
                    bail!("{} changed during the build: nothing was made", taken.path.display())
                }
                Err(_) => {
                    bail!("{} went away during the build: nothing was made", source.path.display())
                }
            }
        }
        Ok(())
    }
}

/// A file that may be read, as one may that looks as it did when it was.
fn readable(taken: Taken, known: &Known) -> Result<Taken, String> {
    if known.has(&taken.path, &taken.about) {
        return Ok(taken);
    }
    match rustix::fs::access(&taken.path, rustix::fs::Access::READ_OK) {
        Ok(()) => Ok(taken),
        Err(error) => Err(format!("{} ({})", taken.path.display(), std::io::Error::from(error))),
    }
}

/// The places that were tried, and what stood in the way.
fn tell(tried: &[Tried]) -> String {
    let in_the_way = tried.iter().find(|one| !matches!(one.why, Why::Absent | Why::Directory));
    match in_the_way {
        Some(one) => one.to_string(),
        None if tried.is_empty() => "any place: there is none".to_owned(),
        None => tried.iter().map(Tried::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// The file that a hard link leads to; the check has seen that there is one.
fn first_name<'a>(by_path: &HashMap<&str, &'a live::Kind>, target: &'a str) -> &'a str {
    let mut target = target;
    while let Some(live::Kind::HardLink(further)) = by_path.get(target) {
        target = further;
    }
    target
}

/// Says problems of a manifest, all of them; the first and their number fail the build.
///
/// # Errors
/// There are some.
pub fn refuse(problems: &[Problem], log: &Log<'_>) -> Result<()> {
    problems.iter().for_each(|problem| log.say(&problem.to_string()));
    match problems {
        [] => Ok(()),
        [one] => bail!("{one}"),
        [first, rest @ ..] => bail!("{first} (and {} more)", rest.len()),
    }
}
