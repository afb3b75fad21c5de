//! susp.rs - the fields of Rock Ridge, by which a directory record tells what POSIX wants to know.
//!
//! ```text
//! SP  7   this is SUSP; first field of the root's own record
//! PX 36   mode, links, owner, group, each in both byte orders
//! TF 26   times of change, access, attributes
//! NM      flags, a part of the name          SL   flags, components of a link's target
//! PN 20   a device's major and minor number
//! CE 28   sector, offset and length of further fields
//! ER      the extension's name
//! ```

use image_tree::{Entry, Kind};

use super::{both32, date};

/// Bytes of a CE field.
pub const CE: usize = 28;
/// The most bytes of names or components in one field.
const PART: usize = 240;

/// More of a name or target follows in the next field.
const CONTINUE: u8 = 1;

fn field(name: [u8; 2], data: &[u8]) -> Vec<u8> {
    let mut field = vec![name[0], name[1], (4 + data.len()) as u8, 1];
    field.extend_from_slice(data);
    field
}

/// SP.
pub fn indicator() -> Vec<u8> {
    field(*b"SP", &[0xbe, 0xef, 0])
}

/// ER, of the edition that illumos knows.
pub fn extension() -> Vec<u8> {
    let (id, text) = (
        "RRIP_1991A",
        "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX \
        FILE SYSTEM SEMANTICS",
    );
    let source = "PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER \
        IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";
    let mut data = vec![id.len() as u8, text.len() as u8, source.len() as u8, 1];
    for part in [id, text, source] {
        data.extend_from_slice(part.as_bytes());
    }
    field(*b"ER", &data)
}

/// CE: where further fields are.
pub fn continuation(sector: u32, offset: u32, length: u32) -> Vec<u8> {
    let numbers = [sector, offset, length].map(both32);
    field(*b"CE", numbers.as_flattened())
}

/// PX and TF.
pub fn attributes(entry: &Entry, links: u32) -> Vec<Vec<u8>> {
    let kind = match entry.kind {
        Kind::Directory => 0o040_000,
        Kind::File { .. } | Kind::HardLink { .. } => 0o100_000,
        Kind::Symlink { .. } => 0o120_000,
        Kind::CharacterDevice { .. } => 0o020_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::Fifo => 0o010_000,
    };
    let numbers = [kind | entry.mode, links, entry.uid, entry.gid].map(both32);
    let mut times = vec![0x0e];
    times.extend(date(entry.mtime).repeat(3));
    vec![field(*b"PX", numbers.as_flattened()), field(*b"TF", &times)]
}

/// What only this kind of entry has: SL or PN.
pub fn special(kind: &Kind) -> Vec<Vec<u8>> {
    match kind {
        Kind::Symlink { target } => link(target),
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            vec![field(*b"PN", [both32(*major), both32(*minor)].as_flattened())]
        }
        Kind::Directory | Kind::File { .. } | Kind::HardLink { .. } | Kind::Fifo => Vec::new(),
    }
}

/// NM, as many as it takes.
pub fn name(name: &str) -> Vec<Vec<u8>> {
    let mut parts = name.as_bytes().chunks(PART).peekable();
    let mut fields = Vec::new();
    while let Some(part) = parts.next() {
        let mut data = vec![if parts.peek().is_some() { CONTINUE } else { 0 }];
        data.extend_from_slice(part);
        fields.push(field(*b"NM", &data));
    }
    fields
}

/// SL, as many as it takes.
fn link(target: &str) -> Vec<Vec<u8>> {
    let mut components: Vec<Vec<u8>> = Vec::new();
    if target.starts_with('/') {
        components.push(vec![8, 0]);
    }
    for part in target.split('/') {
        match part {
            "" => {}
            "." => components.push(vec![2, 0]),
            ".." => components.push(vec![4, 0]),
            name => {
                let mut pieces = name.as_bytes().chunks(PART).peekable();
                while let Some(piece) = pieces.next() {
                    let flags = if pieces.peek().is_some() { CONTINUE } else { 0 };
                    let mut component = vec![flags, piece.len() as u8];
                    component.extend_from_slice(piece);
                    components.push(component);
                }
            }
        }
    }
    let mut groups: Vec<Vec<u8>> = vec![Vec::new()];
    for component in components {
        let last = groups.last().map_or(0, Vec::len);
        if last + component.len() > PART + 2 {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.last_mut() {
            group.extend(component);
        }
    }
    let count = groups.len();
    let one = |(number, group): (usize, Vec<u8>)| {
        let mut data = vec![if number + 1 < count { CONTINUE } else { 0 }];
        data.extend(group);
        field(*b"SL", &data)
    };
    groups.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_in_both_orders() {
        let kind = Kind::File { size: 1 };
        let entry = Entry { kind, mode: 0o644, uid: 5, gid: 0x102, mtime: 0 };
        let fields = attributes(&entry, 3);
        assert_eq!(fields[0][..12], *b"PX\x24\x01\xa4\x81\0\0\0\0\x81\xa4");
        assert_eq!(fields[0][12..20], [3, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(fields[0][20..36], [5, 0, 0, 0, 0, 0, 0, 5, 2, 1, 0, 0, 0, 0, 1, 2]);
        assert_eq!(fields[1][..12], *b"TF\x1a\x01\x0e\x46\x01\x01\0\0\0\0");
    }

    #[test]
    fn targets_are_components() {
        let all = |target: &str| link(target).concat();
        assert_eq!(all("../a"), b"SL\x0a\x01\x00\x04\x00\x00\x01a");
        assert_eq!(all("/"), b"SL\x07\x01\x00\x08\x00");
        let long = format!("/{}/{}", "x".repeat(200), "y".repeat(100));
        let fields = link(&long);
        assert_eq!(fields.len(), 2);
        assert_eq!((fields[0][4], fields[1][4]), (CONTINUE, 0));
        let names = name(&"n".repeat(250));
        assert_eq!(names.iter().map(|field| field.len() - 5).collect::<Vec<_>>(), [240, 10]);
        assert_eq!((names[0][4], names[1][4]), (CONTINUE, 0));
        assert!(extension().len() == 237 && extension().starts_with(b"ER\xed\x01"));
    }
}
