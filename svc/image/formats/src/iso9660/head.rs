//! head.rs - all that lies before the files: descriptors, path tables, directories.
//!
//! ```text
//! a record   0 length | 2 sector | 10 bytes | 18 date, 7 | 25 flags | 28 volume 1
//!            32 length of the name | 33 name, NUL to an even place | fields of Rock Ridge
//! ```
//!
//! Records never cross a sector.  Fields that find no room in theirs lie behind the directory's
//! records, those of one record in one sector.

use std::collections::HashMap;

use image_tree::Kind;

use super::plan::{Child, Directory, Files, Options, Place, PlanError};
use super::susp;
use super::{SECTOR, both16, both32, date, sectors};

/// The most bytes of a record.
const RECORD: usize = 254;
const FIXED: usize = 33;
const DESCRIPTORS: u64 = 18;
const DIRECTORY: u8 = 2;
const MORE: u8 = 0x80;

/// Where the parts of the head lie.
pub(super) struct Head {
    /// Bytes of one path table.
    table: u64,
    /// Of each directory its first sector, the bytes of its records, and the sectors with the rest.
    directories: Vec<Place>,
    /// Sectors of all.
    pub sectors: u64,
}

/// A directory's records, and what found no room in them.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
    rest: Vec<u8>,
    /// Where `rest` will lie.
    rest_sector: u64,
}

/// What a record is about, without its fields.
struct Named<'a> {
    id: &'a [u8],
    sector: u32,
    length: u32,
    flags: u8,
    time: i64,
}

fn round(bytes: &mut Vec<u8>, to: u64) {
    bytes.resize(bytes.len().next_multiple_of(to as usize), 0);
}

impl Records {
    /// Adds a record; `None`: its fields are too many.
    fn add(&mut self, named: &Named<'_>, fields: &[Vec<u8>]) -> Option<()> {
        let base = (FIXED + named.id.len()).next_multiple_of(2);
        let whole: usize = fields.iter().map(Vec::len).sum();
        let mut own = fields.concat();
        if base + whole > RECORD {
            let (mut fits, mut kept) = (0, 0);
            while base + kept + fields[fits].len() + susp::CE <= RECORD {
                kept += fields[fits].len();
                fits += 1;
            }
            let rest = own.split_off(kept);
            let room = SECTOR as usize - self.rest.len() % SECTOR as usize;
            if rest.len() > SECTOR as usize {
                return None;
            }
            if rest.len() > room {
                round(&mut self.rest, SECTOR);
            }
            let at = self.rest.len() as u64;
            let sector = (self.rest_sector + at / SECTOR) as u32;
            own.extend(susp::continuation(sector, (at % SECTOR) as u32, rest.len() as u32));
            self.rest.extend(rest);
        }
        let mut record = vec![0; base];
        record[2..10].copy_from_slice(&both32(named.sector));
        record[10..18].copy_from_slice(&both32(named.length));
        record[18..25].copy_from_slice(&date(named.time));
        record[25] = named.flags;
        record[28..32].copy_from_slice(&both16(1));
        record[32] = named.id.len() as u8;
        record[FIXED..FIXED + named.id.len()].copy_from_slice(named.id);
        record.extend(own);
        record.resize(record.len().next_multiple_of(2), 0);
        record[0] = record.len() as u8;
        if record.len() > SECTOR as usize - self.bytes.len() % SECTOR as usize {
            round(&mut self.bytes, SECTOR);
        }
        self.bytes.extend(record);
        Some(())
    }
}

/// A plain name: the place among the siblings.
fn id(rank: usize) -> String {
    format!("{rank:08}")
}

fn links(directory: &Directory<'_>) -> u32 {
    2 + directory.children.iter().filter(|child| child.directory.is_some()).count() as u32
}

