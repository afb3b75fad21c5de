//! floor.rs - what a row would cost if nothing had to be thought about: a bare loop that reads,
//! carries, writes, links and renames the same files on the same file system.
//!
//! Two threads, as there are processors; written files lie in a folder of their own for each folder
//! they come from, are flushed once, and are put into their places by renaming those folders.  What
//! is carried goes through a connection of this host, by sendfile, file after file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;

const THREADS: usize = 2;

/// What is done with files, and with which.
#[derive(Default)]
pub struct Floor {
    /// Read whole.
    pub read: Vec<PathBuf>,
    /// Sent from one thread to another by a connection.
    pub carried: Vec<PathBuf>,
    /// Files of these lengths are written; with what is in them this has nothing to do.
    pub written: Vec<PathBuf>,
    /// Linked.
    pub linked: Vec<PathBuf>,
}

/// Every file below some folders.
pub fn files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = folders.to_vec();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

impl Floor {
    /// Does it all, in the new folder `place`.
    pub fn run(&self, place: &Path) {
        side_by_side(&self.read, |files| {
            let mut buffer = Vec::new();
            files.iter().for_each(|file| read(file, &mut buffer));
        });
        side_by_side(&self.carried, carry);
        let staged = place.join("staged");
        fs::create_dir(&staged).unwrap();
        let mut groups: BTreeMap<&Path, Vec<&PathBuf>> = BTreeMap::new();
        for file in &self.written {
            groups.entry(file.parent().unwrap()).or_default().push(file);
        }
        let groups: Vec<(usize, Vec<&PathBuf>)> = groups.into_values().enumerate().collect();
        side_by_side(&groups, |groups| {
            groups.iter().for_each(|(to, files)| write(*to, files, &staged))
        });
        let linked = place.join("linked");
        fs::create_dir(&linked).unwrap();
        let links: Vec<(usize, &PathBuf)> = self.linked.iter().enumerate().collect();
        side_by_side(&links, |links| {
            for (number, file) in links {
                fs::hard_link(file, linked.join(number.to_string())).unwrap();
            }
        });
        let folder = File::open(&staged).unwrap();
        // SAFETY: the descriptor is open for the call.
        assert_eq!(unsafe { libc::syncfs(folder.as_raw_fd()) }, 0);
        for (number, _) in &groups {
            let name = number.to_string();
            fs::rename(staged.join(&name), place.join(&name)).unwrap();
        }
        File::open(place).unwrap().sync_all().unwrap();
    }
}

fn side_by_side<T: Sync>(all: &[T], work: impl Fn(&[T]) + Sync) {
    let part = all.len().div_ceil(THREADS).max(1);
    thread::scope(|scope| {
        for part in all.chunks(part) {
            scope.spawn(|| work(part));
        }
    });
}

fn read(path: &Path, buffer: &mut Vec<u8>) {
    let mut file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len() as usize;
    buffer.resize(length.max(buffer.len()), 0);
    file.read_exact(&mut buffer[..length]).unwrap();
}

fn write(number: usize, files: &[&PathBuf], staged: &Path) {
    let folder = staged.join(number.to_string());
    fs::create_dir(&folder).unwrap();
    let mut content = Vec::new();
    for file in files {
        let length = fs::metadata(file).unwrap().len() as usize;
        content.resize(length.max(content.len()), 1);
        let path = folder.join(file.file_name().unwrap());
        File::create_new(path).unwrap().write_all(&content[..length]).unwrap();
    }
}

fn carry(files: &[PathBuf]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for path in files {
                let file = File::open(path).unwrap();
                let mut left = file.metadata().unwrap().len() as usize;
                while left > 0 {
                    // SAFETY: both descriptors are open; no offset is handed over.
                    let sent = unsafe {
                        libc::sendfile(
                            there.as_raw_fd(),
                            file.as_raw_fd(),
                            std::ptr::null_mut(),
                            left,
                        )
                    };
                    assert!(sent > 0, "{}", std::io::Error::last_os_error());
                    left -= sent as usize;
                }
            }
        });
        let mut buffer = Vec::new();
        for path in files {
            let length = fs::metadata(path).unwrap().len() as usize;
            buffer.resize(length.max(buffer.len()), 0);
            here.read_exact(&mut buffer[..length]).unwrap();
        }
    });
}
