//! What a site makes of its depot: content of its own, a feed in its words, indexes in a place of
//! their own.
#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use depot::{Depot, copy};

/// The captured repository, copied.
fn golden(place: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&here.join("../../ips/client/tests/golden/repo"), &place.join("repo"));
    place.join("repo")
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_site_has_content_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let repository = golden(place.path());
    let web = place.path().join("content/web");
    for (path, text) in [
        ("robots.txt", "User-agent: nobody\n"),
        ("_themes/style.css", "body {}\n"),
        ("_themes/pkg-block-icon.png", "icon"),
        ("doc/about us.html", "<p>we</p>"),
        ("doc/page.shtml", "<% program %>"),
        ("doc/.secret", "secret"),
        ("versions/0", "mine"),
        ("orchard.example/about.html", "mine"),
    ] {
        put(&web.join(path), text);
    }
    put(&place.path().join("content/outside"), "outside");
    symlink("../../outside", web.join("doc/out")).unwrap();
    symlink("about us.html", web.join("doc/in.html")).unwrap();
    let content = format!("PKG_DEPOT_CONTENT={}", place.path().join("content").display());
    let told = ["--readonly", "--set-property", "pkg_bui/feed_description=What came & went"];
    let depot = Depot::under(&["env", &content], &repository, &told);
    for (path, status, content_type, text) in [
        ("/robots.txt", 200, "text/plain; charset=utf-8", "User-agent: nobody\n"),
        ("/_themes/style.css", 200, "text/css; charset=utf-8", "body {}\n"),
        ("/doc/about%20us.html", 200, "text/html; charset=utf-8", "<p>we</p>"),
        ("/doc/in.html", 200, "text/html; charset=utf-8", "<p>we</p>"),
        ("/doc/page.shtml", 404, "", ""),
        ("/doc/.secret", 404, "", ""),
        ("/doc/out", 404, "", ""),
        ("/doc", 404, "", ""),
        ("/doc/", 404, "", ""),
        ("/doc/../../outside", 404, "", ""),
        ("/doc/%2e%2e/%2e%2e/outside", 404, "", ""),
        ("/..%2foutside", 404, "", ""),
        ("/doc/a%00b", 404, "", ""),
        ("/orchard.example/about.html", 404, "", ""),
        ("/versions/0", 200, "text/plain;charset=utf-8", ""),
        ("/_themes/icon.svg", 200, "image/svg+xml", ""),
    ] {
        let answer = depot.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
            assert!(text.is_empty() || answer.text() == text, "{path}: {}", answer.text());
            assert!(answer.header("x-frame-options").is_some(), "{path}");
        }
    }
    assert!(depot.get("/versions/0").text().starts_with("pkg-server "));
    let post = "POST /robots.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n";
    let posted = depot.ask(format!("{post}\r\n").as_bytes()).text();
    assert!(!posted.contains("nobody"), "{posted}");
    let feed = depot.get("/feed").text();
    for line in [
        "<title>package repository feed</title>",
        "<subtitle>What came &amp; went</subtitle>",
        "<icon>http://x/_themes/pkg-block-icon.png</icon>",
    ] {
        assert!(feed.contains(line), "{line}: {feed}");
    }
    assert!(!feed.contains("<logo>"), "{feed}");
}

#[test]
fn a_feed_is_as_long_as_it_is_told() {
    let place = tempfile::tempdir().unwrap();
    let repository = golden(place.path());
    let config = place.path().join("depot.cfg");
    let feed = |hours: &str| {
        put(&config, &format!("[pkg_bui]\nfeed_name = Fruit\n  & more\nfeed_window = {hours}\n"));
        let depot = Depot::with(&repository, &["--readonly", "--cfg", config.to_str().unwrap()]);
        let answer = depot.get("/orchard.example/feed");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("<title>Fruit &amp; more</title>"), "{}", answer.text());
        answer.text().matches("<entry>").count()
    };
    let (last, day) = (feed("0"), feed("24"));
    assert!(0 < last && last < day, "{last} {day}");
}

/// Runs a depot that is to end by itself.
fn run(repository: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pkg-depotd"))
        .args(options)
        .env("PKG_REPO", repository)
        .output()
        .unwrap()
}

#[test]
fn indexes_of_what_may_only_be_read_lie_elsewhere() {
    let place = tempfile::tempdir().unwrap();
    let repository = golden(place.path());
    let home = place.path().join("writable");
    let told = ["--readonly", "--writable-root", home.to_str().unwrap()];
    let done = run(&repository, &[&["--refresh-index"][..], &told].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let list = |publisher: &str| home.join(format!("publisher/{publisher}/index/manf_list.v1"));
    assert!(list("orchard.example").exists() && list("harbour.example").exists());
    for publisher in ["orchard.example", "harbour.example"] {
        let own = repository.join("publisher").join(publisher);
        assert!(!own.join("index").exists() && !own.join("tmp").exists());
    }
    let refused = run(&repository, &["--refresh-index", "--readonly"]);
    assert_eq!(refused.status.code(), Some(2));
    // A word that only they know.
    let words = home.join("publisher/orchard.example/index/main_dict.ascii.v2");
    let text = fs::read_to_string(&words).unwrap();
    assert!(text.contains("\npear "), "{text}");
    fs::write(&words, text.replace("\npear ", "\nzear ")).unwrap();
    let depot = Depot::with(&repository, &told);
    let found = depot.get("/orchard.example/search/1/False_1_None_None_zear").text();
    assert!(found.contains("fruit/pear@"), "{found}");
}
