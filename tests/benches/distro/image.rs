//! image.rs - a repository of the set and of what an image must have beside, manifests, and builds.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::set::{self, PACKAGES};

/// Packages whose files are in the boot archive too.
const BOOTED: usize = PACKAGES / 7;
/// Which package changes.
const CHANGED: usize = 150;
/// Whoever is nobody.
const NOBODY: u32 = 65_534;

/// What a build looks for beside the set's files: path, mode, content.
const BASE: [(&str, &str, &str); 6] = [
    ("platform/i86pc/kernel/amd64/unix", "0755", "a kernel\n"),
    ("etc/passwd", "0644", "root:x:0:0:Super-User:/root:/usr/bin/sh\n"),
    ("etc/shadow", "0400", "root:NP:6445::::::\n"),
    ("etc/release", "0444", "  Bench 1\n"),
    ("opt/tool", "0555", "tool\n"),
    ("var/log/notes", "0644", "notes\n"),
];

/// Name, script and argument of each step.
const STEPS: [(&str, &str, &str); 9] = [
    ("im-pop", "im_pop.py", ""),
    ("im-mod", "pre_boot_archive_pkg_image_mod.py", ""),
    ("ba-init", "boot_archive_initialize.py", ""),
    ("ba-config", "boot_archive_configure", ".livecd"),
    ("ba-arch", "boot_archive_archive.py", "amd64"),
    ("grub-setup", "grub_setup.py", "livecd"),
    ("post-mod", "post_boot_archive_pkg_image_mod", "@USR@"),
    ("gen-slim-cont", "slim_cd/slimcd_gen_cd_content", ""),
    ("iso", "create_iso", ""),
];

/// How what can be compressed is.
#[derive(Clone, Copy)]
pub enum Packing {
    Gzip,
    None,
}

/// What something took.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub seconds: f64,
    /// Seconds of processors, also of programs that it started.
    pub cpu: f64,
}

/// A build that is done.
pub struct Build {
    pub all: Cost,
    /// From the line that names a step to that of the next.
    pub steps: Vec<(String, Cost)>,
    /// The most memory that the program had, in MB.
    pub memory: f64,
}

impl Build {
    /// What a step took.
    pub fn step(&self, name: &str) -> Cost {
        self.steps.iter().find(|(step, _)| step == name).unwrap().1
    }
}

pub struct Yard {
    place: PathBuf,
    programs: PathBuf,
    /// Repository, manifests and areas.
    folder: TempDir,
}

pub fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// What was written before is no part of what is measured next.
pub fn flush() {
    // SAFETY: takes nothing.
    unsafe { libc::sync() }
}

impl Yard {
    /// Makes the set, if it is not there, and the repository.
    pub fn new(place: &Path, programs: &Path) -> Yard {
        let folder = tempfile::Builder::new().prefix("distro").tempdir_in(place).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let yard = Yard { place: place.to_path_buf(), programs: programs.to_path_buf(), folder };
        yard.make_set();
        yard.shell("pkgrepo create repo; pkgrecv -s $SET/i386 -d repo '*'");
        yard.publish_base();
        yard
    }

    pub fn place(&self) -> &Path {
        self.folder.path()
    }

    pub fn proto(&self) -> PathBuf {
        self.place.join("set/proto.i386")
    }

    pub fn area(&self, name: &str) -> PathBuf {
        self.place().join(name)
    }

    pub fn medium(&self, area: &str) -> PathBuf {
        self.area(area).join("media/Bench.iso")
    }

    /// Runs a line with the programs of this profile.
    fn shell(&self, line: &str) {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(self.place()).stdout(Stdio::null());
        let status = shell.env("PATH", path).env("SET", self.place.join("set")).status().unwrap();
        assert!(status.success(), "{line}");
    }

    fn make_set(&self) {
        set::make(&self.place.join("set"), "i386", |line| self.shell(&format!("cd $SET; {line}")));
    }

    /// The package that has the rest, and needs all others.
    fn publish_base(&self) {
        let mut text = "set name=pkg.fmri value=pkg://bench.example/entire@1.0\n".to_owned();
        let mut folders = std::collections::BTreeSet::from(["usr", "usr/lib"]);
        for (path, mode, content) in BASE {
            let file = self.place().join("base").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
            folders.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
            writeln!(text, "file {path} path={path} owner=root group=sys mode={mode}").unwrap();
        }
        for folder in folders {
            writeln!(text, "dir path={folder} owner=root group=sys mode=0755").unwrap();
        }
        for package in 0..PACKAGES {
            writeln!(text, "depend type=require fmri=pkg:/bench/p{package}").unwrap();
        }
        fs::write(self.place().join("entire.p5m"), text).unwrap();
        self.shell("pkgsend -s repo publish --fmri-in-manifest -d base entire.p5m");
    }

    /// Publishes a newer version of one package, with a file that is longer.
    pub fn change(&self) {
        let folder = format!("usr/lib/p{CHANGED}");
        let (from, to) = (self.proto().join(&folder), self.place().join("changed").join(&folder));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let status = Command::new("cp").arg("-r").args([&from, &to]).status().unwrap();
        assert!(status.success());
        let file = to.join(format!("f{CHANGED}"));
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend(std::iter::repeat_n(b'x', 5_000));
        fs::write(&file, bytes).unwrap();
        let name = format!("p{CHANGED}.p5m");
        let text = fs::read_to_string(self.place.join("set/m.i386").join(&name)).unwrap();
        fs::write(self.place().join(&name), text.replace("@1.0-", "@1.1-")).unwrap();
        self.shell(&format!("pkgsend -s repo publish --fmri-in-manifest -d changed {name}"));
    }

