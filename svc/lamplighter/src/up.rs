//! up.rs - the engine runs, the bundles are imported, a fresh root is configured.
//!
//! What must hold: a second `up` changes nothing that a user has set.  The digest of the bundles
//! and the prefix are remembered in the repository itself, so a new repository is a fresh root.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::plan::{self, Gates};
use crate::smf::{PIPELINE, Smf, UNAVAILABLE};

/// What is asked of a fresh root.
#[derive(Debug, Default)]
pub struct Asked {
    /// The tiny gates instead of the sample's.
    pub tiny: bool,
    /// A folder with gates of the same layout.
    pub gates: Option<PathBuf>,
    /// The first of the depots' ports; 0: any that are free.
    pub ports: Option<u16>,
    /// The platform is a stage of the pipeline.
    pub live: bool,
}

/// What `up` found and did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The engine was started.
    pub started: bool,
    /// The bundles were imported.
    pub imported: bool,
    /// Gates, image and depots were configured.
    pub configured: bool,
    /// The platform came to the pipeline's stages.
    pub added: bool,
}

/// Whether the repository of this root answers.
pub fn answers(smf: &Smf<'_>) -> bool {
    if !smf.place.engine().exists() {
        // The system's own SMF.
        return true;
    }
    let door = smf.place.volatile("repository_door");
    match UnixStream::connect(&door) {
        Ok(_) => true,
        // A path that is too long for a socket is reached through its folder.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            let Ok(folder) = std::fs::File::open(smf.place.volatile("")) else { return false };
            let fd = std::os::fd::AsRawFd::as_raw_fd(&folder);
            UnixStream::connect(format!("/proc/self/fd/{fd}/repository_door")).is_ok()
        }
        Err(_) => false,
    }
}

/// Starts the engine; it is ready when this returns.
pub fn start(smf: &Smf<'_>) -> Result<()> {
    let root = smf.place.root.to_str().context("SMF_ROOT is no text")?;
    std::fs::create_dir_all(&smf.place.root).with_context(|| root.to_owned())?;
    let engine = smf.place.engine();
    let said = smf.host.run(&engine, &[], &[("SMF_ROOT", root)])?;
    if said.status != 0 {
        let message = said.err.trim_end().trim_start_matches("svc.startd: ");
        bail!("svc.startd does not start: {message}");
    }
    Ok(())
}

/// Everything that is missing, and nothing else.
pub fn up(smf: &Smf<'_>, asked: &Asked) -> Result<Done> {
    let folder = match &asked.gates {
        Some(folder) => std::path::absolute(folder)?,
        None => smf.place.gates(asked.tiny),
    };
    if asked.gates.is_some() && !folder.join("illumos").is_dir() {
        bail!("{}: no gates there (illumos, pkg5, caiman)", folder.display());
    }
    let mut done = Done { started: !answers(smf), ..Done::default() };
    if done.started {
        start(smf)?;
    }
    let bundles = smf.place.bundles();
    let digest = digest(&bundles, &smf.place.prefix)?;
    let memory = Memory::read(smf)?;
    done.configured = memory.gates.is_none();
    done.imported = memory.imported.as_deref() != Some(&digest);
    if let Some(held) = &memory.gates {
        let wants = asked.tiny || asked.gates.is_some() || asked.ports.is_some();
        if wants && (asked.ports.is_some_and(|port| port != 0) || *held != folder) {
            eprintln!(
                "lamplighter: {} is configured (gates: {}); its configuration stays, \
                 svccfg changes it",
                smf.place.root.display(),
                held.display()
            );
        }
    }
    if done.imported {
        import(smf, &bundles)?;
        let gates = Gates { folder: &folder, tiny: asked.tiny };
        let script = plan::script(smf.place, done.configured.then_some(&gates));
        session(smf, &script)?;
    }
    if done.configured {
        depots(smf, asked.ports)?;
    } else if done.imported {
        refresh_depots(smf)?;
    }
    if done.imported || done.configured {
        session(smf, &plan::remember(&digest, done.configured.then_some(folder.as_path())))?;
    }
    if asked.live {
        done.added = add_live(smf)?;
    }
    Ok(done)
}

