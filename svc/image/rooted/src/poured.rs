//! poured.rs - a medium on its way from who writes it to its file.
//!
//! ```text
//! xorriso --> WORK/medium, a pipe with a name --> seen --> OUTPUT --> the disk, every FLUSHED bytes
//! ```
//!
//! Who wants to know what is in a medium sees it on the way: nobody reads it again.
//!
//! Law: what is seen is what the file has, byte by byte in order, and on the disk at the end.  Who
//! writes is never kept waiting for nobody: where the file cannot be written, the rest is read all
//! the same, and the pipe has a reader before anybody is told of it.

use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, Result};
use image_formats::iso::{self, IsoError};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;

use crate::sys;

/// Bytes that are taken at once.
const PIECE: usize = 256 << 10;
/// The disk gets what there is every so many bytes: it has less to do at the end.
const FLUSHED: usize = 32 << 20;

/// By what a medium starts as a disk, where that is not xorriso's work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub pmbr: &'a [u8],
    pub isoboot: &'a [u8],
}

/// A way for a medium.
pub(crate) struct Pouring<'a> {
    /// Where the pipe may be.
    pub pipe: &'a Path,
    /// The file, made anew.
    pub output: &'a Path,
    /// What its first sectors become.
    pub head: Option<Head<'a>>,
}

impl Pouring<'_> {
    /// Lets `write` write into the pipe; `see` is shown what the file gets.
    pub(crate) fn run(
        &self,
        see: &mut (dyn FnMut(&[u8]) + Send),
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let (pipe, output) = (self.pipe, self.output);
        let named = || output.display().to_string();
        remove(output).with_context(named)?;
        let file = File::create(output).with_context(named)?;
        let (from, to) = open(pipe).with_context(|| pipe.display().to_string())?;
        let (come, news) = channel();
        std::thread::scope(|scope| {
            let flushing = scope.spawn(|| flush(&file, news));
            let pouring = scope.spawn(|| self.pour(from, &file, see, come));
            let written = write(pipe);
            // Now the last writer has gone.
            drop(to);
            let poured = pouring.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let flushed = flushing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            remove(pipe).with_context(|| pipe.display().to_string())?;
            // Of what was cut short the head may be missed; why it was says who wrote.
            written?;
            poured.with_context(named)?;
            flushed.with_context(named)
        })
    }

    /// Brings everything to the file.
    fn pour(
        &self,
        mut from: File,
        mut file: &File,
        see: &mut dyn FnMut(&[u8]),
        come: Sender<()>,
    ) -> Result<(), IsoError> {
        let mut told = 0;
        let mut put = |bytes: &[u8]| -> io::Result<()> {
            see(bytes);
            file.write_all(bytes)?;
            told += bytes.len();
            if told >= FLUSHED {
                told = 0;
                // Nobody flushes any more where that went wrong, and says so.
                let _gone = come.send(());
            }
            Ok(())
        };
        let poured = match self.head {
            Some(head) => start(&mut from, head).and_then(|first| Ok(put(&first)?)),
            None => Ok(()),
        };
        let poured = poured.and_then(|()| Ok(copy(&mut from, &mut put)?));
        if poured.is_err() {
            copy(&mut from, &mut |_| Ok(()))?;
        }
        poured
    }
}

/// The first bytes of a medium, as far as they must be there to make its head.
fn start(from: &mut File, head: Head<'_>) -> Result<Vec<u8>, IsoError> {
    let mut first = Vec::new();
    loop {
        let count = from.take(PIECE as u64).read_to_end(&mut first)?;
        match iso::hybrid(&mut Cursor::new(&mut first), head.pmbr, head.isoboot) {
            // The catalog is not there yet.
            Err(IsoError::Io(error)) if error.kind() == ErrorKind::UnexpectedEof && count > 0 => {}
            made => return made.map(|()| first),
        }
    }
}

