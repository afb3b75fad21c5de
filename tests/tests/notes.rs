//! notes.rs - the depots of the build notes, and a fresh install.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tests::{World, await_true, free_port, prefix, top};

/// The body and head of `GET path` from a depot on this host.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A root with the engine up and only pkg/server's bundle (and what it stands on) imported.
fn with_pkg_server_alone() -> World {
    let world = World::new();
    let engine = prefix().join("lib/svc/bin/svc.startd");
    assert!(world.command(engine.to_str().unwrap()).status().unwrap().success());
    let manifests = prefix().join("lib/svc/manifest");
    for bundle in ["system", "milestone", "application/pkg/server.xml"] {
        world.run("svccfg", &["import", manifests.join(bundle).to_str().unwrap()]).ok();
    }
    let there = format!("lamplighter/prefix = astring: {}", prefix().display());
    world.run("svccfg", &["-s", "application/pkg/server", "setprop", &there]).ok();
    world
}

fn repository(at: &std::path::Path, publisher: &str) {
    let pkgrepo = prefix().join("bin/pkgrepo");
    let run = |arguments: &[&str]| {
        let said = Command::new(&pkgrepo).args(arguments).output().unwrap();
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    };
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let at = at.to_str().unwrap();
    run(&["create", at]);
    run(&["-s", at, "add-publisher", publisher]);
}

#[test]
fn a_fresh_install_has_nothing_to_explain() {
    let world = World::up();
    let said = world.run("svcs", &["-x"]);
    assert_eq!((said.status, said.out.as_str()), (0, ""), "{said:?}");
    let listed = world.run("svcs", &["-H", "-o", "state", "builder:illumos", "imager", "merger"]);
    assert_eq!(listed.ok().split_whitespace().collect::<Vec<_>>(), ["disabled"; 3]);
}

#[test]
fn a_short_name_of_two_services_is_refused() {
    let world = World::up();
    let said = world.run("svcadm", &["enable", "pkg5"]);
    assert_eq!(said.status, 1, "{said:?}");
    let first = said.err.lines().next().unwrap_or_default();
    assert_eq!(first, "svcadm: Partial FMRI 'pkg5' matches multiple instances:", "{said:?}");
    let mut listed: Vec<&str> = said.err.lines().skip(1).map(str::trim).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["svc:/application/builder:pkg5", "svc:/application/pkg/server:pkg5"]);
}

/// The three blocks of the notes' step 4, as typed there.
const NOTES: &str = r#"
svccfg -s svc:/application/pkg/server add illumos-build
svccfg -s svc:/application/pkg/server:illumos-build addpg pkg application
svccfg -s svc:/application/pkg/server:illumos-build setprop pkg/inst_root = astring: "/code/illumos-core/packages/i386/nightly/repo.redist"
svccfg -s svc:/application/pkg/server:illumos-build setprop pkg/port = count: 8001
svccfg -s svc:/application/pkg/server:illumos-build setprop pkg/readonly = boolean: true
svcadm refresh illumos-build
svcadm enable illumos-build

svccfg -s svc:/application/pkg/server add pkg5
svccfg -s svc:/application/pkg/server:pkg5 addpg pkg application
svccfg -s svc:/application/pkg/server:pkg5 setprop pkg/inst_root = astring: "/code/pkg5/packages/i386/repo"
svccfg -s svc:/application/pkg/server:pkg5 setprop pkg/port = count: 8002
svccfg -s svc:/application/pkg/server:pkg5 setprop pkg/readonly = boolean: true
svcadm refresh pkg5
svcadm enable pkg5

svccfg -s svc:/application/pkg/server add caiman
svccfg -s svc:/application/pkg/server:caiman addpg pkg application
svccfg -s svc:/application/pkg/server:caiman setprop pkg/inst_root = astring: "/code/slim_source/packages/i386/nightly-nd/repo.redist"
svccfg -s svc:/application/pkg/server:caiman setprop pkg/port = count: 8003
svccfg -s svc:/application/pkg/server:caiman setprop pkg/readonly = boolean: true
svcadm refresh caiman
svcadm enable caiman
"#;

