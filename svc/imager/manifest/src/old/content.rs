//! content.rs - which values of a `distribution` make sense.
//!
//! The validators of the original with its words, then checks of our own for what would fail
//! only hours later, or do harm: names of media and steps, paths that leave the image, quotes
//! that are never closed.

use super::places::{self, MORE_INSTALLED, MORE_REPOSITORIES, REPOSITORY};
use super::schema;
use crate::document::{Host, Phase, Problem};
use crate::tree::{Node, ROOT, Tree};
use crate::{argslist, rule};

/// The longest name of a distribution: it is the volume id of its media.
pub(crate) const NAME_MAX: usize = 32;
/// Characters that no name of a package holds; the back-quote is our own addition.
const WILD: &str = "*%?[]{}|><()#$\"'\\`";

/// Checks schema and content of a whole tree.
pub(crate) fn check(tree: &Tree, host: &dyn Host) -> Vec<Problem> {
    let mut problems = rule::check(tree, &schema::DISTRIBUTION);
    let mut checker = Checker { tree, problems: Vec::new() };
    checker.places();
    checker.original(host);
    checker.names();
    checker.paths();
    problems.append(&mut checker.problems);
    problems
}

struct Checker<'a> {
    tree: &'a Tree,
    problems: Vec<Problem>,
}

/// Whether a value is right; the words beside are said as well.
type Verdict = Result<(), String>;

fn plain(right: bool) -> Verdict {
    if right { Ok(()) } else { Err(String::new()) }
}

