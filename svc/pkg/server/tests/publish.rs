//! Publication over HTTP: what comes of it, what is refused, and that nothing is left half done.

#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use depot::Depot;
use depot::publisher::{Publisher, headers};
use ips_model::{Action, Fmri, Manifest, Timestamp, quote};
use ips_repository::{Repository, compressed};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ips/repository/tests/golden")
}

/// An empty repository whose payloads are those of pkg5, and a depot that takes packages.
struct Place {
    repository: Repository,
    depot: Depot,
    _folder: tempfile::TempDir,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(&folder.path().join("repo")).unwrap();
    repository.add_publisher("new.example", Timestamp::from_seconds(1_700_000_000)).unwrap();
    repository.set_property("repository", "compression", "zlib").unwrap();
    let depot = Depot::with(repository.root(), &[]);
    Place { repository, depot, _folder: folder }
}

impl Place {
    /// How many packages a publisher has; the repository has to be sound.
    fn sound(&self, publisher: &str) -> usize {
        let verified = self.repository.verify(publisher).unwrap();
        assert_eq!(verified.findings, []);
        verified.packages.len()
    }

    /// What is in the publisher's folder of transactions.
    fn open(&self, publisher: &str) -> Vec<String> {
        let trans = self.repository.root().join("publisher").join(publisher).join("trans");
        let entries = fs::read_dir(trans).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn action(text: &str) -> Action {
    Action::parse(text).unwrap()
}

const FILE: &str = "file path=usr/x mode=0644 owner=root group=bin";

#[test]
fn what_is_published_is_what_pkg5_publishes() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    let mut count = 0;
    for entry in fs::read_dir(golden().join("input/manifests")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        let fmri = manifest.fmri().unwrap();
        if fmri.version.as_ref().is_none_or(|version| version.timestamp.is_none()) {
            continue;
        }
        let published = client.publish(&manifest, &golden().join("input/proto"));
        assert_eq!(published, Ok(fmri.to_string()), "{text}");
        let theirs = Repository::open(&golden().join("repo")).unwrap();
        if let Ok(theirs) = theirs.manifest_text(&fmri) {
            assert_eq!(place.repository.manifest_text(&fmri).unwrap(), theirs);
            count += 1;
        }
        // Seen at once, in the catalog and by name, though the publisher may be new.
        let publisher = fmri.publisher.clone().unwrap();
        let path = format!("/{publisher}/manifest/0/{}", fmri.url().unwrap());
        assert_eq!(client.send("GET", &path, "", b"").status, 200, "{path}");
        let base = client.send("GET", &format!("/{publisher}/catalog/1/catalog.base.C"), "", b"");
        assert!(base.text().contains(&fmri.version.unwrap().to_string()));
    }
    assert!(count > 15, "{count}");
    assert!(place.sound("orchard.example") > 15);
    assert_eq!(place.open("orchard.example"), [""; 0]);
}

#[test]
fn a_package_may_come_as_manifest_and_stored_files() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    let content = b"as it lies in another repository\n";
    let hash = ips_model::digest::sha1_hex(content);
    let fmri = "pkg://new.example/whole@1.0,5.11-1:20240102T030405Z";
    let text = format!(
        "set name=pkg.fmri value={fmri}\n\
         file {hash} chash=0 group=bin mode=0644 owner=root path=x pkg.csize=1 pkg.size=33\n"
    );
    let id = client.open(fmri).unwrap();
    let named = format!("X-IPkg-SetAttr0: basename={hash}\r\n");
    // Whatever the form in which a client sends the id: as it came, or encoded once more.
    let answer = client.send("POST", &format!("/file/1/{id}"), &named, &compressed(content));
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    let again = quote::quote(&id);
    for body in [text.clone().into_bytes(), compressed(text.as_bytes())] {
        let answer = client.send("POST", &format!("/manifest/1/{again}"), "", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(client.close(&again), Ok(fmri.to_string()));
    let parsed = Fmri::parse(fmri).unwrap();
    assert_eq!(place.repository.manifest_text(&parsed).unwrap(), text);
    let stored = client.send("GET", &format!("/file/1/{hash}"), "", b"");
    assert_eq!(stored.body, compressed(content));

    // Content without a name is compressed here.
    let id = client.open("pkg://new.example/raw@1").unwrap();
    assert_eq!(client.send("POST", &format!("/file/1/{id}"), "", b"raw").status, 200);
    let hash = ips_model::digest::sha1_hex(b"raw");
    let kept = place.repository.root().join("publisher/new.example/trans").join(&id).join(hash);
    assert_eq!(fs::read(kept).unwrap(), compressed(b"raw"));
    let answer = client.send("GET", &format!("/abandon/0/{id}"), "", b"");
    assert_eq!(answer.header("state"), Some("ABANDONED"));
    assert_eq!(place.open("new.example"), [""; 0]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    for (fmri, reason) in [
        ("pkg://new.example/x", "has an invalid version"),
        ("pkg://new.example/x@1.0-", "1.0-"),
        ("pkg://../x@1", ".."),
        ("pkg://new.example/../../x@1", ".."),
        ("", ""),
    ] {
        let refused = client.open(fmri).unwrap_err();
        assert!(refused.starts_with("400 ") && refused.contains(reason), "{fmri}: {refused}");
    }
    let id = client.open("x@1").unwrap();
    assert!(id.contains("new.example"), "{id}");
    let none = "1_pkg%3A%2F%2Fnew.example%2Fnone%401%2C5.11%3A20240102T030405Z";
    let file = headers(&action(FILE));
    let climbs = headers(&action("file path=../x mode=0644 owner=root group=bin"));
    let add = |id: &str, kind: &str| format!("/add/0/{id}/{kind}");
    let named = |name: &str| format!("X-IPkg-SetAttr0: basename={name}\r\n");
    for (path, headers, reason) in [
        (add(none, "file"), file.clone(), "No transaction matching"),
        (add("../../x", "file"), file.clone(), "No transaction matching"),
        (add(&id, "fiel"), file.clone(), "The specified Action Type, 'fiel', is not valid."),
        (add(&id, "file"), String::new(), "no attributes"),
        (add(&id, "dir"), headers(&action("dir path=x")), "mode is required"),
        (add(&id, "file"), climbs, "path may not contain '..'"),
        (add(&id, "file"), "X-IPkg-SetAttr0: a b=c\r\n".to_string(), "'a b' is not valid"),
        (format!("/add/0/{id}"), file.clone(), "An action type must be named."),
        ("/add/0/x".to_string(), file, "An action type must be named."),
        (format!("/file/1/{none}"), named("0"), "No transaction matching"),
        (format!("/file/1/{id}"), named("../../../x"), "has other contents"),
        (format!("/file/1/{id}"), named(&"0".repeat(40)), "has other contents"),
        (format!("/manifest/1/{id}"), String::new(), "pkg://new.example/x@1"),
        (format!("/manifest/1/{none}"), String::new(), "No transaction matching"),
    ] {
        let answer = client.send("POST", &path, &headers, b"body");
        let message = answer.message();
        assert!(answer.status == 400 && message.contains(reason), "{path}: {message}");
    }
    for operation in ["close", "abandon"] {
        let answer = client.send("GET", &format!("/{operation}/0/{none}"), "", b"");
        assert_eq!(answer.status, 400, "{operation}");
        assert!(answer.message().starts_with("No transaction matching"), "{operation}");
    }
    for path in ["/admin/0?cmd=destroy", "/admin/0", "/index/0/destroy"] {
        assert_eq!(client.send("GET", path, "", b"").status, 400, "{path}");
    }
    // The transaction outlived all of it.
    assert_eq!(client.add(&id, &action(FILE), b"").status, 200);
    let fmri = client.close(&id).unwrap();
    let refused = client.open(&fmri).unwrap_err();
    assert_eq!(
        refused,
        format!("400 The specified FMRI, '{fmri}', already exists or has been restricted.")
    );
    assert_eq!(place.sound("new.example"), 1);
}

#[test]
fn of_publishers_that_race_for_a_name_one_wins() {
    let place = place();
    let fmri = "pkg://new.example/raced@1.0,5.11:20240102T030405Z";
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let mut client = Publisher::new(&place.depot);
            std::thread::spawn(move || {
                let own = client.open(&format!("pkg://new.example/own{number}@1")).unwrap();
                let raced = client.open(fmri);
                let content = format!("content of {number}").into_bytes();
                assert_eq!(client.add(&own, &action(FILE), &content).status, 200);
                assert!(client.close(&own).is_ok());
                let id = match raced {
                    Ok(id) => id,
                    Err(refused) => return Err(refused),
                };
                assert_eq!(client.add(&id, &action(FILE), &content).status, 200);
                client.close(&id)
            })
        })
        .collect();
    let came: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let won = came.iter().filter(|came| came.is_ok()).count();
    assert_eq!(won, 1, "{came:?}");
    for refused in came.iter().filter_map(|came| came.as_ref().err()) {
        let told = refused.contains("already exists") || refused.contains("other contents");
        assert!(refused.starts_with("400 ") && told, "{refused}");
    }
    assert_eq!(place.sound("new.example"), 5);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    let id = client.open("pkg://new.example/cut@1").unwrap();
    let folder = place.repository.root().join("publisher/new.example/trans").join(&id);
    let files = || fs::read_dir(&folder).unwrap().count();
    let mut broken = place.depot.connect();
    let head = format!(
        "POST /add/0/{id}/file HTTP/1.1\r\nHost: x\r\n{}Content-Length: 1000\r\n\r\n",
        headers(&action(FILE))
    );
    broken.write_all(head.as_bytes()).unwrap();
    broken.write_all(&[0; 500]).unwrap();
    while files() != 2 {
        std::thread::yield_now();
    }
    drop(broken);
    while files() != 1 {
        std::thread::yield_now();
    }
    assert_eq!(client.add(&id, &action(FILE), b"whole").status, 200);
    assert!(client.close(&id).is_ok());
    assert_eq!(place.sound("new.example"), 1);
}

#[test]
fn signatures_are_appended_and_nothing_else() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    let id = client.open("pkg://new.example/signed@1.0").unwrap();
    assert_eq!(client.add(&id, &action(FILE), b"content").status, 200);
    let fmri = client.close(&id).unwrap();
    let parsed = Fmri::parse(&fmri).unwrap();
    let before = place.repository.manifest_text(&parsed).unwrap();

