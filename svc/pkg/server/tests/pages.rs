//! The pages as a browser gets them, without a browser: well-formed, labelled, escaped, cached.
//!
//! `Page::parse` knows only as much HTML as our pages use and is stricter than a browser: every
//! element is closed, in order.
#![allow(clippy::unwrap_used)]

mod depot;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use depot::{Answer, Depot, copy};
use ips_model::{Fmri, Timestamp};
use ips_repository::Repository;

const VOID: [&str; 5] = ["meta", "link", "input", "br", "hr"];

/// An element: name, attributes, the text inside it.
#[derive(Debug, Default, Clone)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    /// The names of what it is in, outermost first.
    inside: Vec<String>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains('<'), "{text}");
    let mut plain = String::new();
    let mut parts = text.split('&');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        let (entity, rest) = part.split_once(';').unwrap_or_else(|| panic!("bare & in {text}"));
        plain.push_str(match entity {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            other => panic!("&{other};"),
        });
        plain.push_str(rest);
    }
    plain
}

/// Takes a page apart; panics where it is not well-formed.
fn parse(page: &str) -> Vec<Element> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let (mut done, mut open): (Vec<Element>, Vec<Element>) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        let text = unescaped(&rest[..start]);
        open.iter_mut().for_each(|element| element.text.push_str(&text));
        rest = &rest[start + 1..];
        if let Some(end) = rest.strip_prefix('/') {
            let (name, after) = end.split_once('>').unwrap();
            let element = open.pop().unwrap_or_else(|| panic!("</{name}> too many"));
            assert_eq!(element.name, name, "closed in another order");
            done.push(element);
            rest = after;
            continue;
        }
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let mut element = Element { name: rest[..length].to_string(), ..Element::default() };
        element.inside = open.iter().map(|outer| outer.name.clone()).collect();
        rest = &rest[length..];
        while let Some(more) = rest.strip_prefix(' ') {
            let length = more.find(['=', ' ', '>']).unwrap();
            let name = more[..length].to_string();
            rest = &more[length..];
            let mut value = "";
            if let Some(quoted) = rest.strip_prefix("=\"") {
                (value, rest) = quoted.split_once('"').unwrap();
            }
            assert!(element.get(&name).is_none(), "{name} twice");
            element.attributes.push((name, unescaped(value)));
        }
        rest = rest.strip_prefix('>').unwrap_or_else(|| panic!("{rest:.60}"));
        if VOID.contains(&element.name.as_str()) { done.push(element) } else { open.push(element) }
    }
    assert!(open.is_empty(), "left open: {:?}", open.last());
    done
}

/// What holds for every page.
fn check(path: &str, answer: &Answer) -> Vec<Element> {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}");
    let all = parse(&answer.text());
    let named = |name: &str| all.iter().filter(|own| own.name == name).collect::<Vec<_>>();
    for name in ["title", "h1", "main", "header", "footer"] {
        assert_eq!(named(name).len(), 1, "{path}: {name}");
    }
    for forbidden in ["script", "style", "iframe", "object", "img"] {
        assert!(named(forbidden).is_empty(), "{path}: {forbidden}");
    }
    assert_eq!(named("html")[0].get("lang"), Some("en"));
    let ids: Vec<&str> = all.iter().filter_map(|own| own.get("id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{path}: an id twice");
    for element in &all {
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && name != "style", "{path}: {name}");
            if matches!(name.as_str(), "href" | "action" | "src") {
                let scheme = value.split(['/', '?', '#']).next().unwrap();
                let web = value.starts_with("http://") || value.starts_with("https://");
                assert!(web || !scheme.contains(':'), "{path}: {value}");
                assert!(!(web && element.name != "a"), "{path}: {value} is fetched");
            }
            if matches!(name.as_str(), "aria-labelledby" | "for") {
                assert!(ids.contains(&value.as_str()), "{path}: {name}={value}");
            }
        }
    }
    for link in named("a") {
        assert!(!link.text.trim().is_empty(), "{path}: a link without words: {link:?}");
        if let Some(part) = link.get("href").unwrap().strip_prefix('#') {
            assert!(ids.contains(&part), "{path}: #{part}");
        }
    }
    for input in named("input") {
        let labelled = named("label").iter().any(|own| own.get("for") == input.get("id"))
            && input.get("id").is_some();
        assert!(labelled || input.inside.contains(&"label".to_string()), "{path}: {input:?}");
    }
    for part in named("nav").iter().chain(&named("section")) {
        let label = part.get("aria-label").or(part.get("aria-labelledby"));
        assert!(label.is_some(), "{path}: {part:?}");
    }
    let tables = named("table").len();
    assert_eq!(named("caption").len(), tables, "{path}: a table without caption");
    for head in named("th") {
        assert!(head.get("scope").is_some(), "{path}: {head:?}");
    }
    all
}