impl Head {
    /// How much room everything takes; where files lie does not matter for that.
    pub fn measure(directories: &[Directory<'_>], files: &Files<'_>) -> Result<Self, PlanError> {
        let table = directories.iter().enumerate().map(|(number, directory)| {
            path_table_record(number, directory, 0, u32::to_le_bytes, u16::to_le_bytes).len() as u64
        });
        let table = table.sum();
        let mut at = DESCRIPTORS + 2 * sectors(table);
        let mut head = Self { table, directories: Vec::new(), sectors: 0 };
        for number in 0..directories.len() {
            let place = |child: &Child<'_>| nowhere(files, child);
            let records = records(directories, number, &files.links, &place, 0)?;
            let size = records.bytes.len() as u64;
            head.directories.push(Place { sector: at, size });
            at += sectors(size) + sectors(records.rest.len() as u64);
        }
        head.sectors = at;
        Ok(head)
    }

    /// The bytes of all.
    pub fn write(
        &self,
        directories: &[Directory<'_>],
        files: &Files<'_>,
        options: &Options<'_>,
        sectors: u32,
    ) -> Vec<u8> {
        let mut head = vec![0; (16 * SECTOR) as usize];
        head.extend(self.descriptor(directories, options, sectors));
        head.extend(b"\xffCD001\x01");
        round(&mut head, SECTOR);
        let sector = |number: usize| self.directories[number].sector as u32;
        for (number, directory) in directories.iter().enumerate() {
            let (long, short) = (u32::to_le_bytes, u16::to_le_bytes);
            head.extend(path_table_record(number, directory, sector(number), long, short));
        }
        round(&mut head, SECTOR);
        for (number, directory) in directories.iter().enumerate() {
            let (long, short) = (u32::to_be_bytes, u16::to_be_bytes);
            head.extend(path_table_record(number, directory, sector(number), long, short));
        }
        round(&mut head, SECTOR);
        let place = |child: &Child<'_>| match (child.directory, &child.entry.kind) {
            (Some(number), _) => {
                let Place { sector, size } = self.directories[number];
                Place { sector, size: size.next_multiple_of(SECTOR) }
            }
            (None, Kind::File { .. }) => files.places[child.first],
            (None, _) => Place { sector: 0, size: 0 },
        };
        for number in 0..directories.len() {
            let Place { sector, size } = self.directories[number];
            let rest = sector + super::sectors(size);
            let made = records(directories, number, &files.links, &place, rest);
            let mut made = made.expect("what was measured has room");
            let own = |number: usize| Place {
                sector: self.directories[number].sector,
                size: self.directories[number].size.next_multiple_of(SECTOR),
            };
            point(&mut made.bytes, own(number), own(directories[number].parent));
            round(&mut made.bytes, SECTOR);
            round(&mut made.rest, SECTOR);
            head.extend(made.bytes);
            head.extend(made.rest);
        }
        head
    }

    fn descriptor(
        &self,
        directories: &[Directory<'_>],
        options: &Options<'_>,
        volume_sectors: u32,
    ) -> Vec<u8> {
        let mut volume = vec![0; SECTOR as usize];
        volume[..7].copy_from_slice(b"\x01CD001\x01");
        // Names of system, volume, set, publisher, preparer, application, three files.
        for range in [8..72, 190..813] {
            volume[range].fill(b' ');
        }
        let name = options.volume.as_bytes();
        let name = &name[..name.len().min(32)];
        volume[40..40 + name.len()].copy_from_slice(name);
        volume[80..88].copy_from_slice(&both32(volume_sectors));
        for (at, number) in [(120, 1), (124, 1), (128, SECTOR as u16)] {
            volume[at..at + 4].copy_from_slice(&both16(number));
        }
        let table = self.table as u32;
        volume[132..140].copy_from_slice(&both32(table));
        let first = DESCRIPTORS as u32;
        volume[140..144].copy_from_slice(&first.to_le_bytes());
        let second = first + sectors(self.table) as u32;
        volume[148..152].copy_from_slice(&second.to_be_bytes());
        let Place { sector, size } = self.directories[0];
        let mut root = Records::default();
        let named = Named {
            id: &[0],
            sector: sector as u32,
            length: size.next_multiple_of(SECTOR) as u32,
            flags: DIRECTORY,
            time: directories[0].entry.mtime,
        };
        root.add(&named, &[]).expect("no fields have room");
        volume[156..190].copy_from_slice(&root.bytes);
        let digits = crate::date::Civil::of(options.time).digits();
        for at in [813, 830, 847, 864] {
            let date = if at == 847 { "00000000000000" } else { digits.as_str() };
            volume[at..at + 16].copy_from_slice(format!("{date}00").as_bytes());
        }
        volume[881] = 1;
        volume
    }
}

/// A directory in a path table.
fn path_table_record(
    number: usize,
    directory: &Directory<'_>,
    sector: u32,
    long: fn(u32) -> [u8; 4],
    short: fn(u16) -> [u8; 2],
) -> Vec<u8> {
    let name = if number == 0 { vec![0] } else { id(directory.rank).into_bytes() };
    let mut record = vec![name.len() as u8, 0];
    record.extend(long(sector));
    record.extend(short(directory.parent as u16 + 1));
    record.extend(&name);
    record.resize(record.len().next_multiple_of(2), 0);
    record
}

/// How much of a file there is, wherever it will lie.
fn nowhere(files: &Files<'_>, child: &Child<'_>) -> Place {
    files.places.get(child.first).copied().unwrap_or(Place { sector: 0, size: 0 })
}

/// Fills in where a directory and the one above it lie: its first two records.
fn point(bytes: &mut [u8], own: Place, parent: Place) {
    let mut at = 0;
    for Place { sector, size } in [own, parent] {
        bytes[at + 2..at + 10].copy_from_slice(&both32(sector as u32));
        bytes[at + 10..at + 18].copy_from_slice(&both32(size as u32));
        at += usize::from(bytes[at]);
    }
}

/// The records of a directory; its own two say nothing yet of where it lies.
fn records(
    directories: &[Directory<'_>],
    number: usize,
    links_of: &HashMap<&str, u32>,
    place: &dyn Fn(&Child<'_>) -> Place,
    rest_sector: u64,
) -> Result<Records, PlanError> {
    let directory = &directories[number];
    let above = &directories[directory.parent];
    let mut records = Records { rest_sector, ..Records::default() };
    for (id, one) in [(0u8, directory), (1, above)] {
        let mut fields = Vec::new();
        if (id, number) == (0, 0) {
            fields.push(susp::indicator());
        }
        fields.extend(susp::attributes(one.entry, links(one)));
        if (id, number) == (0, 0) {
            fields.push(susp::extension());
        }
        let time = one.entry.mtime;
        let named = Named { id: &[id], sector: 0, length: 0, flags: DIRECTORY, time };
        records.add(&named, &fields).expect("a directory's own fields have room");
    }
    for (rank, child) in directory.children.iter().enumerate() {
        let entry = child.entry;
        let count = match child.directory {
            Some(number) => links(&directories[number]),
            None => links_of.get(child.first).copied().unwrap_or(1),
        };
        let mut fields = susp::attributes(entry, count);
        fields.extend(susp::special(&entry.kind));
        fields.extend(susp::name(child.name));
        let flags = if child.directory.is_some() { DIRECTORY } else { 0 };
        for (sector, length, more) in place(child).sections() {
            let flags = if more { flags | MORE } else { flags };
            let id = id(rank);
            let named = Named { id: id.as_bytes(), sector, length, flags, time: entry.mtime };
            let added = records.add(&named, &fields);
            added.ok_or_else(|| PlanError::Long(child.path.to_string()))?;
        }
    }
    Ok(records)
}
