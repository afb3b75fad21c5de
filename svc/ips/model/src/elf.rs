//! elf.rs - reads ELF files of either order and width: machine, sections, what the linker is asked for.
//!
//! Every offset of the file is checked before it is followed; nothing is trusted but the bytes
//! themselves.  Source of the format: elf(3ELF), and the Linker and Libraries Guide.
//!
//! ```text
//! header   0: 7f 'E' 'L' 'F' class data ...  18: e_machine
//!          e_shoff 32|40   e_shentsize 46|58   e_shnum 48|60   e_shstrndx 50|62   (narrow|wide)
//! section  0: sh_name 4: sh_type  sh_offset 16|24  sh_size 20|32  sh_link 24|40  sh_entsize 36|56
//! dynamic  d_tag d_val, 4 or 8 bytes each
//! ```

use std::borrow::Cow;

/// Why a file is no ELF file, or a broken one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The header is not one.
    #[error("not an ELF file")]
    Header,
    /// A table or a name lies outside the file.
    #[error("{0} is not inside the file")]
    Outside(&'static str),
    /// A dynamic section without its strings.
    #[error("bad elf: didn't find the dynamic duo")]
    NoStrings,
}

/// A section of type NOBITS has a size, and no bytes in the file.
const NOBITS: u64 = 8;
/// The type of the dynamic section.
const DYNAMIC: u64 = 6;

/// A read file.
#[derive(Debug)]
pub struct Elf<'a> {
    reader: Reader<'a>,
    sections: Vec<Section>,
}

/// A section's name and its bytes.
pub type NamedSection<'a> = (&'a [u8], Option<Cow<'a, [u8]>>);

/// What a file asks of the run-time linker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// NEEDED, FILTER and SUNW_FILTER entries in their order; those marked deferred are left out.
    pub needed: Vec<String>,
    /// RUNPATH, or else RPATH.
    pub runpath: Option<String>,
}

/// Reads numbers of either order and width.
#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    wide: bool,
    little: bool,
}

impl<'a> Reader<'a> {
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let field = self.bytes.get(at..at.checked_add(size)?)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.little {
            field.iter().rev().fold(0, fold)
        } else {
            field.iter().fold(0, fold)
        })
    }

    fn offset(&self, at: usize, size: usize) -> Option<usize> {
        usize::try_from(self.number(at, size)?).ok()
    }

    /// A field that stands at `narrow` in 32-bit files and at `wide` in 64-bit files.
    fn word(&self, base: usize, narrow: usize, wide: usize) -> Option<usize> {
        if self.wide {
            self.offset(base.checked_add(wide)?, 8)
        } else {
            self.offset(base.checked_add(narrow)?, 4)
        }
    }

    fn content(&self, section: &Section) -> Option<&'a [u8]> {
        self.bytes.get(section.offset..section.offset.checked_add(section.size)?)
    }
}

#[derive(Debug)]
struct Section {
    name: usize,
    kind: u64,
    offset: usize,
    size: usize,
    link: usize,
}

impl<'a> Elf<'a> {
    /// Reads the header and the table of sections.
    pub fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, ElfError> {
        let class = bytes.get(4..6).filter(|_| bytes.starts_with(b"\x7fELF"));
        let (wide, little) = match class {
            Some([class @ (1 | 2), order @ (1 | 2)]) => (*class == 2, *order == 1),
            _ => return Err(ElfError::Header),
        };
        let reader = Reader { bytes, wide, little };
        reader.number(18, 2).ok_or(ElfError::Header)?;
        let sections = sections(&reader).ok_or(ElfError::Outside("the table of sections"))?;
        Ok(Elf { reader, sections })
    }

    /// The machine in pkg5's words.
    pub fn arch(&self) -> &'static str {
        match self.reader.number(18, 2).unwrap_or(0) {
            0 => "none",
            3 | 6 | 62 => "i386",
            2 | 18 | 43 => "sparc",
            20 | 21 => "ppc",
            183 => "aarch64",
            _ => "other",
        }
    }

    /// Whether its addresses are 64 bits wide.
    pub fn is_64(&self) -> bool {
        self.reader.wide
    }

    /// Every section's name and bytes, in table order; of a NOBITS section its size in 8 bytes,
    /// big-endian; no bytes where they lie outside the file.
    pub fn named_sections(&self) -> Result<Vec<NamedSection<'a>>, ElfError> {
        let at = if self.reader.wide { 62 } else { 50 };
        let at = self.reader.offset(at, 2).ok_or(ElfError::Header)?;
        let names = match self.sections.get(at) {
            Some(names) => self.bytes_of(names, "the table of section names")?,
            None => &[],
        };
        let named = self.sections.iter().map(|section| {
            let name = text_at(names, section.name);
            let name = name.ok_or(ElfError::Outside("a section's name"))?;
            let bytes = match section.kind {
                // A usize has 8 bytes at most.
                NOBITS => Some((section.size as u64).to_be_bytes().to_vec().into()),
                _ => self.reader.content(section).map(Cow::Borrowed),
            };
            Ok((name, bytes))
        });
        named.collect()
    }

    /// What the file asks of the run-time linker; nothing where it has no dynamic section.
    pub fn dynamic(&self) -> Result<Dynamic, ElfError> {
        let Some(section) = self.sections.iter().rev().find(|section| section.kind == DYNAMIC)
        else {
            return Ok(Dynamic::default());
        };
        let table = self.bytes_of(section, "the dynamic section")?;
        let strings = self.sections.get(section.link).ok_or(ElfError::NoStrings)?;
        let strings = self.bytes_of(strings, "the table of dynamic strings")?;
        let text = |at: u64| {
            let found = usize::try_from(at).ok().and_then(|at| text_at(strings, at));
            let found = found.ok_or(ElfError::Outside("a dynamic string"))?;
            Ok(String::from_utf8_lossy(found).into_owned())
        };
        let (mut dynamic, mut rpath, mut runpath) = (Dynamic::default(), 0, 0);
        let mut entries = self.entries(table);
        while let Some((tag, value)) = entries.next() {
            match tag {
                NEEDED | FILTER | SUNW_FILTER => dynamic.needed.push(text(value)?),
                RPATH => rpath = value,
                RUNPATH => runpath = value,
                // The entry after the mark is looked for when it is called, not when it starts.
                POSFLAG_1 if value & DEFERRED != 0 => drop(entries.next()),
                _ => {}
            }
        }
        let path = if runpath == 0 { rpath } else { runpath };
        if path != 0 {
            dynamic.runpath = Some(text(path)?);
        }
        Ok(dynamic)
    }

    fn bytes_of(&self, section: &Section, what: &'static str) -> Result<&'a [u8], ElfError> {
        self.reader.content(section).ok_or(ElfError::Outside(what))
    }

    fn entries(&self, table: &'a [u8]) -> impl Iterator<Item = (u64, u64)> {
        let (wide, little) = (self.reader.wide, self.reader.little);
        let half = if wide { 8 } else { 4 };
        let reader = Reader { bytes: table, wide, little };
        (0..table.len() / (2 * half)).map_while(move |index| {
            let at = index * 2 * half;
            Some((reader.number(at, half)?, reader.number(at + half, half)?))
        })
    }
}

