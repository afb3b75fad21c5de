//! Bundles in, a repository out, read back by a reader of its own.

#![allow(clippy::unwrap_used)]

mod reader;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use smf_seed::{Contents, Delivered, repository, seed};

/// All bundles that this project ships, as files of an image.
fn shipped() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    let (mut files, mut folders) = (Vec::new(), vec![top.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "xml") {
                let name = path.strip_prefix(&top).unwrap().to_str().unwrap();
                let name = format!("/lib/svc/manifest/{name}");
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    files.sort_unstable();
    files
}

fn delivered(files: &[(String, String)]) -> Vec<Delivered<'_>> {
    files.iter().map(|(path, text)| Delivered { path, bytes: text.as_bytes() }).collect()
}

fn bundle(kind: &str, inside: &str) -> String {
    let dtd = "/usr/share/lib/xml/dtd/service_bundle.dtd.1";
    format!(
        "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM '{dtd}'>\n\
         <service_bundle type='{kind}' name='test'>{inside}</service_bundle>"
    )
}

/// name/type → values in order, by entity and group, of what is live; or of a snapshot's level.
type Found = BTreeMap<(String, String), BTreeMap<String, Vec<String>>>;

struct Read(reader::File);

impl Read {
    fn of(bytes: &[u8]) -> Read {
        Read(reader::read(bytes).unwrap())
    }

    fn entities(&self) -> BTreeMap<String, String> {
        let services = self.0.select("service_tbl", &["svc_id", "svc_name"]);
        let mut names: BTreeMap<String, String> =
            services.into_iter().map(|row| (row[0].clone(), format!("svc:/{}", row[1]))).collect();
        let columns = ["instance_id", "instance_name", "instance_svc"];
        for row in self.0.select("instance_tbl", &columns) {
            let name = format!("{}:{}", names[&row[2]], row[1]);
            names.insert(row[0].clone(), name);
        }
        names
    }

    /// What each version of a group holds.
    fn versions(&self) -> BTreeMap<(String, String), BTreeMap<String, Vec<String>>> {
        let mut lists: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for row in self.0.select("value_tbl", &["value_id", "value_order", "value_value"]) {
            lists.entry(row[0].clone()).or_default().push((row[1].clone(), row[2].clone()));
        }
        let mut versions: BTreeMap<_, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        let columns = ["lnk_pg_id", "lnk_gen_id", "lnk_prop_name", "lnk_prop_type", "lnk_val_id"];
        for row in self.0.select("prop_lnk_tbl", &columns) {
            let mut list = lists.get(&row[4]).cloned().unwrap_or_default();
            list.sort_unstable_by_key(|(order, _)| order.parse::<u32>().unwrap());
            let values = list.into_iter().map(|(_, value)| value).collect();
            let name = format!("{}/{}", row[2], row[3]);
            versions.entry((row[0].clone(), row[1].clone())).or_default().insert(name, values);
        }
        versions
    }

    fn live(&self) -> Found {
        let (entities, versions) = (self.entities(), self.versions());
        let columns = ["pg_id", "pg_parent_id", "pg_name", "pg_type", "pg_gen_id"];
        let rows = self.0.select("pg_tbl", &columns).into_iter().map(|row| {
            let held = versions.get(&(row[0].clone(), row[4].clone())).cloned();
            let name = format!("{} {}", row[2], row[3]);
            ((entities[&row[1]].clone(), name), held.unwrap_or_default())
        });
        rows.collect()
    }

