//! A repository with a root of a real distribution's shape, a manifest for it, and the command.

#![allow(clippy::unwrap_used, dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources};

const NOW: i64 = 1_700_000_000;

/// What the packages deliver: a path, its mode and group, and what is in it.
const FILES: [(&str, &str, &str, &str); 22] = [
    ("etc/passwd", "0644", "sys", "root:x:0:0:Super-User:/root:/usr/bin/sh\n"),
    ("etc/shadow", "0400", "sys", "root:NP:6445::::::\n"),
    ("etc/group", "0644", "sys", "root::0:\nbin::2:root\nsys::3:root\n"),
    ("etc/release", "0444", "sys", "  Orchard 1\n"),
    ("etc/system", "0644", "sys", "*\n"),
    ("etc/default/init", "0644", "sys", "TZ=US/Pacific\n"),
    ("etc/inet/hosts", "0444", "sys", "::1 localhost\n127.0.0.1 localhost\n"),
    ("etc/user_attr", "0644", "sys", "root::::auths=solaris.*\n"),
    ("etc/security/policy.conf", "0644", "sys", "CRYPT_DEFAULT=6\n"),
    ("etc/security/crypt.conf", "0644", "sys", "5 crypt_sha256.so.1\n6 crypt_sha512.so.1\n"),
    ("etc/motd", "0644", "sys", "hello\n"),
    ("platform/i86pc/kernel/amd64/unix", "0755", "sys", "a kernel"),
    ("kernel/drv/amd64/lamp", "0755", "sys", "64 bits"),
    ("kernel/drv/lamp", "0755", "sys", "32 bits"),
    ("kernel/drv/lamp.conf", "0644", "sys", "name=lamp;\n"),
    ("lib/libc.so.1", "0755", "bin", "libc"),
    ("sbin/init", "0555", "sys", "init"),
    ("usr/bin/sh", "0555", "bin", "a shell"),
    ("usr/bin/su", "04555", "sys", "su"),
    ("usr/share/doc/big", "0444", "bin", "0123456789"),
    ("opt/tool", "0555", "bin", "tool"),
    ("var/log/notes", "0644", "sys", "notes"),
];

const UNIX: &str = "platform/i86pc/kernel/amd64/unix";
/// Before a file's path: its bytes are the content.
const COPIED: &str = "a copy of ";

/// A place to build in.
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

impl Yard {
    /// With packages published.
    pub fn new() -> Self {
        let yard = Self { place: tempfile::tempdir().unwrap() };
        yard.publish("1.0", &FILES);
        yard
    }

    /// With packages that have the sample's kernel, which starts and says what it finds.
    pub fn with_kernel() -> Self {
        let yard = Self { place: tempfile::tempdir().unwrap() };
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/gates/illumos");
        let (obj, proto) = (yard.path("obj"), yard.path("sample"));
        let made = Command::new("make")
            .args(["-s", "-C", top.join("usr/src/uts").to_str().unwrap()])
            .args([format!("OBJ={}", obj.display()), format!("ROOT={}", proto.display())])
            .arg("install")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let kernel = format!("{COPIED}{}", proto.join(UNIX).display());
        let files = FILES.map(|(path, mode, group, content)| {
            (path, mode, group, if path == UNIX { kernel.as_str() } else { content })
        });
        yard.publish("1.0", &files);
        yard
    }

    /// With packages that ship a boot loader: not one that starts, but of the shape of one.
    pub fn with_loader() -> Self {
        let yard = Self { place: tempfile::tempdir().unwrap() };
        let (sector, block) = ("p".repeat(512), "c".repeat(2048));
        let loader = [
            ("boot/cdboot", "0444", "sys", block.as_str()),
            ("boot/loader64.efi", "0444", "sys", block.as_str()),
            ("boot/pmbr", "0444", "sys", sector.as_str()),
            ("boot/isoboot", "0444", "sys", block.as_str()),
        ];
        let files: Vec<_> = FILES.iter().chain(&loader).copied().collect();
        yard.publish("1.0", &files);
        yard
    }