/// Runs inside the namespaces: loopback up, and a root directory that has /code.
const ENTER: &str = r#"
set -e
ip link set lo up
mount -t tmpfs none "$NEW_ROOT"
for entry in /*; do
    if [ -L "$entry" ]; then cp -P "$entry" "$NEW_ROOT$entry"
    elif [ -d "$entry" ]; then mkdir "$NEW_ROOT$entry" && mount --rbind "$entry" "$NEW_ROOT$entry"
    fi
done
mkdir -p "$NEW_ROOT/code"
mount --bind "$CODE" "$NEW_ROOT/code"
exec chroot "$NEW_ROOT" sh -c "$SESSION"
"#;

/// What is typed there.
const SESSION: &str = r#"
set -e
"$PREFIX/lib/svc/bin/svc.startd"
svccfg import "$PREFIX/lib/svc/manifest/system"
svccfg import "$PREFIX/lib/svc/manifest/milestone"
svccfg import "$PREFIX/lib/svc/manifest/application/pkg/server.xml"
svccfg -s application/pkg/server setprop lamplighter/prefix = astring: "$PREFIX"
sh -e "$TYPED"
for instance in illumos-build pkg5 caiman; do
    svcadm enable -s pkg/server:$instance
done
python3 - <<'END'
import urllib.request
for port, publisher in ((8001, 'illumos.example'), (8002, 'pkg5.example'), (8003, 'caiman.example')):
    base = 'http://127.0.0.1:%d/' % port
    assert urllib.request.urlopen(base + 'versions/0/').read().startswith(b'pkg-server')
    assert publisher.encode() in urllib.request.urlopen(base + 'publisher/0/').read(), port
print('three depots serve')
END
svcs -H -o state,fmri '*pkg/server:*'
kill "$(cat "$SMF_ROOT/etc/svc/volatile/svc.startd.pid")"
while kill -0 "$(cat "$SMF_ROOT/etc/svc/volatile/svc.startd.pid" 2>/dev/null)" 2>/dev/null; do :; done
"#;

#[test]
fn the_build_notes_typed_verbatim() {
    let world = World::new();
    let namespaces = ["-r", "-m", "-n", "--", "sh", "-c"];
    let probe = "ip link set lo up && mount -t tmpfs none /mnt";
    let allowed = Command::new("unshare").args(namespaces).arg(probe).output();
    if !allowed.as_ref().is_ok_and(|said| said.status.success()) {
        eprintln!("SKIPPED: user, mount and network namespaces are denied here: {allowed:?}");
        return;
    }
    let code = world.root.parent().unwrap().join("code");
    for (path, publisher) in [
        ("illumos-core/packages/i386/nightly/repo.redist", "illumos.example"),
        ("pkg5/packages/i386/repo", "pkg5.example"),
        ("slim_source/packages/i386/nightly-nd/repo.redist", "caiman.example"),
    ] {
        repository(&code.join(path), publisher);
    }
    let typed = world.root.parent().unwrap().join("typed");
    let new_root = world.root.parent().unwrap().join("new-root");
    fs::create_dir(&new_root).unwrap();
    fs::write(&typed, NOTES).unwrap();
    let said = world
        .command("unshare")
        .args(namespaces)
        .arg(ENTER)
        .env("CODE", &code)
        .env("NEW_ROOT", &new_root)
        .env("SESSION", SESSION)
        .env("PREFIX", prefix())
        .env("TYPED", &typed)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && out.contains("three depots serve"), "{out}\n{err}");
}

#[test]
fn a_depot_moves_to_the_port_it_is_told() {
    let world = with_pkg_server_alone();
    let at = world.root.parent().unwrap().join("repo");
    repository(&at, "pkg5.example");
    let (first, second) = (free_port(), free_port());
    for line in [
        "svccfg -s application/pkg/server add pkg5".to_string(),
        "svccfg -s pkg/server:pkg5 addpg pkg application".to_string(),
        format!("svccfg -s pkg/server:pkg5 setprop pkg/inst_root = astring: {}", at.display()),
        format!("svccfg -s pkg/server:pkg5 setprop pkg/port = count: {first}"),
        "svcadm enable -s pkg/server:pkg5".to_string(),
    ] {
        world.type_line(&line).ok();
    }
    assert!(get(first, "/versions/0/").unwrap().contains("pkg-server"), "{}", world.story());
    let moved = format!("svccfg -s pkg/server:pkg5 setprop pkg/port = count: {second}");
    world.type_line(&moved).ok();
    world.type_line("svcadm refresh pkg/server:pkg5 && svcadm restart pkg/server:pkg5").ok();
    let serves = || get(second, "/versions/0/").is_some_and(|text| text.contains("pkg-server"));
    await_true(&serves, &|| world.story());
    assert!(get(first, "/versions/0/").is_none(), "still on the old port");
}

#[test]
fn the_bundles_are_valid_by_the_dtd() {
    let found = Command::new("find")
        .arg(top().join("manifests"))
        .args(["-name", "*.xml", "-size", "+0"])
        .output()
        .unwrap();
    let bundles = String::from_utf8(found.stdout).unwrap();
    assert!(bundles.lines().count() >= 8, "{bundles}");
    let dtd = top().join("smf/cmd/share/service_bundle.dtd.1");
    let said = Command::new("xmllint")
        .args(["--noout", "--nonet", "--dtdvalid"])
        .arg(&dtd)
        .args(bundles.lines().filter(|path| !path.contains("/profile/")))
        .output()
        .expect("xmllint (packaging/check installs libxml2-utils)");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_methods_are_plain_shell() {
    let mut methods = Vec::new();
    for entry in fs::read_dir(top().join("methods")).unwrap() {
        methods.push(entry.unwrap().path());
    }
    assert!(methods.len() >= 6, "{methods:?}");
    for method in &methods {
        let mode = fs::metadata(method).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0, "{} is not executable", method.display());
        for shell in ["dash", "ksh"] {
            let said = Command::new(shell).arg("-n").arg(method).output().unwrap();
            let complaint = String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success(), "{shell} {}: {complaint}", method.display());
        }
    }
}
