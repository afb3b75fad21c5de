//! What is written is read again as what it was: random repositories with every type of value and
//! every group that has an element of its own, whole and damaged; and the text, literally.

use std::collections::BTreeMap;

use smf_model::bundle::write::{self, Contents, Protected, Targets, Warning};
use smf_model::bundle::{self, Bundle};
use smf_model::group::{Group, Groups, Property};

/// A sequence that a seed decides (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("no die has so many sides")
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.roll(choices.len())]
    }

    fn text(&mut self) -> String {
        let parts = [
            "a", "port", " ", "'", "\"", "&amp;", "&", "<", ">", "]]>", "\n", "\t", "\r", "\r\n",
            "é", "日本", "\u{1}", "\u{7f}", "=", "\\", "%{x}", "<!--", "\u{2028}", "😀", ";",
        ];
        (0..self.roll(6)).map(|_| self.of(&parts.map(|p| p))).collect()
    }

    fn value(&mut self, kind: &str) -> String {
        match kind {
            "boolean" => self.of(&["true", "false"]).to_owned(),
            "count" => self.of(&["0", "18446744073709551615", "7"]).to_owned(),
            "integer" => self.of(&["-9223372036854775808", "0", "5"]).to_owned(),
            "time" => self.of(&["1.500000000", "-3", "0"]).to_owned(),
            "opaque" => self.of(&["", "00ff", "0a"]).to_owned(),
            "uri" => self.of(&["http://a/b?c='d'&e", "x"]).to_owned(),
            "fmri" => self.of(&["svc:/a/b:c", "file:///etc/x", "svc:/network/ssh"]).to_owned(),
            "host" => self.of(&["example.com", "10.0.0.1"]).to_owned(),
            "hostname" => self.of(&["example.com", "düsseldorf"]).to_owned(),
            "net_address" => self.of(&["::1", "10.0.0.0/8"]).to_owned(),
            "net_address_v4" => self.of(&["10.0.0.1", "1.2.3.4/32"]).to_owned(),
            "net_address_v6" => self.of(&["::1", "fe80::1/64"]).to_owned(),
            _ => self.text(),
        }
    }

    fn property(&mut self) -> Property {
        let kind = self.of(&TYPES);
        let values = (0..self.of(&[&0, &1, &1, &3]).to_owned()).map(|_| self.value(kind)).collect();
        Property { kind: kind.to_owned(), values }
    }

    /// A group that has an element of its own, or is like one.
    fn group(&mut self, kind: &str, model: &[(&str, &str, &[&str])]) -> Group {
        let mut group = Group { kind: kind.to_owned(), ..Group::default() };
        for (name, kind, choices) in model {
            let value = match choices {
                [] => self.text(),
                choices => self.of(choices).to_owned(),
            };
            group.properties.insert((*name).into(), Property::one(kind, value));
        }
        // Whole, with something more, with something less, with something else.
        for _ in 0..self.roll(3) {
            let name = self.of(&["extra", "stability", "com.example,x"]).to_owned();
            group.properties.insert(name, self.property());
        }
        let names: Vec<_> = group.properties.keys().cloned().collect();
        if !names.is_empty() && self.roll(3) == 0 {
            let name = &names[self.roll(names.len())];
            match self.roll(2) {
                0 => drop(group.properties.remove(name)),
                _ => drop(group.properties.insert(name.clone(), self.property())),
            }
        }
        group
    }

    fn entity(&mut self, fmri: &str, is_instance: bool, targets: &mut Targets) -> Groups {
        let mut groups = Groups::new();
        for (name, kind, model) in MODELS {
            if self.roll(2) == 0 {
                groups.insert((*name).into(), self.group(kind, model));
            }
        }
        if self.roll(2) == 0 {
            groups.insert("dependents".into(), self.dependents(fmri, targets));
        }
        if is_instance {
            let general = groups
                .entry("general".into())
                .or_insert_with(|| Group { kind: "framework".into(), ..Group::default() });
            let enabled = self.of(&["true", "false"]).to_owned();
            general.properties.insert("enabled".into(), Property::one("boolean", enabled));
        }
        groups
    }

    fn dependents(&mut self, fmri: &str, targets: &mut Targets) -> Group {
        let mut group = Group { kind: "framework".into(), ..Group::default() };
        for number in 0..self.roll(3) {
            let name = format!("on_{}_{number}", fmri.len());
            let target = self.of(&["svc:/milestone/multi-user", "svc:/x/y:default"]).to_owned();
            let mut placed = self.group("dependency", DEPENDENCY);
            placed.properties.insert("external".into(), Property::one("boolean", "true"));
            placed.properties.insert("entities".into(), Property::one("fmri", fmri));
            placed.properties.insert("type".into(), Property::one("astring", "service"));
            if self.roll(4) > 0 {
                targets.entry(target.clone()).or_default().insert(name.clone(), placed);
            }
            group.properties.insert(name, Property::one("fmri", target));
        }
        group
    }

    fn service(&mut self) -> (Contents, Targets) {
        let mut targets = Targets::new();
        let groups = self.entity("svc:/ab/cd", false, &mut targets);
        let mut instances = BTreeMap::new();
        for name in ["default", "other"] {
            if self.roll(2) == 0 {
                let fmri = format!("svc:/ab/cd:{name}");
                instances.insert(name.to_owned(), self.entity(&fmri, true, &mut targets));
            }
        }
        (Contents { name: "ab/cd".into(), groups, instances }, targets)
    }
}

