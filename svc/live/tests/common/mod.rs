//! A live workspace, and the command that builds in it.

#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The stamp that workspaces have.
pub const STAMP: &str = "20110308T012345Z";

/// What the manifest of a workspace says.
pub const MANIFEST: &str = "\
d bin 0755 root bin
d etc 0755 root sys
f etc/group 0644 root sys
f etc/motd 0644 root sys
f etc/passwd 0644 root sys
f etc/shadow 0400 root sys
d kernel 0755 root sys
d platform 0755 root sys
d platform/i86pc 0755 root sys
d platform/i86pc/kernel 0755 root sys
d platform/i86pc/kernel/amd64 0755 root sys
f platform/i86pc/kernel/amd64/unix 0755 root sys
d tmp 1777 root sys
d usr 0755 root sys
d usr/bin 0555 root bin
h usr/bin/bzcat=usr/bin/zz
f usr/bin/su 4555 root bin
f usr/bin/zz 0555 root bin
d usr/share 0755 root sys
d usr/share/man 0755 root bin
d usr/share/man/man1 0755 root bin
f usr/share/man/man1/su.1 0444 root bin
s usr/bin/perl=/opt/local/bin/perl
d var 0755 root sys
d var/log 0755 root sys
";

/// A workspace.
pub struct Yard {
    place: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A kernel by its first bytes.
pub fn kernel(class: u8) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1];
    bytes.resize(4096, 0);
    bytes[18] = 0x3e;
    bytes
}

impl Yard {
    /// With an overlay, a proto area, a man tree and a manifest.
    pub fn new() -> Yard {
        let yard = Yard { place: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("overlay/etc/passwd", "root:x:0:0:Super-User:/root:/bin/sh\nbin:x:2:2::/:\n"),
            ("overlay/etc/group", "root::0:\nbin::2:root\nsys::3:root\n"),
            ("overlay/etc/shadow", "root:NP:6445::::::\n"),
            ("overlay/etc/motd", "Live Image 00000000T000000Z\n"),
            ("proto/etc/motd", "not this one\n"),
            ("proto/usr/bin/su", "su"),
            ("proto/usr/bin/zz", "zz"),
            ("projects/opensolaris-man/man1/su.1", "manual"),
            ("manifest", MANIFEST),
            ("proto/buildstamp", "20110308T012345Z\n"),
        ] {
            yard.write(path, text.as_bytes());
        }
        yard.write("proto/platform/i86pc/kernel/amd64/unix", &kernel(2));
        yard
    }

    /// A path in it, links resolved.
    pub fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.place.path()).unwrap().join(name)
    }

    /// Writes a file.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Adds lines to the manifest.
    pub fn manifest(&self, more: &str) {
        self.write("manifest", format!("{MANIFEST}{more}").as_bytes());
    }

    /// Writes a script.
    pub fn script(&self, name: &str, text: &str) {
        self.write(name, b"");
        self.write("script.text", text.as_bytes());
        self.executable(&self.path("script.text"), name);
    }

    /// Copies what is to be executed.  A process of its own does it: what this one writes, a child that
    /// another test just starts may still hold open, and then nobody may execute it.
    fn executable(&self, from: &Path, name: &str) {
        let mut install = Command::new("install");
        let done = install.args(["-m", "0755"]).arg(from).arg(self.path(name)).status();
        assert!(done.unwrap().success());
    }

    /// The command, to be started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_build_live"));
        self.here(command.args(words));
        command
    }

    fn here(&self, command: &mut Command) {
        command.current_dir(self.path("")).stdin(Stdio::null());
        command.env_remove("BUILDSTAMP").env_remove("SOURCE_DATE_EPOCH");
    }

    fn said(&self, command: &mut Command) -> Said {
        self.here(command);
        let done = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = done.status.code().unwrap_or(-1);
        Said { status, out: text(done.stdout), err: text(done.stderr) }
    }

    /// Runs the command.
    pub fn run(&self, words: &[&str]) -> Said {
        self.said(&mut self.command(words))
    }

    /// Runs the command as nobody; whoever is not root already, as oneself.
    pub fn run_as_nobody(&self, words: &[&str]) -> Said {
        if !nix::unistd::geteuid().is_root() {
            return self.run(words);
        }
        // Where the program lies may be closed to others.
        self.executable(Path::new(env!("CARGO_BIN_EXE_build_live")), "build_live");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "./build_live"]);
        self.said(command.args(words))
    }

    /// Builds as the first form of the command does; it must succeed.
    pub fn build(&self) -> Said {
        let said = self.run(&["--pad-mb=1", "manifest"]);
        assert_eq!(said.status, 0, "{said:?}");
        said
    }

    /// The platform's folder.
    pub fn platform(&self) -> PathBuf {
        self.path("output").join(format!("platform-{STAMP}"))
    }

    /// What stands beside `.build_live`.
    pub fn finished(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("output")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".build_live");
        names.sort();
        names
    }

    /// The log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log").join(format!("build_live.{STAMP}.log"))).unwrap()
    }

    /// The file system in the boot archive.
    pub fn archive(&self) -> image_formats::ufs::Image<std::io::Cursor<Vec<u8>>> {
        unpacked(&self.platform().join("i86pc/amd64/boot_archive"))
    }

    /// Path → mode, uid, gid, contents or target of what the boot archive has.
    pub fn inside(&self) -> BTreeMap<String, (u32, u32, u32, String)> {
        contents(&mut self.archive())
    }
}

/// A boot archive, packed or not.
pub fn unpacked(path: &Path) -> image_formats::ufs::Image<std::io::Cursor<Vec<u8>>> {
    let bytes = fs::read(path).unwrap();
    let plain = if bytes.starts_with(&[0x1f, 0x8b]) {
        let said = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
        assert!(said.status.success());
        said.stdout
    } else {
        bytes
    };
    image_formats::ufs::Image::open(std::io::Cursor::new(plain)).unwrap()
}

/// Every regular file of a folder, by its path.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else if entry.file_type().unwrap().is_file() {
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, "", &mut found);
    found
}

/// Path → mode, uid, gid, and the contents or target of everything in a file system.
pub fn contents<R: std::io::Read + std::io::Seek>(
    image: &mut image_formats::ufs::Image<R>,
) -> BTreeMap<String, (u32, u32, u32, String)> {
    use image_formats::ufs::NodeKind;
    let nodes = image.walk().unwrap();
    let mut found = BTreeMap::new();
    for (path, node) in nodes {
        let text = match node.kind {
            NodeKind::Directory => "/".to_owned(),
            _ => String::from_utf8_lossy(&image.data(&node).unwrap()).into_owned(),
        };
        found.insert(path, (node.mode, node.uid, node.gid, text));
    }
    found
}
