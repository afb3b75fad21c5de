//! whole.rs - directories that a donor gives as they are, with all that lies below them.
//!
//! A directory is moved by one call, and what lies in it looks as before: who knows files by what they
//! look like knows them still.  What nobody wants any more is taken out first; what is to be
//! otherwise is put in its place by the steps, as anywhere.
//!
//! Law: what is not taken out and not put anew is what a fresh installation makes: a file whose content
//! the giver vouches for, with mode and time; a link that says the same; a directory.  Only a root that
//! keeps its owners in a table can be filled so, and only where nothing was installed before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::AsFd;

use ips_model::action::Kind;
use nix::errno::Errno;
use nix::fcntl::renameat;
use rayon::prelude::*;

use super::prepare::{Intent, Prepared};
use super::run::mtime;
use super::tables::is_edited;
use crate::below::Lies;
use crate::donor::Donor;
use crate::execute::steps::{Step, Steps};
use crate::plan::mode;
use crate::root::{Directory, Root, RootError, io_error, staged_mode};

/// What the names of directories in the stage begin with.
const STAGED: &str = "whole.";
/// Longer names are left alone.
const NAME: usize = 200;

/// What was given.
#[derive(Debug, Default)]
pub struct Whole {
    /// Directories by path, with their names in the stage.
    moved: BTreeMap<String, String>,
    /// What is in them as it is wanted, and they themselves, by path; of a file its length.
    there: HashMap<String, u64>,
}

/// What is to lie under a name of a directory.
enum Wish<'a> {
    /// A file that the giver may have.
    File {
        size: Option<u64>,
        mode: u32,
        mtime: Option<i64>,
    },
    /// A link with this text.
    Link(&'a str),
    Folder,
    /// Something that is put anew, whatever lies there.
    Anew,
}

/// By directory, by name.
type Wishes<'a> = BTreeMap<&'a str, HashMap<&'a str, Wish<'a>>>;

impl Whole {
    /// Takes whole directories from a donor into the stage; `own`: the folder of the image itself.
    /// A repetition after a failure finds them there.
    pub fn take(
        donor: &Donor,
        intents: &BTreeMap<String, Intent<'_>>,
        root: &Root,
        stage: &Directory,
        own: &str,
    ) -> Result<Self, RootError> {
        if donor.begins() {
            // What another donor gave to a program that died is not what this one vouches for.
            for name in stage.names()?.iter().filter(|name| name.starts_with(STAGED)) {
                donor.drop_from(stage, name)?;
            }
        }
        let wishes = wishes(donor, intents);
        let mut whole = Self::default();
        for folder in wishes.keys().filter(|folder| !is_at_or_below(folder, own)) {
            if whole.staged(folder).is_some() {
                continue;
            }
            let staged = format!("{STAGED}{}", folder.replace('%', "%25").replace('/', "%2F"));
            let free = staged.len() < NAME && root.look(folder)?.is_none();
            if free && move_folder(donor, folder, stage, &staged)? {
                whole.moved.insert((*folder).to_string(), staged);
            }
        }
        let inside: Vec<(&str, String)> =
            wishes.keys().filter_map(|folder| Some((*folder, whole.staged(folder)?))).collect();
        let stage = Root { fd: stage.fd.try_clone().map_err(|source| io_error("", source))? };
        let fitted = inside.par_iter().map(|(folder, staged)| {
            let Some(directory) = stage.existing(staged)? else { return Ok(Vec::new()) };
            fit(donor, &directory, folder, &wishes[folder])
        });
        let fitted: Result<Vec<_>, RootError> = fitted.collect();
        whole.there = fitted?.into_iter().flatten().collect();
        Ok(whole)
    }

    /// Where a directory lies in the stage, if it is below one that was given.
    fn staged(&self, folder: &str) -> Option<String> {
        let mut ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
        let (end, staged) = ends.find_map(|end| Some((end, self.moved.get(&folder[..end])?)))?;
        Some(format!("{staged}{}", &folder[end..]))
    }

    /// How long a file is that is there already.
    pub fn size(&self, path: &str) -> Option<u64> {
        self.there.get(path).copied()
    }

    /// Takes what need not be fetched off the list.
    pub fn spare(&self, prepared: &mut Prepared<'_>) {
        let Prepared { intents, wanted, .. } = prepared;
        let put = intents.iter().filter(|(path, _)| self.there.contains_key(path.as_str()));
        let staged: HashSet<&str> = put
            .filter_map(|(_, intent)| match intent {
                Intent::Put { staged, .. } => Some(staged.as_str()),
                _ => None,
            })
            .collect();
        wanted.retain(|one| !staged.contains(one.staged.as_str()));
    }

