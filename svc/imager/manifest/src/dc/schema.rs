//! schema.rs - what may stand where in a `dc`, and the attributes that have defaults.
//!
//! Of two states of the form: the first called the menu `grub_mods` and put datasets below
//! `target_device`, the last has `boot_mods` and `logical`.  Our own is a `filesystem` outside
//! of a pool: a folder, by its absolute path, for machines without ZFS.

use crate::rule::Times::{Any, Many, One, Optional};
use crate::rule::{Attribute, Rule, Times, UNSIGNED, Value};
use crate::tree::Tree;

const fn must(name: &'static str, value: Value) -> Attribute {
    Attribute(name, true, value)
}

const fn may(name: &'static str, value: Value) -> Attribute {
    Attribute(name, false, value)
}

pub(super) static DC: Rule = Rule::group("dc", &[(One, &DISTRO)]);

static DISTRO: Rule = Rule::group(
    "distro",
    &[
        (Optional, &SPEC),
        (Many, &TARGET),
        (Any, &SOFTWARE),
        (One, &EXECUTION),
        (Any, &CONFIGURATION),
    ],
)
.with(&[
    must("name", Value::Text),
    may("add_timestamp", Value::OneOf(&["true", "false"])),
    may("http_proxy", Value::Text),
]);

static SPEC: Rule = Rule::group("distro_spec", &[(One, &PARAMETERS)]);
static PARAMETERS: Rule = Rule::group("img_params", &[(Optional, &MEDIA), (Optional, &VIRTUAL)]);
static VIRTUAL: Rule = Rule::group("vm_im", &[]);
static MEDIA: Rule = Rule::group(
    "media_im",
    &[(Optional, &BOOT_MODS), (Optional, &GRUB_MODS), (Optional, &MAX_SIZE)],
);
static MAX_SIZE: Rule = Rule::text("max_size", Value::Text);

static BOOT_MODS: Rule = Rule::group("boot_mods", &[(Any, &BOOT_ENTRY)])
    .with(&[may("title", Value::Text), may("timeout", UNSIGNED)]);
static BOOT_ENTRY: Rule =
    Rule::group("boot_entry", &[(One, &TITLE_SUFFIX), (Optional, &KERNEL_ARGS)]).with(&[
        may("default_entry", Value::OneOf(&["true", "false"])),
        may("insert_at", Value::OneOf(&["start", "end"])),
    ]);
static TITLE_SUFFIX: Rule = Rule::text("title_suffix", Value::Text);
static KERNEL_ARGS: Rule = Rule::text("kernel_args", Value::Text);

static GRUB_MODS: Rule = Rule::group("grub_mods", &[(Any, &GRUB_ENTRY)]).with(&[
    may("min_mem", UNSIGNED),
    may("title", Value::Text),
    may("default_entry", UNSIGNED),
    may("timeout", UNSIGNED),
]);
static GRUB_ENTRY: Rule = Rule::group("grub_entry", &[(One, &TITLE_SUFFIX), (Many, &LINE)])
    .with(&[may("position", UNSIGNED)]);
static LINE: Rule = Rule::text("line", Value::Text);

static TARGET: Rule = Rule::group("target", &[(Optional, &LOGICAL), (Optional, &TARGET_DEVICE)])
    .with(&[may("name", Value::Text)]);
static LOGICAL: Rule = Rule::group("logical", &[(Any, &ZPOOL), (Any, &FILESYSTEM)]);
static TARGET_DEVICE: Rule = Rule::group("target_device", &[(Any, &ZPOOL)]);
static ZPOOL: Rule = Rule::group("zpool", &[(Any, &FILESYSTEM), (Any, &DATASET)]).with(&[
    must("name", Value::Text),
    may("action", Value::OneOf(&["create", "delete", "preserve", "use_existing"])),
]);
static DATASET: Rule = Rule::group("dataset", &[(Any, &FILESYSTEM)]);
static FILESYSTEM: Rule = Rule::group("filesystem", &[]).with(&[
    must("name", Value::Text),
    may("action", Value::OneOf(&["create", "delete", "preserve", "use_existing"])),
]);

static SOFTWARE: Rule =
    Rule::group("software", &[(Optional, &DESTINATION), (Any, &SOURCE), (Any, &DATA)])
        .with(&[must("name", Value::Text), may("type", TRANSFER)]);
const TRANSFER: Value =
    Value::OneOf(&["IPS", "SVR4", "CPIO", "ARCHIVE", "IMAGE", "P5I", "DU", "P5P", "FILE", "DIR"]);

