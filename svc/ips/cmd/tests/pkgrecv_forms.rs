//! pkgrecv_forms.rs - archives, raw packages, exact copies, and transfers that go on.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Place, copy, top};
use ips_model::digest::sha1_hex;

fn place() -> Place {
    let place = Place::new();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(place.path("recv")).unwrap();
    fs::copy(top().join("recv/two.p5p"), place.path("recv/two.p5p")).unwrap();
    place
}

#[test]
fn pkg5s_archive_is_read() {
    let place = place();
    place.check("recv-archive-exists");
    for case in ["info", "list", "contents", "verify"] {
        let folder = top().join("recv/two.p5p.out").join(case);
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let said = place.sh(read("cmd").trim(), None);
        assert_eq!(said.out, read("stdout"), "{case}");
        assert_eq!((said.err, said.status), (read("stderr"), read("exit").trim().parse().unwrap()));
    }
    let said = place.sh("pkgrecv -s recv/two.p5p -d scratch2 '*' && pkgrepo verify --disable dependency -s scratch2", None);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(place.sh("pkgrepo list -H -s scratch2", None).out.lines().count(), 2);
    // Without its index it is read through.
    let mut bytes = fs::read(place.path("recv/two.p5p")).unwrap();
    bytes[1536 + 20] ^= 0xff;
    fs::write(place.path("broken.p5p"), &bytes).unwrap();
    let said = place.sh("pkgrepo contents -s broken.p5p", None);
    assert_eq!(
        said.out,
        fs::read_to_string(top().join("recv/two.p5p.out/contents/stdout")).unwrap()
    );
    // What it holds is checked.
    let at = bytes.windows(4).position(|window| window == b"Tiny").unwrap_or(25_088 + 1_600);
    bytes[at] ^= 1;
    fs::write(place.path("broken.p5p"), &bytes).unwrap();
    fs::write(place.path("short.p5p"), &bytes[..12_000]).unwrap();
    fs::write(place.path("none.p5p"), b"nothing of the kind").unwrap();
    for name in ["short", "none"] {
        let said = place.sh(&format!("pkgrepo list -s {name}.p5p"), None);
        assert_eq!(said.status, 1, "{name}: {said:?}");
        assert!(said.err.contains("is missing, unsupported, or corrupt"), "{said:?}");
    }
}

/// Name, length of all blocks, size, type.
fn index(text: &str) -> Vec<String> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split("\\0").collect();
        [fields[0], fields[2], fields[3], fields[4]].join(" ")
    };
    let mut rows: Vec<String> = text.lines().map(row).collect();
    rows.sort();
    rows
}

#[test]
fn an_archive_is_made_as_pkg5_makes_it() {
    let place = place();
    let line = "pkgrecv -s repo -a -m latest doc/copy+pears library/tiny";
    for name in ["one.p5p", "two.p5p"] {
        let said = place.sh(&format!("{line} -d {name}"), None);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
    }
    assert_eq!(fs::read(place.path("one.p5p")).unwrap(), fs::read(place.path("two.p5p")).unwrap());
    let said = place.sh("tar xOf one.p5p pkg5.index.0.gz | zcat | sed 's/\\x0/\\\\0/g'", None);
    let expected = fs::read_to_string(top().join("recv/two.p5p.index.txt")).unwrap();
    assert_eq!(index(&said.out), index(&expected));
    assert_eq!(fs::metadata(place.path("one.p5p")).unwrap().len(), 40_960);
    let listed = place.sh("tar tvf one.p5p", None);
    assert_eq!((listed.status, listed.err.as_str()), (0, ""));
    assert!(listed.out.lines().all(|line| line.contains("root/root")), "{listed:?}");
    assert_eq!(
        place.sh("pkgrepo contents -s one.p5p", None),
        place.sh("pkgrepo contents -s recv/two.p5p", None)
    );
    // Unpacked it is a repository.
    let said = place.sh("mkdir u && tar xf one.p5p -C u && pkgrepo rebuild -s u && pkgrepo verify --disable dependency -s u && pkgrepo list -H -s u", None);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
    // A trial makes nothing; merging and several sources take archives too.
    assert_eq!(place.sh("pkgrecv -n -s repo -a -d no.p5p '*' && ls no.p5p", None).status, 2);
    let said = place.sh("pkgrecv -s repo -a -d boat.p5p boat && pkgrecv -s one.p5p -s boat.p5p -d scratch2 '*' && pkgrepo list -H -s scratch2", None);
    assert_eq!(
        (
            said.status,
            said.out
                .lines()
                .filter(|line| line.contains(".example ") && !line.contains("publisher"))
                .count()
        ),
        (0, 3)
    );
    let said = place.sh("pkgrepo create merged && pkgmerge -d merged -s arch=i386,one.p5p -s arch=sparc,one.p5p tiny", None);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
}