/// A depot over the repository of the golden answers.
fn golden(place: &Path) -> Depot {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&here.join("../../ips/client/tests/golden/repo"), &place.join("repo"));
    Depot::of(&place.join("repo"))
}

#[test]
fn every_page_that_is_linked_is_there_and_well_made() {
    let place = tempfile::tempdir().unwrap();
    let depot = golden(place.path());
    let mut waiting = vec![
        "/en/index.shtml".to_string(),
        "/en/advanced_search.shtml".to_string(),
        "/en/search.shtml?q=pear&show=actions&all=on".to_string(),
        "/en/search.shtml?q=((a".to_string(),
        "/orchard.example/en/search.shtml?q=pear&show=actions&page=2".to_string(),
    ];
    let mut seen = BTreeSet::new();
    let mut pages = 0;
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = depot.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        if !path.split('?').next().unwrap().ends_with(".shtml") {
            continue;
        }
        pages += 1;
        for element in check(&path, &answer) {
            let link = element.get("href").filter(|link| !link.starts_with("http"));
            let Some(link) = link.filter(|link| !link.starts_with('#')) else { continue };
            // Relative to the folder of the page.
            let mut at: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
            at.pop();
            let mut rest = link.split('#').next().unwrap();
            while let Some(up) = rest.strip_prefix("../") {
                at.pop();
                rest = up;
            }
            waiting.push(format!("{}/{rest}", at.join("/")));
        }
    }
    // Every version of every package has a page, and there are searches, lists and status.
    assert!(pages > 50, "{pages}");
    assert!(
        seen.iter()
            .any(|path| path.ends_with("/manifest/0/fruit%2Fpear@2.0%2C5.11-1%3A20240203T040506Z"))
    );
    assert!(seen.contains("/orchard.example/p5i/0/fruit%2Fpear.p5i"));
}