const PLACE: &[(Times, &Rule)] = &[(Optional, &IMAGE), (Optional, &DIRECTORY)];
static DESTINATION: Rule = Rule::group("destination", PLACE);
static DIRECTORY: Rule = Rule::group("dir", &[]).with(&[must("path", Value::Text)]);
static IMAGE: Rule =
    Rule::mixed("image", &[(Any, &FACET), (Optional, &IMAGE_TYPE), (Any, &PROPERTY)]).with(&[
        may("action", Value::OneOf(&["create", "use_existing"])),
        may("index", Value::OneOf(&["true", "false"])),
        may("ssl_key", Value::Text),
        may("ssl_cert", Value::Text),
        may("img_root", Value::Text),
    ]);
static FACET: Rule =
    Rule::text("facet", Value::Text).with(&[must("set", Value::OneOf(&["true", "false"]))]);
static IMAGE_TYPE: Rule = Rule::group("img_type", &[]).with(&[
    may("completeness", Value::OneOf(&["full", "partial"])),
    may("zone", Value::OneOf(&["true", "false"])),
]);
static PROPERTY: Rule = Rule::text("property", Value::Text).with(&[must("val", Value::Text)]);

static SOURCE: Rule = Rule::group("source", &[(Any, &PUBLISHER), (Optional, &DIRECTORY)]);
static PUBLISHER: Rule =
    Rule::group("publisher", &[(Many, &ORIGIN), (Any, &MIRROR)]).with(&[must("name", Value::Text)]);
static ORIGIN: Rule = Rule::group("origin", &[]).with(&[must("name", Value::Text)]);
static MIRROR: Rule = Rule::group("mirror", &[]).with(&[must("name", Value::Text)]);

static DATA: Rule = Rule::mixed("software_data", &[(Any, &NAME), (Any, &REJECT)]).with(&[
    may("action", Value::OneOf(&["install", "uninstall", "unpack", "avoid", "unavoid"])),
    may("size", UNSIGNED),
    may("type", TRANSFER),
]);
static NAME: Rule = Rule::text("name", Value::Text);
static REJECT: Rule = Rule::text("reject", Value::Text);

static EXECUTION: Rule = Rule::group("execution", &[(Many, &CHECKPOINT)])
    .with(&[may("stop_on_error", Value::OneOf(&["true", "false"]))]);
static CHECKPOINT: Rule =
    Rule::group("checkpoint", &[(Optional, &ARGS), (Optional, &NAMED)]).with(&[
        must("name", Value::Text),
        may("desc", Value::Text),
        must("mod_path", Value::Text),
        must("checkpoint_class", Value::Text),
        may("log_level", Value::Text),
    ]);
static ARGS: Rule = Rule::text("args", Value::Text);
static NAMED: Rule = Rule::mixed("kwargs", &[(Any, &ARG), (Any, &ARGLIST)]);
static ARG: Rule = Rule::text("arg", Value::Text).with(&[must("name", Value::Text)]);
static ARGLIST: Rule =
    Rule::group("arglist", &[(Many, &ARGITEM)]).with(&[must("name", Value::Text)]);
static ARGITEM: Rule = Rule::text("argitem", Value::Text);

static CONFIGURATION: Rule = Rule::group("configuration", &[(Optional, &VALIDATION)]).with(&[
    must("name", Value::Text),
    may("type", Value::OneOf(&["network", "sysconf", "user", "zone"])),
    must("source", Value::Text),
    may("dest", Value::Text),
]);
static VALIDATION: Rule = Rule::group("validation", &[]).with(&[
    may("path", Value::Text),
    may("args", Value::Text),
    may("on_error", Value::Text),
]);

/// Element, attribute, what it is where it is left out.
const DEFAULTS: [(&str, &str, &str); 11] = [
    ("distro", "add_timestamp", "false"),
    ("distro/distro_spec/img_params/media_im/boot_mods/boot_entry", "default_entry", "false"),
    ("distro/distro_spec/img_params/media_im/boot_mods/boot_entry", "insert_at", "end"),
    ("distro/target/logical/zpool", "action", "use_existing"),
    ("distro/target/logical/zpool/filesystem", "action", "create"),
    ("distro/target/logical/filesystem", "action", "create"),
    ("distro/target/target_device/zpool", "action", "use_existing"),
    ("distro/target/target_device/zpool/dataset/filesystem", "action", "create"),
    ("distro/software/destination/image", "action", "create"),
    ("distro/software/software_data", "action", "install"),
    ("distro/execution", "stop_on_error", "true"),
];

/// Fills in the attributes that were left out; says which.
pub(crate) fn complete(tree: &mut Tree) -> Vec<String> {
    let mut filled = Vec::new();
    for (path, name, value) in DEFAULTS {
        for node in tree.all(path) {
            if tree.attribute(node, name).is_none() {
                tree.set_attribute(node, name, value);
                let path = tree.attribute_path(node, name);
                filled.push(format!("Adding attribute value at {path} with {value}..."));
            }
        }
    }
    filled
}