#[test]
fn raw_packages() {
    let place = place();
    for (name, options) in [("raw", ""), ("raw-k", "-k")] {
        let line = format!("pkgrecv -s repo -d {name} --raw {options} -m latest library/tiny");
        let said = place.sh(&line, None);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
        let expected =
            fs::read_to_string(top().join("recv").join(format!("{name}.files.txt"))).unwrap();
        // What pkg5 keeps beside to be quick is its own; to the sets it adds what it computed.
        let ends = [".dircache", ".mediatorcache", "manifest.set"];
        let cache = |line: &&str| ends.iter().any(|end| line.ends_with(end));
        let mut expected: Vec<&str> =
            expected.lines().filter(|line| !line.starts_with('#') && !cache(line)).collect();
        expected.sort_unstable();
        let mut ours: Vec<String> = Vec::new();
        let folder = place.path(name).join("library%2Ftiny/0.3%2C5.11-1%3A20240102T030405Z");
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let below = path.strip_prefix(place.path(name)).unwrap().display().to_string();
            if !below.ends_with("manifest.set") {
                ours.push(format!("{}\t{}\t{below}", sha1_hex(&bytes), bytes.len()));
            }
        }
        ours.sort();
        assert_eq!(ours, expected);
        // It is there: nothing comes again.
        assert!(!place.sh(&line, None).out.contains("Republish"), "{line}");
    }
    let line = "pkgsend -s scratch2 publish -d raw/library%2Ftiny/0.3* raw/library%2Ftiny/0.3*/manifest && pkgrepo verify --disable dependency -s scratch2";
    assert_eq!(place.sh(line, None).status, 0);
}