fn copy(from: &mut File, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut room = vec![0; PIECE];
    loop {
        match from.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(count) => put(&room[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Flushes the file at each news, and all of it once there are no more.
fn flush(file: &File, news: Receiver<()>) -> io::Result<()> {
    for () in news {
        file.sync_data()?;
    }
    file.sync_all()
}

/// A new pipe of that name: its end to read from, and one to write to, so that it does not end
/// before all writers have come.
fn open(path: &Path) -> io::Result<(File, File)> {
    remove(path)?;
    nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // Nobody is waited for.
    let from = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let to = File::options().write(true).open(path)?;
    fcntl(&from, FcntlArg::F_SETFL(OFlag::empty()))?;
    sys::widen(&from);
    Ok((from, to))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 2048;

    /// An image with its boot catalog in a block, as far as a head needs it.
    fn image(catalog: usize) -> Vec<u8> {
        let mut image: Vec<u8> =
            (0..(catalog + 200) * BLOCK).map(|at| (at / 7 % 251) as u8).collect();
        let record = &mut image[17 * BLOCK..18 * BLOCK];
        record[..30].copy_from_slice(b"\0CD001\x01EL TORITO SPECIFICATION");
        record[71..75].copy_from_slice(&(catalog as u32).to_le_bytes());
        let entries = &mut image[catalog * BLOCK..][..BLOCK];
        entries.fill(0);
        entries[0] = 1;
        entries[28..32].copy_from_slice(&[0, 0, 0x55, 0xaa]);
        let sum = entries[..32]
            .chunks_exact(2)
            .fold(0u16, |sum, pair| sum.wrapping_add(u16::from_le_bytes([pair[0], pair[1]])));
        entries[2..4].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
        image
    }

    #[test]
    fn the_head_is_made_when_the_catalog_has_come() {
        let scratch = tempfile::tempdir().unwrap();
        let (pmbr, isoboot) = (&[3; 512], &[4; 2000]);
        for catalog in [18, 127, 128, 700] {
            let mut wanted = image(catalog);
            iso::hybrid(&mut Cursor::new(&mut wanted), pmbr, isoboot).unwrap();
            let (pipe, output) = (&scratch.path().join("pipe"), &scratch.path().join("out"));
            let pouring = Pouring { pipe, output, head: Some(Head { pmbr, isoboot }) };
            let mut seen = Vec::new();
            let poured = pouring.run(&mut |bytes| seen.extend_from_slice(bytes), |pipe| {
                Ok(fs::write(pipe, image(catalog))?)
            });
            poured.unwrap();
            assert!(seen == wanted && fs::read(output).unwrap() == wanted, "{catalog}");
            // What has no head is none, and what came of it does not matter.
            let cut = &image(catalog)[..catalog * BLOCK];
            let poured = pouring.run(&mut |_| {}, |pipe| Ok(fs::write(pipe, cut)?));
            assert!(format!("{:#}", poured.unwrap_err()).contains("out: the image"));
        }
    }

    #[test]
    fn a_file_that_takes_no_more_keeps_nobody_waiting() {
        let scratch = tempfile::tempdir().unwrap();
        let path = &scratch.path().join("pipe");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let pouring = Pouring { pipe: path, output: path, head: None };
        let (from, mut to) = open(path).unwrap();
        let (come, _news) = channel();
        std::thread::scope(|scope| {
            let pouring = scope.spawn(|| pouring.pour(from, &full, &mut |_| {}, come));
            to.write_all(&vec![1; 4 << 20]).unwrap();
            drop(to);
            let Err(IsoError::Io(error)) = pouring.join().unwrap() else { panic!("it is full") };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        });
    }

    #[test]
    fn who_does_not_come_is_not_waited_for() {
        let scratch = tempfile::tempdir().unwrap();
        let (pipe, output) = (&scratch.path().join("pipe"), &scratch.path().join("out"));
        // What a killed build left.
        nix::unistd::mkfifo(pipe, Mode::S_IRUSR).unwrap();
        let pouring = Pouring { pipe, output, head: None };
        let failed = pouring.run(&mut |_| {}, |_| anyhow::bail!("absent"));
        assert_eq!(failed.unwrap_err().to_string(), "absent");
        assert!(!pipe.exists());
    }
}
