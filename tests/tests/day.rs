//! day.rs - an operator's day: events, estimates, clean-up, logs that grow.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use tests::World;

const STAGES: [&str; 7] = [
    "builder/pipeline:default",
    "builder:illumos",
    "builder:pkg5",
    "builder:caiman",
    "merger:default",
    "imager:default",
    "builder/release:default",
];

/// The objects of a stream; each line has to be one.
fn events(out: &str) -> Vec<Value> {
    let object = |line: &str| -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value["event"].is_string(), "{line}");
        value
    };
    out.lines().map(object).collect()
}

fn build(world: &World) -> Vec<Value> {
    let said = world.run("lamplighter", &["build", "--json"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}\n{}", world.story());
    events(&said.out)
}

/// The stream of a build that went well, read as a machine would read it: what it says last of
/// every instance, which came first with its state, then only with changes.
fn told(stream: &[Value]) -> BTreeMap<String, Value> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for (at, event) in stream.iter().enumerate() {
        match event["event"].as_str().unwrap() {
            "state" => {
                let fmri = event["fmri"].as_str().unwrap().to_owned();
                for member in ["state", "since"] {
                    assert!(event[member].is_string(), "{event}");
                }
                let before = last.insert(fmri, event.clone());
                assert_ne!(before.as_ref(), Some(event), "nothing changed");
            }
            "progress" => {
                let known = &last[event["fmri"].as_str().unwrap()];
                assert!(known["next_state"].is_string(), "{event} but {known}");
                let (done, total) = (event["done"].as_u64(), event["total"].as_u64());
                assert!(total == Some(0) || done <= total, "{event}");
                assert!(event["phase"].is_string() && event["item"].is_string(), "{event}");
                assert!(event["elapsed"].is_u64(), "{event}");
            }
            "message" => assert!(event["text"].is_string(), "{event}"),
            "result" => assert_eq!(at, stream.len() - 1, "the result is the end"),
            other => panic!("{other}: {event}"),
        }
    }
    let names: Vec<&str> = last.keys().map(|fmri| &fmri["svc:/application/".len()..]).collect();
    let mut expected = STAGES.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for event in last.values() {
        assert_eq!((&event["state"], event["next_state"].is_null()), (&"online".into(), true));
    }
    assert_eq!(stream.last().unwrap()["event"], "result", "{stream:?}");
    last
}

/// What became of each stage.
fn outcomes(last: &BTreeMap<String, Value>) -> Vec<&str> {
    let of = |stage: &&str| last[&format!("svc:/application/{stage}")]["status"].as_str();
    STAGES[1..].iter().map(|stage| of(stage).unwrap_or("none")).collect()
}

#[test]
fn from_the_first_build_to_the_evening() {
    let world = World::up();
    let first = build(&world);
    assert!(first.iter().any(|event| event["event"] == "progress"), "{first:?}");
    assert_eq!(outcomes(&told(&first)), ["built"; 6]);
    let result = first.last().unwrap();
    assert_eq!(result["status"], "built");
    assert!(result["iso"]["size"].as_u64() > Some(0), "{result}");
    world.await_well();

    how_things_are(&world);
    the_depot_tells_what_the_repository_does(&world);
    after_a_change(&world);
    the_evening(&world);
    what_fails_ends_the_stream(&world);
}

fn how_things_are(world: &World) {
    let status = events(&world.run("lamplighter", &["status", "--json"]).ok());
    let fmris: Vec<&str> = status.iter().filter_map(|event| event["fmri"].as_str()).collect();
    assert_eq!(fmris.len(), STAGES.len() + 4, "the depots too: {status:?}");
    for (at, event) in status.iter().enumerate() {
        assert_eq!((&event["event"], &event["state"]), (&"state".into(), &"online".into()));
        let has_work = (1..STAGES.len()).contains(&at);
        assert_eq!(event["expected"].is_u64(), has_work, "one run is remembered: {event}");
    }
    let table = world.run("lamplighter", &["status"]).ok();
    assert!(table.contains("online") && !table.contains("left"), "{table}");
}

