//! Imports against a repository in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::*;

/// Entities with their groups, and snapshots by instance and name.
#[derive(Default, Clone, PartialEq, Debug)]
struct Memory {
    entities: BTreeMap<String, Groups>,
    snapshots: BTreeMap<(String, String), (Groups, Groups)>,
}

fn service_of(fmri: &str) -> String {
    let path = &fmri[5..];
    format!("svc:/{}", path.split(':').next().unwrap())
}

impl Source for Memory {
    type Error = Infallible;

    fn has_service(&mut self, service: &str) -> Result<bool, Infallible> {
        Ok(self.entities.contains_key(service))
    }

    fn instances(&mut self, service: &str) -> Result<Vec<String>, Infallible> {
        let own = |name: &&String| name.len() > service.len() && service_of(name) == service;
        Ok(self.entities.keys().filter(own).cloned().collect())
    }

    fn live(&mut self, entity: &str) -> Result<Groups, Infallible> {
        Ok(self.entities.get(entity).cloned().unwrap_or_default())
    }

    fn snapshot(&mut self, i: &str, name: &str) -> Result<Option<(Groups, Groups)>, Infallible> {
        Ok(self.snapshots.get(&(i.to_owned(), name.to_owned())).cloned())
    }
}

impl Memory {
    fn group(&mut self, entity: &str, group: &str) -> &mut Group {
        self.entities.get_mut(entity).unwrap().get_mut(group).unwrap()
    }

    fn carry_out(&mut self, plan: &Plan) {
        for operation in plan.operations.clone() {
            match operation {
                Operation::Add(fmri) => {
                    assert!(self.entities.insert(fmri, Groups::new()).is_none());
                }
                Operation::AddGroup(entity, name, group) => {
                    let groups = self.entities.get_mut(&entity).unwrap();
                    assert!(groups.insert(name, group).is_none());
                }
                Operation::RemoveGroup(entity, name) => {
                    self.entities.get_mut(&entity).unwrap().remove(&name).unwrap();
                }
                Operation::Set(entity, group, name, value) => {
                    self.group(&entity, &group).properties.insert(name, value);
                }
                Operation::Unset(entity, group, name) => {
                    self.group(&entity, &group).properties.remove(&name).unwrap();
                }
                Operation::Take(instance, name) => {
                    let own = self.entities[&instance].clone();
                    let service = self.entities[&service_of(&instance)].clone();
                    self.snapshots.insert((instance, name), (own, service));
                }
                Operation::Record { instance, name, own, service } => {
                    self.snapshots.insert((instance, name), (own, service));
                }
            }
        }
    }

    fn import(&mut self, inside: &str) -> Plan {
        let plan = import(self, &bundle("manifest", inside)).unwrap();
        self.carry_out(&plan);
        plan
    }

    fn values(&self, entity: &str, group: &str, name: &str) -> String {
        let value = self.entities.get(entity).and_then(|groups| groups.get(group));
        let value = value.and_then(|group| group.properties.get(name));
        value.map_or("-".into(), |value| value.values.join(" "))
    }

    fn set(&mut self, entity: &str, name: &str, value: &str) {
        let value = Property { kind: "count".into(), values: vec![value.into()] };
        self.group(entity, "config").properties.insert(name.into(), value);
    }
}

fn bundle(kind: &str, inside: &str) -> Bundle {
    bundle::parse(&format!(
        "<!DOCTYPE service_bundle SYSTEM '{}'><service_bundle type='{kind}' name='n'><service \
         name='ab/cd' version='1' type='service'>{inside}</service></service_bundle>",
        bundle::DTD
    ))
    .unwrap()
}

fn config(properties: &str) -> String {
    let pairs = properties.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    let properties: String = pairs
        .map(|(name, value)| format!("<propval name='{name}' type='count' value='{value}'/>"))
        .collect();
    format!("<property_group name='config' type='application'>{properties}</property_group>")
}

const DEFAULT: &str = "<create_default_instance enabled='false'/>";

#[test]
fn a_new_instance_gets_enabled_last() {
    let mut memory = Memory::default();
    let plan = memory.import(&format!("{DEFAULT}{}", config("port=1")));
    let named = |wanted: &dyn Fn(&Operation) -> bool| plan.operations.iter().position(wanted);
    let initial = named(&|o| matches!(o, Operation::Take(_, name) if name == "initial")).unwrap();
    let enabled =
        named(&|o| matches!(o, Operation::Set(_, _, name, _) if name == "enabled")).unwrap();
    assert!(initial < enabled);
    assert!(matches!(&plan.operations[enabled + 1..], [Operation::Record { .. }]));
    assert_eq!(memory.values("svc:/ab/cd:default", "general", "enabled"), "false");
    let last = ("svc:/ab/cd:default".to_owned(), "last-import".to_owned());
    assert!(!memory.snapshots[&last].0.contains_key("general"));
    assert_eq!(plan.touched, Vec::<String>::new());
}

