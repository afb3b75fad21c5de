//! svr4 - packages of System V as bundles: what `pkginfo` and `pkgmap` say, as actions.
//!
//! ```text
//! DIR/pkginfo           PKG=..., NAME=..., lines KEY=value
//! DIR/pkgmap            a line for each object: PART TYPE [CLASS] PATH ...
//! DIR/install/          copyright, scripts
//! DIR/reloc/, DIR/root/ files with relative and with absolute paths
//! ```
//!
//! A datastream becomes such a folder first (`datastream`).  What packages cannot express (scripts,
//! class actions, devices) is told, and is an error of the command.

mod datastream;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ips_cmd::Failure;
use ips_model::pattern::glob_matches;
use ips_model::{Action, Kind, Timestamp};

pub use datastream::{is_datastream, unpacked};

use crate::bundle::{Delivered, Reading};

/// Whether a folder is a package.
pub fn is_package(folder: &Path) -> bool {
    folder.join("pkginfo").is_file() && folder.join("pkgmap").is_file()
}

/// The properties of `pkginfo`, in their order.
struct Information(Vec<(String, String)>);

impl Information {
    fn parse(text: &str) -> Result<Information, String> {
        let mut pairs = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#FASPACD=") {
                return Err("archives of classes (FASPACD) are not read".to_string());
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.split_once('=');
            let (key, value) = pair.ok_or_else(|| format!("line {}: not KEY=value", at + 1))?;
            pairs.push((key.to_string(), value.trim_matches('"').to_string()));
        }
        Ok(Information(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where relocatable objects go, without slashes at the ends.
    fn base(&self) -> &str {
        self.get("BASEDIR").unwrap_or_default().trim_matches('/')
    }

    /// The actions that say of the package what no object of it says.
    fn actions(&self) -> Vec<Action> {
        let set = |name: &str, value: &str| {
            let mut action = Action::new(Kind::Set);
            action.set("name", vec![name.to_string()]);
            action.set("value", vec![value.to_string()]);
            action
        };
        let mut actions = Vec::new();
        for (key, value) in &self.0 {
            let name = key.to_lowercase();
            let known = IGNORED.contains(&name.as_str()) || LEGACY.contains(&name.as_str());
            if !known && !value.is_empty() && !key.contains("SUNW_") {
                let name = format!("pkg.send.convert.{name}").replace('_', "-");
                actions.push(set(&name, value));
            }
        }
        let mut legacy = Action::new(Kind::Legacy);
        for name in LEGACY {
            if let Some(value) = self.get(&name.to_uppercase()) {
                legacy.set(name, vec![value.to_string()]);
            }
        }
        actions.push(legacy);
        for (key, name) in [("DESC", "pkg.description"), ("NAME", "pkg.summary")] {
            actions.extend(self.get(key).map(|value| set(name, value)));
        }
        actions
    }
}

/// What a legacy action says.
const LEGACY: [&str; 8] =
    ["arch", "category", "name", "desc", "hotline", "pkg", "vendor", "version"];
/// What nothing is made of.
const IGNORED: [&str; 10] = [
    "pstamp", "pkginst", "maxinst", "classes", "basedir", "intonly", "istates", "order", "rstates",
    "ulimit",
];
/// What marks the actions of a package that is hollow in zones.
const HOLLOW: &str = "pkg.send.convert.sunw-pkg-hollow";

/// A line of `pkgmap`.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    kind: char,
    class: String,
    /// As it stands there; absolute, or below the base.
    name: String,
    rest: Vec<String>,
}

impl Object {
    /// A line; none where it describes no object.
    fn parse(line: &str) -> Result<Option<Object>, String> {
        if line.is_empty() || line.starts_with(['#', ':']) {
            return Ok(None);
        }
        let mut words: Vec<&str> = line.split_whitespace().collect();
        // The part may be left out.
        if words.first().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
            words.remove(0);
        }
        let wrong = || format!("'{line}' describes no object");
        let kind = words.first().filter(|word| word.len() == 1).ok_or_else(wrong)?;
        let kind = kind.chars().next().ok_or_else(wrong)?;
        let (with_class, fields) = match kind {
            'i' => (false, 3),
            'f' | 'e' | 'v' => (true, 6),
            'b' | 'c' => (true, 5),
            'd' | 'x' | 'p' => (true, 3),
            'l' | 's' => (true, 0),
            _ => return Err(wrong()),
        };
        let start = if with_class { 2 } else { 1 };
        let name = *words.get(start).ok_or_else(wrong)?;
        let class = if with_class { words[1] } else { "" };
        let mut rest: Vec<String> = words[start + 1..].iter().map(ToString::to_string).collect();
        let mut name = name.to_string();
        if matches!(kind, 'l' | 's') {
            let (path, target) = name.split_once('=').ok_or_else(wrong)?;
            (name, rest) = (path.to_string(), vec![target.to_string()]);
        } else if rest.len() != fields {
            return Err(wrong());
        }
        Ok(Some(Object { kind, class: class.to_string(), name, rest }))
    }