    /// Of one snapshot: by level's entity and group.
    fn snapshot(&self, instance: &str, name: &str) -> Found {
        let (entities, versions) = (self.entities(), self.versions());
        let links =
            self.0.select("snapshot_lnk_tbl", &["lnk_inst_id", "lnk_snap_name", "lnk_snap_id"]);
        let link = links.iter().find(|row| entities[&row[0]] == instance && row[1] == name);
        let shot = &link.unwrap_or_else(|| panic!("{instance} has no {name}"))[2];
        let columns = [
            "snap_id",
            "snap_level_num",
            "snap_level_id",
            "snap_level_service_id",
            "snap_level_service",
            "snap_level_instance_id",
            "snap_level_instance",
        ];
        let levels = self.0.select("snaplevel_tbl", &columns);
        let levels: Vec<_> = levels.into_iter().filter(|row| row[0] == *shot).collect();
        let numbers: Vec<&str> = levels.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(["1", "2"], numbers[..], "{instance} {name}");
        let mut found = Found::new();
        for level in levels {
            let entity = if level[1] == "1" { &level[5] } else { &level[3] };
            assert_eq!(entities[&level[3]], format!("svc:/{}", level[4]));
            let columns = [
                "snaplvl_level_id",
                "snaplvl_pg_id",
                "snaplvl_pg_name",
                "snaplvl_pg_type",
                "snaplvl_gen_id",
            ];
            let groups = self.0.select("snaplevel_lnk_tbl", &columns);
            for row in groups.iter().filter(|row| row[0] == level[2]) {
                let held = versions.get(&(row[1].clone(), row[4].clone())).cloned();
                let group = format!("{} {}", row[2], row[3]);
                found.insert((entities[entity].clone(), group), held.unwrap_or_default());
            }
        }
        found
    }
}

fn expected(contents: &Contents) -> Found {
    let mut all = Found::new();
    for entity in contents.entities() {
        for (name, group) in contents.groups(entity) {
            let stored = |kind: &str, value: &String| match (kind, value.as_str()) {
                ("boolean", "true") => "1".to_owned(),
                ("boolean", "false") => "0".to_owned(),
                _ => value.clone(),
            };
            let code = |kind: &str| match kind {
                "astring" => "s",
                "boolean" => "b",
                "count" => "c",
                "integer" => "i",
                "fmri" => "sf",
                "opaque" => "o",
                "ustring" => "su",
                "time" => "t",
                "uri" => "sU",
                "net_address" => "sn",
                other => panic!("{other}: not in the table of this test"),
            };
            let properties = group.properties.iter().map(|(name, property)| {
                let values = property.values.iter().map(|value| stored(&property.kind, value));
                (format!("{name}/{}", code(&property.kind)), values.collect())
            });
            all.insert((entity.to_owned(), format!("{name} {}", group.kind)), properties.collect());
        }
    }
    all
}

#[test]
fn all_that_is_shipped_is_read_back() {
    let files = shipped();
    assert!(files.len() > 10, "{files:?}");
    let mut contents = Contents::default();
    for file in delivered(&files) {
        contents.import(&file).unwrap();
    }
    assert_eq!(0, contents.conflicts().len(), "{:?}", contents.conflicts());
    let bytes = repository(&contents);
    let read = Read::of(&bytes);
    assert_eq!(expected(&contents), read.live());
    let entities: Vec<String> = read.entities().into_values().collect();
    let mut sorted: Vec<&str> = contents.entities().collect();
    sorted.sort_unstable();
    let mut found: Vec<&str> = entities.iter().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(sorted, found);
    assert_eq!(bytes, repository(&contents), "the same contents give the same bytes");
}

const SERVICE: &str = "<service name='site/web' type='service' version='1'>\
    <dependency name='net' grouping='require_all' restart_on='none' type='service'>\
      <service_fmri value='svc:/milestone/network'/></dependency>\
    <exec_method type='method' name='start' exec='/bin/web' timeout_seconds='60'/>\
    <exec_method type='method' name='stop' exec=':kill' timeout_seconds='-1'/>\
    <property_group name='config' type='application'>\
      <propval name='port' type='count' value='80'/><propval name='on' type='boolean' value='true'/>\
      <property name='hosts' type='astring'><astring_list>\
        <value_node value='b'/><value_node value='a'/><value_node value='b'/></astring_list></property>\
      <property name='none' type='uri'/></property_group>\
    <instance name='default' enabled='false'/>\
    <template><common_name><loctext xml:lang='C'>A web server</loctext></common_name></template>\
  </service>";

