//! schema.rs - contents as the rows of svc.configd's tables.
//!
//! Source: `backend.c`, `object.c` and `file_object.c` of illumos' svc.configd, schema version 5 with ordered
//! values.
//!
//! | number space (`id_tbl`) | numbers |
//! |---|---|
//! | SI | services and instances |
//! | PG, GEN | property groups; what a group held at one time |
//! | PROP, VAL | properties of such a time; their values |
//! | SNAME, SHOT, SLVL | names of snapshots; snapshots; their levels: 1 the instance, 2 its service |
//!
//! A snapshot points to groups as they were at a time.  What is the same live and in snapshots is there
//! once, so svc.configd finds that `running` is up to date.
//!
//! What must hold: numbers are given in the order of names, so the same contents give the same rows.

use std::collections::BTreeMap;

use smf_model::fmri::{is_instance, service_of};
use smf_model::group::{Group, Groups, Property};

use crate::contents::Contents;
use crate::sqlite2::{self, Field, Index, Table};

const VERSION: u32 = 5;

/// The tables of lasting repositories, their columns and their indexes.
const LASTING: [(&str, &str); 5] = [
    ("service_tbl", "svc_id          INTEGER PRIMARY KEY,svc_name        CHAR(256) NOT NULL"),
    (
        "instance_tbl",
        "instance_id     INTEGER PRIMARY KEY,instance_name   CHAR(256) NOT NULL,\
         instance_svc    INTEGER NOT NULL",
    ),
    (
        "snapshot_lnk_tbl",
        "lnk_id          INTEGER PRIMARY KEY,lnk_inst_id     INTEGER NOT NULL,\
         lnk_snap_name   CHAR(256) NOT NULL,lnk_snap_id     INTEGER NOT NULL",
    ),
    (
        "snaplevel_tbl",
        "snap_id                 INTEGER NOT NULL,snap_level_num          INTEGER NOT NULL,\
         snap_level_id           INTEGER NOT NULL,snap_level_service_id   INTEGER NOT NULL,\
         snap_level_service      CHAR(256) NOT NULL,snap_level_instance_id  INTEGER NULL,\
         snap_level_instance     CHAR(256) NULL",
    ),
    (
        "snaplevel_lnk_tbl",
        "snaplvl_level_id INTEGER NOT NULL,snaplvl_pg_id    INTEGER NOT NULL,\
         snaplvl_pg_name  CHAR(256) NOT NULL,snaplvl_pg_type  CHAR(256) NOT NULL,\
         snaplvl_pg_flags INTEGER NOT NULL,snaplvl_gen_id   INTEGER NOT NULL",
    ),
];

/// The tables of all repositories.
const COMMON: [(&str, &str); 5] = [
    (
        "pg_tbl",
        "pg_id           INTEGER PRIMARY KEY,pg_parent_id    INTEGER NOT NULL,\
         pg_name         CHAR(256) NOT NULL,pg_type         CHAR(256) NOT NULL,\
         pg_flags        INTEGER NOT NULL,pg_gen_id       INTEGER NOT NULL",
    ),
    (
        "prop_lnk_tbl",
        "lnk_prop_id     INTEGER PRIMARY KEY,lnk_pg_id       INTEGER NOT NULL,\
         lnk_gen_id      INTEGER NOT NULL,lnk_prop_name   CHAR(256) NOT NULL,\
         lnk_prop_type   CHAR(2) NOT NULL,lnk_val_id      INTEGER",
    ),
    (
        "value_tbl",
        "value_id        INTEGER NOT NULL,value_type      CHAR(1) NOT NULL,\
         value_value     VARCHAR NOT NULL,value_order     INTEGER DEFAULT 0",
    ),
    ("id_tbl", "id_name         STRING NOT NULL,id_next         INTEGER NOT NULL"),
    ("schema_version", "schema_version  INTEGER"),
];

const LASTING_INDEXES: [Index; 7] = [
    Index { table: "service_tbl", name: "name", columns: "svc_name" },
    Index { table: "instance_tbl", name: "name", columns: "instance_svc, instance_name" },
    Index { table: "snapshot_lnk_tbl", name: "name", columns: "lnk_inst_id, lnk_snap_name" },
    Index { table: "snapshot_lnk_tbl", name: "snapid", columns: "lnk_snap_id" },
    Index { table: "snaplevel_tbl", name: "id", columns: "snap_id" },
    Index { table: "snaplevel_lnk_tbl", name: "id", columns: "snaplvl_pg_id" },
    Index { table: "snaplevel_lnk_tbl", name: "level", columns: "snaplvl_level_id" },
];