    let append = |client: &mut Publisher, fmri: &str| {
        let path = format!("/append/0/{}", quote::quote(fmri));
        let answer = client.send("GET", &path, "", b"");
        answer.header("transaction-id").map(str::to_string).ok_or_else(|| answer.message())
    };
    let absent = append(&mut client, "pkg://new.example/none@1:20240102T030405Z").unwrap_err();
    assert!(absent.starts_with("Need an existing instance of "), "{absent}");
    let id = append(&mut client, &fmri).unwrap();
    let answer = client.add(&id, &action(FILE), b"more");
    assert_eq!(answer.message(), "Only a signature can be appended to an existing package");
    let signature = action("signature algorithm=rsa-sha256 value=abcd version=0");
    assert_eq!(client.add(&id, &signature, b"a certificate").status, 200);
    assert_eq!(client.close(&id), Ok(fmri.clone()));

    let after = place.repository.manifest_text(&parsed).unwrap();
    let added = after.strip_prefix(&before).unwrap();
    let hash = ips_model::digest::sha1_hex(b"a certificate");
    assert!(added.starts_with(&format!("signature {hash} algorithm=rsa-sha256 ")), "{added}");
    assert_eq!(client.send("GET", &format!("/file/0/{hash}"), "", b"").status, 200);
    assert_eq!(place.sound("new.example"), 1);
}

