//! entry.rs - a line of a live manifest.

use std::fmt;

/// Permissions and owner, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// The user's name in the image's passwd.
    pub owner: String,
    /// The group's name in the image's group.
    pub group: String,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory(Owned),
    /// A file.
    File(Owned),
    /// A symbolic link with this text.
    Symlink(String),
    /// A further name of the file at this path.
    HardLink(String),
}

impl Kind {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Directory(_) => "directory",
            Kind::File(_) => "file",
            Kind::Symlink(_) => "symbolic link",
            Kind::HardLink(_) => "hard link",
        }
    }

    /// Permissions and owner, where the manifest has them.
    #[must_use]
    pub fn owned(&self) -> Option<&Owned> {
        match self {
            Kind::Directory(owned) | Kind::File(owned) => Some(owned),
            Kind::Symlink(_) | Kind::HardLink(_) => None,
        }
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is in the image.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// The number of its file among those that were read together.
    pub file: usize,
    /// Its line, from 1.
    pub line: usize,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.kind {
            Kind::Directory(Owned { mode, owner, group }) => {
                write!(f, "d {path} {mode:04o} {owner} {group}")
            }
            Kind::File(Owned { mode, owner, group }) => {
                write!(f, "f {path} {mode:04o} {owner} {group}")
            }
            Kind::Symlink(target) => write!(f, "s {path}={target}"),
            Kind::HardLink(target) => write!(f, "h {path}={target}"),
        }
    }
}

/// Reads a line: none if there is nothing on it, else path and kind, or what is wrong.
pub fn parse(line: &str) -> Option<Result<(String, Kind), String>> {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let mut words: Vec<&str> = words.by_ref().take_while(|word| !word.starts_with('#')).collect();
    if words.is_empty() {
        return None;
    }
    let kind = words.remove(0);
    Some(match kind {
        "d" => fields("directory", &words, 0).map(|(path, owned)| (path, Kind::Directory(owned))),
        "f" => fields("file", &words, 1).map(|(path, owned)| (path, Kind::File(owned))),
        "s" => link("symbolic link", &words).map(|(name, to)| (name, Kind::Symlink(to))),
        "h" => link("hard link", &words).and_then(|(name, to)| {
            let to = path(&to).map_err(|wrong| format!("its target {to}: {wrong}"))?;
            Ok((name, Kind::HardLink(to)))
        }),
        other => Err(format!("unknown type {other}: d, f, s and h are known")),
    })
}

fn fields(what: &str, words: &[&str], further: usize) -> Result<(String, Owned), String> {
    let &[name, mode, owner, group, ref rest @ ..] = words else {
        let count = words.len();
        return Err(format!(
            "a {what} has a path, a mode, an owner and a group, not {count} fields"
        ));
    };
    if rest.len() > further {
        return Err(format!("{} too much after the group: {}", plural(rest.len()), rest.join(" ")));
    }
    let octal = mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = match u32::from_str_radix(mode, 8) {
        Ok(bits) if octal && bits <= 0o7777 => bits,
        _ => return Err(format!("mode {mode} is not an octal number up to 7777")),
    };
    let path = path(name).map_err(|wrong| format!("{name}: {wrong}"))?;
    Ok((path, Owned { mode, owner: owner.to_owned(), group: group.to_owned() }))
}

fn plural(count: usize) -> String {
    if count == 1 { "one field".to_owned() } else { format!("{count} fields") }
}

fn link(what: &str, words: &[&str]) -> Result<(String, String), String> {
    let &[word] = words else {
        return Err(format!("a {what} is one word, NAME=TARGET, not {}", words.len()));
    };
    match word.split_once('=') {
        Some((_, target)) if target.contains('=') => Err(format!("{word} has more than one =")),
        Some((name, target)) if !name.is_empty() && !target.is_empty() => {
            let name = path(name).map_err(|wrong| format!("{name}: {wrong}"))?;
            Ok((name, target.to_owned()))
        }
        _ => Err(format!("{word} is not NAME=TARGET")),
    }
}

/// A path of the image.
fn path(path: &str) -> Result<String, String> {
    if path.contains('\0') {
        return Err("a path has no NUL".into());
    }
    if path.starts_with('/') {
        return Err("a path begins without a slash".into());
    }
    for part in path.split('/') {
        match part {
            "" => return Err("a path has one slash between its parts and none at its end".into()),
            "." | ".." => return Err(format!("a path has no part {part}")),
            _ => {}
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        match parse(line) {
            None => "-".to_owned(),
            Some(Err(wrong)) => format!("! {wrong}"),
            Some(Ok((path, kind))) => Entry { path, kind, file: 0, line: 1 }.to_string(),
        }
    }

    #[test]
    fn lines() {
        for (line, read_as) in [
            ("", "-"),
            ("  \t ", "-"),
            ("# f x", "-"),
            ("  # indented", "-"),
            ("d boot 0755 root sys", "d boot 0755 root sys"),
            ("d\tboot  755\troot sys\r", "d boot 0755 root sys"),
            ("f usr/bin/[ 4555 root bin", "f usr/bin/[ 4555 root bin"),
            ("f a 0444 root bin i386_ONLY", "f a 0444 root bin"),
            ("f a 0444 root bin # why", "f a 0444 root bin"),
            ("f a#b 0444 root bin", "f a#b 0444 root bin"),
            ("s bin=./usr/bin", "s bin=./usr/bin"),
            ("s usr/bin/perl=/opt/local/bin/perl", "s usr/bin/perl=/opt/local/bin/perl"),
            ("h usr/bin/bzcat=usr/bin/bunzip2", "h usr/bin/bzcat=usr/bin/bunzip2"),
        ] {
            assert_eq!(read(line), read_as, "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_lines() {
        for (line, part) in [
            ("r usr", "unknown type r"),
            ("F usr 0444 root bin", "unknown type F"),
            ("f usr 0444 root", "not 3 fields"),
            ("d usr 0755 root sys more", "one field too much after the group: more"),
            ("f usr 0444 root bin a b", "2 fields too much"),
            ("f usr 0888 root bin", "mode 0888"),
            ("f usr 17777 root bin", "mode 17777"),
            ("f usr +444 root bin", "mode +444"),
            ("f /usr 0444 root bin", "without a slash"),
            ("f ../usr 0444 root bin", "no part .."),
            ("f usr/./x 0444 root bin", "no part ."),
            ("f usr//x 0444 root bin", "one slash"),
            ("d usr/ 0755 root bin", "none at its end"),
            ("s bin", "bin is not NAME=TARGET"),
            ("s bin=", "bin= is not NAME=TARGET"),
            ("s =bin", "=bin is not NAME=TARGET"),
            ("s a=b=c", "more than one ="),
            ("s a = b", "is one word"),
            ("h a=/etc/passwd", "its target /etc/passwd: a path begins without a slash"),
            ("h a=../x", "its target ../x: a path has no part .."),
        ] {
            let read = read(line);
            assert!(read.starts_with("! ") && read.contains(part), "{line:?}: {read}");
        }
    }
}