fn the_depot_tells_what_the_repository_does(world: &World) {
    let port = world.run("svcprop", &["-p", "pkg/port", "pkg/server:release"]).ok();
    let depot = format!("http://127.0.0.1:{}", port.trim());
    let repository = world.stage("release/default").join("repo");
    let repository = repository.to_str().unwrap();
    for form in ["default", "tsv", "json"] {
        let info = |from: &str| world.run("pkgrepo", &["info", "-F", form, "-s", from]).ok();
        let said = info(&depot);
        assert_eq!(said, info(repository));
        assert!(said.contains("online") && said.contains("Z"), "{said}");
    }
    let unknown = world.run("pkgrepo", &["info", "-p", "nobody.example", "-s", &depot]);
    assert_eq!((unknown.status, unknown.out.as_str()), (1, ""), "{unknown:?}");
    let trial = |from: &str| {
        world.type_line(&format!("pkgrepo create \"$SMF_ROOT\"/new-$$ && pkgrecv -n -r -m latest -s {from} -d \"$SMF_ROOT\"/new-$$ '*'")).ok()
    };
    assert_eq!(trial(&depot), trial(repository));
}

/// A log that has grown too large and a gate that has changed.
fn after_a_change(world: &World) {
    let log = world.root.join("var/svc/log/application-builder:illumos.log");
    let large = format!("{}end of the old log\n", "x".repeat(1023) + "\n").repeat(9 << 10);
    fs::write(&log, large).unwrap();
    let source = world.gates.join("pkg5/usr/src/man/pkg.5");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text + ".\\\" one more line\n").unwrap();

    let last = told(&build(world));
    assert_eq!(outcomes(&last)[..2], ["up to date", "built"], "{last:?}");
    assert_eq!(outcomes(&last)[3..], ["built"; 3], "{last:?}");
    let old = fs::read_to_string(log.with_extension("log.0")).unwrap();
    assert!(old.contains("end of the old log\n"), "{}", old.len());
    let new = fs::read_to_string(&log).unwrap();
    assert!(new.contains("Executing start method") && new.contains(": up to date"), "{new}");
    assert!(new.len() < 100_000);
    assert_eq!(events(&build(world).last().unwrap().to_string())[0]["status"], "up to date");
}

fn outputs(world: &World, stage: &str) -> Vec<String> {
    let entries = fs::read_dir(world.stage(stage).join("out")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn the_evening(world: &World) {
    let changed = ["builder/pkg5", "merger/default", "imager/default"];
    let count = || changed.map(|stage| outputs(world, stage).len());
    assert_eq!(count(), [2; 3]);
    let clean = |options: &[&str]| {
        let said = world.run("lamplighter", &[&["clean"], options].concat()).ok();
        said.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(clean(&["--older-than", "1"]), ["freed 0 B: 0 outputs"]);
    assert_eq!(clean(&["--keep", "2"]), ["freed 0 B: 0 outputs"]);
    let would = clean(&["--dry-run"]);
    assert_eq!((would.len(), count()), (4, [2; 3]), "{would:?}");
    assert!(would[3].starts_with("would free ") && would[3].ends_with(": 3 outputs"), "{would:?}");
    let freed: Vec<String> = would.iter().map(|line| line.replace("would free", "freed")).collect();
    assert_eq!(clean(&[]), freed);
    assert_eq!(count(), [1; 3]);
    for stage in changed {
        let current = world.current(stage);
        let name = current.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(outputs(world, stage), [name], "the current one stays");
    }
    // Nothing that is needed is gone.
    let last = told(&build(world));
    assert_eq!(outcomes(&last), ["up to date"; 6]);
}

fn what_fails_ends_the_stream(world: &World) {
    let source = world.gates.join("illumos/usr/src/cmd/true/true.c");
    tests::edit(&source, "return", "retrun");
    let said = world.run("lamplighter", &["build", "--json"]);
    assert_eq!(said.status, 1, "{said:?}");
    let stream = events(&said.out);
    let [.., failure, result] = stream.as_slice() else { panic!("{said:?}") };
    let illumos = "svc:/application/builder:illumos";
    assert_eq!((&failure["event"], &failure["fmri"]), (&"failure".into(), &illumos.into()));
    assert!(failure["reason"].as_str().unwrap().contains("true.c"), "{failure}");
    assert_eq!(result["event"], "result");
    assert_eq!((&result["status"], &result["fmris"][0]), (&"failed".into(), &illumos.into()));
    assert_eq!(stream.iter().filter(|event| event["event"] == "result").count(), 1);
}