const COMMON_INDEXES: [Index; 7] = [
    Index { table: "pg_tbl", name: "parent", columns: "pg_parent_id" },
    Index { table: "pg_tbl", name: "name", columns: "pg_parent_id, pg_name" },
    Index { table: "pg_tbl", name: "type", columns: "pg_parent_id, pg_type" },
    Index { table: "prop_lnk_tbl", name: "base", columns: "lnk_pg_id, lnk_gen_id" },
    Index { table: "prop_lnk_tbl", name: "val", columns: "lnk_val_id" },
    Index { table: "value_tbl", name: "id", columns: "value_id" },
    Index { table: "id_tbl", name: "id", columns: "id_name" },
];

/// Writes the repository.
#[must_use]
pub fn repository(contents: &Contents) -> Vec<u8> {
    let mut rows = Rows::default();
    rows.entities(contents);
    for entity in contents.entities() {
        for (name, group) in contents.groups(entity) {
            rows.live(entity, name, group);
        }
    }
    for instance in contents.entities().filter(|entity| is_instance(entity)) {
        rows.snapshots(instance, contents);
    }
    rows.file()
}

/// A group as it was at a time.
#[derive(Debug, Clone, Copy)]
struct Version {
    group: u32,
    generation: u32,
}

#[derive(Default)]
struct Rows {
    tables: BTreeMap<&'static str, Vec<(u32, Vec<Field>)>>,
    next: BTreeMap<&'static str, u32>,
    entities: BTreeMap<String, u32>,
    /// By entity and name: what the group held, and where that is.
    versions: BTreeMap<(String, String), Vec<(Group, Version)>>,
}

fn text(text: &str) -> Field {
    Field::Text(text.to_owned())
}

impl Rows {
    fn id(&mut self, space: &'static str) -> u32 {
        let next = self.next.entry(space).or_insert(1);
        *next += 1;
        *next - 1
    }

    /// Adds a row whose number is that of its first column.
    fn keyed(&mut self, table: &'static str, id: u32, rest: impl IntoIterator<Item = Field>) {
        let row = std::iter::once(Field::Null).chain(rest).collect();
        self.tables.entry(table).or_default().push((id, row));
    }

    /// Adds a row.
    fn row(&mut self, table: &'static str, row: impl IntoIterator<Item = Field>) {
        let rows = self.tables.entry(table).or_default();
        let id = rows.len() as u32 + 1;
        rows.push((id, row.into_iter().collect()));
    }

    fn entities(&mut self, contents: &Contents) {
        for entity in contents.entities() {
            let id = self.id("SI");
            self.entities.insert(entity.to_owned(), id);
            let service = service_of(entity);
            match entity.strip_prefix(service).and_then(|rest| rest.strip_prefix(':')) {
                None => self.keyed("service_tbl", id, [text(named(service))]),
                Some(instance) => {
                    let of = Field::Number(self.entities[service]);
                    self.keyed("instance_tbl", id, [text(instance), of]);
                }
            }
        }
    }

    fn live(&mut self, entity: &str, name: &str, group: &Group) {
        let parent = Field::Number(self.entities[entity]);
        let version = self.version(entity, name, group);
        let Version { group: id, generation } = version;
        let numbers = [Field::Number(0), Field::Number(generation)];
        let [flags, generation] = numbers;
        self.keyed("pg_tbl", id, [parent, text(name), text(&group.kind), flags, generation]);
    }

    /// Where it is recorded what a group holds.
    fn version(&mut self, entity: &str, name: &str, group: &Group) -> Version {
        let key = (entity.to_owned(), name.to_owned());
        let known = self.versions.get(&key).into_iter().flatten();
        if let Some((_, version)) = known.clone().find(|(known, _)| known == group) {
            return *version;
        }
        let version = Version { group: self.id("PG"), generation: self.id("GEN") };
        for (property, held) in &group.properties {
            self.property(version, property, held);
        }
        self.versions.entry(key).or_default().push((group.clone(), version));
        version
    }

