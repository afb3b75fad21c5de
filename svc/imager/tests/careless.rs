//! What a careless Distribution Constructor gets wrong: each a case, of whole builds.
//!
//! Not here: what the formats' own tests hold byte for byte (UFS, lofi), and what those of the
//! guide's examples, of the options and of the logs hold.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use common::{MEDIA, SLIM, Said, Yard, absent, files};
use image_formats::{archive, lofi, ufs};

const DATA: &str = "area/build_data";
const SCRIPT: &str = "#!/bin/sh\nshift 5\nfor word; do echo \"<$word>\"; done >&2\numask >&2\n";

fn text(yard: &Yard, path: &str) -> String {
    fs::read_to_string(yard.path(DATA).join(path)).unwrap()
}

/// Builds as somebody with a mask of their own.
fn masked(yard: &Yard, words: &str) -> Said {
    let program = env!("CARGO_BIN_EXE_distro_const");
    let line = format!("umask 077; exec {program} {words}");
    let done = Command::new("sh").args(["-c", &line]).current_dir(yard.path(".")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { status: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

/// What gzip has in it.
fn inflated(path: &Path) -> Vec<u8> {
    let done = Command::new("gzip").args(["-dc"]).arg(path).output().unwrap();
    assert!(done.status.success(), "{}", path.display());
    done.stdout
}

fn sha1(bytes: &[u8]) -> String {
    archive::hash(bytes).unwrap().trim().to_string()
}

/// The whole image with a loader of its own, and a script of the user's twice.
fn whole() -> (Yard, Said) {
    let yard = Yard::with_loader();
    let script = yard.script("says", SCRIPT);
    let mut steps: Vec<[&str; 4]> = SLIM.iter().chain(&MEDIA).copied().collect();
    steps[9] = ["loader-setup", "Loader menu setup", "loader_setup.py", "livecd"];
    steps.insert(1, ["one", "First", &script, "its own"]);
    let path = yard.manifest("m", &steps);
    let manifest = fs::read_to_string(&path).unwrap();
    let excluded = "<base_exclude type=\"file\">etc/motd</base_exclude>";
    assert!(manifest.contains(excluded));
    let manifest = manifest.replace(
        excluded,
        &format!(
            "{excluded}<base_exclude type=\"dir\">etc/secur</base_exclude>\
             <base_exclude type=\"file\">lib/nowhere.so</base_exclude>"
        ),
    );
    fs::write(&path, manifest).unwrap();
    let said = masked(&yard, "build m.xml");
    (yard, said)
}

#[test]
fn what_an_image_is_to_have() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let (yard, said) = whole();
    assert_eq!(said.status, 0, "{}", said.err);
    archives_and_their_links(&yard, &said);
    volume_sets(&yard);
    compressed_parts(&yard);
    media(&yard);
    publishers(&yard);
}

/// 14, 15, 24, 25: what is in the archive, whose it is, and what leads out of it.
fn archives_and_their_links(yard: &Yard, said: &Said) {
    // Excludes are pieces of names inside what is included; one that names nothing only warns.
    let archive = yard.path(DATA).join("boot_archive");
    let target = fs::read_link(archive.join("etc/security/policy.conf")).unwrap();
    assert_eq!(target, Path::new("/mnt/misc/etc/security/policy.conf"), "left out, so linked");
    assert!(said.err.contains("lib/nowhere.so"), "{}", said.err);
    for (path, wanted) in [
        ("etc/motd", "/mnt/misc/etc/motd"),
        ("var/log/notes", "/mnt/misc/var/log/notes"),
        ("opt", "/mnt/misc/opt"),
    ] {
        assert_eq!(fs::read_link(archive.join(path)).unwrap(), Path::new(wanted), "{path}");
    }
    // Every path of etc and var is there, itself or as a link on the way to it.
    for (path, _) in image_tree::Tree::parse(&text(yard, "root.table")).unwrap().iter() {
        if path.starts_with("etc/") || path.starts_with("var/") {
            let mut above = Path::new(path).ancestors();
            let reached = |path: &Path| archive.join(path).symlink_metadata().is_ok();
            assert!(above.any(|path| !path.as_os_str().is_empty() && reached(path)), "{path}");
            assert!(reached(Path::new(path)) || path.contains("security/"), "{path}");
        }
    }
    let table = text(yard, "boot_archive.table");
    assert!(!table.contains(" lost+found\n"), "{table}");
    // Ids and modes are the image's, whatever user and mask build it.
    for row in ["f 0400 0 3 ", "f 0644 0 3 ", "d 0755 0 3 ", "d 1777 0 0 "] {
        assert!(table.contains(row), "{row}{table}");
    }
    let me = nix::unistd::getuid().as_raw();
    assert!(me == 0 || !table.contains(&format!(" {me} ")), "{table}");
    assert!(said.err.contains("\n<its own>\n0022\n"), "{}", said.err);
}

/// 16: one id for archive, root and volume set, and another name for the volume.
fn volume_sets(yard: &Yard) {
    let [one, other] =
        ["boot_archive/.volsetid", "pkg_image/.volsetid"].map(|path| text(yard, path));
    assert_eq!(one, other);
    let medium = yard.path("area/media/Orchard.iso");
    let bytes = fs::read(&medium).unwrap();
    let volume = |from: usize, length: usize| {
        String::from_utf8_lossy(&bytes[0x8000 + from..0x8000 + from + length])
            .trim_end()
            .to_string()
    };
    assert_eq!((volume(40, 32), volume(190, 128)), ("Orchard".into(), one.trim().to_string()));
    // 20: the only Rock Ridge that hsfs takes.
    assert!(bytes.windows(10).any(|ten| ten == b"RRIP_1991A"));
    assert!(!bytes.windows(9).any(|nine| nine == b"IEEE_P1282"));
}

/// 17, 18, 19, 25: the archive's hash and file system; what is compressed.
fn compressed_parts(yard: &Yard) {
    let root = yard.path(DATA).join("pkg_image");
    for place in ["platform/i86pc/amd64", "platform/i86pc"] {
        let plain = inflated(&root.join(place).join("boot_archive"));
        let hash = fs::read_to_string(root.join(place).join("boot_archive.hash")).unwrap();
        assert_eq!(hash.len(), 41);
        assert_eq!(hash.trim_end(), sha1(&plain), "{place}: of what is not compressed");
        let faults =
            ufs::check(&mut ufs::Image::open(Cursor::new(plain.as_slice())).unwrap()).unwrap();
        assert!(faults.is_empty(), "{place}: {faults:?}");
    }
    for (name, inside) in [("solaris.zlib", "bin/sh"), ("solarismisc.zlib", "opt/tool")] {
        let bytes = fs::read(root.join(name)).unwrap();
        assert_eq!(bytes.len() % 512, 0, "{name}");
        let mut reader = lofi::Reader::open(Cursor::new(bytes)).unwrap();
        let mut plain = Vec::new();
        reader.copy(&mut plain).unwrap();
        let iso = yard.path(name);
        fs::write(&iso, plain).unwrap();
        let find = format!("-indev {} -find /{inside} --", iso.display());
        let done = Command::new("xorriso").args(find.split(' ')).output().unwrap();
        let listed = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(listed.contains(&format!("/{inside}'")), "{name}: {listed}");
    }
    for gone in ["usr", "opt", "etc", "var", "sbin", "lib", "kernel"] {
        assert!(!root.join(gone).exists(), "{gone} is on the medium as it was");
    }
}

/// 20, 21: how the medium starts.
fn media(yard: &Yard) {
    let bytes = fs::read(yard.path("area/media/Orchard.iso")).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let entry = |at: usize| (bytes[at + 4], number(at + 8), number(at + 12));
    assert_eq!(entry(0x1be), (190, 3, 60), "the loader's partition");
    // Its first sector is a second copy, which finds the rest behind itself.
    assert_eq!(bytes[3 * 512..3 * 512 + 0x3], bytes[..0x3]);
    assert_eq!(number(3 * 512 + 0xfe), 4, "sectors of the loader begin behind the copy");
    let catalog = {
        let record = &bytes[0x8800..0x8800 + 2048];
        assert_eq!(&record[7..30], b"EL TORITO SPECIFICATION");
        u32::from_le_bytes(record[0x47..0x4b].try_into().unwrap()) as usize * 2048
    };
    let sectors = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    let bios = catalog + 32;
    assert_eq!(sectors(bios + 6), 4, "all of a loader of 2048 bytes is loaded");
    let efi = catalog + 96;
    assert_eq!(bytes[catalog + 64 + 1], 0xef, "the second platform");
    let (kind, first, length) = entry(0x1ce);
    assert_eq!((kind, first), (239, number(efi + 8) * 4), "where the second entry is");
    let partition = yard.path(DATA).join("pkg_image/boot/efiboot.img").metadata().unwrap();
    assert_eq!(u64::from(length) * 512, partition.len(), "as long as it is");
}

/// 22, 26: what the installed system knows, and what no log does.
fn publishers(yard: &Yard) {
    let done = |path: &str| yard.log("detail").contains(path);
    assert!(!done("secret"), "the password is in no log");
    let misc = yard.path("solarismisc.zlib");
    let out = yard.path("out");
    let line = format!("-osirrox on -indev {} -extract /var/pkg {}", misc.display(), out.display());
    assert!(Command::new("xorriso").args(line.split(' ')).output().unwrap().status.success());
    let mut configuration = String::new();
    fs::File::open(out.join("pkg5.image")).unwrap().read_to_string(&mut configuration).unwrap();
    assert!(configuration.contains("http://pkg.orchard.example/"), "{configuration}");
    assert!(!configuration.contains("file://"), "{configuration}");
    assert_eq!(fs::read_dir(out.join("history")).unwrap().count(), 0, "the history is purged");
}

/// 1, 5, 6, 9: what a checkpoint is of, where it is, and what going back leaves.
#[test]
fn checkpoints_are_of_the_state_before() {
    let yard = Yard::new();
    let counts = yard.script("counts", "#!/bin/sh\necho run >>\"$2/etc/count\"\n");
    let fails =
        yard.script("fails", "#!/bin/sh\necho x >\"$5/medium\"; echo x >\"$2/etc/half\"\nexit 1\n");
    let steps = [
        SLIM[0],
        ["counts", "Count", counts.as_str(), ""],
        ["fails", "Fail", fails.as_str(), ""],
        ["last", "Last", "slim_cd/slimcd_gen_cd_content", ""],
    ];
    yard.manifest("m", &steps);
    assert_eq!(yard.run(&["build", "m.xml"]).status, 1);
    assert_eq!(yard.side_cars(), ["counts", "fails", "im-pop"]);
    let inside = |path: &str| yard.path(DATA).join("pkg_image").join(path);
    assert!(inside("etc/half").exists());
    // -R is the last one that was begun, not the next one.
    let said = yard.run(&["build", "-R", "m.xml"]);
    let begun: Vec<&str> = said.err.lines().filter(|line| line.starts_with("==== ")).collect();
    assert_eq!((said.status, begun), (1, vec!["==== fails: Fail "]));
    let state = |name: &str| fs::read(yard.path("area").join(name)).unwrap();
    let manifest = fs::read(yard.path("m.xml")).unwrap();
    for name in [".step_im-pop", ".step_counts", ".step_fails"] {
        assert!(state(name) == manifest, "{name} is the manifest");
    }
    // Going back to an earlier one: it runs again, what came later is as if it never was, and so
    // are later checkpoints; media and logs stay.
    let logs = || fs::read_dir(yard.path("area/logs")).unwrap().count();
    let before = logs();
    let said = yard.run(&["build", "-r", "counts", "-p", "fails", "m.xml"]);
    assert!(said.err.contains("\n==== counts: Count \nStopping at fails: Fail \n"), "{}", said.err);
    assert_eq!(fs::read_to_string(inside("etc/count")).unwrap(), "run\n", "once, not twice");
    assert!(!inside("etc/half").exists());
    assert!(yard.path("area/media/medium").exists() && logs() >= before);
    assert_eq!(yard.side_cars(), ["counts", "fails", "im-pop"]);
    let said = yard.run(&["build", "-r", "im-pop", "-p", "counts", "m.xml"]);
    assert_eq!((said.status, yard.side_cars()), (0, vec!["counts".into(), "im-pop".into()]));
}

/// 3, 4, 8, 10, 11, 12, 23, 27: words, numbers and manifests that mislead.
#[test]
fn what_misleads() {
    let yard = Yard::new();
    let script = yard.script("says", SCRIPT);
    let steps = [["a", "A", script.as_str(), ""], ["0", "Zero", SLIM[1][2], ""]];
    let path = yard.manifest("m", &steps);
    let manifest = fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| {
        assert!(manifest.contains(from), "{from}");
        fs::write(&path, manifest.replace(from, to)).unwrap();
    };
    // Only quotes part words, and an attribute that the schema wants may be a default's.
    let end = "<checkpoint name=\"a\" message=\"A\"/>";
    for (list, said) in [
        ("one word, with blanks", "\n<one word, with blanks>\n"),
        ("&quot;a&quot; &quot;b c&quot;", "\n<a>\n<b c>\n"),
        ("&quot;say \\&quot;x\\&quot;&quot;", "\n<say \"x\">\n"),
    ] {
        with(end, &format!("{end}<argslist>{list}</argslist>"));
        let done = yard.run(&["build", "-p", "0", "m.xml"]);
        assert!(done.status == 0 && done.err.contains(said), "{list}: {}", done.err);
    }
    with("<live_img_compression type=\"gzip\" level=\"9\"/>", "<live_img_compression/>");
    // A name wins over a number: "0" is the second step.
    let done = yard.run(&["build", "-p", "0", "m.xml"]);
    assert!(
        done.err.contains("==== a: A ") && done.err.contains("Stopping at 0: Zero "),
        "{}",
        done.err
    );
    let done = yard.run(&["build", "-l", "m.xml"]);
    assert!(done.err.starts_with("\nStep           Resumable Description\n"), "{}", done.err);

    // In this order: words, manifest, area, options.
    let fresh = Yard::new();
    fresh.manifest("m", &SLIM[..1]);
    let first = |words: &[&str]| {
        let said = fresh.run(words);
        (said.status, said.err.lines().find(|line| !line.is_empty()).unwrap_or("").to_string())
    };
    let unreadable = "You have specified a file (n.xml) that is unable to be read.".to_string();
    assert_eq!(first(&["build", "-l", "-R", "n.xml"]), (1, unreadable));
    fs::write(fresh.path("bad.xml"), "<distribution/>").unwrap();
    assert_eq!(first(&["build", "-h", "bad.xml"]).0, 1, "a bad manifest comes before -h");
    assert!(!fresh.path("area").exists());
    let nothing = "There are no valid steps to resume from.".to_string();
    assert_eq!(first(&["build", "-l", "-R", "m.xml"]), (1, nothing));
    assert!(fresh.path("area/build_data").is_dir(), "options come after the area");
    // A name that no volume can have is refused before an hour is spent.
    let text = fs::read_to_string(fresh.path("m.xml")).unwrap();
    let long = "x".repeat(33);
    fs::write(fresh.path("m.xml"), text.replace("\"Orchard\"", &format!("\"{long}\""))).unwrap();
    let (status, line) = first(&["build", "m.xml"]);
    assert!(status == 1 && line.contains(&long), "{line}");
}

/// Paths in manifests and packages that lead elsewhere: refused, and nothing is written there.
#[test]
fn hostile_paths() {
    let yard = Yard::new();
    let outside = yard.path("outside");
    fs::create_dir_all(outside.join("etc")).unwrap();
    for name in ["shadow", "keep"] {
        fs::write(outside.join("etc").join(name), "root:NP:1::::::\n").unwrap();
    }
    let before = files(&outside.join("etc"));
    let as_before = |what: &str| {
        assert!(files(&outside.join("etc")) == before, "{what}: something was written outside");
        let names: BTreeMap<String, Vec<u8>> = files(&outside);
        assert!(names.is_empty(), "{what}: {:?}", names.keys());
    };
    let path = yard.manifest("m", &SLIM[..6]);
    let manifest = fs::read_to_string(&path).unwrap();
    let inside = "<base_include type=\"file\">usr/bin/sh</base_include>";
    let area = yard.path("area");
    let up = format!("{}/../outside", area.display());
    for (from, to) in [
        (inside, "<base_include type=\"file\">../../outside/etc/keep</base_include>"),
        (inside, "<base_include type=\"dir\">etc/../../../outside</base_include>"),
        (inside, "<base_exclude type=\"file\">../../../outside/etc/keep</base_exclude>"),
        (area.to_str().unwrap(), up.as_str()),
        ("<checkpoint name=\"ba-init\"", "<checkpoint name=\"../../outside\""),
        ("<distribution name=\"Orchard\"", "<distribution name=\"../../outside/x\""),
        ("authname=\"orchard.example\"", "authname=\"../../outside\""),
        ("<pkg name=\"entire\"", "<pkg name=\"entire;touch outside/x\""),
    ] {
        assert!(manifest.contains(from), "{from}");
        fs::write(&path, manifest.replace(from, to)).unwrap();
        let said = yard.run(&["build", "m.xml"]);
        assert_eq!(said.status, 1, "{to}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{to}: {}", said.err);
        as_before(to);
    }
    // A script leads a directory of the image elsewhere: no step follows it there.
    for (link, step) in
        [("etc", SLIM[1]), ("etc", SLIM[3]), ("boot", SLIM[9]), ("usr/share", SLIM[4])]
    {
        let text = format!(
            "#!/bin/sh\nrm -rf \"$2/{link}\"\nmkdir -p \"$2/usr\"\nln -s {} \"$2/{link}\"\n",
            if link == "etc" { outside.join("etc") } else { outside.clone() }.display()
        );
        let script = yard.script("leads", &text);
        let steps = [SLIM[0], ["leads", "Lead", &script, ""], step];
        yard.manifest("m", &steps);
        let said = yard.run(&["build", "m.xml"]);
        assert!(!said.err.contains("panicked"), "{link}: {}", said.err);
        as_before(&format!("{link} before {}", step[0]));
    }
    // So does a package.
    for (lines, what) in [
        (
            "link path=usr/out target=@OUT@\nfile etc/motd path=usr/out/x owner=root group=sys mode=0644\n",
            "through a link",
        ),
        ("file etc/motd path=../../outside/x owner=root group=sys mode=0644\n", "upwards"),
        ("file etc/motd path=/usr/../../../outside/x owner=root group=sys mode=0644\n", "rooted"),
        ("link path=../../outside/x target=y\n", "a link upwards"),
        ("hardlink path=usr/x target=../../../../outside/etc/keep\n", "a hard link"),
        ("dir path=usr/a/../../../../outside/d owner=root group=sys mode=0755\n", "a directory"),
    ] {
        let yard = Yard::new();
        yard.manifest("m", &SLIM[..2]);
        let lines = lines.replace("@OUT@", outside.to_str().unwrap());
        if yard.publish_text(&lines) {
            let said = yard.run(&["build", "m.xml"]);
            assert!(!said.err.contains("panicked"), "{what}: {}", said.err);
            assert_eq!(said.status, 1, "{what}: {}", said.err);
        }
        as_before(what);
    }
}