const NEEDED: u64 = 1;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;
const SUNW_FILTER: u64 = 0x6000_000f;
const POSFLAG_1: u64 = 0x6fff_fdfd;
const FILTER: u64 = 0x7fff_ffff;
/// DF_P1_DEFERRED.
const DEFERRED: u64 = 4;

fn text_at(table: &[u8], at: usize) -> Option<&[u8]> {
    table.get(at..)?.split(|byte| *byte == 0).next()
}

fn sections(reader: &Reader<'_>) -> Option<Vec<Section>> {
    let table = reader.word(0, 32, 40)?;
    let (entry_at, count_at) = if reader.wide { (58, 60) } else { (46, 48) };
    let size = reader.offset(entry_at, 2)?;
    let count = reader.offset(count_at, 2)?;
    let mut sections = Vec::new();
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        sections.push(Section {
            name: reader.offset(at, 4)?,
            kind: reader.number(at.checked_add(4)?, 4)?,
            offset: reader.word(at, 16, 24)?,
            size: reader.word(at, 20, 32)?,
            link: reader.offset(at.checked_add(if reader.wide { 40 } else { 24 })?, 4)?,
        });
    }
    Some(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit file of one dynamic section and its strings.
    fn file(entries: &[(u64, u64)], strings: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        let dynamic_at = bytes.len();
        for (tag, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        let strings_at = bytes.len();
        bytes.extend(strings);
        let table = bytes.len() as u64;
        for (kind, at, size) in
            [(DYNAMIC, dynamic_at, strings_at - dynamic_at), (3, strings_at, strings.len())]
        {
            let mut section = [0; 64];
            section[4..8].copy_from_slice(&(kind as u32).to_le_bytes());
            section[24..32].copy_from_slice(&(at as u64).to_le_bytes());
            section[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            section[40..44].copy_from_slice(&1_u32.to_le_bytes());
            bytes.extend(section);
        }
        bytes[18..20].copy_from_slice(&62_u16.to_le_bytes());
        bytes[40..48].copy_from_slice(&table.to_le_bytes());
        bytes[58..60].copy_from_slice(&64_u16.to_le_bytes());
        bytes[60..62].copy_from_slice(&2_u16.to_le_bytes());
        bytes
    }

    #[test]
    fn what_the_linker_is_asked_for() {
        let strings = b"\0libc.so.1\0/opt/lib\0libz.so\0";
        let needed = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        for (entries, expected) in [
            (vec![], Dynamic::default()),
            (
                vec![(NEEDED, 1), (FILTER, 20), (RPATH, 1), (RUNPATH, 11), (0, 0)],
                Dynamic {
                    needed: needed(&["libc.so.1", "libz.so"]),
                    runpath: Some("/opt/lib".into()),
                },
            ),
            (
                vec![(POSFLAG_1, DEFERRED), (NEEDED, 1), (SUNW_FILTER, 20), (RPATH, 11)],
                Dynamic { needed: needed(&["libz.so"]), runpath: Some("/opt/lib".into()) },
            ),
        ] {
            let bytes = file(&entries, strings);
            let elf = Elf::parse(&bytes).unwrap();
            assert_eq!(elf.dynamic(), Ok(expected));
            assert_eq!((elf.arch(), elf.is_64()), ("i386", true));
        }
    }

    #[test]
    fn what_is_broken() {
        assert_eq!(Elf::parse(b"#!/bin/sh\n").unwrap_err(), ElfError::Header);
        let bytes = file(&[(NEEDED, 900)], b"\0x\0");
        let outside = ElfError::Outside("a dynamic string");
        assert_eq!(Elf::parse(&bytes).unwrap().dynamic(), Err(outside));
        // The last section ends with two fields that mean nothing here.
        for length in 0..bytes.len() - 20 {
            assert!(Elf::parse(&bytes[..length]).is_err(), "{length}");
        }
    }
}