#[test]
fn importing_twice_changes_nothing() {
    let mut memory = Memory::default();
    let text = format!("{DEFAULT}{}", config("port=1"));
    memory.import(&text);
    let before = memory.entities.clone();
    let plan = memory.import(&text);
    assert_eq!(memory.entities, before);
    assert_eq!((plan.conflicts.len(), plan.touched.len()), (0, 0));
}

#[test]
fn an_upgrade_keeps_what_was_customised() {
    let mut memory = Memory::default();
    memory.import(&format!("{DEFAULT}{}", config("a=1 b=1 c=1")));
    memory.set("svc:/ab/cd", "b", "9");
    let plan = memory.import(&format!("{DEFAULT}{}", config("a=2 b=2 d=2")));
    let values = ["a", "b", "c", "d"].map(|name| memory.values("svc:/ab/cd", "config", name));
    assert_eq!(values.join(" "), "2 9 - 2");
    assert_eq!(
        plan.conflicts,
        ["Conflict upgrading svc:/ab/cd (property \"config/b\" has different value)."]
    );
    assert_eq!(plan.touched, ["svc:/ab/cd:default"]);
}

#[test]
fn enabled_is_never_upgraded() {
    let mut memory = Memory::default();
    memory.import(DEFAULT);
    memory.import("<create_default_instance enabled='true'/>");
    assert_eq!(memory.values("svc:/ab/cd:default", "general", "enabled"), "false");
}

#[test]
fn what_was_made_by_hand_is_left_alone_when_it_runs() {
    let enabled = Property { kind: "boolean".into(), values: vec!["true".into()] };
    for (managed, expected) in [(true, "9"), (false, "1")] {
        let mut memory = Memory::default();
        let group = |name: &str, value: &Property| Group {
            kind: "application".into(),
            properties: [(name.to_owned(), value.clone())].into(),
            ..Group::default()
        };
        let port = Property { kind: "count".into(), values: vec!["9".into()] };
        memory
            .entities
            .insert("svc:/ab/cd".into(), [("config".into(), group("port", &port))].into());
        let general = group("enabled", &enabled);
        let own = if managed { [("general".into(), general)].into() } else { Groups::new() };
        memory.entities.insert("svc:/ab/cd:default".into(), own);
        memory.import(&format!("{DEFAULT}{}", config("port=1")));
        assert_eq!(memory.values("svc:/ab/cd", "config", "port"), expected);
    }
}

#[test]
fn a_dependent_comes_and_goes() {
    let dependent = "<dependent name='us' grouping='optional_all' restart_on='none'><service_fmri \
                     value='svc:/milestone/multi'/></dependent>";
    let mut memory = Memory::default();
    memory.import(&format!("{DEFAULT}{dependent}"));
    assert_eq!(memory.values("svc:/milestone/multi", "us", "entities"), "svc:/ab/cd");
    assert_eq!(memory.values("svc:/milestone/multi", "us", "external"), "true");
    assert_eq!(memory.values("svc:/ab/cd", "dependents", "us"), "svc:/milestone/multi");
    memory.import(DEFAULT);
    assert!(memory.entities["svc:/milestone/multi"].is_empty());
    assert_eq!(memory.values("svc:/ab/cd", "dependents", "us"), "-");
}

#[test]
fn a_profile_sets_and_skips() {
    let mut memory = Memory::default();
    memory.import(&format!("{DEFAULT}{}", config("port=1")));
    let inside = "<property_group name='config'><propval name='port' value='7'/></property_group>\
                  <instance name='default' enabled='true'/><instance name='none' enabled='true'/>";
    let plan = apply(&mut memory, &bundle("profile", inside)).unwrap();
    memory.carry_out(&plan);
    assert_eq!(memory.values("svc:/ab/cd", "config", "port"), "7");
    assert_eq!(memory.values("svc:/ab/cd:default", "general", "enabled"), "true");
    assert_eq!(plan.notes, ["Ignoring svc:/ab/cd:none: it does not exist."]);
    assert_eq!(plan.touched, ["svc:/ab/cd:default"]);
    for (inside, expected) in [
        ("<property_group name='new'/>", "svc:/ab/cd: the type of new is not known"),
        (
            "<property_group name='config'><propval name='port' value='x'/></property_group>",
            "illegal value \"x\" for count",
        ),
    ] {
        let error = apply(&mut memory, &bundle("profile", inside)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