    fn manifest(&self, area: &str, packing: Packing) {
        let (usr, archive, live) = match packing {
            Packing::Gzip => ("gzip", "type=\"gzip\" level=\"6\"", "type=\"gzip\" level=\"6\""),
            Packing::None => ("none", "type=\"none\"", "type=\"none\""),
        };
        let mut steps = String::new();
        for (name, script, argument) in STEPS {
            let argument = argument.replace("@USR@", &format!("usr_zlib_compression={usr}"));
            let list = match argument.is_empty() {
                true => String::new(),
                false => format!("<argslist>\"{argument}\"</argslist>"),
            };
            let script = format!("/usr/share/distro_const/{script}");
            writeln!(
                steps,
                "<script name=\"{script}\"><checkpoint name=\"{name}\" message=\"{name}\"/>{list}</script>"
            )
            .unwrap();
        }
        let mut booted = String::new();
        for part in ["platform", "etc"]
            .map(str::to_owned)
            .into_iter()
            .chain((0..BOOTED).map(|package| format!("usr/lib/p{package}")))
        {
            writeln!(booted, "<base_include type=\"dir\">{part}</base_include>").unwrap();
        }
        let repository = self.place().join("repo");
        let text = include_str!("manifest.xml")
            .replace("@AREA@", self.area(area).to_str().unwrap())
            .replace("@REPO@", &format!("file://{}", repository.display()))
            .replace("@STEPS@", &steps)
            .replace("@ARCHIVE@", archive)
            .replace("@LIVE@", live)
            .replace("@BOOTED@", &booted);
        fs::write(self.place().join(area).with_extension("xml"), text).unwrap();
    }

    /// Builds in a new area.
    pub fn fresh(&self, area: &str, packing: Packing) -> Build {
        self.manifest(area, packing);
        self.build(area, &mut Command::new(self.programs.join("distro_const")))
    }

    /// The same as somebody else where that is possible.
    pub fn fresh_of_a_user(&self, area: &str, packing: Packing) -> Build {
        if !is_root() {
            return self.fresh(area, packing);
        }
        self.manifest(area, packing);
        fs::create_dir(self.area(area)).unwrap();
        chown(self.area(area), Some(NOBODY), Some(NOBODY)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string()]);
        command.arg("--clear-groups").arg(self.programs.join("distro_const"));
        // Where root's own programs are nobody else may look.
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        self.build(area, &mut command)
    }

    /// Builds in an area that has a build.
    pub fn again(&self, area: &str) -> Build {
        self.build(area, &mut Command::new(self.programs.join("distro_const")))
    }

    /// Builds from a step on in an area that has a build.
    pub fn again_from(&self, area: &str, step: &str) -> Build {
        let mut command = Command::new(self.programs.join("distro_const"));
        self.build_by(area, command.args(["build", "-r", step]))
    }

    fn build(&self, area: &str, command: &mut Command) -> Build {
        self.build_by(area, command.arg("build"))
    }

    fn build_by(&self, area: &str, command: &mut Command) -> Build {
        flush();
        let begun = Instant::now();
        let manifest = self.place().join(area).with_extension("xml");
        command.arg(manifest).current_dir("/").stdin(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (mut said, mut steps): (String, Vec<(String, Cost)>) = Default::default();
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let mut last = (begun, 0.0);
        let mut memory = 0.0;
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(rest) = line.strip_prefix("==== ") {
                let step = rest.split(':').next().unwrap_or(rest);
                count(&mut steps, &mut last, &process);
                steps.push((step.to_owned(), Cost::default()));
            }
            memory = peak(&process).unwrap_or(memory);
            said.push_str(&line);
            said.push('\n');
        }
        // Its standard error is shut, and it is not waited for yet: what it took can be read.
        let pid = libc::id_t::from(child.id());
        let mut ended = std::mem::MaybeUninit::zeroed();
        // SAFETY: `ended` has room for what the kernel writes; NOWAIT leaves the child to `wait`.
        unsafe {
            libc::waitid(libc::P_PID, pid, ended.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT)
        };
        let cpu = cpu(&process);
        count(&mut steps, &mut last, &process);
        let status = child.wait().unwrap();
        assert!(status.success(), "{said}");
        Build { all: Cost { seconds: begun.elapsed().as_secs_f64(), cpu }, steps, memory }
    }
}

/// The step that was named last took until now.
fn count(steps: &mut [(String, Cost)], last: &mut (Instant, f64), process: &Path) {
    let now = cpu(process);
    if let Some((_, cost)) = steps.last_mut() {
        *cost = Cost { seconds: last.0.elapsed().as_secs_f64(), cpu: now - last.1 };
    }
    *last = (Instant::now(), now);
}

/// Seconds of processors that a process and its waited-for children had.
fn cpu(process: &Path) -> f64 {
    let text = fs::read_to_string(process.join("stat")).unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    // SAFETY: takes a number and cannot fail.
    ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// The most memory that a process had, in MB; none when it has ended.
fn peak(process: &Path) -> Option<f64> {
    let text = fs::read_to_string(process.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}
