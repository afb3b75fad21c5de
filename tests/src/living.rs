//! living.rs - the processes of a world, and what the logs say of its stages' work.
//!
//! A process belongs to a world when the world's own directory stands in its environment, its
//! arguments or its working directory: so tools are found whose environment is clean of SMF, and
//! nothing of anybody else's is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::World;

/// A process of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    pub started: u64,
    /// Its parent.
    pub parent: i32,
    /// The last part of its first argument.
    pub program: String,
    /// Its arguments.
    pub line: String,
    /// The contracts it is in, outermost first: the method's, then its tool's.
    pub contracts: Vec<String>,
    /// The instance it is a method of, where it says so.
    pub fmri: Option<String>,
    /// Whether it is the likeness of its parent: forked, and not yet what it will be.
    pub newborn: bool,
}

impl Living {
    fn of(folder: &Path, place: &[u8]) -> Option<Living> {
        let environment = fs::read(folder.join("environ")).unwrap_or_default();
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        let directory = fs::read_link(folder.join("cwd")).unwrap_or_default();
        let names = |text: &[u8]| text.windows(place.len()).any(|part| part == place);
        let inside = directory.as_os_str().as_encoded_bytes().starts_with(place);
        if line.is_empty() || !(names(&environment) || names(&line) || inside) {
            return None;
        }
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let (pid, _) = stat.split_once(' ')?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        if matches!(fields[0], "Z" | "X") {
            return None;
        }
        let variable = |name: &str| {
            let all = environment.split(|byte| *byte == 0);
            let found = all.filter_map(|one| one.strip_prefix(name.as_bytes())).next();
            found.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let cookie = variable("LAMPLIGHTER_CONTRACT=").unwrap_or_default();
        let first = String::from_utf8_lossy(line.split(|byte| *byte == 0).next()?).into_owned();
        Some(Living {
            pid: pid.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            program: first.rsplit('/').next().unwrap_or_default().to_owned(),
            line: String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned(),
            contracts: cookie.split(':').filter(|p| !p.is_empty()).map(str::to_owned).collect(),
            fmri: variable("SMF_FMRI="),
            newborn: false,
        })
    }

    /// Whether it is still there, as the process it was.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = fields.split(' ').collect();
        fields.get(19).is_some_and(|started| started.parse() == Ok(self.started))
            && !matches!(fields[0], "Z" | "X")
    }

    /// Ends it the hard way.  It belongs to a world of this test, so this test started it.
    pub fn kill(&self) {
        if self.is_alive() {
            // SAFETY: two integers; the process was seen to be the world's a moment ago.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
    }

    /// Whether it is a stage at work, not a tool of one.
    #[must_use]
    pub fn is_stage(&self) -> bool {
        self.contracts.len() == 1
            && !self.newborn
            && matches!(self.program.as_str(), "builder" | "merger" | "imager" | "builder-release")
            && self.line.contains("/lamplighter/")
    }

    /// Whether it was started by a stage.
    #[must_use]
    pub fn is_tool(&self) -> bool {
        self.contracts.len() > 1
    }

    /// Whether it is the engine.
    #[must_use]
    pub fn is_engine(&self) -> bool {
        self.program == "svc.startd" && self.contracts.is_empty() && !self.newborn
    }

    /// Whether it is a depot.
    #[must_use]
    pub fn is_depot(&self) -> bool {
        self.program == "pkg.depotd"
    }
}

pub(crate) fn living(folder: &Path) -> Vec<Living> {
    let place = format!("{}/", folder.display()).into_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let is_number = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if is_number {
            found.extend(Living::of(&entry.path(), &place));
        }
    }
    let lines: BTreeMap<i32, String> =
        found.iter().map(|one| (one.pid, one.line.clone())).collect();
    for one in &mut found {
        one.newborn = lines.get(&one.parent) == Some(&one.line);
    }
    found
}

impl World {
    /// The processes of this world, zombies left out.
    #[must_use]
    pub fn living(&self) -> Vec<Living> {
        living(self.folder())
    }

    /// What lives of the build: everything but the engine and the depots.
    #[must_use]
    pub fn building(&self) -> Vec<Living> {
        let mut living = self.living();
        living.retain(|one| !one.is_engine() && !one.is_depot());
        living
    }

    /// What the logs of the stages say against the law that a start method which succeeds has
    /// finished an output or found it up to date.
    #[must_use]
    pub fn half_done(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join("var/svc/log")).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let stages = ["builder:", "merger:", "imager:", "builder-release:"];
            if !stages.iter().any(|stage| name.starts_with(&format!("application-{stage}"))) {
                continue;
            }
            let text = fs::read_to_string(entry.path()).unwrap();
            let mut done = false;
            for line in text.lines() {
                if line.contains("Executing start method") {
                    done = false;
                }
                done |= line.contains(": finished ") || line.contains(": up to date (");
                if line.contains("Method \"start\" exited with status 0.") && !done {
                    found.push(format!("{name}: {line}"));
                }
            }
        }
        found
    }

    /// Outputs that the logs say were finished more than once: work that was lost and done again.
    #[must_use]
    pub fn done_twice(&self) -> Vec<String> {
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for entry in fs::read_dir(self.root.join("var/svc/log")).unwrap().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap();
            for line in text.lines().filter(|line| line.contains(": finished out/")) {
                *times.entry(line.to_owned()).or_default() += 1;
            }
        }
        times.into_iter().filter(|(_, times)| *times > 1).map(|(line, _)| line).collect()
    }

    /// The place of a world, for one who watches it from another thread.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched { folder: self.folder().to_owned() }
    }
}

/// A world as a watcher sees it.
#[derive(Debug, Clone)]
pub struct Watched {
    folder: PathBuf,
}

impl Watched {
    /// Stages of which two methods have files open that one worker alone may touch.
    #[must_use]
    pub fn two_workers(&self) -> Vec<String> {
        let mut workers: BTreeMap<String, Vec<(String, Living)>> = BTreeMap::new();
        for one in living(&self.folder) {
            let Some(method) = one.contracts.first().cloned() else { continue };
            for stage in self.touches(&one) {
                workers.entry(stage).or_default().push((method.clone(), one.clone()));
            }
        }
        let mut found = Vec::new();
        for (stage, workers) in workers {
            let strangers = workers.iter().filter(|(method, _)| *method != workers[0].0);
            let strangers: Vec<&Living> = strangers.map(|(_, one)| one).collect();
            // Both are still there now that both were seen.
            if workers[0].1.is_alive() && strangers.iter().any(|one| one.is_alive()) {
                found.push(format!("{stage}: {workers:?}"));
            }
        }
        found
    }

    /// The stages whose places of work a process has open or works in.
    fn touches(&self, one: &Living) -> Vec<String> {
        let process = PathBuf::from(format!("/proc/{}", one.pid));
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut links: Vec<PathBuf> = open.map(|entry| entry.path()).collect();
        links.push(process.join("cwd"));
        let stages = self.folder.join("root/var/lamplighter");
        let mut found: Vec<String> = links
            .iter()
            .filter_map(|link| fs::read_link(link).ok())
            .filter_map(|path| {
                let path = path.strip_prefix(&stages).ok()?.to_str()?.to_owned();
                let parts: Vec<&str> = path.split('/').collect();
                let own = matches!(parts.get(2), Some(&("work" | "ws" | "scratch")));
                own.then(|| parts[..2].join("/"))
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}
