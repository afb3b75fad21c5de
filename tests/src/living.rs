//! living.rs - the processes of a world, and what the logs say of its stages' work.
//!
//! A process belongs to a world when the world's own directory stands in its environment, its
//! arguments or its working directory: so tools are found whose environment is clean of SMF, and
//! nothing of anybody else's is.

use std::fs;
use std::path::Path;

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
            && matches!(self.program.as_str(), "builder" | "merger" | "imager" | "builder-release")
            && self.line.contains("/lib/lamplighter/")
    }

    /// Whether it was started by a stage.
    #[must_use]
    pub fn is_tool(&self) -> bool {
        self.contracts.len() > 1
    }

    /// Whether it is the engine.
    #[must_use]
    pub fn is_engine(&self) -> bool {
        self.program == "svc.startd" && self.contracts.is_empty()
    }

    /// Whether it is a depot.
    #[must_use]
    pub fn is_depot(&self) -> bool {
        self.program == "pkg.depotd"
    }
}

impl World {
    /// The processes of this world, zombies left out.
    #[must_use]
    pub fn living(&self) -> Vec<Living> {
        let place = format!("{}/", self.folder().display()).into_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let is_number = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if is_number {
                found.extend(Living::of(&entry.path(), &place));
            }
        }
        found
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
}
