//! Imports and profiles against a repository in memory: each `tests/import/<case>.txt` holds
//! bundles and a transcript of what is done with them and what comes of it.
//!
//! ```text
//! == one.xml
//! what stands inside of the bundle
//! == transcript
//! > import one.xml            what is said, and which instances are refreshed
//! > set FMRI pg/prop value    as svccfg does it, without refresh
//! > refresh FMRI              takes the running snapshot
//! > show FMRI [pg]            the groups
//! ```

mod memory;

use std::path::Path;

use memory::Memory;
use smf_model::bundle::{self, Bundle};
use smf_model::group::{Group, Groups, Property};
use smf_scf::import::{self, Delivery, Plan, batch};

/// A case as it runs.
struct Case {
    bundles: Vec<(String, String)>,
    memory: Memory,
}

fn bundle(kind: &str, inside: &str) -> Bundle {
    let text = format!(
        "<!DOCTYPE service_bundle SYSTEM '{}'>\n<service_bundle type='{kind}' \
         name='n'>\n{inside}\n</service_bundle>",
        bundle::DTD
    );
    bundle::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn property(value: &str) -> Property {
    let kind = if value.parse::<u64>().is_ok() { "count" } else { "astring" };
    let kind = if matches!(value, "true" | "false") { "boolean" } else { kind };
    let kind = if value.starts_with("svc:") { "fmri" } else { kind };
    Property::one(kind, value)
}

fn shown(groups: &Groups, only: Option<&str>) -> String {
    let mut text = String::new();
    for (name, group) in groups.iter().filter(|(name, _)| only.is_none_or(|o| o == *name)) {
        text += &format!("{name} {}\n", group.kind);
        for (name, property) in &group.properties {
            text += &format!("  {name} {} {}\n", property.kind, property.values.join(" "));
        }
    }
    text
}

fn said(plan: &Plan) -> String {
    let mut text = String::new();
    for line in plan.notes.iter().chain(&plan.conflicts) {
        text += &format!("{line}\n");
    }
    for instance in &plan.touched {
        text += &format!("refresh {instance}\n");
    }
    text
}

impl Case {
    fn inside(&self, name: &str) -> &str {
        let found = self.bundles.iter().find(|(own, _)| own == name);
        &found.unwrap_or_else(|| panic!("there is no {name}")).1
    }

    fn run(&mut self, words: &[&str]) -> String {
        let split = |path: &str| -> (String, String) {
            let (group, name) = path.split_once('/').unwrap_or((path, ""));
            (group.to_owned(), name.to_owned())
        };
        match *words {
            ["import", name] => self.import(name, None),
            ["import", "-p", package, name] => self.import(name, Some(package)),
            ["apply", name] => {
                let profile = bundle("profile", self.inside(name));
                match import::apply(&mut self.memory, &profile) {
                    Ok(plan) => self.carried_out(&plan),
                    Err(error) => format!("{error}\n"),
                }
            }
            ["refresh", instance] => {
                self.memory.take(instance, "running");
                String::new()
            }
            ["add", entity] => {
                self.memory.entities.insert(entity.to_owned(), Groups::new());
                String::new()
            }
            ["addpg", entity, name, kind] => {
                let group = Group { kind: kind.to_owned(), ..Group::default() };
                self.memory.groups(entity).insert(name.to_owned(), group);
                String::new()
            }
            ["set", entity, path, value] => {
                let (group, name) = split(path);
                self.memory.set(entity, &group, &name, property(value));
                String::new()
            }
            ["delete", entity, path] => {
                let (group, name) = split(path);
                let groups = self.memory.groups(entity);
                match name.as_str() {
                    "" => drop(groups.remove(&group)),
                    name => drop(groups.get_mut(&group).map(|g| g.properties.remove(name))),
                }
                String::new()
            }
            ["show", entity] => shown(self.memory.groups(entity), None),
            ["show", entity, group] => shown(self.memory.groups(entity), Some(group)),
            ["snapshots", instance] => {
                let names = self.memory.snapshots.keys().filter(|(own, _)| own == instance);
                names.map(|(_, name)| format!("{name}\n")).collect()
            }
            ["snapshot", instance, name] => {
                let key = (instance.to_owned(), name.to_owned());
                let (own, service) = &self.memory.snapshots[&key];
                format!("{}--\n{}", shown(own, None), shown(service, None))
            }
            ["entities"] => self.memory.entities.keys().map(|name| format!("{name}\n")).collect(),
            _ => panic!("{words:?}"),
        }
    }

    fn import(&mut self, name: &str, package: Option<&str>) -> String {
        let manifest = bundle("manifest", self.inside(name));
        let file = package.map(|_| ("lib_x_xml", "/lib/x.xml"));
        let delivery = Delivery { bundle: &manifest, file, package };
        let before = self.memory.clone();
        let mut held = batch::read(&mut self.memory, [&manifest]).expect("memory can be read");
        match held.import(&delivery) {
            Ok(plan) => self.carried_out(&plan),
            Err(error) => {
                assert_eq!(self.memory, before);
                format!("{error}\n")
            }
        }
    }

    fn carried_out(&mut self, plan: &Plan) -> String {
        self.memory.carry_out(&plan.operations);
        let nothing = if plan.operations.is_empty() { "nothing to do\n" } else { "" };
        said(plan) + nothing
    }
}

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).expect("the cases are there") {
        let path = entry.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("the case can be read");
        let parts: Vec<_> = text.split("== ").skip(1).collect();
        let (transcript, bundles) = parts.split_last().expect("the case has parts");
        let named = |part: &&str| {
            let (name, inside) = part.split_once('\n').expect("a part has a name");
            (name.to_owned(), inside.to_owned())
        };
        let bundles = bundles.iter().map(named).collect();
        let mut case = Case { bundles, memory: Memory::default() };
        let (_, transcript) = transcript.split_once('\n').expect("the transcript is last");
        let mut got = String::new();
        for line in transcript.lines().filter_map(|line| line.strip_prefix("> ")) {
            let words: Vec<_> = line.split_whitespace().collect();
            got += &format!("> {line}\n{}", case.run(&words));
        }
        assert_eq!(got, transcript, "{}", path.display());
        cases += 1;
    }
    assert!(cases > 10, "{cases} cases");
}