#[test]
fn values_snapshots_and_hashes() {
    let text = bundle("manifest", SERVICE);
    let profile = "<service name='site/web' type='service' version='1'>\
        <instance name='default' enabled='true'/></service>\
        <service name='site/absent' type='service' version='1'/>";
    let profile = bundle("profile", profile);
    let bundles = [Delivered { path: "/lib/svc/manifest/site/web.xml", bytes: text.as_bytes() }];
    let profiles = [Delivered { path: "/etc/svc/profile/generic.xml", bytes: profile.as_bytes() }];
    let read = Read::of(&seed(&bundles, &profiles, &[]).unwrap());
    let live = read.live();
    let group = |entity: &str, group: &str| live[&(entity.to_owned(), group.to_owned())].clone();
    let config = group("svc:/site/web", "config application");
    let values = |name: &str| config[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(vec!["b", "a", "b"], values("hosts/s"));
    assert_eq!((vec!["80"], vec!["1"]), (values("port/c"), values("on/b")));
    assert_eq!(Vec::<&str>::new(), values("none/sU"));
    let stop = group("svc:/site/web", "stop method");
    assert_eq!(vec!["18446744073709551615"], stop["timeout_seconds/c"]);
    let general = group("svc:/site/web:default", "general framework");
    assert_eq!(vec!["1"], general["enabled/b"], "as the profile has it");

    let instance = "svc:/site/web:default";
    let name = (instance.to_owned(), "general framework".to_owned());
    let enabled =
        |snapshot: &str| read.snapshot(instance, snapshot).get(&name)?.get("enabled/b").cloned();
    assert_eq!(Some(vec!["1".to_owned()]), enabled("running"), "refreshed after the profile");
    assert_eq!(None, enabled("last-import"), "that is what was delivered");
    let own = |(entity, _): &(String, String)| entity.starts_with("svc:/site/web");
    let now: Found = live.clone().into_iter().filter(|(key, _)| own(key)).collect();
    let running = read.snapshot(instance, "running");
    assert_eq!(now, running, "the running snapshot is what is live");

    let hash = group("svc:/smf/manifest", "lib_svc_manifest_site_web_xml framework");
    assert_eq!(vec!["/lib/svc/manifest/site/web.xml"], hash["manifestfile/s"]);
    assert_eq!(32, hash["md5sum/o"][0].len());
    group("svc:/smf/manifest", "etc_svc_profile_generic_xml framework");
    let files = group("svc:/site/web", "manifestfiles framework");
    assert_eq!(vec!["/lib/svc/manifest/site/web.xml"], files["lib_svc_manifest_site_web_xml/s"]);
    assert_eq!(vec![vec!["5"]], read.0.select("schema_version", &["schema_version"]));
}

#[test]
fn numbers_go_on_where_they_end() {
    let files = shipped();
    let read = Read::of(&seed(&delivered(&files), &[], &[]).unwrap());
    let next: BTreeMap<String, u32> = read
        .0
        .select("id_tbl", &["id_name", "id_next"])
        .into_iter()
        .map(|row| (row[0].clone(), row[1].parse().unwrap()))
        .collect();
    for (space, table, column) in [
        ("SI", "service_tbl", "svc_id"),
        ("SI", "instance_tbl", "instance_id"),
        ("PG", "pg_tbl", "pg_id"),
        ("PG", "snaplevel_lnk_tbl", "snaplvl_pg_id"),
        ("GEN", "pg_tbl", "pg_gen_id"),
        ("GEN", "snaplevel_lnk_tbl", "snaplvl_gen_id"),
        ("PROP", "prop_lnk_tbl", "lnk_prop_id"),
        ("VAL", "value_tbl", "value_id"),
        ("SNAME", "snapshot_lnk_tbl", "lnk_id"),
        ("SHOT", "snapshot_lnk_tbl", "lnk_snap_id"),
        ("SLVL", "snaplevel_tbl", "snap_level_id"),
    ] {
        let used = read.0.select(table, &[column]).into_iter().map(|row| row[0].parse().unwrap());
        let used: Vec<u32> = used.collect();
        assert!(used.iter().all(|id| (1..next[space]).contains(id)), "{space} {column}");
    }
}

#[test]
fn long_values_and_many_rows() {
    let mut inside = String::new();
    for i in 0..400 {
        let long = "x".repeat(i * 9);
        inside += &format!(
            "<service name='site/s{i}' type='service' version='1'>\
             <property_group name='p' type='application'>\
             <propval name='v' type='astring' value='{long}'/></property_group>\
             <instance name='a' enabled='false'/><instance name='b' enabled='true'/></service>"
        );
    }
    let text = bundle("manifest", &inside);
    let files = [Delivered { path: "/lib/svc/manifest/many.xml", bytes: text.as_bytes() }];
    let read = Read::of(&seed(&files, &[], &[]).unwrap());
    let live = read.live();
    for i in [0, 25, 113, 399] {
        let group = &live[&(format!("svc:/site/s{i}"), "p application".to_owned())];
        assert_eq!(vec!["x".repeat(i * 9)], group["v/s"]);
    }
    assert_eq!(1201, read.entities().len());
}

#[test]
fn an_empty_repository() {
    let read = Read::of(&seed(&[], &[], &[]).unwrap());
    assert_eq!(0, read.live().len());
    assert_eq!(8, read.0.select("id_tbl", &["id_name"]).len());
}

#[test]
fn what_is_wrong_is_named() {
    let text = bundle("profile", "");
    let broken = Delivered { path: "/lib/svc/manifest/broken.xml", bytes: b"<service_bundle" };
    let profile = Delivered { path: "/etc/svc/profile/site.xml", bytes: text.as_bytes() };
    for (bundles, part) in [
        ([broken], "/lib/svc/manifest/broken.xml: "),
        ([profile], "/etc/svc/profile/site.xml: bundle test is a profile, not a manifest"),
    ] {
        let error = seed(&bundles, &[], &[]).unwrap_err().to_string();
        assert!(error.starts_with(part), "{error}");
    }
}

#[test]
fn a_profile_includes_what_the_image_has() {
    let text = bundle("manifest", SERVICE);
    let outer = "<?xml version='1.0'?><!DOCTYPE service_bundle SYSTEM \
        '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\
        <service_bundle type='profile' name='generic' xmlns:xi='http://www.w3.org/2003/XInclude'>\
        <xi:include href='file:/etc/svc/profile/name_service.xml'/></service_bundle>";
    let inner = bundle(
        "profile",
        "<service name='site/web' type='service' version='1'>\
         <instance name='default' enabled='true'/></service>",
    );
    let bundles = [Delivered { path: "/lib/svc/manifest/site/web.xml", bytes: text.as_bytes() }];
    let profiles = [Delivered { path: "/etc/svc/profile/generic.xml", bytes: outer.as_bytes() }];
    let included =
        [Delivered { path: "/etc/svc/profile/name_service.xml", bytes: inner.as_bytes() }];
    let live = Read::of(&seed(&bundles, &profiles, &included).unwrap()).live();
    let general = &live[&("svc:/site/web:default".to_owned(), "general framework".to_owned())];
    assert_eq!(vec!["1"], general["enabled/b"]);
    let error = seed(&bundles, &profiles, &[]).unwrap_err().to_string();
    assert!(error.contains("/etc/svc/profile/name_service.xml: not in the image"), "{error}");
}

/// The reader of these tests is worth something: no byte of a page of cells can change unseen.
#[test]
fn damage_is_seen() {
    let text = bundle("manifest", SERVICE);
    let files = [Delivered { path: "/lib/svc/manifest/site/web.xml", bytes: text.as_bytes() }];
    let bytes = seed(&files, &[], &[]).unwrap();
    let sound = Read::of(&bytes);
    let master = &bytes[1024..2048];
    let free = usize::from(u16::from_le_bytes([master[6], master[7]]));
    let end = if free == 0 { 1024 } else { free + 4 };
    for at in (0..52).chain(1024..1024 + end) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let same = reader::read(&damaged)
            .is_ok_and(|file| (&file.tables, &file.sql) == (&sound.0.tables, &sound.0.sql));
        // What fills a cell up to four bytes means nothing.
        assert!(!same || bytes[at] == 0, "byte {at} of {}", bytes.len());
    }
}