fn catalog(place: &Place, repository: &str, publisher: &str) -> Vec<(String, Vec<u8>)> {
    let folder = place.path(repository).join("publisher").join(publisher).join("catalog");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn exact_copies() {
    let place = place();
    let said = place.sh("pkgrecv -s repo -d http://127.0.0.1:1/ --clone", None);
    assert!(said.status == 1 && said.err.contains("must be filesystem-based"), "{said:?}");
    let said = place.sh("pkgrecv -s repo -d scratch2 --clone", None);
    let told = "\npkgrecv: The following publishers are present in the source repository but not in the target repository.\nPlease use -p to specify which publishers need to be cloned or -p '*' to clone all publishers.\n    orchard.example\n\n    harbour.example\n\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
    let said = place.sh("pkgrecv -s repo -d scratch2 --clone -p none", None);
    let told = "pkgrecv: The publisher none does not exist in the source repository.\n";
    assert_eq!((said.err.as_str(), said.status), (told, 1));
    let adding = "Adding publisher orchard.example (dry-run) ...\nAdding publisher harbour.example (dry-run) ...\n";
    let coming = "Processing packages for publisher orchard.example ...\nRetrieving and evaluating 23 package(s)...\nProcessing packages for publisher harbour.example ...\nRetrieving and evaluating 2 package(s)...\n";
    let said = place.sh("pkgrecv -n -s repo -d scratch2 --clone -p '*'", None);
    assert_eq!((said.out, said.status), (format!("{adding}{coming}"), 0));
    assert!(!place.path("scratch2/publisher/orchard.example").exists());
    let said = place.sh("pkgrecv -s repo -d scratch2 --clone -p '*'", None);
    let verifying = "\n\nVerifying repository contents.\nInitiating repository verification.\n";
    let told = format!("{}{coming}{verifying}", adding.replace(" (dry-run)", ""));
    assert_eq!((said.out, said.err.as_str(), said.status), (told, "", 0));
    let again = place.sh("pkgrecv -s repo -d scratch2 --clone -p harbour.example", None);
    let told = "Processing packages for publisher harbour.example ...\nNo packages to add.\n";
    assert_eq!((again.out.as_str(), again.status), (told, 0));
    place.check("repo-list-cloned");
    for publisher in ["orchard.example", "harbour.example"] {
        assert_eq!(catalog(&place, "scratch2", publisher), catalog(&place, "repo", publisher));
    }
    assert_eq!(place.sh("pkgrepo diff --strict -s repo -s scratch2", None).status, 0);
    // What the source has no longer, and what it has not, goes; what is new comes.
    fs::write(place.path("m"), "set name=pkg.fmri value=extra@1\n").unwrap();
    for line in [
        "pkgsend -s scratch2 publish m 2>/dev/null; pkgrepo set -s scratch2 publisher/prefix=orchard.example && pkgsend -s scratch2 publish m",
        "pkgrepo remove -s scratch fruit/pear@1.0",
        "pkgsend -s scratch publish -d input/proto input/manifests/pear-1.9-1.p5m 2>/dev/null; sed 's/extra/other/' m | pkgsend -s scratch publish",
        "pkgrecv -s scratch -d scratch2 --clone -p orchard.example",
        "pkgrepo diff --strict -s scratch -s scratch2",
        "pkgrepo verify -s scratch2",
    ] {
        let said = place.sh(line, None);
        assert_eq!(said.status, 0, "{line}: {said:?}");
    }
    assert_eq!(
        catalog(&place, "scratch2", "orchard.example"),
        catalog(&place, "scratch", "orchard.example")
    );
    for (line, told) in [
        ("pkgrecv -s a -d b --clone -a", "--clone can not be used with -a.\n"),
        ("pkgrecv -s a -d b --clone --raw", "--clone can not be used with --raw.\n"),
        ("pkgrecv -s a -d b --clone --newest", "--clone can not be used with --newest.\n"),
        ("pkgrecv -s a -d b --clone --mog-file c", "--mog-file can not be used with --clone.\n"),
        ("pkgrecv -s a -d b --clone x", "--clone does not support FMRI patterns"),
        ("pkgrecv -s a -d b -m x y", "Illegal option value -- x"),
        ("pkgrecv -s a --newest x", "--newest takes no options"),
        ("pkgrecv -s a -d b -a --raw x", "-a and --raw may not be used together"),
        ("pkgrecv -s a -d b -p x y", "-p can only be used with --clone.\n"),
    ] {
        let said = place.sh(line, None);
        assert_eq!((said.err, said.status), (format!("pkgrecv: {told}\n"), 2), "{line}");
    }
}

/// Rules count for archives and folders, too.
#[test]
fn edited_on_the_way_to_an_archive() {
    let place = Place::new();
    fs::write(place.path("rules"), "<transform set name=pkg.summary -> edit value .+ Edited>\n")
        .unwrap();
    for (line, told) in [
        (
            "pkgrecv -s repo -a -d x.p5p --mog-file rules fruit/pear@1.9 library/tiny && \
             pkgrepo contents -s x.p5p -t set fruit/pear",
            "set name=pkg.summary value=Edited",
        ),
        (
            "pkgrecv -s repo --raw -d raw --mog-file rules fruit/pear@1.9 && cat raw/*/*/manifest",
            "set name=pkg.summary value=Edited",
        ),
    ] {
        let said = place.sh(line, None);
        assert!(said.status == 0 && said.out.contains(told), "{line}: {said:?}");
    }
    // Rules may come by standard input, which is read once, whatever is told.
    let line = "pkgrecv -v -s repo -d scratch2 --mog-file - fruit/pear@1.9 < rules && \
        pkgrepo contents -s scratch2 -t set fruit/pear";
    let said = place.sh(line, None);
    assert!(said.status == 0 && said.out.contains("value=Edited"), "{said:?}");
    let told = "\nPackages to transfer:\nfruit/pear@1.9,5.11-1:20240102T030405Z\n\nRepublish: ";
    assert!(said.out.contains(told), "{said:?}");
    let again = place.sh("pkgrecv -s repo -a -d x.p5p --mog-file rules library/tiny", None);
    assert!(again.err.contains("x.p5p' already exists.") && again.status == 1, "{again:?}");
}

/// A depot that serves the repository below `root`, and breaks off after `payloads` payloads.
fn depot(root: PathBuf, payloads: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (root, payloads) = (root.clone(), Arc::clone(&payloads));
            std::thread::spawn(move || serve(&stream.unwrap(), &root, &payloads));
        }
    });
    origin
}

