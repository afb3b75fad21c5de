//! confine.rs - a mount namespace in which most of the file system cannot be written.
//!
//! ```text
//! unshare         mounts; without privilege users too: the caller becomes root there
//! overlay         one directory seen in another, if that is wished and the system has it
//! open_tree       a handle of each place that stays
//! mount_setattr   everything read-only, from / down
//! tmpfs           on /tmp
//! move_mount      each handle to its place, a parent before what is below it
//! chdir           to where it is: what it was in belongs to the mounts of before
//! ```
//!
//! Law: between fork and exec only system calls are made, on memory prepared before.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Confinement;

const TMP: &str = "/tmp";

/// A place that is there after everything else has become read-only.
struct Place {
    path: CString,
    is_writable: bool,
    is_directory: bool,
    /// The directories between /tmp and the place, to be made in the new /tmp.
    above: Vec<CString>,
}

/// A directory that is seen with another's names added.
struct Shown {
    at: CString,
    /// What the overlay is made of.
    options: CString,
}

impl Shown {
    /// None where the two are not there, or cannot be named to the system.
    fn of(from: &Path, at: &Path) -> io::Result<Option<Self>> {
        let (Ok(from), Ok(at)) = (from.canonicalize(), at.canonicalize()) else { return Ok(None) };
        let plain =
            |path: &Path| !path.as_os_str().as_bytes().iter().any(|byte| b":,\\".contains(byte));
        if !plain(&from) || !plain(&at) {
            return Ok(None);
        }
        let options = [b"lowerdir=", from.as_os_str().as_bytes(), b":", at.as_os_str().as_bytes()];
        let options = CString::new(options.concat()).map_err(io::Error::other)?;
        Ok(Some(Self { at: c_string(&at)?, options }))
    }
}

/// Everything that the child needs.
pub struct Prepared {
    places: Vec<Place>,
    shown: Option<Shown>,
    /// Where the program runs.
    directory: Option<CString>,
    /// `uid_map` and `gid_map`, where the caller has no privilege.
    maps: Option<[String; 2]>,
}

fn c_string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

impl Prepared {
    /// Looks at the places, in the parent; `directory`: where the program runs, if that is there.
    pub fn of(confinement: &Confinement, directory: Option<&Path>) -> io::Result<Self> {
        let directory = directory.and_then(|path| path.canonicalize().ok());
        let place = |path: &PathBuf, is_writable: bool| -> io::Result<Option<Place>> {
            let path = path.canonicalize()?;
            let below_tmp = path.starts_with(TMP) && path != Path::new(TMP);
            if !is_writable && !below_tmp {
                return Ok(None);
            }
            let parents = path.ancestors().skip(1).take_while(|above| *above != Path::new(TMP));
            let mut above = Vec::new();
            if below_tmp {
                above = parents.map(c_string).collect::<io::Result<Vec<_>>>()?;
                above.reverse();
            }
            let is_directory = path.is_dir();
            Ok(Some(Place { path: c_string(&path)?, is_writable, is_directory, above }))
        };
        let mut places = Vec::new();
        // By a relative path it finds what it found; what lies in a writable place is there with it.
        let own = directory.as_ref().filter(|own| {
            let mut writable =
                confinement.writable.iter().filter_map(|path| path.canonicalize().ok());
            !writable.any(|path| own.starts_with(path))
        });
        for path in confinement.readable.iter().chain(own) {
            places.extend(place(path, false)?);
        }
        for path in &confinement.writable {
            places.extend(place(path, true)?);
        }
        // A parent before what is below it; of one place, the writable one last.
        places.sort_by_key(|one| (one.path.as_bytes().len(), one.is_writable));
        let about = std::fs::metadata("/proc/self")?;
        let maps =
            (about.uid() != 0).then(|| [about.uid(), about.gid()].map(|id| format!("0 {id} 1\n")));
        let shown = confinement.shown.as_ref().map(|(from, at)| Shown::of(from, at));
        let directory = directory.as_deref().map(c_string).transpose()?;
        Ok(Self { places, maps, shown: shown.transpose()?.flatten(), directory })
    }

