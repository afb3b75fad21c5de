//! Searches as a client meets them: with the index that is there, another one, or none.
#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::path::Path;

use depot::Depot;
use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources};

const PUBLISHER: &str = "fruit.example";

fn now() -> Timestamp {
    Timestamp::parse("20261122T031530.250000Z").unwrap()
}

fn publish(repository: &Repository, name: &str, lines: &str) {
    let text = format!(
        "set name=pkg.fmri value=pkg://{PUBLISHER}/{name}@1,5.11:20250101T000000Z\n{lines}"
    );
    let batch = repository.batch().unwrap();
    let sources = Sources { folders: Vec::new(), timestamps: Vec::new() };
    batch.publish(&Manifest::parse(&text).unwrap(), &sources, now()).unwrap();
    batch.commit(now()).unwrap();
}

fn repository(place: &Path) -> Repository {
    let repository = Repository::create(&place.join("repo")).unwrap();
    repository.add_publisher(PUBLISHER, now()).unwrap();
    publish(&repository, "apple", "dir path=usr/apple owner=root group=bin mode=0755\n");
    repository
}

fn found(depot: &Depot, query: &str) -> Vec<String> {
    let answer = depot.get(&format!("/{PUBLISHER}/search/1/False_1_None_None_{query}"));
    match answer.status {
        200 => answer.text().lines().skip(1).map(str::to_string).collect(),
        204 => Vec::new(),
        other => panic!("{other}: {}", answer.text()),
    }
}

#[test]
fn what_is_published_is_found_without_an_index_and_with_one_when_that_is_renewed() {
    let place = tempfile::tempdir().unwrap();
    let repository = repository(place.path());
    let depot = Depot::of(repository.root());
    let apple = "0 1 pkg:/apple@1,5.11:20250101T000000Z";
    let pear = "0 1 pkg:/pear@1,5.11:20250101T000000Z";
    assert_eq!(found(&depot, "apple"), [apple]);
    publish(&repository, "pear", "set name=pkg.summary value=\"no apple\"\n");
    assert_eq!(found(&depot, "apple"), [apple, pear]);
    repository.refresh_index(PUBLISHER).unwrap();
    assert_eq!(found(&depot, "apple"), [apple, pear]);
    publish(&repository, "plum", "set name=pkg.summary value=\"no apple either\"\n");
    assert_eq!(found(&depot, "apple"), [apple, pear], "an index is as old as it is");
    repository.refresh_index(PUBLISHER).unwrap();
    assert_eq!(found(&depot, "apple").len(), 3);
    repository.rebuild_index(PUBLISHER).unwrap();
    assert_eq!(found(&depot, "apple").len(), 3);
}

#[test]
fn a_damaged_index_is_no_answer() {
    let place = tempfile::tempdir().unwrap();
    let repository = repository(place.path());
    repository.rebuild_index(PUBLISHER).unwrap();
    let main = repository.root().join("publisher").join(PUBLISHER).join("index/main_dict.ascii.v2");
    fs::write(&main, "VERSION: 2\ngarbage\n").unwrap();
    let depot = Depot::of(repository.root());
    let answer = depot.get("/search/0/apple");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("<p>Search temporarily unavailable"), "{}", answer.text());
    repository.rebuild_index(PUBLISHER).unwrap();
    assert_eq!(depot.get("/search/0/apple").status, 200);
}

#[test]
fn answers_of_any_size_and_queries_of_a_bounded_one() {
    let place = tempfile::tempdir().unwrap();
    let repository = repository(place.path());
    let value = "x".repeat(200);
    let lines: String =
        (0..5_000).map(|n| format!("set name=k{n} value=\"many {value}\"\n")).collect();
    publish(&repository, "many", &lines);
    let depot = Depot::of(repository.root());
    let answer = depot.get("/search/1/False_2_None_None_many");
    assert_eq!(answer.status, 200);
    // The package's own name is one of them.
    assert_eq!(answer.text().lines().count(), 1 + 5_000 + 1);
    assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string());
    for (body, status) in [
        ("0=False_1_None_None_apple".to_string(), 200),
        ("0=False_1_None_None_%28".to_string(), 400),
        ("0=apple".to_string(), 404),
        (String::new(), 400),
        (format!("0={}", "a".repeat(2 << 20)), 413),
    ] {
        let length = body.len();
        let head = "POST /search/1/ HTTP/1.1\r\nHost: x\r\nConnection: close";
        let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        assert_eq!(depot.ask(request.as_bytes()).status, status, "{body:.50}");
    }
    assert_eq!(depot.get("/nobody/search/1/False_1_None_None_apple").status, 400);
}