#[test]
fn the_catalog_may_be_left_for_later() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    let id = client.open("pkg://new.example/later@1.0").unwrap();
    let close = format!("/close/0/{id}");
    let answer = client.send("GET", &close, "X-IPkg-Add-To-Catalog: 0\r\n", b"");
    assert_eq!(answer.header("state"), Some("PUBLISHED"));
    let shown = |client: &mut Publisher| {
        client.send("GET", "/catalog/1/catalog.base.C", "", b"").text().contains("later")
    };
    assert!(!shown(&mut client));
    assert_eq!(client.send("GET", "/admin/0?cmd=refresh-packages", "", b"").status, 200);
    // The order has no answer; what it did is seen.
    while !shown(&mut client) {}
}

#[test]
fn what_was_published_is_indexed() {
    let place = place();
    let mut client = Publisher::new(&place.depot);
    let index = place.repository.root().join("publisher/new.example/index/full_fmri_list");
    let listed = |name: &str| {
        std::fs::read_to_string(&index).is_ok_and(|list| list.contains(&format!("pkg:/{name}@")))
    };
    for name in ["one", "two", "three"] {
        let id = client.open(&format!("pkg://new.example/{name}@1.0")).unwrap();
        client.send("GET", &format!("/close/0/{id}"), "", b"");
    }
    // It is done some time after the answer.
    while !["one", "two", "three"].into_iter().all(listed) {}
    let found = client.send("GET", "/search/1/False_1_None_None_two", "", b"");
    assert!(found.text().contains("0 1 pkg:/two@1.0"), "{}", found.text());
    assert_eq!(client.send("GET", "/index/0/refresh", "", b"").status, 200);
    assert_eq!(client.send("GET", "/admin/0?cmd=rebuild-indexes", "", b"").status, 200);
}