const TYPES: [&str; 14] = [
    "boolean",
    "count",
    "integer",
    "time",
    "astring",
    "opaque",
    "ustring",
    "uri",
    "fmri",
    "host",
    "hostname",
    "net_address",
    "net_address_v4",
    "net_address_v6",
];

type Model = &'static [(&'static str, &'static str, &'static [&'static str])];

const DEPENDENCY: Model = &[
    ("grouping", "astring", &["require_all", "exclude_all"]),
    ("restart_on", "astring", &["none", "refresh"]),
    ("type", "astring", &["service", "path"]),
    ("entities", "fmri", &["svc:/a/b", "file:///x"]),
];

const CONTEXT: Model = &[
    ("working_directory", "astring", &["/tmp", ":default"]),
    ("project", "astring", &[":default", "p"]),
    ("resource_pool", "astring", &[":default"]),
    ("security_flags", "astring", &["aslr"]),
    ("use_profile", "boolean", &["true", "false"]),
    ("user", "astring", &["root", "nobody"]),
    ("group", "astring", &[":default"]),
    ("profile", "astring", &["Some Profile"]),
    ("environment", "astring", &["A=b", "A='\"\n", "=x", "none", "SMF_X=1"]),
];

const MODELS: &[(&str, &str, Model)] = &[
    (
        "general",
        "framework",
        &[
            ("single_instance", "boolean", &["true", "false"]),
            ("restarter", "fmri", &["svc:/system/svc/restarter:default"]),
            ("entity_stability", "astring", &["Stable", "none at all"]),
        ],
    ),
    ("fs", "dependency", DEPENDENCY),
    ("method_context", "framework", CONTEXT),
    (
        "start",
        "method",
        &[
            ("type", "astring", &["method", "monitor", "other"]),
            ("exec", "astring", &[]),
            ("timeout_seconds", "count", &["0", "18446744073709551615"]),
            ("use_profile", "boolean", &["true", "false"]),
            ("user", "astring", &["root"]),
            ("profile", "astring", &["P"]),
            ("environment", "astring", &["A=b", "nothing"]),
        ],
    ),
    ("stop", "method", &[("exec", "astring", &[":kill"]), ("type", "astring", &["method"])]),
    (
        "from-online,fmnotify",
        "notify_params",
        &[
            ("smtp,active", "boolean", &["true", "false"]),
            ("smtp,to", "astring", &[]),
            ("snmp,active", "boolean", &["false"]),
        ],
    ),
    ("tm_common_name", "template", &[("C", "ustring", &[]), ("de_AT", "ustring", &["jedes Ding"])]),
    ("tm_description", "template", &[("C", "ustring", &["lines\nand 'quotes' \"two\""])]),
    (
        "tm_man_smf7",
        "template",
        &[
            ("title", "astring", &["smf"]),
            ("section", "astring", &["7"]),
            ("manpath", "astring", &[":default", "/usr/share/man"]),
        ],
    ),
    (
        "tm_doc_a_b",
        "template",
        &[("name", "astring", &["a b", "a"]), ("uri", "uri", &["http://x/"])],
    ),
    ("tm_pgpatnt_config", "template_pg_pattern", &[("name", "astring", &["config"])]),
    ("config", "application", &[("port", "count", &["80"])]),
    ("secret", "application", &[("read_authorization", "astring", &["solaris.smf.read.x"])]),
    ("empty", "application", &[]),
];

/// Groups as the bundle's reader delivers them, and what it places on others.
fn delivered(bundle: &Bundle) -> (Contents, Targets) {
    let service = &bundle.services[0];
    let held = |i: &bundle::Instance| (i.name.clone(), i.held());
    let contents = Contents {
        name: service.name.clone(),
        groups: service.entity.held(),
        instances: service.instances.iter().map(held).collect(),
    };
    let mut targets = Targets::new();
    let entities = service.instances.iter().map(|instance| &instance.entity);
    for dependent in entities.chain([&service.entity]).flat_map(|entity| &entity.dependents) {
        let groups = targets.entry(dependent.target.clone()).or_default();
        groups.insert(dependent.name.clone(), dependent.group.held());
    }
    (contents, targets)
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    for seed in 1..=1000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (contents, targets) = dice.service();
        let written = write::export(&contents, &targets, Protected::Shown);
        let bundle = bundle::parse(&written.text)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", written.text));
        let (again, placed) = delivered(&bundle);
        assert_eq!(again, contents, "seed {seed}\n{}", written.text);
        for (target, groups) in placed {
            for (name, group) in groups {
                assert_eq!(Some(&group), targets[&target].get(&name), "seed {seed}: {name}");
            }
        }
    }
}

