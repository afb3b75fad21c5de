//! gates.rs - the packaging makefiles of real gates (tests/gates), which call our commands by name.
//!
//! Each gate is a makefile that calls the commands word for word as the gates of OS/Net, of the
//! installer and of the packaging system do, with a few packages.  Compared are the manifests that
//! are in the repository afterwards, without sizes and hashes.
//!
//! Needs `cargo build -p ips-cmd -p pkg-server`, and make.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use tests::depot::programs;
use tests::{Said, top};

/// A copy of a gate, with a proto area.
struct Gate(tempfile::TempDir);

impl Gate {
    fn of(name: &str, proto: &[(&str, &str)]) -> Gate {
        // Everybody may read a repository, or verify says so.
        let open = PermissionsExt::from_mode(0o755);
        let gate = Gate(tempfile::Builder::new().permissions(open).tempdir().unwrap());
        tests::copy_tree(&top().join("tests/gates").join(name), gate.0.path());
        // The depot's name where it is installed.
        let bin = gate.0.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(programs().join("pkg-depotd"), bin.join("pkg.depotd")).unwrap();
        for (path, text) in proto {
            let path = gate.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            let program = text.starts_with("#!");
            let mode = if program { 0o755 } else { 0o644 };
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
        gate
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Said {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("LC_ALL", "C")
            .env("PATH", format!("bin:{}:/usr/bin:/bin", programs().display()))
            .env("SOURCE_DATE_EPOCH", "1795316676")
            .env("PKG_IMAGE", "reference");
        Said::run(command)
    }

    fn make(&self, arguments: &[&str]) -> Said {
        self.run("make", &[&["-s"], arguments].concat())
    }

    /// A repository with what the host of the build would have: `-R` and `PKG_IMAGE` name it.
    fn reference(&self) {
        let package = "set name=pkg.fmri value=pkg://host/runtime/python-39@3.9.1-1\n\
            file nothing path=usr/bin/python3.9 mode=0555 owner=root group=bin\n\
            file nothing path=usr/bin/ksh93 mode=0555 owner=root group=bin\n\
            file nothing path=usr/lib/python3.9/os.py mode=0444 owner=root group=bin\n";
        fs::write(self.0.path().join("reference.p5m"), package).unwrap();
        fs::write(self.0.path().join("nothing"), "").unwrap();
        self.run("pkgrepo", &["create", "reference"]).ok();
        self.run("pkgsend", &["-s", "reference", "publish", "-d", ".", "reference.p5m"]).ok();
    }

    /// The manifests of a repository, without what depends on how payloads are compressed.
    fn published(&self, repository: &str) -> String {
        let all = self.run("pkgrepo", &["contents", "-m", "-s", repository]).ok();
        let depends = |word: &&str| {
            let computed = ["chash=", "elfhash=", "pkg.size=", "pkg.csize=", "pkg.content-hash="];
            !computed.iter().any(|name| word.starts_with(name))
        };
        let line = |line: &str| {
            let kept: Vec<&str> = line.split(' ').filter(depends).collect();
            kept.join(" ") + "\n"
        };
        all.lines().map(line).collect()
    }
}

/// What a test expects stands beside the makefile.
#[track_caller]
fn compare(gate: &str, said: &str) {
    let path = top().join("tests/gates").join(gate).join("expected");
    let expected = fs::read_to_string(&path).unwrap();
    let lines = said.lines().zip(expected.lines());
    for (ours, theirs) in lines.filter(|(ours, theirs)| ours != theirs) {
        assert_eq!(ours, theirs, "{gate}");
    }
    assert_eq!(said.lines().count(), expected.lines().count(), "{gate}:\n{said}");
}

#[test]
fn os_net() {
    let service = "<?xml version=\"1.0\"?>\n<!DOCTYPE service_bundle SYSTEM \"/usr/share/lib/xml/dtd/service_bundle.dtd.1\">\n<service_bundle type=\"manifest\" name=\"hum\">\n<service name=\"network/hum\" type=\"service\" version=\"1\"><create_default_instance enabled=\"false\"/></service></service_bundle>\n";
    let gate = Gate::of(
        "osnet",
        &[
            ("proto/etc/init.d/sysetup", "#!/usr/bin/ksh93\n"),
            ("proto/etc/security/prof_attr.d/core-os", "hum\n"),
            ("proto/etc/sysevent/config/SUNW,EC_dr,ESC_dr_req,sysevent.conf", "event\n"),
            ("proto/lib/svc/manifest/network/hum.xml", service),
            ("proto/usr/bin/hum", "hum\n"),
            ("proto/usr/lib/isaexec", "isaexec\n"),
            ("proto/usr/lib/libhum.so.1", "library\n"),
            ("proto/usr/share/man/man1/hum.1", "hum(1)\n"),
            ("proto/usr/sbin/i86/humstat", "humstat\n"),
            ("proto/kernel/drv/amd64/hum", "driver\n"),
            ("proto/kernel/drv/hum.conf", "name=hum\n"),
            ("proto/licenses/usr/src/cmd/hum/THIRDPARTYLICENSE", "theirs\n"),
            ("tools/opt/onbld/bin/chk", "#!/usr/bin/python3.9\nimport onbld.Checks\n"),
            ("tools/opt/onbld/bin/nightly", "#!/usr/bin/ksh93\n"),
        ],
    );
    gate.reference();
    gate.make(&["install", "PKGDEP_RESOLVE_IMAGE=reference"]).ok();
    compare("osnet", &gate.published("packages/repo.redist"));
    let licences = fs::read_to_string(gate.0.path().join("packages.i386/core-os.lics")).unwrap();
    assert_eq!(licences.trim(), "usr/src/cmd/hum/THIRDPARTYLICENSE");
    let lint = gate.make(&["pkglint"]);
    assert_eq!((lint.status, lint.err.as_str()), (0, ""), "{lint:?}");
    gate.run("pkgrepo", &["verify", "-s", "packages/repo.redist", "--disable", "dependency"]).ok();
}

#[test]
fn the_installer() {
    let gate = Gate::of(
        "install",
        &[
            (
                "proto/usr/lib/python3.9/vendor-packages/hum/main.py",
                "#!/usr/bin/python3.9\nimport os\n",
            ),
            ("proto/usr/lib/python3.9/vendor-packages/hum/__pycache__/main.cpython-39.pyc", "pyc"),
            ("src/cmd/hum/LICENSE", "ours\n"),
        ],
    );
    gate.reference();
    gate.make(&["install", "RESOLVE_AGAINST=reference"]).ok();
    compare("install", &gate.published("packages/repo.redist"));
    let state = fs::read_to_string(gate.0.path().join("packages.i386/system-install-hum.stat"));
    assert_eq!(state.unwrap(), "noredist\n");
    // The depot that took the packages in made the catalog and the index.
    let found = gate.run("pkgrepo", &["list", "-H", "-s", "packages/repo.redist"]).ok();
    assert!(found.contains("system/install/hum"), "{found}");
    assert!(gate.0.path().join("packages/repo.redist/publisher/install-nightly/index").is_dir());
}

#[test]
fn the_packaging_system() {
    let gate = Gate::of(
        "pkg5",
        &[
            ("proto/usr/bin/pkg", "#!/usr/bin/python3.9\n"),
            (
                "proto/usr/lib/python3.9/vendor-packages/pkg/misc.py",
                "#!/usr/bin/python3.9\nimport os\n",
            ),
            (
                "proto/usr/lib/python3.9/vendor-packages/pkg/version.py",
                "#!/usr/bin/python3.9\nimport sys\n",
            ),
            ("proto/usr/lib/python3.9/vendor-packages/pkg/__pycache__/misc.cpython-39.pyc", "1"),
            ("proto/usr/lib/python3.9/vendor-packages/pkg/__pycache__/version.cpython-39.pyc", "2"),
            ("proto/etc/pkg.conf", "conf\n"),
            ("proto/usr/share/locale/pt_BR/LC_MESSAGES/pkg.mo", "mo"),
        ],
    );
    // `-T` dates the modules as they are; the newest day of the old century.
    for module in ["misc", "version"] {
        let path = format!("proto/usr/lib/python3.9/vendor-packages/pkg/{module}.py");
        let file = fs::File::options().write(true).open(gate.0.path().join(path)).unwrap();
        let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(978_220_800);
        file.set_modified(day).unwrap();
    }
    let proto = gate.0.path().join("proto/usr/bin");
    fs::hard_link(proto.join("pkg"), proto.join("pkgx")).unwrap();
    gate.reference();
    let said = gate.make(&["install"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
    compare("pkg5", &gate.published("packages/repo"));
    // The proto area has folders that no package names, and pkgdiff says so.
    let check = gate.make(&["check"]);
    assert_eq!((check.status, check.out.contains("+ dir")), (2, false), "{check:?}");
    assert!(!check.out.contains("file"), "{check:?}");
}
