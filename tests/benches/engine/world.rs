//! world.rs - a root with services, and its engine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smf_scf::handle::Handle;
use smf_scf::protocol::{Choice, Query, Request, Response, Wanted};

/// A service to be measured: its name, its method, what it depends on.
pub struct Service {
    pub name: String,
    pub start: String,
    pub model: &'static str,
    pub on: Vec<String>,
    pub enabled: bool,
}

impl Service {
    pub fn transient(name: String, on: Vec<String>) -> Service {
        Service { name, start: "/bin/true".to_owned(), model: "transient", on, enabled: true }
    }

    pub fn fmri(&self) -> String {
        format!("svc:/{}:default", self.name)
    }
}

fn bundle(services: &[Service]) -> String {
    let mut text = "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM \
                    '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n\
                    <service_bundle type='manifest' name='bench'>\n"
        .to_owned();
    for Service { name, start, model, on, enabled } in services {
        let mut groups = String::new();
        for (number, other) in on.iter().enumerate() {
            write!(
                groups,
                "<dependency name='d{number}' grouping='require_all' restart_on='none' \
                 type='service'><service_fmri value='svc:/{other}:default'/></dependency>"
            )
            .unwrap();
        }
        writeln!(
            text,
            "<service name='{name}' version='1' type='service'>\
             <create_default_instance enabled='{enabled}'/>{groups}\
             <exec_method type='method' name='start' exec='{start}' timeout_seconds='60'/>\
             <exec_method type='method' name='stop' exec=':{}' timeout_seconds='60'/>\
             <property_group name='startd' type='framework'>\
             <propval name='duration' type='astring' value='{model}'/></property_group></service>",
            if *model == "transient" { "true" } else { "kill" }
        )
        .unwrap();
    }
    text.push_str("</service_bundle>\n");
    text
}

/// The folder of the programs of this profile.
fn built() -> PathBuf {
    let bench = std::env::current_exe().unwrap();
    bench.parent().and_then(Path::parent).unwrap().to_path_buf()
}

/// A root with services, and its engine.
pub struct World {
    place: tempfile::TempDir,
    pub engine: Option<Child>,
    /// So many of its services are to be in a state that is waited for.
    pub count: usize,
}

impl World {
    pub fn new(services: &[Service]) -> World {
        let place = tempfile::Builder::new().prefix("bench-").tempdir().unwrap();
        let count = services.iter().filter(|service| service.enabled).count();
        let mut world = World { place, engine: None, count };
        // The services are brought in by a run that is not measured.
        fs::create_dir_all(world.root()).unwrap();
        world.start();
        drop(world.connect());
        // No bundle is larger than svccfg takes.
        for some in services.chunks(2_000) {
            let file = world.place.path().join("bench.xml");
            fs::write(&file, bundle(some)).unwrap();
            let import = ["import".as_ref(), file.as_os_str()];
            let imported = world.command("svccfg").args(import).output().unwrap();
            assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        }
        world.settled("online");
        world.end();
        copy_repository(&world.root().join("etc/svc"), world.place.path());
        world.reset();
        world
    }

    pub fn root(&self) -> PathBuf {
        self.place.path().join("root")
    }

    pub fn log(&self, service: &Service) -> String {
        let name = format!("{}:default.log", service.name.replace('/', "-"));
        fs::read_to_string(self.root().join("var/svc/log").join(name)).unwrap()
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(built().join(program));
        command.env("SMF_ROOT", self.root()).stdin(Stdio::null());
        command
    }

    /// As after a boot.
    fn reset(&mut self) {
        self.kill();
        fs::remove_dir_all(self.root().join("etc/svc")).unwrap();
        fs::create_dir_all(self.root().join("etc/svc")).unwrap();
        copy_repository(self.place.path(), &self.root().join("etc/svc"));
    }

    pub fn kill(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            let _gone = engine.kill();
            engine.wait().unwrap();
        }
    }

    /// Takes everything down.
    pub fn end(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            // SAFETY: kill takes two integers; the child is not reaped yet.
            unsafe { libc::kill(engine.id() as i32, libc::SIGTERM) };
            engine.wait().unwrap();
        }
    }

    pub fn start(&mut self) {
        let mut command = self.command("svc-startd");
        command.arg("-f").stdout(Stdio::null()).stderr(Stdio::inherit());
        self.engine = Some(command.spawn().unwrap());
    }

    pub fn connect(&self) -> Handle {
        let door = self.root().join("etc/svc/volatile/repository_door");
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match Handle::connect(&door) {
                Ok(handle) => return handle,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Waits until so many are in this state; returns when the last of them came to it, as the
    /// engine wrote it down.  It is asked seldom: on two processors every question holds up what is
    /// measured, and who waits for make(1) asks nothing.
    pub fn settled(&self, state: &str) -> Instant {
        let mut handle = self.connect();
        let until = Instant::now() + Duration::from_secs(300);
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let Ok(Response::Mark(mark)) = handle.call(&Request::Mark) else { panic!("no mark") };
            if mark != last {
                (last, moved) = (mark, Instant::now());
            } else if moved.elapsed() > Duration::from_millis(30) {
                let all = states(&mut handle);
                if all.iter().filter(|(one, _)| one == state).count() >= self.count {
                    let newest = all.iter().map(|(_, then)| *then).fold(0.0, f64::max);
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                    let ago = (since.as_secs_f64() - newest).max(0.0);
                    return Instant::now() - Duration::from_secs_f64(ago);
                }
                assert!(Instant::now() < until, "{all:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The time the engine used; not that of the threads that answer clients.
    pub fn cpu(&self) -> Duration {
        let Some(engine) = &self.engine else { return Duration::ZERO };
        let text = fs::read_to_string(format!("/proc/{}/schedstat", engine.id())).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    pub fn status(&self, field: &str) -> u64 {
        let Some(engine) = &self.engine else { return 0 };
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", engine.id())).unwrap().flatten() {
            let text = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            sum += number.unwrap_or(0);
            if field == "VmRSS:" {
                break;
            }
        }
        sum
    }

    /// From the start of the engine until all are online, and the time it used itself.
    pub fn boot(&mut self) -> (Duration, Duration) {
        self.reset();
        let began = Instant::now();
        self.start();
        let took = self.settled("online") - began;
        (took, self.cpu())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end();
    }
}

fn copy_repository(from: &Path, to: &Path) {
    for name in ["repository.db", "repository.db-wal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// The state of each service, and since when.
pub fn states(handle: &mut Handle) -> Vec<(String, f64)> {
    let wanted = |name: &str| Wanted::Property("restarter".into(), name.into());
    let query = Query {
        instances: None,
        live: Choice::These(["state", "state_timestamp"].map(wanted).to_vec()),
        running: Choice::Nothing,
    };
    let answer = handle.call(&Request::Composed(query)).unwrap();
    let Response::Composed(all) = answer else { panic!("another answer") };
    let mine = all.into_iter().filter_map(smf_scf::protocol::Packed::unpack);
    let mine = mine.filter(|one| one.instance.starts_with("svc:/bench/"));
    let state = |one: smf_scf::protocol::Composed| {
        let group = one.live.get("restarter")?;
        let value = |name| group.properties.get(name)?.values.first().cloned();
        Some((value("state")?, value("state_timestamp")?.parse().ok()?))
    };
    mine.filter_map(state).collect()
}
