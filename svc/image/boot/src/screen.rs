//! screen.rs - what the guest shows on its screen, asked of QEMU while it runs.
//!
//! ```text
//! connect to the socket, read the greeting, {"execute": "qmp_capabilities"}
//! {"execute": "screendump", "arguments": {"filename": ..., "format": "png"}}
//! every answer is a line with "return" or "error"; lines with "event" come between
//! ```
//!
//! A guest that ends takes its screen with it, so a picture is taken at once and every half second,
//! and one when somebody asks; the last one counts.  Without pictures (a QEMU older than 7.1, or built without
//! PNG) a boot is as good as with them.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// Time between two pictures.
const EVERY: Duration = Duration::from_millis(500);
/// Time between two attempts to reach a QEMU that is starting.
const STARTING: Duration = Duration::from_millis(50);
/// How long QEMU may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Takes pictures until it is dropped.
pub(crate) struct Watch {
    folder: tempfile::TempDir,
    ask: Sender<()>,
    taker: JoinHandle<()>,
}

impl Watch {
    /// Waits for QEMU to open [`Watch::socket`].
    pub(crate) fn new() -> io::Result<Self> {
        // A socket's path has at most 108 bytes.
        let folder = tempfile::Builder::new().prefix("boot.").tempdir_in("/tmp")?;
        let (ask, asked) = channel();
        let (socket, picture) = (socket(folder.path()), picture(folder.path()));
        let taker = std::thread::Builder::new().name("screen".to_owned());
        // Whoever cannot be asked shows nothing.
        let taker = taker.spawn(move || drop(take(&socket, &picture, &asked)))?;
        Ok(Self { folder, ask, taker })
    }

    /// Where QEMU is to listen.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }

    /// Asks for a picture now.
    pub(crate) fn look(&self) {
        // A taker that is gone takes none.
        let _gone = self.ask.send(());
    }

    /// The last picture, as PNG.
    pub(crate) fn last(self) -> Option<Vec<u8>> {
        drop(self.ask);
        // A taker that panicked took no more; what it took before is there.
        let _panicked = self.taker.join();
        std::fs::read(picture(self.folder.path())).ok().filter(|bytes| !bytes.is_empty())
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("qmp")
}

fn picture(folder: &Path) -> PathBuf {
    folder.join("screen.png")
}

/// Takes pictures until nobody can ask any more, or QEMU is gone.
fn take(socket: &Path, picture: &Path, asked: &Receiver<()>) -> io::Result<()> {
    let stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(_) if asked.recv_timeout(STARTING) == Err(RecvTimeoutError::Disconnected) => {
                return Ok(());
            }
            Err(_) => {}
        }
    };
    stream.set_read_timeout(Some(ANSWER))?;
    let mut from = BufReader::new(stream.try_clone()?);
    from.read_line(&mut String::new())?;
    let mut qmp = Qmp { to: stream, from };
    qmp.ask(&json!({ "execute": "qmp_capabilities" }))?;
    let beside = picture.with_extension("new");
    let file = beside.display().to_string();
    let dump =
        json!({ "execute": "screendump", "arguments": { "filename": file, "format": "png" } });
    // The first at once: a quick guest may not be there any more when the next one is due.
    loop {
        if qmp.ask(&dump)? {
            std::fs::rename(&beside, picture)?;
        }
        if asked.recv_timeout(EVERY) == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
    }
}

struct Qmp {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Qmp {
    /// Whether QEMU does what it is asked.
    fn ask(&mut self, what: &Value) -> io::Result<bool> {
        self.to.write_all(format!("{what}\n").as_bytes())?;
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let answer: Value = serde_json::from_str(&line)?;
            if answer.get("event").is_none() {
                return Ok(answer.get("return").is_some());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn nobody_answers() {
        let watch = Watch::new().unwrap();
        watch.look();
        assert_eq!(watch.last(), None);
    }

    #[test]
    fn the_last_picture_counts() {
        let watch = Watch::new().unwrap();
        let listener = UnixListener::bind(watch.socket()).unwrap();
        let played = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let say = |text: &str| writeln!(&stream, "{text}").unwrap();
            say(r#"{"QMP": {}}"#);
            assert!(lines.next().unwrap().unwrap().contains("qmp_capabilities"));
            say(r#"{"return": {}}"#);
            // The first is taken, the second refused, with something else between.
            for answer in [r#"{"return": {}}"#, r#"{"error": {}}"#] {
                let Some(Ok(line)) = lines.next() else { return };
                let asked: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(asked["arguments"]["format"], "png");
                let file = asked["arguments"]["filename"].as_str().unwrap();
                std::fs::write(file, answer).unwrap();
                say(r#"{"event": "RESUME"}"#);
                say(answer);
            }
        });
        watch.look();
        watch.look();
        played.join().unwrap();
        assert_eq!(watch.last().as_deref(), Some(r#"{"return": {}}"#.as_bytes()));
    }
}