impl Checker<'_> {
    fn say(&mut self, phase: Phase, node: Node, path: String, reason: impl Into<String>) {
        self.problems.push(Problem::new(self.tree, phase, node, path, reason.into()));
    }

    fn own(&mut self, node: Node, path: String, reason: impl Into<String>) {
        self.say(Phase::Content, node, path, reason);
    }

    /// What moved from one generation to the next stands in one place.
    fn places(&mut self) {
        let tree = self.tree;
        let image = places::has(tree, places::IMAGE);
        if image == places::has(tree, places::VIRTUAL) {
            let reason = if image {
                "element vmimg_params is not expected beside img_params"
            } else {
                "element img_params is missing"
            };
            self.say(Phase::Schema, ROOT, places::IMAGE.to_owned(), reason);
        }
        let mut needed = vec!["build_area", "output_image"];
        if image {
            needed.push(REPOSITORY);
        }
        for name in needed {
            let found = places::moved(tree, name);
            let parents: Vec<_> = found.iter().map(|node| tree.get(*node).parent).collect();
            match found.last() {
                None => {
                    let node = tree.all(places::CONSTRUCTOR).first().copied().unwrap_or(ROOT);
                    let path = format!("{}/{name}", places::CONSTRUCTOR);
                    self.say(Phase::Schema, node, path, format!("element {name} is missing"));
                }
                Some(last) if parents.iter().any(|parent| *parent != parents[0]) => {
                    let reason = format!("element {name} is there already, in another place");
                    self.say(Phase::Schema, *last, tree.path(*last), reason);
                }
                Some(_) => {}
            }
        }
        if image {
            let count = places::contents(tree).len();
            if count == 0 {
                let image = tree.all(places::IMAGE)[0];
                let path = format!("{}/boot_archive_contents", places::IMAGE);
                let reason = "element boot_archive_contents is missing";
                self.say(Phase::Schema, image, path, reason);
            }
        }
        for node in every(tree, "adjustment") {
            let one = |name| usize::from(tree.attribute(node, name).is_some());
            if one("add") + one("delete") != 1 {
                let reason = "one of the attributes add and delete is needed";
                self.say(Phase::Schema, node, tree.path(node), reason);
            }
        }
    }

    /// The original's own validators.
    fn original(&mut self, host: &dyn Host) {
        let tree = self.tree;
        let absolute = |value: &str| plain(value.starts_with('/'));
        let digit = |value: &str| plain(value.parse().is_ok_and(|level: u8| level <= 9));
        self.elements(&tree.all("img_params/user/homedir"), &absolute);
        self.elements(&tree.all("img_params/root_user/homedir"), &absolute);
        let tame = |value: &str| plain(is_tame(value));
        self.attributes(&tree.all("img_params/packages/pkg"), "name", &tame);
        self.attributes(&tree.all("img_params/post_install_remove_packages/pkg"), "name", &tame);
        self.attributes(&tree.all("img_params/live_img_compression"), "level", &digit);
        let archives = places::boot_archives(tree);
        let inside = |path: &str| -> Vec<Node> {
            archives.iter().flat_map(|archive| tree.below(*archive, path)).collect()
        };
        self.attributes(&inside("compression"), "level", &digit);
        let locales = tree.all("img_params/locale_list").first().map(|node| tree.value(*node));
        let locales = argslist::split(&locales.unwrap_or_default()).unwrap_or_default();
        // A list without quotes is one value; its words count as well.
        let listed = |value: &str| {
            let words = locales.iter().flat_map(|locale| locale.split_whitespace());
            plain(
                locales.iter().any(|locale| locale == value)
                    || words.into_iter().any(|w| w == value),
            )
        };
        self.attributes(&tree.all("img_params/locale_defaults"), "locale", &listed);
        let size = |value: &str| plain(value.parse().is_ok_and(|size: f64| size >= 0.0));
        self.elements(&tree.all("img_params/pkg_image_area_max_size_gb"), &size);
        let host_name = |value: &str| plain(is_host_name(value));
        self.elements(&tree.all("img_params/hostname"), &host_name);
        let pairs = tree.all("key_value_pairs/pair");
        let keys: Vec<_> = pairs.iter().filter_map(|pair| tree.attribute(*pair, "key")).collect();
        let unique = |value: &str| plain(keys.iter().filter(|key| **key == value).count() == 1);
        self.attributes(&pairs, "key", &unique);
        let runs = |value: &str| {
            if host.can_run(value) {
                return Ok(());
            }
            Err(format!("{value} either doesn't exist or is not an executable file"))
        };
        self.attributes(&scripts(tree), "name", &runs);
        let title = |value: &str| plain(!value.trim().is_empty());
        self.elements(&tree.all("img_params/grub_menu_modifications/title"), &title);
        self.attributes(&inside("adjustment"), "add", &absolute);
        self.attributes(&inside("adjustment"), "delete", &absolute);
        self.elements(&tree.all("img_params/netservices_SMF_profile"), &absolute);
    }

    fn elements(&mut self, nodes: &[Node], right: &dyn Fn(&str) -> Verdict) {
        for node in nodes {
            let (value, path) = (self.tree.value(*node), self.tree.path(*node));
            self.verdict(*node, path, &value, right(&value));
        }
    }

    /// An attribute that is missing is the schema's to tell.
    fn attributes(&mut self, nodes: &[Node], name: &str, right: &dyn Fn(&str) -> Verdict) {
        for node in nodes {
            let Some(value) = self.tree.attribute(*node, name) else { continue };
            let path = self.tree.attribute_path(*node, name);
            self.verdict(*node, path, value, right(value));
        }
    }

    fn verdict(&mut self, node: Node, path: String, value: &str, verdict: Verdict) {
        let Err(words) = verdict else { return };
        let told = format!("validate_node: Content \"{value}\" at {path} did not validate");
        let reason = if words.is_empty() { told } else { format!("{words}: {told}") };
        self.own(node, path, reason);
    }

    /// Names that become names of files: of the distribution and of its steps.
    fn names(&mut self) {
        let tree = self.tree;
        if let Some(name) = tree.attribute(ROOT, "name") {
            if let Some(reason) = distribution_name(name) {
                self.own(ROOT, "name".to_owned(), reason);
            }
        }
        let mut seen: Vec<&str> = Vec::new();
        for script in scripts(tree) {
            for node in tree.named(script, "checkpoint") {
                let Some(name) = tree.attribute(node, "name") else { continue };
                let path = tree.attribute_path(node, "name");
                if name.is_empty() {
                    let script = tree.attribute(script, "name").unwrap_or_default();
                    let reason = format!(
                        "The checkpoint name to use for the finalizer script {script} is missing.\n\
                         Please check your manifest file."
                    );
                    self.own(node, path, reason);
                    continue;
                }
                if let Some(reason) = step_name(name) {
                    self.own(node, path.clone(), reason);
                }
                if seen.contains(&name) {
                    self.own(node, path, format!("another step is called {name} already"));
                }
                seen.push(name);
            }
            for node in tree.named(script, "argslist") {
                if let Err(error) = argslist::split(&tree.value(node)) {
                    self.own(node, tree.path(node), error.to_string());
                }
            }
        }
        for name in [REPOSITORY, MORE_REPOSITORIES, places::INSTALLED, MORE_INSTALLED] {
            for node in places::moved(tree, name) {
                for main in tree.named(node, "main") {
                    for (attribute, what) in [("authname", "name"), ("url", "url")] {
                        if tree.attribute(main, attribute).is_some_and(str::is_empty) {
                            let path = tree.attribute_path(main, attribute);
                            self.own(main, path, format!("a publisher has no {what}"));
                        }
                    }
                }
            }
        }
    }

    /// Paths stay below the folder they belong to.
    fn paths(&mut self) {
        let tree = self.tree;
        for node in places::moved(tree, "build_area") {
            let area = tree.value(node);
            if let Some(reason) = build_area(&area) {
                self.own(node, tree.path(node), reason);
            }
        }
        for list in places::contents(tree) {
            for name in ["base_include", "base_exclude"] {
                for node in tree.named(list, name) {
                    let path = tree.value(node);
                    if path.is_empty() || !stays_inside(&path) {
                        let reason = format!("\"{path}\" is no path inside the image");
                        self.own(node, tree.path(node), reason);
                    }
                }
            }
        }
        for archive in places::boot_archives(tree) {
            for node in tree.below(archive, "smf_service_profile/profile") {
                let path = tree.attribute(node, "path").unwrap_or_default();
                if !path.starts_with('/') || !stays_inside(path) {
                    let reason = format!("\"{path}\" is no absolute path without ..");
                    self.own(node, tree.attribute_path(node, "path"), reason);
                }
            }
        }
    }
}