#[test]
fn a_package_page_tells_all() {
    let place = tempfile::tempdir().unwrap();
    let depot = golden(place.path());
    let page = depot.get("/orchard.example/en/package.shtml?name=fruit/pear").text();
    for part in [
        "fruit/pear",
        "für Obstgärten, 果樹園",
        "2.0-1 (2.0 final)",
        "A &quot;quoted&quot; description",
        "Applications/Fruit, Development/Fruit Tools",
        "system/core-files</a>",
        "/usr/share/pear/name with blank",
        "link to <code>pear</code>",
        "only with facet.doc=true",
        "<summary>Pear Licence</summary>",
        "pkg install -g http://x/ pkg://orchard.example/fruit/pear@2.0-1:20240203T040506Z",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(page.contains("<pre class=\"licence\" tabindex=\"0\">"), "{page}");
    let old =
        "/orchard.example/en/package.shtml?name=fruit%2Fpear&version=1.0,5.11-2:20240102T030405Z";
    assert!(depot.get(old).text().contains("This is an older version."));
    let gone = depot.get("/orchard.example/en/package.shtml?name=old/gone").text();
    assert!(gone.contains("obsolete</span>") && !gone.contains("pkg install"));
    for absent in ["name=fruit/pear&version=9", "name=../../etc/passwd", "name=", ""] {
        let path = format!("/orchard.example/en/package.shtml?{absent}");
        let answer = depot.get(&path);
        assert_eq!(answer.status, 404, "{absent}");
        check(&path, &answer);
    }
    assert_eq!(depot.get("/nobody/en/catalog.shtml").status, 404);
    assert_eq!(depot.get("/orchard.example/en/nothing.shtml").status, 404);
}

/// A repository whose manifests are written as they are, without the checks of publication.
fn hostile(root: &Path) -> Repository {
    let repository = Repository::create(root).unwrap();
    let now = Timestamp::parse("20261122T031530Z").unwrap();
    repository.add_publisher("evil.example", now).unwrap();
    let name = "pkg://evil.example/evil@1,5.11:20250101T000000Z";
    let path = repository.manifest_path(&Fmri::parse(name).unwrap()).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bad = "<script>alert(1)</script>";
    let quotes = "x\\\" onmouseover=alert(1) y='";
    fs::write(
        path,
        format!(
            "set name=pkg.fmri value={name}\n\
             set name=pkg.summary value=\"{bad} & <b> {quotes}\"\n\
             set name=pkg.description value=\"{bad}\"\n\
             set name=pkg.human-version value=\"{bad}\"\n\
             set name=info.classification value=\"x:{bad}\"\n\
             set name=info.upstream-url value=\"javascript:alert(1)\"\n\
             set name=info.source-url value='https://x/\"onclick=alert(1)'\n\
             set name=\"variant.{bad}\" value=\"{bad}\"\n\
             depend fmri=\"{bad}\" type=\"{bad}\"\n\
             depend fmri=javascript:alert(1) predicate=\"{bad}\" type=conditional\n\
             file 0123456789012345678901234567890123456789 path=\"{bad}\" mode=\"{bad}\" owner=\"{bad}\" group=bin pkg.size=99999999999999999999\n\
             file 0123456789012345678901234567890123456789 path=a pkg.size=18446744073709551615\n\
             file 0123456789012345678901234567890123456789 path=b pkg.size=18446744073709551615\n\
             link path=l target=\"{bad}\"\n\
             license ../../../../etc/passwd license=\"{bad}\"\n\
             license 0123456789012345678901234567890123456789 license=missing\n"
        ),
    )
    .unwrap();
    repository.rebuild("evil.example", now).unwrap();
    repository
}

#[test]
fn nothing_in_a_manifest_or_a_request_becomes_markup() {
    let place = tempfile::tempdir().unwrap();
    let repository = hostile(&place.path().join("repo"));
    let depot = Depot::of(repository.root());
    let quoted = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26";
    for path in [
        "/evil.example/en/catalog.shtml".to_string(),
        "/evil.example/en/package.shtml?name=evil".to_string(),
        "/en/search.shtml?q=alert*".to_string(),
        "/en/search.shtml?q=*alert*&show=actions".to_string(),
        format!("/en/search.shtml?q={quoted}"),
        format!("/en/search.shtml?q={quoted}(&show=actions"),
        format!("/evil.example/en/catalog.shtml?q={quoted}"),
        format!("/evil.example/en/package.shtml?name={quoted}"),
        format!("/{quoted}/en/catalog.shtml"),
        "/en/stats.shtml".to_string(),
    ] {
        let answer = depot.get(&path);
        let text = answer.text();
        // The check refuses scripts, handlers and addresses that run something.
        check(&path, &answer);
        assert!(!text.contains("<script") && !text.contains("href=\"javascript"), "{path}");
    }
    let page = depot.get("/evil.example/en/package.shtml?name=evil").text();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(!page.contains("root:x:0:0"), "{page}");
    let host =
        "GET /en/index.shtml HTTP/1.1\r\nHost: \"><script>x</script>\r\nConnection: close\r\n\r\n";
    let answer = depot.ask(host.as_bytes());
    check("a host", &answer);
}

#[test]
fn lists_come_in_parts() {
    let place = tempfile::tempdir().unwrap();
    let repository = Repository::create(&place.path().join("repo")).unwrap();
    let now = Timestamp::parse("20261122T031530Z").unwrap();
    repository.add_publisher("many.example", now).unwrap();
    for number in 0..1_050 {
        let name = format!("pkg://many.example/group/p{number:04}@1,5.11:20250101T000000Z");
        let path = repository.manifest_path(&Fmri::parse(&name).unwrap()).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = format!(
            "set name=pkg.fmri value={name}\nset name=pkg.summary value=\"word {number}\"\n"
        );
        if number == 7 {
            (0..600).for_each(|n| {
                text.push_str(&format!("dir path=usr/d{n:03} mode=0755 owner=root group=bin\n"))
            });
        }
        fs::write(path, text).unwrap();
    }
    repository.rebuild("many.example", now).unwrap();
    let depot = Depot::of(repository.root());
    let rows = |path: &str| {
        let answer = depot.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let all = check(path, &answer);
        let row = |own: &&Element| own.name == "th" && own.get("scope") == Some("row");
        all.iter().filter(row).map(|own| own.text.clone()).collect::<Vec<String>>()
    };
    let list = "/many.example/en/catalog.shtml";
    assert_eq!(rows(list).len(), 100);
    assert_eq!(rows(&format!("{list}?page=11")).len(), 50);
    assert!(rows(&format!("{list}?page=3"))[0].starts_with("group/p0200"));
    for beyond in ["12", "0", "-1", "x", "99999999999999999999999"] {
        assert!(!rows(&format!("{list}?page={beyond}")).is_empty(), "{beyond}");
    }
    assert_eq!(rows(&format!("{list}?q=P0777")).len(), 1);
    assert_eq!(rows(&format!("{list}?q=nothing")).len(), 0);
    let files = "/many.example/en/package.shtml?name=group/p0007";
    let count = |path: &str| rows(path).iter().filter(|row| row.starts_with("/usr")).count();
    assert_eq!(count(files), 250);
    assert_eq!(count(&format!("{files}&files=3")), 100);
    let search = "/many.example/en/search.shtml?q=word";
    let hits = |path: &str| rows(path).iter().filter(|row| row.starts_with("group/")).count();
    assert_eq!(hits(search), 50);
    assert_eq!(hits(&format!("{search}&page=21")), 50);
    let actions = format!("{search}&show=actions&page=22");
    assert!(depot.get(&actions).text().contains("Nothing more was found."));
}

#[test]
fn a_page_is_sent_once() {
    let place = tempfile::tempdir().unwrap();
    let depot = golden(place.path());
    let ask = |path: &str, tag: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close");
        depot.ask(format!("{head}\r\nIf-None-Match: {tag}\r\n\r\n").as_bytes())
    };
    for path in ["/en/index.shtml", "/_themes/style.css", "/en/search.shtml?q=pear"] {
        let first = depot.get(path);
        let tag = first.header("etag").unwrap().to_string();
        assert!(first.header("cache-control").is_some());
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".into()] {
            let answer = ask(path, &known);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{path} {known}");
        }
        assert_eq!(ask(path, "\"other\"").status, 200);
    }
    let head = "HEAD /en/index.shtml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = depot.ask(head.as_bytes());
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let post = "POST /en/index.shtml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(depot.ask(post.as_bytes()).status, 405);
}

