//! A live workspace of a test: a gate, extra sources, a local project and src, a file each.

#![allow(clippy::unwrap_used, dead_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What a command said.
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = output.status.code().unwrap_or(-1);
        Said { status, out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// Fails with 1, and says all of these on standard error.
    #[track_caller]
    pub fn fails(self, wanted: &[&str]) -> String {
        assert_eq!(self.status, 1, "{}\n{}", self.out, self.err);
        for text in wanted {
            assert!(self.err.contains(text), "{text}\nis not in\n{}", self.err);
        }
        self.err
    }
}

pub struct Place(tempfile::TempDir);

/// The gate's nightly: installs one file, and counts how often.
const NIGHTLY: &str = r#"#!/bin/sh
set -e
. "./$1"
echo "==== Nightly build ===="
echo built >>"$CODEMGR_WS/built"
mkdir -p "$ROOT/usr/bin" "$ATLOG"
echo "$BUILDSTAMP $SOURCE_DATE_EPOCH" >"$ROOT/usr/bin/gate"
"#;

/// A source that is made by make.
fn makefile(name: &str) -> String {
    format!(
        "all:\n\ttest -f $(PROTO_ILLUMOS)/usr/bin/gate\n\techo made >made\n\n\
         install:\n\tmkdir -p $(DESTDIR)/usr/lib\n\tcp made $(DESTDIR)/usr/lib/{name}\n\
         \techo built >>built\n\nclean:\n\trm -f made\n"
    )
}

impl Place {
    /// A workspace with a site file, and nothing of the gate.
    pub fn bare(site: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        for file in ["Makefile", "manifest"] {
            place.write(file, "");
        }
        place.write("configure.site", site);
        // Stands for what is installed.
        place.write("../prefix/lib/lamplighter/live-world", "");
        place
    }

    /// One that has all its sources, configured.
    pub fn whole() -> Place {
        let place = Place::bare("");
        place.gate("projects/illumos");
        for (below, name) in
            [("projects/illumos-extra", "extra"), ("projects/local/one", "one"), ("src", "live")]
        {
            place.write(&format!("{below}/Makefile"), &makefile(name));
        }
        place.configure(&[]).ok();
        place
    }

    /// Makes a gate.
    pub fn gate(&self, below: &str) {
        self.write(&format!("{below}/usr/src/tools/env/illumos.sh"), "GATE=test\nROOT=/nowhere\n");
        self.write(&format!("{below}/usr/src/tools/scripts/nightly.sh"), NIGHTLY);
        self.write(&format!("{below}/usr/src/Makefile"), "clobber:\n\trm -f ../../built\n");
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join("w").join(below)
    }

    pub fn write(&self, below: &str, text: &str) {
        fs::create_dir_all(self.path("")).unwrap();
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(below)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(match program {
            "live-configure" => env!("CARGO_BIN_EXE_live-configure"),
            "live-world" => env!("CARGO_BIN_EXE_live-world"),
            other => other,
        });
        command.current_dir(self.path("")).env("LAMPLIGHTER_PREFIX", self.path("../prefix"));
        command.env_remove("BUILDSTAMP").env("HOME", self.0.path());
        for (name, value) in [("NAME", "t"), ("EMAIL", "t@t.example")] {
            command.env(format!("GIT_AUTHOR_{name}"), value);
            command.env(format!("GIT_COMMITTER_{name}"), value);
        }
        command
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> Said {
        Said::of(self.command(program).args(arguments).output().unwrap())
    }

    pub fn configure(&self, arguments: &[&str]) -> Said {
        self.run("live-configure", arguments)
    }

    pub fn world(&self, arguments: &[&str]) -> Said {
        self.run("live-world", arguments)
    }

    /// Types a line at a shell.
    #[track_caller]
    pub fn types(&self, line: &str) -> String {
        self.run("sh", &["-ec", line]).ok()
    }

    /// How often each source was built: gate, extra, local, src.
    pub fn built(&self) -> Vec<usize> {
        let sources = ["projects/illumos", "projects/illumos-extra", "projects/local/one", "src"];
        sources.iter().map(|below| self.read(&format!("{below}/built")).lines().count()).collect()
    }

    /// The stamps that are there.
    pub fn stamps(&self) -> String {
        let all = self.names("");
        let names = all.iter().filter_map(|name| name.strip_prefix("0-")?.strip_suffix("-stamp"));
        names.collect::<Vec<_>>().join(" ")
    }
}
