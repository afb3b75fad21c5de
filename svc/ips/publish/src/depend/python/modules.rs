//! modules.rs - where a version of Python looks for modules, and under which file names.

use std::fmt;

use crate::paths::{join, relative as normal, split};

/// A version of Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Python {
    major: u32,
    minor: u32,
}

impl fmt::Display for Python {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}.{}", self.major, self.minor)
    }
}

/// A module and the folders it may be in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) folders: Vec<String>,
    /// Other modules are in it.
    pub(super) package: bool,
}

/// Modules in the interpreter itself, whatever its version.
const BUILT_IN: [&str; 31] = [
    "__future__",
    "__main__",
    "_ast",
    "_codecs",
    "_sre",
    "_symtable",
    "_warnings",
    "_weakref",
    "errno",
    "gc",
    "marshal",
    "posix",
    "pwd",
    "sys",
    "xxsubtype",
    "_abc",
    "_collections",
    "_functools",
    "_imp",
    "_io",
    "_locale",
    "_operator",
    "_signal",
    "_stat",
    "_string",
    "_thread",
    "_tracemalloc",
    "atexit",
    "builtins",
    "faulthandler",
    "itertools",
];
/// In Python 2 alone.
const BUILT_IN_2: [&str; 7] =
    ["__builtin__", "exceptions", "imp", "signal", "thread", "zipimport", "operator"];
/// In Python 3 alone.
const BUILT_IN_3: [&str; 2] = ["time", "_suggestions"];

impl Python {
    /// By the folder a file is delivered to.
    pub(super) fn of_path(path: &str) -> Option<Python> {
        let rest = path.strip_prefix("usr/lib/python")?;
        let (version, rest) = Python::leading(rest)?;
        rest.starts_with('/').then_some(version)
    }

    /// By the first line.
    pub(super) fn of_line(line: &str) -> Option<Python> {
        let rest = line.strip_prefix("#!")?.trim_start().strip_prefix("/usr/bin/")?;
        let direct = rest.strip_prefix("python");
        let below = || rest.split_once('/').and_then(|(_, rest)| rest.strip_prefix("python"));
        Some(Python::leading(direct.or_else(below)?)?.0)
    }

    /// `3.9...`.
    fn leading(text: &str) -> Option<(Python, &str)> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (major, rest) = text.split_at(digits(text));
        let rest = rest.strip_prefix('.')?;
        let (minor, rest) = rest.split_at(digits(rest));
        Some((Python { major: major.parse().ok()?, minor: minor.parse().ok()? }, rest))
    }

    /// Where it looks by itself.
    pub(super) fn path(self) -> Vec<String> {
        let top = format!("/usr/lib/python{self}");
        let mut path =
            vec![format!("/usr/lib/python{}{}.zip", self.major, self.minor), top.clone()];
        let old: &[&str] =
            if self.major == 2 { &["plat-sunos5", "lib-tk", "lib-old"] } else { &[] };
        let folders = old.iter().chain(&["lib-dynload", "site-packages", "vendor-packages"]);
        path.extend(folders.map(|folder| format!("{top}/{folder}")));
        path
    }

    fn has_built_in(self, name: &str) -> bool {
        let own: &[&str] = if self.major == 2 { &BUILT_IN_2 } else { &BUILT_IN_3 };
        BUILT_IN.contains(&name) || own.contains(&name)
    }

    /// What importing a dotted name loads: each package on the way, and the module.
    pub(super) fn modules(self, name: &str, path: &[String]) -> Vec<Module> {
        // The module os makes os.path itself.
        let name = if name == "os.path" { "os" } else { name };
        let head = name.split('.').next().unwrap_or_default();
        if self.has_built_in(head) {
            return Vec::new();
        }
        chain(name, path.to_vec())
    }

    /// The file names of a module.
    pub(super) fn files(self, module: &Module) -> Vec<String> {
        let name = &module.name;
        if module.package {
            return vec![format!("{name}/__init__.py")];
        }
        let mut endings: Vec<String> =
            [".py", ".pyc", ".pyo", "/__init__.py"].map(String::from).into();
        let libraries = match (self.major, self.minor) {
            (2, _) => vec![".so".to_string(), "module.so".to_string()],
            (major, minor) => {
                let malloc = if minor < 8 { "m" } else { "" };
                let own = format!(".cpython-{major}{minor}{malloc}.so");
                vec![own, ".abi3.so".to_string(), ".so".to_string()]
            }
        };
        endings.extend(libraries.iter().cloned());
        let mut files: Vec<String> =
            endings.iter().map(|ending| format!("{name}{ending}")).collect();
        files.extend(libraries.iter().map(|ending| format!("64/{name}{ending}")));
        files
    }
}

