//! world - trees to be kept, what they look like, and tools that are not there.
#![allow(dead_code)] // Each test program uses a part.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use image_checkpoint::{Area, Calls, Id, Options, Ran, Step, Tools};

/// A host without zfs.
pub struct NoTools;

impl Tools for NoTools {
    fn run(&self, _program: &str, _arguments: &[&str]) -> io::Result<Ran> {
        Err(io::ErrorKind::NotFound.into())
    }
}

pub fn options(calls: Option<Arc<dyn Calls>>) -> Options {
    Options { tools: Arc::new(NoTools), calls }
}

pub fn open(root: &Path) -> Area {
    Area::open(&image_checkpoint::Place::Directory(root.to_owned()), &options(None)).unwrap()
}

pub fn step(name: &str) -> Step {
    Step::new(name).unwrap()
}

pub fn id(number: u64) -> Id {
    Id::new(&format!("{number:016x}")).unwrap()
}

/// A block that a hole is read as.
const ZEROS: [u8; 4096] = [0; 4096];

/// Everything that a rollback has to bring back, one line a name.
pub fn picture(root: &Path) -> Vec<String> {
    let (mut lines, mut groups) = (Vec::new(), BTreeMap::new());
    draw(root, "", &mut lines, &mut groups);
    // A rollback may give them other inodes.
    let mut groups: Vec<Vec<String>> = groups.into_values().collect();
    groups.sort();
    for names in groups.into_iter().filter(|names| names.len() > 1) {
        lines.push(format!("same: {}", names.join(" ")));
    }
    lines
}

fn draw(path: &Path, name: &str, lines: &mut Vec<String>, groups: &mut BTreeMap<u64, Vec<String>>) {
    let about = fs::symlink_metadata(path).unwrap();
    let kind = about.file_type();
    let mode = about.mode() & 0o7777;
    let is_link = kind.is_symlink();
    let (uid, gid) = (about.uid(), about.gid());
    let time = format!("{}.{:09}", about.mtime(), about.mtime_nsec());
    let head = format!("{name:?} {mode:o} {uid}:{gid} {time}");
    let locked = !is_link && mode & 0o500 != 0o500 && (kind.is_dir() || kind.is_file());
    if locked {
        fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o700)).unwrap();
    }
    if kind.is_dir() {
        lines.push(format!("d {head}"));
        let mut below: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        below.sort();
        for path in below {
            let last = path.file_name().unwrap().as_bytes().escape_ascii().to_string();
            draw(&path, &format!("{name}/{last}"), lines, groups);
        }
    } else if kind.is_file() {
        let bytes = fs::read(path).unwrap();
        let mut sum = DefaultHasher::new();
        for (number, block) in bytes.chunks(ZEROS.len()).enumerate() {
            // Most of what a picture has to read is holes.
            if *block != ZEROS[..block.len()] {
                sum.write_usize(number);
                sum.write(block);
            }
        }
        let sum = sum.finish();
        lines.push(format!("f {head} {} {sum:x}", bytes.len()));
        groups.entry(about.ino()).or_default().push(name.to_owned());
    } else if is_link {
        lines.push(format!("l {head} {:?}", fs::read_link(path).unwrap()));
    } else {
        let letter = if kind.is_fifo() { 'p' } else { 's' };
        lines.push(format!("{letter} {head} {}", about.rdev()));
    }
    if locked {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The length of the largest file of [`hostile`]: more than is read at once.
pub const LARGE: usize = 1_200_001;

/// A tree with something of everything.
pub fn hostile(root: &Path) {
    let dir = |name: &str| {
        fs::create_dir_all(root.join(name)).unwrap();
        root.join(name)
    };
    let file = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    dir("pkg_image/usr/bin");
    dir("pkg_image/empty");
    file("pkg_image/usr/bin/ls", "ls");
    set_mode(&root.join("pkg_image/usr/bin/ls"), 0o4755);
    file("pkg_image/usr/bin/none", "");
    file("pkg_image/blank name \n\t", "x");
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"\xff\xfe-$(reboot)"));
    fs::write(root.join(odd), "odd").unwrap();
    // Links that lead out: what is there must not be touched.
    symlink("/etc", root.join("pkg_image/etc")).unwrap();
    symlink("../../../../../../etc/passwd", root.join("out")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    // One file, four names.
    file("pkg_image/one", "one of four");
    for name in ["pkg_image/two", "pkg_image/usr/three", "four"] {
        fs::hard_link(root.join("pkg_image/one"), root.join(name)).unwrap();
    }
    let pipe = root.join("pkg_image/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
    if is_root() {
        let device = CString::new(root.join("null").as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is a C string.
        let made = unsafe { libc::mknod(device.as_ptr(), libc::S_IFCHR | 0o620, 0x0103) };
        assert_eq!(made, 0);
        std::os::unix::fs::chown(root.join("pkg_image/usr/bin/ls"), Some(12), Some(34)).unwrap();
        set_mode(&root.join("pkg_image/usr/bin/ls"), 0o6511);
        std::os::unix::fs::lchown(root.join("dangling"), Some(5), Some(6)).unwrap();
    }
    // Holes: at the front, in the middle, at the end, and nothing but a hole.
    let holed = fs::File::create(root.join("holed")).unwrap();
    holed.write_all_at(b"middle", 1 << 20).unwrap();
    holed.set_len(4 << 20).unwrap();
    fs::File::create(root.join("hole")).unwrap().set_len(1 << 20).unwrap();
    let mut large = (0..=250).collect::<Vec<u8>>().repeat(LARGE / 251 + 1);
    large.truncate(LARGE);
    fs::write(root.join("large"), large).unwrap();
    // Nobody may read, list or search these.
    file("unreadable", "secret");
    set_mode(&root.join("unreadable"), 0);
    dir("closed/inside");
    file("closed/inside/file", "inside");
    set_mode(&root.join("closed/inside"), 0o100);
    set_mode(&root.join("closed"), 0);
    dir("listed");
    file("listed/file", "listed");
    set_mode(&root.join("listed"), 0o444);
    let deep = (0..60).map(|n| format!("d{n}")).collect::<Vec<_>>().join("/");
    dir(&deep);
    file(&format!("{deep}/bottom"), "deep");
    let old = UNIX_EPOCH + Duration::new(1_000_000_000, 5);
    let file = fs::File::options().write(true).open(root.join("large")).unwrap();
    file.set_modified(old).unwrap();
}

/// A temporary place for an area.
pub struct Place(tempfile::TempDir);

pub fn place() -> Place {
    Place(tempfile::tempdir().unwrap())
}

/// The same in memory, where there is a file system there: hundreds of areas take no flushing.
pub fn quick_place() -> Place {
    Place(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
}

impl Place {
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What an area keeps can be shut, or subvolumes: it knows best how to remove it.
        let area =
            Area::open(&image_checkpoint::Place::Directory(self.path().into()), &options(None));
        if let Ok(mut area) = area {
            let _cleared = area.clear();
        }
    }
}
