//! defaults.rs - what is filled in where a `distribution` says nothing.
//!
//! A row names a parent by its path and a leaf below it; every parent there is gets the leaf
//! unless it has one.  A leaf that is empty, or holds two quotes and nothing between, is as good
//! as none.  A parent that is missing is made, or the row is passed over.
//!
//! What the generations differ in (hosts, passwords, when the boot archive's rows hold) is in the
//! rows; what they call by other paths is in `places.rs`.

use super::places::{self, INSTALLED, REPOSITORY};
use crate::document::{Form, Phase, Problem};
use crate::tree::{Element, Node, ROOT, Tree};

/// What a leaf is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Element(&'static str),
    Attribute(&'static str),
}

impl Leaf {
    fn name(self) -> &'static str {
        match self {
            Self::Element(name) | Self::Attribute(name) => name,
        }
    }
}

/// What it gets.
#[derive(Clone, Copy)]
enum Given {
    Value(&'static str),
    /// What an unnamed distribution is called.
    Unnamed,
    /// `true` if there are users, as the original has it, not the other way round.
    RootDirectLogin,
    /// `/export/home/` and the name.
    HomeDirectory,
    /// The first free number from 1000.
    UserId,
}

/// What is done where the parent is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Skip,
}

struct Filled {
    parent: String,
    leaf: Leaf,
    from: Given,
    missing: Missing,
}