#[test]
fn changes_are_told_as_a_feed() {
    let place = tempfile::tempdir().unwrap();
    let depot = golden(place.path());
    for path in ["/feed", "/orchard.example/feed"] {
        let answer = depot.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/atom+xml; charset=utf-8"));
        let text = answer.text();
        let feed = text.strip_prefix("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n").unwrap();
        assert_eq!(feed.matches("<entry>").count(), feed.matches("</entry>").count());
        assert!(feed.contains("<title>fruit/pear 2.0-1</title>"), "{feed}");
        let link = "http://x/orchard.example/en/package.shtml?name=fruit%2Fpear&amp;version=";
        assert!(feed.contains(&format!("<link href=\"{link}")), "{feed}");
    }
    assert_eq!(depot.get("/nobody/feed").status, 404);
    let repository = Repository::open(&place.path().join("repo")).unwrap();
    let now = Timestamp::parse("20261123T031530Z").unwrap();
    repository.rebuild("orchard.example", now).unwrap();
    assert_eq!(depot.get("/orchard.example/feed").status, 503);
}

#[test]
fn a_mirror_has_no_lists() {
    let place = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&here.join("../../ips/client/tests/golden/repo"), &place.path().join("repo"));
    let depot = Depot::with(&place.path().join("repo"), &["--mirror"]);
    let answer = depot.get("/en/index.shtml");
    let all = check("/en/index.shtml", &answer);
    assert!(!all.iter().any(|own| own.get("href").is_some_and(|to| to.contains("catalog"))));
    for page in ["catalog", "search", "package"] {
        let path = format!("/orchard.example/en/{page}.shtml?name=fruit/pear");
        assert_eq!(depot.get(&path).status, 404, "{page}");
    }
}
