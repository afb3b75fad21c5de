//! Requests to the original's depot and what it answered, a folder each: we answer alike.
//!
//! `golden/NNN-NAME/{request,response,body}` were captured over the repository of
//! `svc/ips/client/tests/golden`.  Compared are status, type, caching, lengths and bodies; of errors
//! the message that clients show.

#![allow(clippy::unwrap_used)]

mod depot;

use std::fs;
use std::path::Path;

use depot::{Answer, Depot, copy};

/// Answers that differ, and why.
const KNOWN: [(&str, &str); 3] = [
    ("008-publisher-1", "an internal error there, a plain refusal here"),
    ("009-publisher-1-arg", "the same"),
    ("108-robots", "a file there, a constant here"),
];

/// A captured request with the line ends of HTTP.
fn request(path: &Path, port: u16) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap().replace("$PORT", &port.to_string());
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")).into_bytes()
}

fn message(page: &str) -> String {
    let text = page.split("<p>").nth(1).unwrap_or(page);
    text.split("</p>").next().unwrap_or(text).trim().to_string()
}

/// What of a body is compared.
fn body(answer: &Answer, case: &str, port: u16) -> String {
    let text = answer.text().replace(&format!("127.0.0.1:{port}"), "127.0.0.1:$PORT");
    match case {
        _ if answer.status >= 400 => message(&text),
        // The server's own version.
        _ if case.contains("versions-0") => text.lines().skip(1).collect(),
        _ if case.contains("status-0") => {
            let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value["repository"]["requests"] = serde_json::Value::Null;
            value.to_string()
        }
        _ => text,
    }
}

#[test]
fn answers_are_those_of_the_original() {
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("repo");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&here.join("../../ips/client/tests/golden/repo"), &repository);
    for publisher in ["harbour.example", "orchard.example"] {
        let index = here.join("../../ips/repository/tests/golden/index").join(publisher);
        copy(&index, &repository.join("publisher").join(publisher).join("index"));
    }
    let depot = Depot::of(&repository);
    let mut cases: Vec<_> = fs::read_dir(here.join("tests/golden"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 80, "{}", cases.len());
    let mut differences = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let mut expected = Answer::parse(&fs::read(case.join("response")).unwrap());
        expected.body = fs::read(case.join("body")).unwrap();
        let found = depot.ask(&request(&case.join("request"), depot.port));
        let mut compare = |what: &str, want: String, have: String| {
            if want != have && !KNOWN.iter().any(|(known, _)| *known == name) {
                differences
                    .push(format!("{name}: {what}\n  want {want:.900?}\n  have {have:.900?}"));
            }
        };
        compare("status", expected.status.to_string(), found.status.to_string());
        compare("body", body(&expected, &name, 0), body(&found, &name, depot.port));
        let mut headers = vec!["content-type", "cache-control", "accept-ranges", "content-range"];
        headers.extend(["location", "x-ipkg-attr-0", "x-ipkg-attr-1", "x-frame-options"]);
        headers.extend(["x-catalog-type", "content-encoding", "content-security-policy"]);
        if expected.status < 300 && !name.contains("versions-0") && !name.contains("status-0") {
            headers.extend(expected.header("content-length").map(|_| "content-length"));
        }
        for header in headers {
            let of = |answer: &Answer| {
                let text = answer.header(header).unwrap_or("").to_string();
                text.replace(&format!(":{}", depot.port), ":$PORT").replace("; charset", ";charset")
            };
            compare(header, of(&expected), of(&found));
        }
        let dated = |answer: &Answer| answer.header("last-modified").is_some().to_string();
        compare("last-modified", dated(&expected), dated(&found));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