/// The platform becomes a stage; whether it was none.
fn add_live(smf: &Smf<'_>) -> Result<bool> {
    let said = smf.must("svcprop", &["-p", "pipeline/stages", PIPELINE])?;
    let stages: Vec<String> = said.out.split_whitespace().map(str::to_owned).collect();
    let Some(script) = plan::with_live(&stages) else { return Ok(false) };
    session(smf, &script)?;
    Ok(true)
}

/// What earlier calls left in the repository.
#[derive(Debug, Default, PartialEq, Eq)]
struct Memory {
    imported: Option<String>,
    gates: Option<PathBuf>,
}

impl Memory {
    fn read(smf: &Smf<'_>) -> Result<Self> {
        let said = smf.run("svcprop", &["-f", "-p", "lamplighter", plan::MEMORY])?;
        // Nothing there is a fresh root; nobody there is not.
        if said.status != 0 && said.err.contains(UNAVAILABLE) {
            bail!("{}", said.err.trim_end());
        }
        Ok(Self::parse(&said.out))
    }

    fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for line in text.lines() {
            let Some((_, rest)) = line.split_once("/:properties/lamplighter/") else { continue };
            let mut words = rest.splitn(3, ' ');
            let (name, value) = (words.next(), words.nth(1).unwrap_or_default());
            match name {
                Some("imported") => memory.imported = Some(value.to_owned()),
                Some("gates") => memory.gates = Some(unquoted(value).into()),
                _ => {}
            }
        }
        memory
    }
}

/// A value as svcprop prints it, without its backslashes.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

/// The digest of every bundle below a folder, and of the prefix.
fn digest(bundles: &Path, prefix: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(prefix.as_os_str().as_encoded_bytes());
    let mut folders = vec![bundles.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    for file in files {
        let mut bytes = Vec::new();
        let mut open = std::fs::File::open(&file)?;
        open.read_to_end(&mut bytes).with_context(|| file.display().to_string())?;
        hash.update(format!("\n{} {}\n", file.display(), bytes.len()));
        hash.update(&bytes);
    }
    Ok(stage::recipe::hex(&hash.finalize()))
}

fn import(smf: &Smf<'_>, bundles: &Path) -> Result<()> {
    let folder = bundles.to_str().context("the prefix is no text")?;
    let said = smf.must("svccfg", &["import", folder])?;
    // A folder's import goes on after a bundle that is refused.
    if said.err.contains("failed to load") {
        let counts = |line: &&str| line.contains("smf(5) service descriptions");
        let reasons: Vec<_> = said.err.lines().filter(|line| !counts(line)).collect();
        bail!("{}", reasons.join("\n"));
    }
    Ok(())
}

/// Runs an svccfg session.
fn session(smf: &Smf<'_>, script: &str) -> Result<()> {
    let folder = smf.place.root.join("var/lamplighter");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file = folder.join(format!("up.{}", std::process::id()));
    std::fs::write(&file, script).with_context(|| file.display().to_string())?;
    let done = smf.must("svccfg", &["-f", file.to_str().context("SMF_ROOT is no text")?]);
    std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
    done.map(|_| ())
}

/// Makes the depots' instances with the profile's script.
fn depots(smf: &Smf<'_>, ports: Option<u16>) -> Result<()> {
    let script = smf.place.depots();
    let script = script.to_str().context("the prefix is no text")?;
    let root = smf.place.root.to_str().context("SMF_ROOT is no text")?;
    let prefix = smf.place.prefix.to_str().context("the prefix is no text")?;
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    let path = format!("{prefix}/bin:{path}");
    let mut environment = vec![("SMF_ROOT", root), ("LAMPLIGHTER_PREFIX", prefix), ("PATH", &path)];
    let value = match ports {
        Some(0) => free_ports()?,
        Some(base) => base.to_string(),
        None => String::new(),
    };
    match ports {
        Some(0) => environment.push(("DEPOT_PORTS", &value)),
        Some(_) => environment.push(("DEPOT_PORT_BASE", &value)),
        None => {}
    }
    let said = smf.host.run(Path::new("sh"), &[script], &environment)?;
    if said.status != 0 {
        bail!("{script}: {}", said.err.trim_end());
    }
    Ok(())
}

/// Four ports that nobody listens on.
fn free_ports() -> Result<String> {
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(TcpListener::bind("127.0.0.1:0").context("a free port")?);
    }
    let ports: Result<Vec<String>, _> =
        held.iter().map(|one| one.local_addr().map(|at| at.port().to_string())).collect();
    Ok(ports?.join(" "))
}