fn serve(stream: &TcpStream, root: &Path, payloads: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 0 {
        let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_string();
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        line.clear();
        let parts: Vec<&str> = path.splitn(4, '/').collect();
        let publisher = root.join("publisher");
        let body = match parts.as_slice() {
            ["publisher", "0", ..] => Some(
                br#"{"packages":[],"publishers":[{"alias":null,"name":"orchard.example","packages":[],"repositories":[]}],"version":1}"#.to_vec(),
            ),
            [name, "catalog", "1", file] => fs::read(publisher.join(name).join("catalog").join(file)).ok(),
            [name, "manifest", "0", fmri] => {
                fs::read(publisher.join(name).join("pkg").join(fmri.replacen('@', "/", 1))).ok()
            }
            [name, "file", "1", hash] => {
                let left = payloads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if left.is_err() {
                    return;
                }
                fs::read(publisher.join(name).join("file").join(&hash[..2]).join(hash)).ok()
            }
            _ => None,
        };
        let (status, body) = body.map_or((404, Vec::new()), |body| (200, body));
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut to = stream;
        if to.write_all(head.as_bytes()).and_then(|()| to.write_all(&body)).is_err() {
            return;
        }
    }
    let _ = reader.read(&mut []);
}

#[test]
fn an_interrupted_transfer_goes_on() {
    let place = place();
    let left = Arc::new(AtomicUsize::new(5));
    copy(&place.path("repo"), &place.path("served"));
    let origin = depot(place.path("served"), Arc::clone(&left));
    let line = format!("pkgrecv -s {origin} -d scratch2 -c cache '*'");
    let broken = place.sh(&line, None);
    assert_eq!(broken.status, 1, "{broken:?}");
    assert_eq!(place.sh("pkgrepo list -H -s scratch2", None).out, "", "nothing half there");
    let files = || {
        let folders = fs::read_dir(place.path("cache")).unwrap();
        folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    let kept = files();
    assert!((1..=5).contains(&kept), "{kept}");
    // One that was kept is damaged since.
    let damaged = place.sh("for f in cache/*/*; do echo x >$f; break; done", None);
    assert_eq!(damaged.status, 0);
    left.store(1_000, Ordering::SeqCst);
    let said = place.sh(&line, None);
    assert_eq!((said.err.as_str(), said.status), ("", 0), "{said:?}");
    assert!(left.load(Ordering::SeqCst) < 1_000);
    // All of it is kept now, the damaged one too: nothing more is fetched.
    left.store(0, Ordering::SeqCst);
    let line = line.replace("scratch2", "scratch3");
    let said = place.sh(&format!("pkgrepo create scratch3 && {line}"), None);
    assert_eq!((said.err.as_str(), said.status), ("", 0), "{said:?}");
    assert_eq!(place.sh("pkgrepo verify --disable dependency -s scratch2", None).status, 0);
    let said = place.sh(&format!("pkgrepo contents -s {origin} tiny"), None);
    assert_eq!(said.out, place.sh("pkgrepo contents -s repo tiny", None).out);
}
