//! The root causes of small worlds, written one instance a line:
//! `name state [*] [-enabled] [grouping:member,member]...`.

use super::*;
use smf_scf::import::merge::{Group, Property};

fn property(kind: &str, values: &[&str]) -> Property {
    Property { kind: kind.into(), values: values.iter().map(|v| (*v).to_owned()).collect() }
}

fn group(kind: &str, properties: &[(&str, Property)]) -> Group {
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Group { kind: kind.into(), properties: properties.collect(), ..Group::default() }
}

fn fmri(name: &str) -> String {
    match name.starts_with("file:") || name.starts_with("svc:") {
        true => name.to_owned(),
        false => format!("svc:/{name}"),
    }
}

fn instance(line: &str) -> Instance {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap();
    let state = words.next().unwrap();
    let (mut next, mut enabled, mut restarter) = ("none", "true", "");
    let mut running = smf_scf::import::merge::Groups::new();
    for (number, word) in words.enumerate() {
        match word.split_once(':') {
            None if word == "*" => next = "online",
            None => enabled = "false",
            Some(("restarter", fmri)) => restarter = fmri,
            Some((grouping, members)) => {
                let kind = if members.starts_with("file:") { "path" } else { "service" };
                let members: Vec<String> = members.split(',').map(fmri).collect();
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                let properties = [
                    ("grouping", property("astring", &[grouping])),
                    ("type", property("astring", &[kind])),
                    ("entities", property("fmri", &members)),
                ];
                running.insert(format!("d{number}"), group("dependency", &properties));
            }
        }
    }
    let mut live = smf_scf::import::merge::Groups::new();
    if state != "-" {
        let states = [
            ("state", property("astring", &[state])),
            ("next_state", property("astring", &[next])),
        ];
        live.insert("restarter".into(), group("framework", &states));
    }
    let mut general = vec![("enabled", property("boolean", &[enabled]))];
    if !restarter.is_empty() {
        general.push(("restarter", property("fmri", &[restarter])));
    }
    live.insert("general".into(), group("framework", &general));
    Instance { fmri: fmri(&format!("{name}:i")), live, running }
}

fn world(lines: &[&str]) -> Graph {
    Graph::new(lines.iter().map(|line| instance(line)).collect())
}

fn short(graph: &Graph, id: Id) -> &str {
    let fmri = &graph.nodes[id].instance.fmri;
    &fmri["svc:/".len()..fmri.len() - ":i".len()]
}

/// `root(impact)...` and of each offline instance `name=path>path|absent`.
fn story(lines: &[&str]) -> String {
    let graph = world(lines);
    let mut parts: Vec<String> = Vec::new();
    for id in graph.roots() {
        let hit: Vec<&str> = graph.impact(id).into_iter().map(|id| short(&graph, id)).collect();
        parts.push(format!("{}({})", short(&graph, id), hit.join(",")));
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        if node.instance.state() != Some("offline") {
            continue;
        }
        let ways = node.causes.iter().filter(|cause| cause.next.is_some()).map(|cause| {
            let path = graph.path(id, *cause);
            path[1..].iter().map(|hop| short(&graph, *hop)).collect::<Vec<_>>().join(">")
        });
        let reasons: Vec<String> =
            ways.chain(node.absent.iter().map(|a| format!("!{a}"))).collect();
        parts.push(format!("{}={}", short(&graph, id), reasons.join("|")));
    }
    parts.extend(graph.complaints);
    parts.join(" ")
}

#[test]
fn root_causes() {
    for (lines, expected) in [
        // Nothing to say of what runs, or of what nobody needs.
        (&["a online", "b degraded", "c disabled -", "d uninitialized"][..], ""),
        (&["a maintenance", "b maintenance -"], "a() b()"),
        (&["a disabled"], "a()"),
        (&["a offline *"], "a() a="),
        // The end of the chain is named, not the next one; who is hit comes first.
        (
            &[
                "a disabled -",
                "b offline require_all:a:i",
                "c offline require_all:b:i",
                "d maintenance",
            ],
            "a(b,c) d() b=a c=b>a",
        ),
        // Both ends of a fork, each once.
        (
            &["a maintenance", "b offline require_all:a", "c offline require_all:b,a"],
            "a(b,c) b=a c=b>a",
        ),
        (&["a uninitialized", "b offline require_all:a"], "a(b) b=a"),
        // What is absent is the fault of who needs it.
        (&["b offline require_all:x", "c offline require_all:b"], "b(c) b=!svc:/x c=b"),
        (&["a maintenance", "b offline require_all:x,a"], "a(b) b=a|!svc:/x"),
        // One of several is enough; when none runs, all are to blame.
        (&["a online", "b disabled -", "c offline require_any:a,b"], "c() c="),
        (
            &["a maintenance", "b disabled -", "c offline require_any:a,b,x"],
            "a(c) b(c) c=a|b|!svc:/x",
        ),
        // An optional dependency is a cause only while it is on its way.
        (&["a disabled -", "b maintenance", "c offline optional_all:a,b,x"], "b() c() c="),
        (&["a offline *", "c offline optional_all:a"], "a(c) a= c=a"),
        (&["a uninitialized", "c offline optional_all:a"], "a(c) c=a"),
        // Who is excluded and runs is a cause, though nothing is wrong with it.
        (&["a online", "b disabled -", "c offline exclude_all:a,b,x"], "a(c) c=a"),
        // Files.
        (&["c offline require_all:file:/nowhere"], "c() c=!file:/nowhere"),
        (&["c offline optional_all:file:/nowhere"], "c() c=!file:/nowhere"),
        (&["c offline require_any:file:/nowhere,file:/"], "c() c="),
        (&["c offline exclude_all:file:/"], "c() c=!file:/"),
        // Restarters.
        (&["r disabled -", "c offline restarter:svc:/r:i"], "r(c) c=r"),
        (&["c offline restarter:svc:/r:i"], "c() c="),
        // What makes no sense is said.
        (&["c odd"], "c() svc:/c:i has invalid state \"odd\"."),
        (&["c -"], "svc:/c:i has no \"restarter\" property group; ignoring."),
        (
            &["c offline require_all:svc:/a/:x"],
            "c() c= svc:/c:i has invalid dependency \"svc:/a/:x\".",
        ),
        (
            &["a offline require_all:b", "b offline require_all:a"],
            "b(a,b) a=b b= Dependency cycle detected:\n  svc:/a:i\n  svc:/b:i",
        ),
    ] {
        assert_eq!(story(lines), expected, "{lines:?}");
    }
}

#[test]
fn restarters_that_are_missing_or_wrong() {
    for (line, expected) in [
        ("c offline restarter:svc:/r:i", Some(RestarterFault::Absent)),
        ("c offline restarter:svc:/r/:x", Some(RestarterFault::Invalid)),
        ("c offline", None),
    ] {
        assert_eq!(world(&[line]).nodes[0].restarter_fault, expected, "{line}");
    }
}

#[test]
fn a_chain_of_any_length() {
    const LENGTH: usize = 20_000;
    let chain = (0..LENGTH).map(|n| format!("n{n} offline require_all:n{}:i", n + 1));
    let lines: Vec<String> = chain.chain([format!("n{LENGTH} disabled -")]).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let graph = world(&lines);
    let [root] = graph.roots()[..] else { panic!("one root") };
    assert_eq!(graph.impact(root).len(), LENGTH);
    let first = graph.id("svc:/n0:i").unwrap();
    assert_eq!(graph.path(first, graph.nodes[first].causes[0]).len(), LENGTH + 1);
}