    /// What is left to be done.
    pub fn rest(&self, steps: &Steps) -> Steps {
        let whole = self
            .moved
            .iter()
            .map(|(path, staged)| Step::Whole { path: path.clone(), staged: staged.clone() });
        let is_there = |step: &&Step| {
            matches!(step, Step::Directory { .. } | Step::Put { .. } | Step::Link { .. })
                && self.there.contains_key(step.path())
        };
        let others = steps.make.iter().filter(|step| !is_there(step)).cloned();
        Steps { clear: steps.clear.clone(), make: whole.chain(others).collect() }
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is to lie where.
fn wishes<'a>(donor: &Donor, intents: &'a BTreeMap<String, Intent<'_>>) -> Wishes<'a> {
    let mut wishes = Wishes::new();
    for (path, intent) in intents {
        let mut begin = 0;
        for (end, _) in path.match_indices('/') {
            put(&mut wishes, &path[..begin], &path[begin..end], Wish::Folder);
            wishes.entry(&path[..end]).or_default();
            begin = end;
        }
        let wish = match intent {
            Intent::Directory(_) => {
                wishes.entry(path).or_default();
                Wish::Folder
            }
            Intent::Put { item, .. } if !is_edited(path) && donor.has(path, item.action) => {
                let size = item.action.get("pkg.size").and_then(|size| size.parse().ok());
                let mode = staged_mode(mode(item.action).unwrap_or(0o644));
                Wish::File { size, mode, mtime: mtime(item) }
            }
            Intent::Link(item) if item.action.kind == Kind::Link => {
                Wish::Link(item.action.get("target").unwrap_or(""))
            }
            _ => Wish::Anew,
        };
        put(&mut wishes, &path[..begin], &path[begin..], wish);
    }
    // The root itself stays.
    wishes.remove("");
    wishes
}

fn put<'a>(wishes: &mut Wishes<'a>, folder: &'a str, name: &'a str, wish: Wish<'a>) {
    wishes.entry(folder).or_default().insert(name.trim_start_matches('/'), wish);
}

/// Moves a directory to the stage; whether it is there.
fn move_folder(
    donor: &Donor,
    folder: &str,
    stage: &Directory,
    staged: &str,
) -> Result<bool, RootError> {
    if stage.look(staged)?.is_some() {
        return Ok(true);
    }
    let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    let Some(directory) = donor.root.existing(above)? else { return Ok(false) };
    if directory.look(name)?.is_none_or(|look| look.lies != Lies::Directory) {
        return Ok(false);
    }
    // What cannot be moved is given file by file.
    Ok(renameat(directory.fd.as_fd(), name, stage.fd.as_fd(), staged).is_ok())
}

/// Takes out of a directory what nobody wants; gives what is as it is wanted, itself included.
fn fit(
    donor: &Donor,
    directory: &Directory,
    folder: &str,
    wishes: &HashMap<&str, Wish<'_>>,
) -> Result<Vec<(String, u64)>, RootError> {
    let mut there = vec![(folder.to_string(), 0)];
    for name in directory.all_names()? {
        let Some(name) = name.to_str() else {
            // No package delivers such a name.
            donor.drop_from(directory, &name)?;
            continue;
        };
        let Some(look) = directory.look(name)? else {
            return Err(io_error(&directory.path_of(name), Errno::ENOENT.into()));
        };
        let wish = wishes.get(name);
        let is_folder = look.lies == Lies::Directory;
        match wish {
            Some(Wish::Folder) if is_folder => continue,
            Some(Wish::File { size, mode, mtime }) if look.lies == Lies::File => {
                if size.is_some_and(|size| size != look.size) {
                    continue;
                }
                if look.mode != *mode {
                    directory.mode(name, *mode)?;
                }
                if let Some(mtime) = mtime.filter(|mtime| *mtime != look.mtime) {
                    directory.date(name, mtime)?;
                }
                there.push((format!("{folder}/{name}"), look.size));
            }
            Some(Wish::Link(target)) if look.lies == Lies::Link => {
                if directory.target(name)?.as_deref() == Some(*target) {
                    there.push((format!("{folder}/{name}"), 0));
                }
            }
            // Put in its place by a rename, which a directory would be in the way of.
            Some(Wish::File { .. } | Wish::Link(_) | Wish::Anew) if !is_folder => {}
            _ => donor.drop_from(directory, name)?,
        }
    }
    Ok(there)
}