/// Of many that were read at once each sees what was decided for those before it, and nothing of
/// one that is refused.
#[test]
fn a_batch_is_as_one_after_the_other() {
    let service = |name: &str, inside: &str| {
        bundle(
            "manifest",
            &format!("<service name='{name}' version='1' type='service'>{inside}</service>"),
        )
    };
    let dependent = |of: &str, grouping: &str| {
        let target = "<service_fmri value='svc:/b'/>";
        let attributes = format!("name='{of}' grouping='{grouping}' restart_on='none'");
        format!(
            "<create_default_instance enabled='true'/><dependent {attributes}>{target}</dependent>"
        )
    };
    let bundles = [
        service("a", &dependent("for_b", "require_all")),
        service("b", "<create_default_instance enabled='false'/>"),
        // Somebody else's dependency has that name already.
        service("c", &dependent("for_b", "optional_all")),
        service("d", &dependent("also_b", "optional_all")),
        service("a", &dependent("for_b", "exclude_all")),
        service("b", "<create_default_instance enabled='true'/><single_instance/>"),
    ];
    let (mut one, mut many) = (Memory::default(), Memory::default());
    let mut refused = (Vec::new(), Vec::new());
    let mut held = batch::read(&mut many, &bundles).expect("memory can be read");
    for bundle in &bundles {
        match import::import(&mut one, bundle) {
            Ok(plan) => one.carry_out(&plan.operations),
            Err(error) => refused.0.push(error.to_string()),
        }
        match held.import(&Delivery { bundle, file: None, package: None }) {
            Ok(plan) => many.carry_out(&plan.operations),
            Err(error) => refused.1.push(error.to_string()),
        }
    }
    assert_eq!(one, many);
    assert_eq!(refused.0, refused.1);
    assert_eq!(refused.0.len(), 1, "{refused:?}");
}