    /// Confines the calling process, for ever.  Where the system has no such namespaces it does
    /// nothing.
    pub fn enter(&self) -> io::Result<()> {
        let users = if self.maps.is_some() { libc::CLONE_NEWUSER } else { 0 };
        // SAFETY: flags only.
        if unsafe { libc::unshare(libc::CLONE_NEWNS | users) } != 0 {
            // Not allowed, or not known: the program's own rights must do.
            return Ok(());
        }
        if let Some([uid, gid]) = &self.maps {
            write(c"/proc/self/setgroups", b"deny")?;
            write(c"/proc/self/uid_map", uid.as_bytes())?;
            write(c"/proc/self/gid_map", gid.as_bytes())?;
        }
        mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
        if let Some(Shown { at, options }) = &self.shown {
            // A system without overlays, or with too many of them, has the names at one place only.
            let _unseen = mount(c"shown", at, Some(c"overlay"), libc::MS_RDONLY, Some(options));
        }
        // Handles are taken while what they name can still be reached; a fixed room for them,
        // for nothing is allocated here.
        let mut handles = [-1; 16];
        if self.places.len() > handles.len() {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        for (place, handle) in self.places.iter().zip(&mut handles) {
            *handle = open_tree(&place.path)?;
            if !place.is_writable {
                read_only(*handle, c"", libc::AT_EMPTY_PATH)?;
            }
        }
        read_only(libc::AT_FDCWD, c"/", 0)?;
        mount(c"tmp", c"/tmp", Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV, None)?;
        for (place, handle) in self.places.iter().zip(&handles) {
            put_back(place, *handle)?;
        }
        if let Some(directory) = &self.directory {
            // SAFETY: the path ends with NUL.  Who may not go there stays where he is.
            unsafe { libc::chdir(directory.as_ptr()) };
        }
        Ok(())
    }
}

fn done(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn write(path: &std::ffi::CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends with NUL, the bytes are as many as is said.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        done(file.into())?;
        let written = libc::write(file, bytes.as_ptr().cast(), bytes.len());
        libc::close(file);
        done(written as libc::c_long).map(drop)
    }
}

fn mount(
    source: &std::ffi::CStr,
    target: &std::ffi::CStr,
    kind: Option<&std::ffi::CStr>,
    flags: libc::c_ulong,
    options: Option<&std::ffi::CStr>,
) -> io::Result<()> {
    let kind = kind.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    let options = options.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: all strings end with NUL, and what is not handed over is null.
    let result =
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, options.cast()) };
    done(result.into()).map(drop)
}

fn open_tree(path: &std::ffi::CStr) -> io::Result<i32> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: the path ends with NUL.
    let handle =
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    done(handle).map(|handle| handle as i32)
}

fn read_only(at: i32, path: &std::ffi::CStr, flags: i32) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this plain structure.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_RDONLY;
    // SAFETY: the path ends with NUL, the structure is as large as is said.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    done(result).map(drop)
}

fn put_back(place: &Place, handle: i32) -> io::Result<()> {
    // What is there already, or lies in a place that is read-only and holds it, needs no making.
    for above in &place.above {
        // SAFETY: the path ends with NUL.
        unsafe { libc::mkdir(above.as_ptr(), 0o755) };
    }
    if !place.above.is_empty() || place.path.as_bytes().starts_with(b"/tmp/") {
        // SAFETY: the path ends with NUL.
        unsafe {
            if place.is_directory {
                libc::mkdir(place.path.as_ptr(), 0o755);
            } else {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC;
                let file = libc::open(place.path.as_ptr(), flags, 0o644);
                if file >= 0 {
                    libc::close(file);
                }
            }
        }
    }
    // SAFETY: both paths end with NUL.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            handle,
            c"".as_ptr(),
            libc::AT_FDCWD,
            place.path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    done(result).map(drop)
}