    /// Where it is delivered.
    fn path(&self, base: &str) -> String {
        if self.name.contains("$BASEDIR") {
            return self.name.replace("$BASEDIR", base).trim_start_matches('/').to_string();
        }
        match self.name.strip_prefix('/') {
            Some(path) => path.to_string(),
            None if base.is_empty() => self.name.clone(),
            None => format!("{base}/{}", self.name),
        }
    }

    /// Where its content is in the folder.
    fn place(&self) -> String {
        match (self.kind, self.name.strip_prefix('/')) {
            ('i', _) => format!("install/{}", self.name),
            (_, Some(path)) => format!("root/{path}"),
            (_, None) => format!("reloc/{}", self.name.trim_start_matches("$BASEDIR/")),
        }
    }

    fn preserve(&self) -> Option<&str> {
        match self.class.as_str() {
            class @ ("renameold" | "renamenew") => Some(class),
            "preserve" | "svmpreserve" => Some("true"),
            _ => matches!(self.kind, 'e' | 'v').then_some("true"),
        }
    }

    fn action(
        &self,
        package: &str,
        base: &str,
        reading: &Reading,
    ) -> Result<Option<Action>, String> {
        let one = |text: &str| vec![text.to_string()];
        let path = self.path(base);
        let mut action = match self.kind {
            'f' | 'e' | 'v' => Action::new(Kind::File),
            'd' | 'x' => Action::new(Kind::Dir),
            's' => Action::new(Kind::Link),
            'l' => Action::new(Kind::Hardlink),
            'i' if self.name == "copyright" => {
                let mut action = Action::new(Kind::License);
                action.set("license", vec![format!("{package}.copyright")]);
                action.hash = Some(self.place());
                return Ok(Some(action));
            }
            'i' => return Ok(None),
            _ => return Err(format!("ERROR: {package}: {path} is a device or a pipe")),
        };
        // The base itself, named in the map, is nothing the package delivers.
        if path.is_empty() || path == base && self.name.contains("$BASEDIR") {
            return Ok(None);
        }
        action.set("path", one(&path));
        if matches!(action.kind, Kind::Link | Kind::Hardlink) {
            action.set("target", one(&self.rest[0].replace("$BASEDIR", base)));
            return Ok(Some(action));
        }
        let [mode, owner, group] = [&self.rest[0], &self.rest[1], &self.rest[2]];
        // Whoever installs decides; no manifest can say so.
        if [mode, owner, group].iter().any(|word| *word == "?") {
            return Ok(None);
        }
        for (name, value) in [("mode", mode), ("owner", owner), ("group", group)] {
            action.set(name, one(value));
        }
        if action.kind == Kind::File {
            action.hash = Some(self.place());
            if let Some(preserve) = self.preserve() {
                action.set("preserve", one(preserve));
            }
            let name = path.rsplit('/').next().unwrap_or(&path);
            if reading.timestamps.iter().any(|glob| glob_matches(glob, name)) {
                let time = self.rest[5].parse().map_err(|_| format!("{path}: no time"))?;
                action.set("timestamp", vec![Timestamp::from_seconds(time).package()]);
            }
        }
        Ok(Some(action))
    }
}

