//! live.rs - platforms: of a new user's live workspace, copied from the prefix, configured, built and
//! booted; and of the builders of a pipeline.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Said, World, edit, prefix};

/// Whom a test is without being root.
const NOBODY: &str = "65534";

/// A workspace, whose it is, and the stamp that is asked for.
struct Yard {
    place: tempfile::TempDir,
    as_nobody: bool,
}

const STAMP: &str = "20260101T000000Z";

impl Yard {
    /// A copy of what is installed, as the page says to make it; none where this user cannot be
    /// somebody else, or another may not read the prefix.
    fn new(as_nobody: bool) -> Option<Yard> {
        let yard = Yard { place: tempfile::tempdir().unwrap(), as_nobody };
        if as_nobody {
            let place = yard.place.path().to_str().unwrap();
            let gave = Command::new("chown").args([NOBODY, place]).status();
            let gave = gave.is_ok_and(|status| status.success());
            let reads = yard.command("ls").arg(prefix().join("bin")).output();
            if !gave || !reads.is_ok_and(|said| said.status.success()) {
                eprintln!("SKIPPED: cannot run {} as nobody here", prefix().display());
                return None;
            }
        }
        let from = prefix().join("share/lamplighter/live-workspace");
        let line = format!("cp -R {} {}", from.display(), yard.top().display());
        let said = Said::run(yard.shell(&line));
        assert_eq!(said.status, 0, "{said:?}");
        Some(yard)
    }

    fn top(&self) -> PathBuf {
        self.place.path().join("w")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = if self.as_nobody {
            let mut command = Command::new("setpriv");
            let id = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
            command.args(id).arg("--clear-groups").arg(program);
            command
        } else {
            Command::new(program)
        };
        // An ordinary user's has no /usr/sbin.
        let path = match self.as_nobody {
            true => "/usr/local/bin:/usr/bin:/bin".to_owned(),
            false => std::env::var("PATH").unwrap_or_default(),
        };
        command.env_clear().env("PATH", format!("{}:{path}", prefix().join("bin").display()));
        command.env("HOME", self.place.path()).env("BUILDSTAMP", STAMP);
        command
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", line]);
        command
    }

    /// What a user types in the workspace.
    fn types(&self, line: &str) -> Said {
        let mut command = self.shell(line);
        command.current_dir(self.top());
        Said::run(command)
    }