    /// With one large file, which nothing makes much smaller.
    pub fn with_large() -> Self {
        let yard = Self { place: tempfile::tempdir().unwrap() };
        let mut dice = dice::Dice(7);
        let letters = (0..2 << 20).map(|_| char::from(b'!' + dice.below(94) as u8));
        let content: String = letters.collect();
        let files: Vec<_> =
            FILES.iter().copied().chain([("etc/large", "0644", "sys", content.as_str())]).collect();
        yard.publish("1.0", &files);
        yard
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn publish(&self, version: &str, files: &[(&str, &str, &str, &str)]) {
        let (proto, repo) = (self.path("proto"), self.path("repo"));
        let now = Timestamp::from_seconds(NOW);
        let repository = if repo.exists() {
            Repository::open(&repo).unwrap()
        } else {
            let new = Repository::create(&repo).unwrap();
            new.add_publisher("orchard.example", now).unwrap();
            new
        };
        let mut text = format!("set name=pkg.fmri value=pkg://orchard.example/entire@{version}\n");
        let mut folders = std::collections::BTreeSet::new();
        for (path, mode, group, content) in files {
            let file = proto.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            match content.strip_prefix(COPIED) {
                Some(from) => drop(fs::copy(from, &file).unwrap()),
                None => fs::write(&file, content).unwrap(),
            }
            let above = path.match_indices('/').map(|(end, _)| path[..end].to_string());
            folders.extend(above);
            text.push_str(&format!(
                "file {path} path={path} owner=root group={group} mode={mode}\n"
            ));
        }
        for folder in folders {
            text.push_str(&format!("dir path={folder} owner=root group=sys mode=0755\n"));
        }
        text.push_str("hardlink path=usr/bin/jsh target=sh\nlink path=bin target=./usr/bin\n");
        let batch = repository.batch().unwrap();
        let sources = Sources { folders: vec![proto], timestamps: Vec::new() };
        batch.publish(&Manifest::parse(&text).unwrap(), &sources, now).unwrap();
        batch.commit(now).unwrap();
    }

    /// Publishes a newer version with these actions alone, as somebody would who means harm: written
    /// into the repository without being looked at.  False: it is refused even so.
    pub fn publish_text(&self, actions: &str) -> bool {
        let now = Timestamp::from_seconds(NOW + 1);
        let repository = Repository::open(&self.path("repo")).unwrap();
        let text = format!("set name=pkg.fmri value=pkg://orchard.example/entire@2.0\n{actions}");
        let Ok(manifest) = Manifest::parse(&text) else { return false };
        let batch = repository.batch().unwrap();
        let sources = Sources { folders: vec![self.path("proto")], timestamps: Vec::new() };
        batch.publish(&manifest, &sources, now).is_ok() && batch.commit(now).is_ok()
    }

    /// Makes the repository's catalog anew, later than it was.
    pub fn rebuild(&self, later: i64) {
        let repository = Repository::open(&self.path("repo")).unwrap();
        repository.rebuild("orchard.example", Timestamp::from_seconds(NOW + later)).unwrap();
    }

    /// Publishes a package that no manifest asks for, later than all others.
    pub fn publish_beside(&self, later: i64) {
        let now = Timestamp::from_seconds(NOW + later);
        let batch = Repository::open(&self.path("repo")).unwrap();
        let batch = batch.batch().unwrap();
        let text = "set name=pkg.fmri value=pkg://orchard.example/beside@1.0\n";
        let sources = Sources { folders: Vec::new(), timestamps: Vec::new() };
        batch.publish(&Manifest::parse(text).unwrap(), &sources, now).unwrap();
        batch.commit(now).unwrap();
    }

    /// Publishes a newer version in which one file is another.
    pub fn change(&self) {
        let files = FILES.map(|(path, mode, group, content)| {
            (path, mode, group, if path == "etc/motd" { "good day\n" } else { content })
        });
        self.publish("1.1", &files);
    }

    /// Writes the manifest `NAME.xml`: steps as `NAME MESSAGE SCRIPT [ARGUMENT]`.
    pub fn manifest(&self, name: &str, steps: &[[&str; 4]]) -> PathBuf {
        self.manifest_with(name, steps, "")
    }

    /// The same with more elements of `distro_constr_flags`.
    pub fn manifest_with(&self, name: &str, steps: &[[&str; 4]], flags: &str) -> PathBuf {
        let mut scripts = String::new();
        for [step, message, script, argument] in steps {
            let script = if script.starts_with('/') {
                (*script).to_string()
            } else {
                format!("/usr/share/distro_const/{script}")
            };
            let arguments = if argument.is_empty() {
                String::new()
            } else {
                format!("<argslist>\"{argument}\"</argslist>")
            };
            scripts.push_str(&format!(
                "<script name=\"{script}\"><checkpoint name=\"{step}\" message=\"{message}\"/>\
                 {arguments}</script>\n"
            ));
        }
        let text = include_str!("manifest.xml")
            .replace("@AREA@", self.path("area").to_str().unwrap())
            .replace("@REPO@", &format!("file://{}", self.path("repo").display()))
            .replace("@FLAGS@", flags)
            .replace("@SCRIPTS@", &scripts);
        let path = self.path(&format!("{name}.xml"));
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes `m.xml` in the newer form: whether media carry their time, `software` and `checkpoint`
    /// elements.
    pub fn newer_with(&self, stamped: &str, software: &str, checkpoints: &str) {
        let text = format!(
            "<dc><distro name=\"Orchard\" add_timestamp=\"{stamped}\">\n<target><logical>\
             <filesystem name=\"{}\" action=\"preserve\"/></logical></target>\n{software}\
             <execution stop_on_error=\"true\">\n{checkpoints}</execution></distro></dc>\n",
            self.path("area").display()
        );
        fs::write(self.path("m.xml"), text).unwrap();
    }

    /// The same for a medium of the packages there are, by the checkpoints of [`NEWER`].
    pub fn newer(&self, stamped: &str) {
        let software = format!(
            "<software name=\"ips\" type=\"IPS\"><destination><image action=\"create\"><img_type \
             completeness=\"full\"/></image></destination><source><publisher \
             name=\"orchard.example\"><origin name=\"file://{}\"/></publisher></source>\
             <software_data action=\"install\"><name>pkg:/entire</name></software_data></software>\n\
             <software name=\"set-ips-attributes\" type=\"IPS\"><destination><image \
             action=\"use_existing\"/></destination><source><publisher name=\"orchard.example\">\
             <origin name=\"http://pkg.orchard.example/\"/></publisher></source></software>\n\
             <software name=\"ba-init\" type=\"CPIO\"><software_data action=\"install\" \
             type=\"DIR\"><name>kernel</name><name>platform</name><name>etc</name><name>sbin</name>\
             <name>lib</name></software_data></software>\n",
            self.path("repo").display()
        );
        let checkpoints = NEWER.map(|(name, class)| {
            let args = if class == "CustomScript" { "<args>/bin/true</args>" } else { "" };
            format!(
                "<checkpoint name=\"{name}\" mod_path=\"m\" checkpoint_class=\"{class}\">{args}\
                 </checkpoint>\n"
            )
        });
        self.newer_with(stamped, &software, &checkpoints.concat());
    }

    /// Writes an executable script.
    pub fn script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.path("scripts");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// Runs `distro_const` in this place.
    pub fn run(&self, words: &[&str]) -> Said {
        let done = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = done.status.code().unwrap_or(-1);
        Said { status, out: text(done.stdout), err: text(done.stderr) }
    }

    /// The same as another user; `None`: only root becomes another, or the program is out of their
    /// reach.
    pub fn run_as(&self, user: &str, words: &[&str]) -> Option<Said> {
        let program = env!("CARGO_BIN_EXE_distro_const");
        let become_it = |line: &[&str]| {
            let mut command = Command::new("setpriv");
            let ids = [format!("--reuid={user}"), format!("--regid={user}")];
            command.args(ids).arg("--clear-groups").args(line).current_dir(self.place.path());
            command.stdin(Stdio::null()).output()
        };
        let there = become_it(&["test", "-x", program]).is_ok_and(|done| done.status.success());
        if !there {
            return None;
        }
        let owner = Command::new("chown").args(["-R", user]).arg(self.place.path()).status();
        assert!(owner.unwrap().success());
        let done = become_it(&[&[program], words].concat()).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = done.status.code().unwrap_or(-1);
        Some(Said { status, out: text(done.stdout), err: text(done.stderr) })
    }

    /// The command, to be started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distro_const"));
        command.args(words).current_dir(self.place.path()).stdin(Stdio::null());
        command
    }

    /// The names of the steps that have a side-car, in their names' order.
    pub fn side_cars(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path("area"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| Some(name.strip_prefix(".step_")?.to_string()))
            .collect();
        names.sort();
        names
    }

    /// The newest log of a kind.
    pub fn log(&self, kind: &str) -> String {
        let mut logs: Vec<PathBuf> = fs::read_dir(self.path("area/logs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().contains(&format!("{kind}-log-")))
            .collect();
        logs.sort();
        fs::read_to_string(logs.pop().unwrap()).unwrap()
    }
}

/// All native steps up to the list of contents: what needs xorriso alone.
pub const SLIM: [[&str; 4]; 12] = [
    ["im-pop", "Populate the image with packages", "im_pop.py", ""],
    ["im-mod", "Image area modifications", "pre_boot_archive_pkg_image_mod.py", ""],
    [
        "slim-im-mod",
        "Slim CD image area modifications",
        "slim_cd/slimcd_pre_boot_archive_pkg_image_mod",
        "",
    ],
    ["ba-init", "Boot archive initialization", "boot_archive_initialize.py", ""],
    [
        "slim-ba-config",
        "Slim CD boot archive configuration",
        "slim_cd/slimcd_boot_archive_configure",
        "",
    ],
    ["ba-config", "Boot archive configuration", "boot_archive_configure", ".livecd"],
    ["ba-arch", "Boot archive archiving (64-bit)", "boot_archive_archive.py", "amd64"],
    ["ba-arch-32", "Boot archive archiving (32-bit)", "boot_archive_archive_32", "x86"],
    [
        "slim-post-mod",
        "Slim CD post boot archive image area modifications",
        "slim_cd/slimcd_post_boot_archive_pkg_image_mod",
        "",
    ],
    ["grub-setup", "Grub menu setup", "grub_setup.py", "livecd"],
    [
        "post-mod",
        "Post boot archive image area modification",
        "post_boot_archive_pkg_image_mod",
        "usr_zlib_compression=gzip",
    ],
    ["gen-slim-cont", "Generate Slim CD image content list", "slim_cd/slimcd_gen_cd_content", ""],
];

/// The two that make media.
pub const MEDIA: [[&str; 4]; 2] = [
    ["iso", "ISO image creation", "create_iso", ""],
    ["usb", "USB image creation", "create_usb", ""],
];

/// What the newer form calls the way to a medium: names and classes.
pub const NEWER: [(&str, &str); 9] = [
    ("ips", "TransferIPS"),
    ("set-ips-attributes", "TransferIPS"),
    ("ba-init", "TransferCPIO"),
    ("ba-config", "LiveCDBootArchiveConfigure"),
    ("ba-arch", "BootArchiveArchive"),
    ("grub-setup", "LiveCDGrubSetup"),
    ("pkg-img-mod", "LiveCDPkgImgMod"),
    ("create-iso", "CreateISO"),
    ("after", "CustomScript"),
];

/// The first of the programs that a whole build needs and this host has not.
pub fn absent() -> Option<&'static str> {
    ["xorriso", "grub-mkimage"].into_iter().find(|program| {
        let mut asked = Command::new(program);
        asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    })
}

/// The media of a build that was left alone.
pub fn left_alone(write: impl Fn(&Yard)) -> std::collections::BTreeMap<String, Vec<u8>> {
    let yard = Yard::new();
    write(&yard);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    media(&yard.path("area/media"))
}

/// The media of a folder by name, and what is said of them; not who made them from which manifest,
/// which names its own place.
pub fn media(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut media = files(folder);
    media.retain(|name, _| !name.ends_with(".provenance.json"));
    media
}

/// The files of a directory, by name.
pub fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.filter(|entry| entry.file_type().unwrap().is_file());
    named
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}
