//! feed.rs - the files' bytes, read ahead by a few threads and handed over in order.
//!
//! Consecutive small files are one batch of up to 1 MiB; a larger file is a batch of its own and
//! comes in parts of 1 MiB.  Thread n of N takes batches n, n + N, ...; each has a channel of its
//! own with room for two parcels, so the order is kept without a word between them and a dozen
//! megabytes are in flight, whatever the size of the whole.
//!
//! Law: every file has exactly the length the table gives.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use crate::content::{Content, longer};

/// Bytes of a batch or a part; a multiple of every format's block, so a part ends where a block does.
const PARCEL: u64 = 1 << 20;
const FILES: usize = 256;
const THREADS: usize = 4;
const ROOM: usize = 2;

/// The failure of a file's contents: they cannot be read, or are not as long as the table says.
#[derive(Debug)]
pub struct FeedError {
    /// The file.
    pub path: String,
    /// What happened.
    pub source: io::Error,
}

type Parcel = Result<Vec<u8>, FeedError>;

/// A file to be read.
pub type Want<'a> = (&'a str, u64);

/// The receiving end.
pub struct Feed<'a> {
    wants: &'a [Want<'a>],
    lanes: Vec<Receiver<Parcel>>,
    /// How many batches were begun.
    batches: usize,
    /// Files of the batch at hand: the next, and one past the last.
    files: Range<usize>,
    bytes: Vec<u8>,
    at: usize,
}

impl<'a> Feed<'a> {
    /// Begins to read `wants`.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        content: &'scope dyn Content,
        wants: &'scope [Want<'scope>],
    ) -> Feed<'scope> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = cores.min(THREADS);
        let lanes = (0..count).map(|lane| {
            let (to, from) = sync_channel(ROOM);
            scope.spawn(move || send(content, wants, lane, count, &to));
            from
        });
        let lanes = lanes.collect();
        Feed { wants, lanes, batches: 0, files: 0..0, bytes: Vec::new(), at: 0 }
    }

    /// Hands the next file's bytes to `take`, in parts that end where a block does, but the last.
    pub fn next<E: From<FeedError>>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.files.is_empty() {
            self.files = batch(self.wants, self.files.end);
            self.batches += 1;
            self.bytes = self.receive()?;
            self.at = 0;
        }
        let (_, size) = self.wants[self.files.start];
        self.files.start += 1;
        if size <= PARCEL {
            let from = self.at;
            self.at += size as usize;
            return take(&self.bytes[from..self.at]);
        }
        let mut left = size;
        loop {
            take(&self.bytes)?;
            left -= self.bytes.len() as u64;
            if left == 0 {
                return Ok(());
            }
            self.bytes = self.receive()?;
        }
    }

    /// The next parcel of the batch at hand.
    fn receive(&self) -> Parcel {
        let lane = &self.lanes[(self.batches - 1) % self.lanes.len()];
        lane.recv().expect("a lane ends after its last parcel")
    }
}

/// The files of the batch that begins with file `first`.
fn batch(wants: &[Want<'_>], first: usize) -> Range<usize> {
    let mut sum = 0;
    let fits = wants[first..].iter().take(FILES).take_while(|(_, size)| {
        sum += size;
        sum <= PARCEL
    });
    first..first + fits.count().max(1)
}

/// Sends every batch of a lane.  Ends early when nobody receives any more.
fn send(
    content: &dyn Content,
    wants: &[Want<'_>],
    lane: usize,
    lanes: usize,
    to: &SyncSender<Parcel>,
) {
    let (mut first, mut number) = (0, 0);
    while first < wants.len() {
        let files = batch(wants, first);
        first = files.end;
        if number % lanes == lane && send_batch(content, &wants[files], to).is_err() {
            return;
        }
        number += 1;
    }
}

/// Nobody receives, or a failure was sent: both end the lane.
struct Over;

fn send_batch(
    content: &dyn Content,
    wants: &[Want<'_>],
    to: &SyncSender<Parcel>,
) -> Result<(), Over> {
    let send = |parcel: Parcel| {
        let failed = parcel.is_err();
        to.send(parcel).map_err(|_| Over)?;
        if failed { Err(Over) } else { Ok(()) }
    };
    if let &[(path, size)] = wants {
        if size > PARCEL {
            let failed = |source| send(Err(FeedError { path: path.to_string(), source }));
            return match parts(content, path, size, &send) {
                Ok(sent) => sent,
                Err(source) => failed(source),
            };
        }
    }
    let total: u64 = wants.iter().map(|(_, size)| size).sum();
    let mut bytes = vec![0; total as usize];
    let mut at = 0;
    for &(path, size) in wants {
        let end = at + size as usize;
        if let Err(source) = whole(content, path, &mut bytes[at..end]) {
            return send(Err(FeedError { path: path.to_string(), source }));
        }
        at = end;
    }
    send(Ok(bytes))
}

fn whole(content: &dyn Content, path: &str, into: &mut [u8]) -> io::Result<()> {
    let mut from = content.open(path)?;
    from.read_exact(into)?;
    end(&mut *from, into.len() as u64)
}

fn parts(
    content: &dyn Content,
    path: &str,
    size: u64,
    send: &dyn Fn(Parcel) -> Result<(), Over>,
) -> io::Result<Result<(), Over>> {
    let mut from = content.open(path)?;
    let mut left = size;
    while left > 0 {
        let mut bytes = vec![0; left.min(PARCEL) as usize];
        from.read_exact(&mut bytes)?;
        left -= bytes.len() as u64;
        // What a longer file has at the end is not waited for by anybody.
        if left == 0 {
            end(&mut *from, size)?;
        }
        if let Err(over) = send(Ok(bytes)) {
            return Ok(Err(over));
        }
    }
    Ok(Ok(()))
}

fn end(from: &mut dyn Read, size: u64) -> io::Result<()> {
    if from.read(&mut [0])? == 0 { Ok(()) } else { Err(longer(size)) }
}
