//! content.rs - which values of a `dc` make sense.
//!
//! Of the target the words are the original's; the rest it found only while it ran.

use super::model;
use super::schema;
use crate::argslist;
use crate::document::{Host, Phase, Problem};
use crate::native::Native;
use crate::old::{build_area, distribution_name, is_host_name, is_tame, stays_inside, step_name};
use crate::rule::{self, UNSIGNED, Value};
use crate::tree::{Node, Tree};

/// Arguments of built-in steps that are no mere text.
const ARGUMENTS: [(Native, &str, Value); 8] = [
    (Native::ImMod, "is_plaintext", Value::OneOf(&["true", "false", "True", "False"])),
    (Native::BaArch, "compression_type", Value::OneOf(&["gzip", "none", "dcfs"])),
    (Native::BaArch, "compression_level", Value::Unsigned(9)),
    (Native::BaArch, "size_pad", UNSIGNED),
    (Native::BaArch, "bytes_per_inode", UNSIGNED),
    (Native::PostMod, "compression_type", Value::OneOf(&["gzip", "lzma", "none"])),
    (Native::BaInit, "fatal_if_not_found", Value::OneOf(&["true", "false", "True", "False"])),
    (Native::ImPop, "show_stdout", Value::OneOf(&["true", "false", "True", "False"])),
];

/// Checks schema and content of a whole tree.
pub(crate) fn check(tree: &Tree, host: &dyn Host) -> Vec<Problem> {
    let mut checker = Checker { tree, problems: rule::check(tree, &schema::DC) };
    checker.names();
    checker.target();
    checker.execution(host);
    checker.software();
    checker.problems
}

struct Checker<'a> {
    tree: &'a Tree,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn say(&mut self, node: Node, path: String, reason: impl Into<String>) {
        let problem = Problem::new(self.tree, Phase::Content, node, path, reason.into());
        self.problems.push(problem);
    }

    fn names(&mut self) {
        let tree = self.tree;
        for distro in tree.all("distro") {
            let Some(name) = tree.attribute(distro, "name") else { continue };
            if let Some(reason) = distribution_name(name) {
                self.say(distro, "distro/name".to_owned(), reason);
            }
        }
    }

    /// One pool that is there, one file system in it; or one folder.
    fn target(&mut self) {
        let tree = self.tree;
        let Some(target) = tree.all("distro/target").first().copied() else { return };
        let path = tree.path(target);
        let pools = model::pools(tree);
        let systems = model::filesystems(tree);
        let folder = systems.first().is_some_and(|system| model::is_folder(tree, *system));
        match (pools.len(), systems.len()) {
            (_, 0) => self.say(target, path, "No dataset specified"),
            (_, 2..) => self.say(systems[1], tree.path(systems[1]), "More than one dataset"),
            (0, 1) if !folder => self.say(target, path, "No zpool specified"),
            (2.., 1) => self.say(pools[1], tree.path(pools[1]), "More than one zpool"),
            (_, 1) => {}
        }
        for pool in pools {
            let action = tree.attribute(pool, "action").unwrap_or_default();
            if matches!(action, "create" | "delete") {
                let reason = format!("'{action}' action not supported for Zpools");
                self.say(pool, tree.attribute_path(pool, "action"), reason);
            }
        }
        for system in systems {
            if tree.attribute(system, "action") == Some("delete") {
                let reason = "'delete' action not supported for Filesystems";
                self.say(system, tree.attribute_path(system, "action"), reason);
            }
            if let Some(reason) = build_area(&model::area(tree, system)) {
                self.say(system, tree.attribute_path(system, "name"), reason);
            }
        }
    }

    fn execution(&mut self, host: &dyn Host) {
        let tree = self.tree;
        let mut seen: Vec<&str> = Vec::new();
        for node in tree.all("distro/execution/checkpoint") {
            let name = tree.attribute(node, "name").unwrap_or_default();
            let path = tree.attribute_path(node, "name");
            if let Some(reason) = step_name(name) {
                self.say(node, path.clone(), reason);
            }
            if seen.contains(&name) {
                self.say(node, path, format!("another step is called {name} already"));
            }
            seen.push(name);
            self.runs(node, host);
        }
        for path in ["distro/software", "distro/configuration"] {
            for node in tree.all(path) {
                let name = tree.attribute(node, "name").unwrap_or_default();
                if !seen.contains(&name) {
                    let reason = format!("no checkpoint is called {name}");
                    self.say(node, tree.attribute_path(node, "name"), reason);
                }
            }
        }
    }

    /// Whether what a checkpoint names can be run here.
    fn runs(&mut self, node: Node, host: &dyn Host) {
        let tree = self.tree;
        let class = tree.attribute(node, "checkpoint_class").unwrap_or_default();
        if class != model::CUSTOM_SCRIPT {
            match Native::of_class(class) {
                Some(native) => self.arguments(node, native),
                None => {
                    let reason = format!("class {class} is not known");
                    self.say(node, tree.attribute_path(node, "checkpoint_class"), reason);
                }
            }
            return;
        }
        let command = model::command(tree, node);
        let path = format!("{}/args", tree.path(node));
        let words = match argslist::words(&command) {
            Ok(words) => words,
            Err(error) => return self.say(node, path, error.to_string()),
        };
        let Some(program) = words.first() else {
            return self.say(node, path, "a CustomScript needs a command");
        };
        // What is replaced only while the build runs cannot be looked at before.
        if program.starts_with('/') && !program.contains('{') && !host.can_run(program) {
            let reason = format!("{program} either doesn't exist or is not an executable file");
            self.say(node, path, reason);
        }
    }

    fn arguments(&mut self, checkpoint: Node, native: Native) {
        let tree = self.tree;
        for node in tree.below(checkpoint, "kwargs/arg") {
            let name = tree.attribute(node, "name").unwrap_or_default();
            let value = tree.value(node);
            let rule =
                ARGUMENTS.iter().find(|(of, argument, _)| *of == native && *argument == name);
            let reason = match rule {
                Some((_, _, rule)) => (!rule.holds(&value)).then(|| rule.told()),
                None if (native, name) == (Native::ImMod, "hostname") => {
                    (!is_host_name(&value)).then(|| "a name of a host".to_owned())
                }
                None => None,
            };
            if let Some(reason) = reason {
                self.say(node, tree.path(node), format!("{name}: \"{value}\" is not {reason}"));
            }
        }
    }

    fn software(&mut self) {
        let tree = self.tree;
        for software in tree.all("distro/software") {
            let is_ips = model::is_ips(tree, software);
            for node in tree.below(software, "software_data/name") {
                let name = tree.value(node);
                let reason = if is_ips {
                    (!is_tame(&name)).then(|| format!("\"{name}\" is no pattern of packages"))
                } else {
                    (name.is_empty() || !stays_inside(&name))
                        .then(|| format!("\"{name}\" is no path inside the image"))
                };
                if let Some(reason) = reason {
                    self.say(node, tree.path(node), reason);
                }
            }
        }
        for node in tree.all("distro/configuration") {
            let source = tree.attribute(node, "source").unwrap_or_default();
            if !source.starts_with('/') || !stays_inside(source) {
                let reason = format!("\"{source}\" is no absolute path without ..");
                self.say(node, tree.attribute_path(node, "source"), reason);
            }
        }
    }
}