/// The depots that are there take the new prefix over.
fn refresh_depots(smf: &Smf<'_>) -> Result<()> {
    let said = smf.run("svcs", &["-H", "-o", "fmri", "svc:/application/pkg/server:*"])?;
    let depots: Vec<String> = said.out.split_whitespace().map(str::to_owned).collect();
    smf.order(&["refresh"], &depots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::smf::Said;
    use crate::smf::tests::Played;

    fn answer(status: i32, out: &str, err: &str) -> Said {
        Said { status, out: out.to_owned(), err: err.to_owned() }
    }

    /// A prefix without an engine: the system's SMF answers.
    fn installed() -> (tempfile::TempDir, Place) {
        let folder = tempfile::tempdir().unwrap();
        let place =
            Place { root: folder.path().join("root"), prefix: folder.path().join("prefix") };
        std::fs::create_dir_all(place.bundles()).unwrap();
        std::fs::write(place.bundles().join("x.xml"), "<x/>").unwrap();
        for gates in [place.gates(false), place.gates(true)] {
            std::fs::create_dir_all(gates.join("illumos")).unwrap();
        }
        (folder, place)
    }

    #[test]
    fn a_fresh_root_is_imported_configured_and_given_depots() {
        let (_folder, place) = installed();
        let host = Played::default();
        host.answers.borrow_mut().push(answer(1, "", "svcprop: Pattern 'x' doesn't match"));
        let smf = Smf { place: &place, host: &host };
        let done = up(&smf, &Asked { tiny: true, ..Asked::default() }).unwrap();
        assert_eq!(done, Done { imported: true, configured: true, ..Done::default() });
        let asked: Vec<String> =
            host.asked.borrow().iter().map(|l| l.split(' ').next().unwrap().into()).collect();
        assert_eq!(asked, ["svcprop", "svccfg", "svccfg", "sh", "svccfg"]);
    }

    #[test]
    fn a_second_time_asks_once_and_does_nothing() {
        let (_folder, place) = installed();
        let digest = digest(&place.bundles(), &place.prefix).unwrap();
        let memory = format!(
            "{MEMORY}/:properties/lamplighter/imported astring {digest}\n\
             {MEMORY}/:properties/lamplighter/gates astring /a\\ b\n",
            MEMORY = plan::MEMORY
        );
        let host = Played::default();
        host.answers.borrow_mut().push(answer(0, &memory, ""));
        let smf = Smf { place: &place, host: &host };
        let done = up(&smf, &Asked { tiny: true, ..Asked::default() }).unwrap();
        assert_eq!(done, Done::default());
        assert_eq!(host.asked.borrow().len(), 1);
        assert_eq!(Memory::parse(&memory).gates, Some("/a b".into()));
    }

    #[test]
    fn what_cannot_be_imported_is_an_error() {
        let (_folder, place) = installed();
        let host = Played::default();
        host.answers.borrow_mut().extend([
            answer(1, "", "no such"),
            answer(
                0,
                "",
                "svccfg: x.xml: line 1\nsvccfg: 1 smf(5) service descriptions failed to load\n",
            ),
        ]);
        let smf = Smf { place: &place, host: &host };
        let error = up(&smf, &Asked::default()).unwrap_err().to_string();
        assert_eq!(error, "svccfg: x.xml: line 1");
    }

    #[test]
    fn four_different_ports() {
        let ports = free_ports().unwrap();
        let all: std::collections::BTreeSet<u16> =
            ports.split(' ').map(|port| port.parse().unwrap()).collect();
        assert_eq!(all.len(), 4);
    }
}
