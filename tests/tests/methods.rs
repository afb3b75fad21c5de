//! methods.rs - every method script run for real, by each shell a host may have as /bin/sh, with
//! programs in the place of Lamplighter's that say how they were called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::top;

/// illumos has ksh93 as /bin/sh, Debian dash.
const SHELLS: [&str; 3] = ["dash", "ksh", "sh"];

const FMRI: &str = "svc:/application/pkg/server:pkg5";

/// Method, what it is told, the program it becomes and how that is called.
const CALLS: [(&str, &str, &str, &str); 9] = [
    ("builder", "start", "builder", ""),
    ("builder-pipeline", "start", "builder-pipeline", "start"),
    ("builder-pipeline", "stop", "builder-pipeline", "stop"),
    ("builder-pipeline", "refresh", "builder-pipeline", "refresh"),
    ("builder-release", "start", "builder-release", ""),
    ("imager", "start", "imager", ""),
    ("live", "start", "live", ""),
    ("merger", "start", "merger", ""),
    ("svc-pkg-server", "start", "pkg.depotd", "--cfg svc:/application/pkg/server:pkg5 --daemon"),
];

/// A prefix, with a blank in its path, that holds the methods and programs that are not ours.
struct Prefix {
    folder: tempfile::TempDir,
}

impl Prefix {
    fn new() -> Self {
        let prefix = Prefix { folder: tempfile::tempdir().unwrap() };
        let share = prefix.path("lib/svc/share");
        let (methods, programs) = (prefix.path("lib/svc/method"), prefix.path("lib/lamplighter"));
        for folder in [&share, &methods, &programs] {
            fs::create_dir_all(folder).unwrap();
        }
        let include = "smf_include.sh";
        fs::copy(top().join("smf/cmd/share").join(include), share.join(include)).unwrap();
        for name in names() {
            fs::copy(top().join("methods").join(&name), methods.join(&name)).unwrap();
        }
        for (_, _, program, _) in CALLS {
            let path = programs.join(program);
            // The process's own number: what a method becomes must be the method's process.
            fs::write(&path, "#!/bin/sh\necho \"$(basename \"$0\"): $*: $$\"\nexit 95\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        prefix
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("a prefix").join(name)
    }

    /// Runs a method as SMF does: by its whole path, from the root directory.
    fn run(&self, shell: &str, method: &str, arguments: &[&str], fmri: Option<&str>) -> Ran {
        let mut command = Command::new(shell);
        command.arg(self.path("lib/svc/method").join(method)).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.envs(fmri.map(|fmri| ("SMF_FMRI", fmri)));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("{shell}: {error}"));
        let pid = child.id();
        Ran { pid, said: child.wait_with_output().unwrap() }
    }
}

struct Ran {
    pid: u32,
    said: Output,
}

impl Ran {
    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(top().join("methods")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_method_becomes_its_program() {
    let prefix = Prefix::new();
    for name in names() {
        assert!(CALLS.iter().any(|(method, ..)| *method == name), "{name} is not tried");
        assert!(Path::new(&top()).join("methods").join(&name).is_file());
    }
    for shell in SHELLS {
        for (method, argument, program, arguments) in CALLS {
            let ran = prefix.run(shell, method, &[argument], Some(FMRI));
            let (out, err) = (Ran::text(&ran.said.stdout), Ran::text(&ran.said.stderr));
            let case = format!("{shell} {method} {argument}: {out}{err}");
            assert_eq!(out, format!("{program}: {arguments}: {}\n", ran.pid), "{case}");
            assert_eq!((ran.said.status.code(), err.as_str()), (Some(95), ""), "{case}");
        }
    }
}

#[test]
fn a_method_refuses_what_it_does_not_know() {
    let prefix = Prefix::new();
    for shell in SHELLS {
        for method in names() {
            for arguments in [&["restart-all"][..], &[]] {
                let ran = prefix.run(shell, &method, arguments, Some(FMRI));
                let err = Ran::text(&ran.said.stderr);
                let case = format!("{shell} {method} {arguments:?}: {err}");
                assert_eq!(ran.said.status.code(), Some(96), "{case}");
                assert!(err.starts_with("Usage: ") && ran.said.stdout.is_empty(), "{case}");
            }
        }
        let ran = prefix.run(shell, "svc-pkg-server", &["start"], None);
        assert_eq!(ran.said.status.code(), Some(99), "{shell}: {}", Ran::text(&ran.said.stderr));
    }
}