/// What the package in a folder delivers.
pub fn delivered(folder: &Path, reading: &Reading) -> Result<Delivered, Failure> {
    let text = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    };
    let wrong = |name: &str, reason: String| {
        Failure::new(format!("{}: {reason}", folder.join(name).display()))
    };
    let information =
        Information::parse(&text("pkginfo")?).map_err(|reason| wrong("pkginfo", reason))?;
    let package = information.get("PKG").ok_or_else(|| wrong("pkginfo", "no PKG".to_string()))?;
    let mut objects = Vec::new();
    for line in text("pkgmap")?.lines() {
        objects.extend(Object::parse(line.trim()).map_err(|reason| wrong("pkgmap", reason))?);
    }
    let base = information.base();
    let mut actions = information.actions();
    let mut errors = BTreeSet::new();
    for object in &objects {
        match object.action(package, base, reading) {
            Ok(action) => actions.extend(action),
            Err(error) => drop(errors.insert(error)),
        }
    }
    if information.get("SUNW_PKG_HOLLOW").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        for action in &mut actions {
            action.set(HOLLOW, vec!["true".to_string()]);
        }
    }
    errors.extend(inexpressible(package, base, &objects));
    let errors = errors.into_iter().collect();
    Ok(Delivered { actions, errors, svr4: true })
}

/// Scripts, and objects of classes whose scripts would make something else of them.
fn inexpressible(package: &str, base: &str, objects: &[Object]) -> Vec<String> {
    let classes: BTreeSet<&str> = objects.iter().map(|object| object.class.as_str()).collect();
    let of_class = |name: &str| {
        let class = name.strip_prefix("i.").or_else(|| name.strip_prefix("r."));
        class.is_some_and(|class| classes.contains(class))
    };
    let told = |object: &Object| match (object.kind, object.name.as_str()) {
        ('i', "copyright" | "depend" | "pkginfo") => None,
        ('i', name) if of_class(name) => None,
        ('i', name) => Some(format!("ERROR: script present in {package}: {name}")),
        _ if matches!(object.class.as_str(), "none" | "manifest") => None,
        _ => Some(format!(
            "ERROR: class action script used in {package}: {} belongs to \"{}\" class",
            object.path(base),
            object.class
        )),
    };
    objects.iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let object = |line: &str| Object::parse(line).unwrap().unwrap();
        for (line, path, place) in [
            ("1 f none usr/bin/x 0755 root bin 3 1 100", "opt/usr/bin/x", "reloc/usr/bin/x"),
            ("f none /etc/x 0755 root bin 3 1 100", "etc/x", "root/etc/x"),
            ("1 d none $BASEDIR/d 0755 root bin", "opt/d", "reloc/d"),
            ("1 s none a=../b", "opt/a", "reloc/a"),
        ] {
            let object = object(line);
            assert_eq!((object.path("opt").as_str(), object.place().as_str()), (path, place));
        }
        for bad in ["1 q none x", "1 f none x 0755", "1 s none x", "1", "ff none x"] {
            assert!(Object::parse(bad).is_err(), "{bad}");
        }
        for none in ["", ": 1 100", "# no"] {
            assert_eq!(Object::parse(none), Ok(None));
        }
    }

    #[test]
    fn preserved() {
        for (line, preserve) in [
            ("1 e none x 0644 root sys 1 1 1", Some("true")),
            ("1 f none x 0644 root sys 1 1 1", None),
            ("1 e renamenew x 0644 root sys 1 1 1", Some("renamenew")),
            ("1 f preserve x 0644 root sys 1 1 1", Some("true")),
        ] {
            assert_eq!(Object::parse(line).unwrap().unwrap().preserve(), preserve, "{line}");
        }
    }
}