/// A dotted name, each part in the folders of the one before.
fn chain(name: &str, mut folders: Vec<String>) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        let within = folders.iter().map(|folder| join(folder, part)).collect();
        let mut module =
            Module { name: part.to_string(), folders, package: parts.peek().is_some() };
        module.folders.sort();
        modules.push(module);
        folders = within;
    }
    modules
}

/// What a relative import loads from a file in `folder`; nothing where it leads above the top.
pub(super) fn relative(folder: &str, level: usize, name: &str) -> Option<Vec<Module>> {
    let mut package = normal(folder);
    for _ in 1..level {
        package = split(&package).0.to_string();
    }
    if package.is_empty() {
        return None;
    }
    if !name.is_empty() {
        return Some(chain(name, vec![package]));
    }
    let (folder, name) = split(&package);
    Some(vec![Module { name: name.to_string(), folders: vec![folder.to_string()], package: true }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_python() {
        for (line, version) in [
            ("#!/usr/bin/python3.9 -s", Some("3.9")),
            ("#! /usr/bin/amd64/python2.7", Some("2.7")),
            ("#!/usr/bin/python", None),
            ("#!/usr/bin/env python3.9", None),
        ] {
            assert_eq!(
                Python::of_line(line).map(|it| it.to_string()).as_deref(),
                version,
                "{line}"
            );
        }
        let of = |path| Python::of_path(path).map(|it| it.to_string());
        assert_eq!(of("usr/lib/python3.12/vendor-packages/x.py").as_deref(), Some("3.12"));
        assert_eq!(of("usr/lib/python3/x.py"), None);
    }

    #[test]
    fn where_modules_are() {
        let python = Python { major: 3, minor: 9 };
        let path = vec!["/usr/lib/python3.9".to_string(), "usr/bin".to_string()];
        let modules = python.modules("a.b", &path);
        let told: Vec<_> = modules
            .iter()
            .map(|one| (one.name.as_str(), one.folders.join(":"), one.package))
            .collect();
        let expected = [
            ("a", "/usr/lib/python3.9:usr/bin".to_string(), true),
            ("b", "/usr/lib/python3.9/a:usr/bin/a".to_string(), false),
        ];
        assert_eq!(told, expected);
        assert_eq!(python.files(&modules[0]), ["a/__init__.py"]);
        assert!(python.files(&modules[1]).contains(&"64/b.cpython-39.so".to_string()));
        for name in ["sys", "__future__.x", "time"] {
            assert_eq!(python.modules(name, &path), [], "{name}");
        }
        assert_eq!(python.modules("os.path", &path)[0].name, "os");
        let level = |level, name| relative("usr/lib/python3.9/a/b", level, name);
        assert_eq!(level(1, "c").unwrap()[0].folders, ["usr/lib/python3.9/a/b"]);
        assert_eq!(level(2, "c.d").unwrap()[1].folders, ["usr/lib/python3.9/a/c"]);
        assert_eq!(level(1, "").unwrap()[0].name, "b");
        assert_eq!(level(9, "c"), None);
    }
}