    #[track_caller]
    fn does(&self, line: &str) -> String {
        let said = self.types(line);
        assert_eq!(said.status, 0, "{line}: {}\n{}", said.out, said.err);
        said.out
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.top().join(below)).unwrap_or_default()
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn a_new_user_s_way_to_a_platform() {
    let mut platforms = Vec::new();
    for as_nobody in [false, true] {
        let Some(yard) = Yard::new(as_nobody) else { continue };
        to_a_world(&yard);
        let platform = format!("output/platform-{STAMP}");
        assert!(yard.does("make live").contains("OK[A] - FILE: etc/motd\n"));
        for file in ["i86pc/amd64/boot_archive", "i86pc/kernel/amd64/unix"] {
            assert!(is_there(&yard.top().join(&platform).join(file)), "{file}");
        }
        let listing = yard.read(&format!("{platform}/i86pc/amd64/boot_archive.manifest"));
        for line in ["f ./usr/bin/su 4555 root bin ", "f ./etc/nodename 0444 root root "] {
            assert!(listing.contains(line), "{line} is not in\n{listing}");
        }
        assert!(yard.does("make live").contains("is up to date"));
        platforms.push(fs::read(yard.top().join(format!("{platform}.tgz"))).unwrap());
        if platforms.len() == 1 {
            a_medium_that_boots(&yard);
            what_is_missing_is_told(&yard);
            yard.does("make clobber");
            for made in ["proto", "output", "0-illumos-stamp"] {
                assert!(!is_there(&yard.top().join(made)), "{made}");
            }
        }
    }
    assert!(platforms.windows(2).all(|pair| pair[0] == pair[1]), "one stamp, one platform");
}

fn to_a_world(yard: &Yard) {
    let said = yard.types("make world");
    assert!(said.status != 0 && said.err.contains("run ./configure first"), "{said:?}");
    yard.does("./configure --check");
    assert!(!is_there(&yard.top().join("build.env")));
    yard.does("./configure");
    yard.does("make check");
    yard.does("make -j2 world");
    assert_eq!(yard.read("proto/buildstamp"), format!("{STAMP}\n"));
    assert_eq!(yard.does("make world 0-local-welcome-stamp"), "");
}

/// build_live boots what it makes, and the guest confirms the archive's hash.
fn a_medium_that_boots(yard: &Yard) {
    let out = yard.does("make iso");
    assert!(out.contains("boot test (BIOS, CD): boot_archive.hash: ok\n"), "{out}");
    assert!(is_there(&yard.top().join(format!("output/platform-{STAMP}.iso"))));
}

fn what_is_missing_is_told(yard: &Yard) {
    let good = yard.read("manifest");
    fs::write(yard.top().join("manifest"), good.clone() + "f usr/bin/ture 0555 root bin\n")
        .unwrap();
    let said = yard.types("make live");
    assert!(said.status != 0, "{said:?}");
    let places = format!("{0}/overlay/usr/bin/ture, {0}/proto/usr/bin/ture", yard.top().display());
    let log = yard.top().join(format!("log/build_live.{STAMP}.log"));
    for text in [&places, "there is usr/bin/true", &format!("; log: {}", log.display())] {
        assert!(said.err.contains(text), "{text} is not in\n{}", said.err);
    }
    assert!(
        yard.read(&format!("build/build_live.{STAMP}.log"))
            .contains("*FAILED* - FILE: usr/bin/ture\n")
    );
    fs::write(yard.top().join("manifest"), good).unwrap();
}

/// What the service makes of the sample's builders is what a workspace makes, without what only a
/// workspace builds.
#[test]
fn the_sample_s_two_manifests_agree() {
    let packaging = tests::top().join("packaging");
    let read = |below: &str| -> Vec<String> {
        let text = fs::read_to_string(packaging.join(below)).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let own = ["etc/issue", "usr/bin/banner", "usr/bin/buildstamp", "usr/share/welcome.txt"];
    let mut shared = read("live-workspace/manifest");
    shared.retain(|line| own.iter().all(|path| !line.contains(&format!(" {path} "))));
    assert_eq!(shared, read("images/live.manifest"));
}

#[test]
fn the_platform_as_a_stage_of_the_pipeline() {
    let world = World::new();
    let gates = world.gates.to_str().unwrap();
    let up = ["up", "--tiny", "--live", "--gates", gates, "--ports", "0"];
    world.run("lamplighter", &up).ok();
    assert!(world.run("lamplighter", &up).ok().starts_with("up already: "));
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 0, "{}\n{}\n{}", said.out, said.err, world.story());
    assert_eq!(world.state("live"), "online", "{}", world.story());
    let media = world.stage("release/default/media");
    let there = || {
        let entries = fs::read_dir(&media).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("platform-")).collect::<Vec<_>>()
    };
    let released = there();
    assert!(released.len() == 1 && released[0].ends_with(".tgz"), "{released:?}");
    let made = world.current("live/default").join(&released[0]);
    assert!(fs::read(made).unwrap() == fs::read(media.join(&released[0])).unwrap());

    // A manifest that asks for what nobody built: the platform fails and says why, the release
    // goes on without it.
    let manifest = world.root.join("manifest");
    let tiny = tests::top().join("packaging/images/live_tiny.manifest");
    let good = fs::read_to_string(tiny).unwrap();
    fs::write(&manifest, good + "f usr/bin/ture 0555 root bin\n").unwrap();
    let set = format!("setprop live/manifest = astring: {}", manifest.display());
    world.run("svccfg", &["-s", "live:default", &set]).ok();
    world.run("svcadm", &["refresh", "live"]).ok();
    world.run("svcadm", &["restart", "live"]).ok();
    world.await_state("live", "maintenance");
    world.await_state("builder/release", "online");
    assert_eq!(there(), released);
    let why = world.run("lamplighter", &["why", "live"]).ok();
    let last = why.lines().find(|line| line.starts_with("  Last: live: ")).unwrap_or_default();
    for text in [
        "manifest:",
        "f usr/bin/ture: not at ",
        "builder/illumos/",
        "there is usr/bin/true",
        "; log: ",
    ] {
        assert!(last.contains(text), "{text} is not in\n{why}");
    }
    edit(&manifest, "f usr/bin/ture 0555", "d usr/include 0755");
    let said = world.run("lamplighter", &["build"]);
    assert_eq!(said.status, 0, "{}\n{}\n{}", said.out, said.err, world.story());
    assert!(said.out.contains("live was in maintenance: cleared"), "{}", said.out);
}