fn every(tree: &Tree, name: &str) -> Vec<Node> {
    let nodes = (0..tree.len()).map(Node);
    nodes.filter(|node| tree.get(*node).name == name).collect()
}

/// The finalizer scripts, in order.
pub(super) fn scripts(tree: &Tree) -> Vec<Node> {
    let media = places::moved(tree, "output_image");
    media.iter().flat_map(|image| tree.below(*image, "finalizer/script")).collect()
}

/// As the original has it: after leading dashes and dots nothing but letters and digits.
pub(crate) fn is_host_name(value: &str) -> bool {
    let name = value.trim_start_matches(['-', '.']);
    value.len() <= 256
        && !value.contains("..")
        && !name.is_empty()
        && name.chars().all(char::is_alphanumeric)
}

/// Whether a name of a package holds nothing that a shell would read otherwise.
pub(crate) fn is_tame(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| WILD.contains(c) || c.is_control())
}

/// What is wrong with the name of a distribution: it names the media and their volume.
pub(crate) fn distribution_name(name: &str) -> Option<String> {
    if name.chars().count() > NAME_MAX {
        return Some(format!(
            "Volume ID string {name} is too long (at most {NAME_MAX} characters)"
        ));
    }
    let bad = name.is_empty()
        || name.starts_with(['-', '.'])
        || name.chars().any(|c| c == '/' || c.is_control() || c.is_whitespace());
    bad.then(|| format!("\"{name}\" is no name for a distribution: it names files"))
}

/// What is wrong with the name of a step: it names snapshots and files beside the area.
pub(crate) fn step_name(name: &str) -> Option<String> {
    let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=256).contains(&name.len()) && name.chars().all(right) {
        return None;
    }
    Some(format!("\"{name}\" is no name for a step: 1 to 256 of A-Z, a-z, 0-9, dot, _ and -"))
}

/// What is wrong with a build area.
pub(crate) fn build_area(area: &str) -> Option<String> {
    let pool = |c: char| c.is_ascii_alphanumeric() || "._-:/%".contains(c);
    if area.starts_with('/') {
        let root = area.trim_matches('/').is_empty();
        return (root || !stays_inside(area) || area.contains(['\n', '\0']))
            .then(|| format!("\"{area}\" is no folder to build in"));
    }
    let right = !area.is_empty()
        && area.chars().all(pool)
        && area.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && area.starts_with(|c: char| c.is_ascii_alphabetic());
    (!right).then(|| format!("\"{area}\" is neither a dataset nor an absolute path"))
}

/// Whether a path has no part `..` and no character that ends names or lines.
pub(crate) fn stays_inside(path: &str) -> bool {
    !path.contains(['\0', '\n']) && path.split('/').all(|part| part != "..")
}