#[test]
fn what_is_not_the_services_own_is_left_out() {
    let mut dice = Dice(99);
    let (mut contents, targets) = dice.service();
    let before = write::export(&contents, &targets, Protected::Shown);
    let volatile = Group { kind: "framework".into(), volatile: true, ..Group::default() };
    contents.groups.insert("restarter_actions".into(), volatile);
    let files = Group { kind: "framework".into(), ..Group::default() };
    contents.groups.insert("manifestfiles".into(), files);
    let external = [("external".to_owned(), Property::one("boolean", "true"))].into();
    let placed = Group { kind: "dependency".into(), volatile: false, properties: external };
    contents.groups.insert("somebody_elses".into(), placed);
    assert_eq!(write::export(&contents, &targets, Protected::Shown), before);
}

/// The services of a bundle as a repository would hold them.
fn contents(name: &str) -> (Vec<Contents>, Targets) {
    let path = format!("{}/tests/bundles/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the case is there");
    let bundle = bundle::parse(&text).expect("the case is a bundle");
    let (contents, targets) = delivered(&bundle);
    (vec![contents], targets)
}

#[test]
fn the_text_is_that_of_svccfg() {
    let (services, targets) = contents("everything.xml");
    let export = write::export(&services[0], &targets, Protected::LeftOut);
    assert_eq!(export.text, include_str!("written/export.xml"));
    assert_eq!(export.warnings, []);
    assert_eq!(write::targets(&services[0]), ["svc:/milestone/multi-user"]);
    let archive = write::archive(&services, &targets, Protected::Shown);
    assert_eq!(
        archive.text,
        export.text.replace("type='manifest' name='export'", "type='archive' name='none'")
    );
    assert_eq!(write::extract(&services).text, include_str!("written/extract.xml"));
    let nothing = write::archive(&[], &targets, Protected::Shown).text;
    assert!(nothing.ends_with("<service_bundle type='archive' name='none'/>\n"), "{nothing}");
}

#[test]
fn protected_values_are_written_only_when_asked_for() {
    let secret = |name: &str, value: &str| (name.to_owned(), Property::one("astring", value));
    let group = Group {
        kind: "application".into(),
        volatile: false,
        properties: [secret("read_authorization", "x"), secret("key", "swordfish")].into(),
    };
    // What the service protects, its instances do not give away.
    let own = Group { properties: [secret("key", "carp")].into(), ..group.clone() };
    let contents = Contents {
        name: "ab/cd".into(),
        groups: [("secret".to_owned(), group)].into(),
        instances: [("default".to_owned(), [("secret".to_owned(), own)].into())].into(),
    };
    for (protected, there) in [(Protected::LeftOut, false), (Protected::Shown, true)] {
        let text = write::export(&contents, &Targets::new(), protected).text;
        assert_eq!(text.contains("swordfish"), there, "{text}");
        assert_eq!(text.contains("carp"), there, "{text}");
        assert!(text.contains("name='key' type='astring'"), "{text}");
    }
}

#[test]
fn what_cannot_be_said_is_warned_of() {
    let dependents = Group {
        kind: "framework".into(),
        volatile: false,
        properties: [
            ("absent".to_owned(), Property::one("fmri", "svc:/no/where")),
            ("lost".to_owned(), Property::one("fmri", "svc:/some/where")),
            ("file".to_owned(), Property::one("fmri", "file:///x")),
        ]
        .into(),
    };
    let contents = Contents {
        name: "ab/cd".into(),
        groups: [("dependents".to_owned(), dependents)].into(),
        instances: [("default".to_owned(), Groups::new())].into(),
    };
    let targets = [("svc:/some/where".to_owned(), Groups::new())].into();
    let written = write::export(&contents, &targets, Protected::Shown);
    let verbose = |text: &str| Warning::Verbose(text.to_owned());
    assert_eq!(
        written.warnings,
        [
            verbose(
                "The entity specified by svc:/ab/cd/:properties/dependents/absent does not exist."
            ),
            verbose(
                "The value of svc:/ab/cd/:properties/dependents/file does not specify a service or \
                 an instance."
            ),
            Warning::Always(
                "Entity svc:/some/where is missing dependency property group lost.".into()
            ),
            verbose(
                "Instance svc:/ab/cd:default has no general property group; it will be marked \
                 disabled."
            ),
        ]
    );
    assert_eq!(delivered(&bundle::parse(&written.text).unwrap()).0.groups, contents.groups);
}
