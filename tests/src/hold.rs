//! hold.rs - a gate whose build waits until the test lets it go.
//!
//! The gate's nightly says that it has come to the middle by making a file, leaves a detached
//! process behind, and reads from a FIFO.  When the FIFO is not there it builds straight on.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{World, await_true, edit};

/// A hold on one gate's build.
#[derive(Debug)]
pub struct Hold {
    fifo: PathBuf,
    held: PathBuf,
    /// While this FIFO is there the build, told to end, says so and waits here.
    term: PathBuf,
    ending: PathBuf,
    stranger: PathBuf,
    gone: Vec<File>,
}

impl Hold {
    /// Prepares a gate; nothing is held yet.
    #[must_use]
    pub fn on(world: &World, gate: &str) -> Hold {
        let place = |name: &str| world.gates.join(format!(".{gate}-{name}"));
        let hold = Hold {
            fifo: place("hold"),
            held: place("held"),
            term: place("term"),
            ending: place("ending"),
            stranger: place("stranger"),
            gone: Vec::new(),
        };
        let Hold { fifo, held, term, ending, stranger, .. } = &hold;
        let (fifo, held) = (fifo.display(), held.display());
        let (term, ending) = (term.display(), ending.display());
        let stranger = stranger.display();
        let lines = format!(
            "echo \"==== Build ====\"\n\
             if [ -p '{fifo}' ]; then\n\
             \t(setsid sleep 86400 </dev/null >/dev/null 2>&1 &)\n\
             \tif [ -e '{stranger}' ]; then\n\
             \t\t(env -i setsid sleep 86400 </dev/null >/dev/null 2>&1 &)\n\
             \tfi\n\
             \tif [ -p '{term}' ]; then\n\
             \t\ttrap \": >'{ending}'; read -r go <>'{term}' || :; exit 1\" TERM\n\
             \tfi\n\
             \t: >'{held}'\n\
             \tread -r go <>'{fifo}' || :\n\
             fi\n"
        );
        let nightly = world.gates.join(gate).join("nightly");
        edit(&nightly, "echo \"==== Build ====\"\n", &lines);
        hold
    }

    /// The next build waits in the middle.
    pub fn arm(&self) {
        let _absent = fs::remove_file(&self.held);
        make_fifo(&self.fifo);
    }

    /// Builds also leave a detached process behind that has forgotten its environment.
    pub fn leave_a_stranger(&self) {
        File::create(&self.stranger).unwrap();
    }

    /// The next build also waits when it is told to end.
    pub fn arm_the_end(&self) {
        let _absent = fs::remove_file(&self.ending);
        make_fifo(&self.term);
    }

    /// Waits until a build is in the middle.
    #[track_caller]
    pub fn await_held(&self, world: &World) {
        await_true(&|| self.held.exists(), &|| format!("nothing is held\n{}", world.story()));
    }

    /// Waits until a build was told to end.
    #[track_caller]
    pub fn await_ending(&self, world: &World) {
        await_true(&|| self.ending.exists(), &|| format!("nothing ends\n{}", world.story()));
    }

    /// Lets go of who waits, and of all who come later.
    pub fn release(&mut self) {
        for fifo in [&self.fifo, &self.term] {
            let aside = fifo.with_extension("open");
            if fs::rename(fifo, &aside).is_ok() {
                // For reading too, so that this does not wait for a reader.
                let mut end = File::options().read(true).write(true).open(&aside).unwrap();
                end.write_all("go\n".repeat(100).as_bytes()).unwrap();
                // Kept: a reader that comes to what was renamed still finds its line.
                self.gone.push(end);
            }
        }
    }
}

fn make_fifo(path: &Path) {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: mkfifo reads a string that lives through the call.
    let made = unsafe { libc::mkfifo(name.as_ptr(), 0o666) };
    if made == 0 {
        // Whatever the umask is: a world of nobody's reads it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    }
}