    fn property(&mut self, version: Version, name: &str, property: &Property) {
        let id = self.id("PROP");
        let code = code(&property.kind);
        let mut values = Field::Null;
        if !property.values.is_empty() {
            let list = self.id("VAL");
            for (order, value) in (0..).zip(&property.values) {
                let base = Field::Text(code[..1].to_owned());
                let value = Field::Text(stored(&property.kind, value));
                self.row("value_tbl", [Field::Number(list), base, value, Field::Number(order)]);
            }
            values = Field::Number(list);
        }
        let of = [Field::Number(version.group), Field::Number(version.generation)];
        let [group, generation] = of;
        self.keyed("prop_lnk_tbl", id, [group, generation, text(name), text(code), values]);
    }

    fn snapshots(&mut self, instance: &str, contents: &Contents) {
        let mut taken: Vec<(&(Groups, Groups), u32)> = Vec::new();
        let mut names: Vec<_> = contents.snapshots(instance).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        for (name, levels) in names {
            let same = taken.iter().find(|(known, _)| *known == levels).map(|(_, shot)| *shot);
            let shot = same.unwrap_or_else(|| self.shot(instance, levels));
            taken.push((levels, shot));
            let (id, of) = (self.id("SNAME"), Field::Number(self.entities[instance]));
            self.keyed("snapshot_lnk_tbl", id, [of, text(name), Field::Number(shot)]);
        }
    }

    fn shot(&mut self, instance: &str, (own, inherited): &(Groups, Groups)) -> u32 {
        let shot = self.id("SHOT");
        let service = service_of(instance);
        let name = instance.strip_prefix(service).and_then(|rest| rest.strip_prefix(':'));
        let levels = [
            (
                1,
                own,
                instance,
                Field::Number(self.entities[instance]),
                name.map_or(Field::Null, text),
            ),
            (2, inherited, service, Field::Number(0), Field::Null),
        ];
        for (number, groups, entity, instance, name) in levels {
            let level = self.id("SLVL");
            let of = Field::Number(self.entities[service]);
            let numbers = [shot, number, level].map(Field::Number);
            self.row(
                "snaplevel_tbl",
                numbers.into_iter().chain([of, text(named(service)), instance, name]),
            );
            for (name, group) in groups {
                let version = self.version(entity, name, group);
                let [level, id, flags, generation] =
                    [level, version.group, 0, version.generation].map(Field::Number);
                let row = [level, id, text(name), text(&group.kind), flags, generation];
                self.row("snaplevel_lnk_tbl", row);
            }
        }
        shot
    }

    fn file(mut self) -> Vec<u8> {
        for space in ["SI", "PG", "GEN", "PROP", "VAL", "SNAME", "SHOT", "SLVL"] {
            let next = self.next.get(space).copied().unwrap_or(1);
            self.row("id_tbl", [text(space), Field::Number(next)]);
        }
        self.row("schema_version", [Field::Number(VERSION)]);
        let mut tables = |list: [(&'static str, &'static str); 5]| {
            list.map(|(name, columns)| {
                let mut rows = self.tables.remove(name).unwrap_or_default();
                rows.sort_unstable_by_key(|(id, _)| *id);
                Table { name, columns, rows }
            })
        };
        let (lasting, common) = (tables(LASTING), tables(COMMON));
        sqlite2::file(&[(&lasting, &LASTING_INDEXES), (&common, &COMMON_INDEXES)])
    }
}

/// A service's name in its table.
fn named(service: &str) -> &str {
    service.strip_prefix("svc:/").unwrap_or(service)
}

/// A type as it is stored: the base type's letter, then that of the subtype.
fn code(kind: &str) -> &'static str {
    match kind {
        "boolean" => "b",
        "count" => "c",
        "integer" => "i",
        "time" => "t",
        "opaque" => "o",
        "ustring" => "su",
        "uri" => "sU",
        "fmri" => "sf",
        "host" => "sh",
        "hostname" => "sN",
        "net_address" => "sn",
        "net_address_v4" => "s4",
        "net_address_v6" => "s6",
        _ => "s",
    }
}

/// A value as it is stored.
fn stored(kind: &str, value: &str) -> String {
    match (kind, value) {
        ("boolean", "true") => "1".to_owned(),
        ("boolean", _) => "0".to_owned(),
        _ => value.to_owned(),
    }
}