#[test]
fn what_came_past_the_depot_is_indexed_when_it_is_told_to() {
    let told = |depot: &Depot| {
        let transport = ips_client::Transport::new(ips_client::Patience::default());
        let url = format!("http://127.0.0.1:{}/", depot.port);
        ips_client::Depot::open(&url, &transport).unwrap().refresh_index()
    };
    let place = place();
    let now = Timestamp::from_seconds(1_700_000_000);
    place
        .repository
        .open_transaction("pkg://new.example/past@1.0", now)
        .unwrap()
        .close(now)
        .unwrap();
    let index = place.repository.root().join("publisher/new.example/index/full_fmri_list");
    let listed = || std::fs::read_to_string(&index).is_ok_and(|list| list.contains("pkg:/past@"));
    assert!(!listed());
    told(&place.depot).unwrap();
    // It is done some time after the answer.
    while !listed() {}
    let refused = told(&Depot::of(place.repository.root())).unwrap_err();
    assert!(refused.to_string().contains("index/0"), "{refused}");
}

#[test]
fn a_depot_that_is_read_only_or_a_mirror_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(&folder.path().join("repo")).unwrap();
    repository.add_publisher("new.example", Timestamp::from_seconds(1_700_000_000)).unwrap();
    for mode in ["--readonly", "--mirror"] {
        let depot = Depot::with(repository.root(), &[mode]);
        let mut client = Publisher::new(&depot);
        let refused = client.open("pkg://new.example/x@1").unwrap_err();
        assert_eq!(refused, "404 Operation not supported in current server mode.", "{mode}");
        let served = client.send("GET", "/versions/0/", "", b"").text();
        let writing = ["open", "close", "add", "abandon", "append", "admin", "index"];
        assert!(!served.lines().any(|line| writing.contains(&line.split(' ').next().unwrap())));
        // A body that nobody wants is no reason to hang up.
        let answer = client.send("POST", "/add/0/1_x/file", "", &vec![b'x'; 1 << 20]);
        assert_eq!(answer.status, 404, "{mode}");
        assert_eq!(client.send("GET", "/versions/0/", "", b"").status, 200);
    }
    let depot = Depot::with(repository.root(), &[]);
    let served = depot.get("/versions/0/").text();
    for line in ["open 0", "add 0", "append 0", "close 0", "abandon 0", "admin 0", "file 0 1 2"] {
        assert!(served.lines().any(|found| found == line), "{line}: {served}");
    }
}

#[test]
fn a_large_payload_is_never_held_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(&folder.path().join("repo")).unwrap();
    repository.add_publisher("new.example", Timestamp::from_seconds(1_700_000_000)).unwrap();
    let size = 32 << 20;
    // Stacks, heap and all: whoever took the payload into memory would die of it.
    let depot = Depot::under(&["prlimit", "--data=29360128"], repository.root(), &[]);
    let mut client = Publisher::new(&depot);
    let id = client.open("pkg://new.example/large@1").unwrap();
    let piece: Vec<u8> =
        (0..1u32 << 18).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let pieces = std::iter::repeat_n(&piece, size / piece.len());
    let content: Vec<u8> = pieces.flatten().copied().collect();
    let answer = client.add(&id, &action(FILE), &content);
    assert_eq!(answer.status, 200, "{}", answer.message());
    let fmri = client.close(&id).unwrap();
    let text = repository.manifest_text(&Fmri::parse(&fmri).unwrap()).unwrap();
    let hash = ips_model::digest::sha1_hex(&content);
    assert!(text.contains(&hash) && text.contains(&format!("pkg.size={size}")), "{text}");
    let stored = repository.file_path("new.example", &hash).unwrap();
    assert!(ips_repository::expand(&fs::read(stored).unwrap(), Some(size)).unwrap() == content);
}