/// Path of the parent, leaf, what it gets, what is done without a parent.
type Row = (&'static str, Leaf, Given, Missing);

use Given::{HomeDirectory, RootDirectLogin, Unnamed, UserId, Value};
use Leaf::{Attribute as A, Element as E};
use Missing::{Create, Skip};

const FIRST: [Row; 3] = [
    ("", A("name"), Unnamed, Skip),
    ("distro_constr_params/distro_constr_flags", E("stop_on_error"), Value("true"), Create),
    ("distro_constr_params/distro_constr_flags", E("checkpoint_enable"), Value("true"), Create),
];

/// Of the repositories; the path goes on from wherever they stand.
const REPOSITORIES: [(&str, &str); 2] =
    [("url", "http://pkg.opensolaris.org/release"), ("authname", "opensolaris.org")];

/// Where img_params is.
const IMAGE: [Row; 20] = [
    ("img_params", E("generate_ips_search_index"), Value("false"), Skip),
    ("img_params/live_img_compression", A("type"), Value("none"), Create),
    ("img_params/live_img_compression", A("level"), Value("0"), Create),
    ("img_params", E("locale_list"), Value("Posix/C"), Skip),
    ("img_params/locale_defaults", A("locale"), Value("Posix/C"), Create),
    ("img_params/locale_defaults", A("timezone"), Value("GMT"), Create),
    ("img_params/root_user", E("homedir"), Value("/root"), Create),
    ("img_params/root_user", E("password"), Value("\"\""), Create),
    ("img_params/root_user/password", A("encrypted"), Value("false"), Create),
    ("img_params/root_user", A("directlogin"), RootDirectLogin, Create),
    ("img_params/root_user", E("shell"), Value("/bin/ksh93"), Create),
    ("img_params/user", A("UID"), UserId, Skip),
    ("img_params/user", A("GID"), Value("10"), Skip),
    ("img_params/user", E("homedir"), HomeDirectory, Skip),
    ("img_params/user", E("password"), Value("\"\""), Skip),
    ("img_params/user/password", A("encrypted"), Value("false"), Skip),
    ("img_params/user", A("directlogin"), Value("false"), Skip),
    ("img_params/user", E("shell"), Value("/bin/ksh93"), Skip),
    (
        "img_params",
        E("netservices_SMF_profile"),
        Value("/var/svc/profile/generic_limited_net.xml"),
        Skip,
    ),
    ("img_params/power_mgmt", E("enable"), Value("false"), Create),
];

/// The rest of it; a generation each.
const IMAGE_2009: [Row; 2] = [
    ("img_params", E("pkg_image_area_max_size_gb"), Value("0"), Skip),
    ("img_params", E("hostname"), Value("opensolaris"), Skip),
];
const IMAGE_LATER: [Row; 5] = [
    ("img_params", E("pkg_image_area_max_size_gb"), Value("0"), Skip),
    ("img_params", E("hostname"), Value("solaris"), Skip),
    ("img_params", E("rootpass"), Value("solaris"), Skip),
    ("img_params/rootpass", A("is_plaintext"), Value("true"), Skip),
    ("img_params/grub_menu_modifications", E("min_mem64"), Value("1000"), Create),
];

/// Of the boot archive: the end of the parent's path, the leaf, the value.
const BOOT_ARCHIVE: [(&str, Leaf, &str); 4] = [
    ("/compression", A("type"), "gzip"),
    ("/compression", A("level"), "9"),
    ("", E("size_pad_mb"), "0"),
    ("", E("nbpi"), "0"),
];

/// Fills in a whole tree; says what was filled in, and what could not be.
pub(crate) fn complete(tree: &mut Tree, form: Form, unnamed: &str) -> (Vec<String>, Vec<Problem>) {
    let mut done = Done { filled: Vec::new(), problems: Vec::new() };
    for default in rows(tree, form == Form::Distribution2009) {
        done.apply(tree, &default, unnamed);
    }
    (done.filled, done.problems)
}

/// What has been done so far.
struct Done {
    filled: Vec<String>,
    problems: Vec<Problem>,
}

fn rows(tree: &Tree, of_2009: bool) -> Vec<Filled> {
    let mut rows = Vec::new();
    let mut add = |parent: String, leaf, from, missing| {
        rows.push(Filled { parent, leaf, from, missing });
    };
    let own = |row: &Row| (row.0.to_owned(), row.1, row.2, row.3);
    for (parent, leaf, from, missing) in FIRST.iter().map(own) {
        add(parent, leaf, from, missing);
    }
    if !places::has(tree, places::IMAGE) {
        return rows;
    }
    for repository in [REPOSITORY, INSTALLED] {
        let parent = format!("{}/{repository}/main", places::place(tree, repository, of_2009));
        for (name, value) in REPOSITORIES {
            add(parent.clone(), A(name), Value(value), Create);
        }
    }
    let rest = if of_2009 { &IMAGE_2009[..] } else { &IMAGE_LATER[..] };
    for (parent, leaf, from, missing) in IMAGE.iter().chain(rest).map(own) {
        add(parent, leaf, from, missing);
    }
    let media = places::place(tree, "output_image", of_2009);
    let older = !tree.all(&format!("{media}/output_image/bootroot")).is_empty();
    let name = if older { "bootroot" } else { "boot_archive" };
    // From 2010 on they hold where there is a boot archive, before that always.
    let there = !tree.all(&format!("{media}/output_image/{name}")).is_empty();
    if there || of_2009 {
        for (end, leaf, value) in BOOT_ARCHIVE {
            add(format!("{media}/output_image/{name}{end}"), leaf, Value(value), Create);
        }
    }
    rows
}

impl Done {
    fn apply(&mut self, tree: &mut Tree, default: &Filled, unnamed: &str) {
        let mut parents = tree.all(&default.parent);
        if parents.is_empty() {
            if default.missing == Skip {
                return;
            }
            match create(tree, &default.parent) {
                Ok(parent) => parents.push(parent),
                Err((node, reason)) => {
                    let path = format!("{}/{}", default.parent, default.leaf.name());
                    self.problems.push(Problem::new(tree, Phase::Defaults, node, path, reason));
                    return;
                }
            }
        }
        for parent in parents {
            let value = match default.from {
                Value(value) => value.to_owned(),
                Unnamed => unnamed.to_owned(),
                RootDirectLogin => (!tree.all("img_params/user").is_empty()).to_string(),
                HomeDirectory => {
                    let name = tree.attribute(parent, "username").unwrap_or_default();
                    format!("/export/home/{name}")
                }
                UserId => free_user_id(tree).to_string(),
            };
            self.fill(tree, parent, default.leaf, &value);
        }
    }

    fn fill(&mut self, tree: &mut Tree, parent: Node, leaf: Leaf, value: &str) {
        let name = leaf.name();
        let kind = match leaf {
            Leaf::Attribute(_) => "attribute",
            Leaf::Element(_) => "element",
        };
        let path = tree.attribute_path(parent, name);
        let there: Vec<Node> = tree.named(parent, name).collect();
        let mut verb = "Adding";
        match leaf {
            Leaf::Attribute(name) => match tree.attribute(parent, name) {
                Some(old) if !is_empty(old) => return,
                old => {
                    verb = if old.is_some() { "Replacing" } else { verb };
                    tree.set_attribute(parent, name, value);
                }
            },
            Leaf::Element(name) if there.is_empty() => {
                let node = child(tree, parent, name);
                tree.set_text(node, value);
            }
            Leaf::Element(_) => {
                // One with children is no leaf; the schema will say so.
                let leaf = |node: &&Node| {
                    is_empty(&tree.value(**node)) && tree.children(**node).next().is_none()
                };
                let empty: Vec<Node> = there.iter().filter(leaf).copied().collect();
                if empty.is_empty() || is_empty(value) {
                    return;
                }
                verb = "Replacing";
                empty.into_iter().for_each(|node| tree.set_text(node, value));
            }
        }
        self.filled.push(format!("{verb} {kind} value at {path} with {value}..."));
    }
}

/// Nothing, or a pair of quotes around nothing.
fn is_empty(value: &str) -> bool {
    matches!(value, "" | "\"\"" | "''")
}

/// A new child, placed where its parent is.
fn child(tree: &mut Tree, parent: Node, name: &str) -> Node {
    let at = tree.get(parent).at;
    let (attributes, contents) = (Vec::new(), Vec::new());
    tree.add(Element { name: name.to_owned(), at, parent: Some(parent), attributes, contents })
}

/// Makes what is missing of a path, or says where it is not clear which way it goes.
fn create(tree: &mut Tree, path: &str) -> Result<Node, (Node, String)> {
    let mut node = ROOT;
    for name in path.split('/') {
        let there: Vec<Node> = tree.named(node, name).collect();
        node = match there.as_slice() {
            [] => child(tree, node, name),
            [one] => *one,
            [_, second, ..] => {
                let reason = format!(
                    "generate_ancestor_nodes: non-deterministic nodepath specified ({name} is \
                     there already)"
                );
                return Err((*second, reason));
            }
        };
    }
    Ok(node)
}

fn free_user_id(tree: &Tree) -> u32 {
    let users = tree.all("img_params/user");
    let used: Vec<u32> = users
        .iter()
        .filter_map(|user| tree.attribute(*user, "UID").and_then(|id| id.trim().parse().ok()))
        .collect();
    (1000..).find(|id| !used.contains(id)).unwrap_or(u32::MAX)
}
