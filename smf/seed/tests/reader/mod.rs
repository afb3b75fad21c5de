//! A reader of SQLite 2 files, written from the format and not from the writer: it checks what
//! `PRAGMA integrity_check` of SQLite 2 checks, and answers with the rows.

use std::collections::{BTreeMap, BTreeSet};

const PAGE: usize = 1024;

/// A row: its number and its fields.
pub type Row = (u32, Vec<Option<String>>);

/// A file that was found sound.
pub struct File {
    /// Name to columns and rows, of every table.
    pub tables: BTreeMap<String, (Vec<String>, Vec<Row>)>,
    /// What made each table and index.
    pub sql: Vec<String>,
}

impl File {
    /// The values of some columns in every row, NULL as "".
    pub fn select(&self, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
        let (names, rows) = &self.tables[table];
        let at: Vec<usize> =
            columns.iter().map(|c| names.iter().position(|n| n == c).unwrap()).collect();
        let value = |(id, row): &Row, at: usize| match &row[at] {
            Some(text) => text.clone(),
            None if at == 0 => id.to_string(),
            None => String::new(),
        };
        rows.iter().map(|row| at.iter().map(|at| value(row, *at)).collect()).collect()
    }
}

struct Pages<'a> {
    bytes: &'a [u8],
    used: BTreeSet<u32>,
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Reads and checks a file.
pub fn read(bytes: &[u8]) -> Result<File, String> {
    let magic = b"** This file contains an SQLite 2.1 database **\0";
    if !bytes.starts_with(magic) || bytes.len() % PAGE != 0 || u32_at(bytes, 48) != 0xdae3_7528 {
        return Err("not a database".into());
    }
    if (u32_at(bytes, 52), u32_at(bytes, 56), u32_at(bytes, 64)) != (0, 0, 4) {
        return Err("free pages, or another file format".into());
    }
    let mut pages = Pages { bytes, used: BTreeSet::from([1]) };
    let master = rows(&pages.tree(2)?)?;
    let mut tables = BTreeMap::new();
    let (mut indexes, mut all) = (Vec::new(), Vec::new());
    for (_, object) in master {
        let object: Vec<String> = object.into_iter().flatten().collect();
        let [kind, name, of, root, sql] = &object[..] else { return Err(format!("{object:?}")) };
        all.push(sql.clone());
        let entries = pages.tree(root.parse().map_err(|_| root.clone())?)?;
        let inside = sql.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let inside = inside.ok_or_else(|| sql.clone())?;
        if kind == "table" {
            if !sql.starts_with(&format!("CREATE TABLE {name} (")) || name != of {
                return Err(sql.clone());
            }
            let columns: Vec<String> = inside.split(',').map(str::to_owned).collect();
            tables.insert(name.clone(), (columns, rows(&entries)?));
        } else {
            if kind != "index" || !sql.starts_with(&format!("CREATE INDEX {name} ON {of} (")) {
                return Err(sql.clone());
            }
            let columns: Vec<String> = inside.split(',').map(|c| c.trim().to_owned()).collect();
            indexes.push((name.clone(), of.clone(), columns, entries));
        }
    }
    for (name, of, columns, entries) in &indexes {
        index(name, &tables[of], columns, entries)?;
    }
    let count = (bytes.len() / PAGE) as u32;
    if let Some(unused) = (1..=count).find(|page| !pages.used.contains(page)) {
        return Err(format!("page {unused} is never used"));
    }
    let named = |(columns, rows): (Vec<String>, Vec<Row>)| {
        let first = |column: String| column.split_whitespace().next().unwrap_or("").to_owned();
        (columns.into_iter().map(first).collect(), rows)
    };
    let tables = tables.into_iter().map(|(name, table)| (name, named(table))).collect();
    Ok(File { tables, sql: all })
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

impl Pages<'_> {
    fn page(&mut self, number: u32) -> Result<&[u8], String> {
        if !self.used.insert(number) {
            return Err(format!("2nd reference to page {number}"));
        }
        let from = (number as usize).checked_sub(1).ok_or("page 0")? * PAGE;
        self.bytes.get(from..from + PAGE).ok_or_else(|| format!("invalid page number {number}"))
    }

    fn tree(&mut self, root: u32) -> Result<Entries, String> {
        let mut entries = Vec::new();
        self.node(root, &mut entries)?;
        for pair in entries.windows(2) {
            if pair[0].0 >= pair[1].0 {
                return Err(format!("tree {root}: keys out of order: {pair:?}"));
            }
        }
        Ok(entries)
    }

    /// Adds the entries in order; returns how deep it is below.
    fn node(&mut self, number: u32, entries: &mut Entries) -> Result<usize, String> {
        let page = self.page(number)?.to_vec();
        let mut covered = vec![0_u8; PAGE];
        let mut cover = |from: usize, to: usize| -> Result<(), String> {
            let part = covered.get_mut(from..to).ok_or(format!("page {number}: beyond the end"))?;
            part.iter_mut().for_each(|byte| *byte += 1);
            Ok(())
        };
        cover(0, 8)?;
        let mut depths = BTreeSet::new();
        let (mut at, mut cells) = (u16_at(&page, 4), 0);
        let right = u32_at(&page, 0);
        while at != 0 {
            cells += 1;
            if at + 12 > PAGE {
                return Err(format!("page {number}: a cell at {at}"));
            }
            let left = u32_at(&page, at);
            let key_size = u16_at(&page, at + 4) + usize::from(page[at + 8]) * 65_536;
            let data_size = u16_at(&page, at + 10) + usize::from(page[at + 9]) * 65_536;
            if (left == 0) != (right == 0) {
                return Err(format!("page {number}: half a leaf"));
            }
            if left != 0 {
                depths.insert(self.node(left, entries)?);
            }
            let size = key_size + data_size;
            let end = if size > 236 { at + 12 + 240 } else { at + 12 + size.next_multiple_of(4) };
            cover(at, end)?;
            let mut payload = page[at + 12..at + 12 + size.min(236)].to_vec();
            let mut next = if size > 236 { u32_at(&page, at + 248) } else { 0 };
            while next != 0 {
                let overflow = self.page(next)?;
                let rest = (size - payload.len()).min(PAGE - 4);
                payload.extend_from_slice(&overflow[4..4 + rest]);
                next = u32_at(overflow, 0);
            }
            if payload.len() != size {
                return Err(format!("page {number}: {} of {size} bytes", payload.len()));
            }
            let data = payload.split_off(key_size);
            entries.push((payload, data));
            at = u16_at(&page, at + 6);
        }
        if right != 0 {
            depths.insert(self.node(right, entries)?);
            if cells == 0 {
                return Err(format!("page {number}: no cell and a child"));
            }
        }
        let mut free = u16_at(&page, 6);
        while free != 0 {
            if free + 4 > PAGE {
                return Err(format!("page {number}: a free block at {free}"));
            }
            cover(free, free + u16_at(&page, free))?;
            free = u16_at(&page, free + 2);
        }
        if let Some(at) = covered.iter().position(|times| *times != 1) {
            return Err(format!("page {number}: byte {at} is used {} times", covered[at]));
        }
        match depths.len() {
            0 => Ok(0),
            1 => Ok(depths.into_iter().next().unwrap_or(0) + 1),
            _ => Err(format!("page {number}: child page depth differs")),
        }
    }
}

fn rows(entries: &Entries) -> Result<Vec<Row>, String> {
    let row = |(key, data): &(Vec<u8>, Vec<u8>)| {
        let key: [u8; 4] = key.clone().try_into().map_err(|_| "no row number".to_owned())?;
        let width = match data.len() {
            0..256 => 1,
            256..65_536 => 2,
            _ => 3,
        };
        let short = || format!("a record of {} bytes", data.len());
        let offset = |i: usize| {
            let mut bytes = [0; 4];
            let stored = data.get(i * width..(i + 1) * width).ok_or_else(short)?;
            bytes[..width].copy_from_slice(stored);
            Ok::<usize, String>(u32::from_le_bytes(bytes) as usize)
        };
        let fields = (offset(0)? / width).checked_sub(1).ok_or_else(short)?;
        if offset(fields)? != data.len() {
            return Err(format!("a record of {} bytes ends at {}", data.len(), offset(fields)?));
        }
        let field = |i: usize| match data.get(offset(i)?..offset(i + 1)?).ok_or_else(short)? {
            [] => Ok(None),
            [text @ .., 0] => String::from_utf8(text.to_vec()).map(Some).map_err(|e| e.to_string()),
            bytes => Err(format!("{bytes:?}")),
        };
        let fields: Result<Vec<_>, String> = (0..fields).map(field).collect();
        Ok((u32::from_be_bytes(key) ^ 0x8000_0000, fields?))
    };
    entries.iter().map(row).collect()
}

/// Checks that an index has each row once, and finds it.
fn index(
    name: &str,
    (columns, rows): &(Vec<String>, Vec<Row>),
    chosen: &[String],
    entries: &Entries,
) -> Result<(), String> {
    if rows.len() != entries.len() {
        return Err(format!("{name}: {} entries for {} rows", entries.len(), rows.len()));
    }
    let rows: BTreeMap<u32, &Vec<Option<String>>> =
        rows.iter().map(|(id, row)| (*id, row)).collect();
    let mut last: Option<Vec<(u8, f64, String)>> = None;
    for (key, _) in entries {
        let (fields, id) = key.split_at(key.len() - 4);
        let id = u32::from_be_bytes(id.try_into().unwrap()) ^ 0x8000_0000;
        let row = rows.get(&id).ok_or(format!("{name}: no row {id}"))?;
        let mut parts = fields.split(|byte| *byte == 0);
        let mut order = Vec::new();
        for column in chosen {
            let declared = |c: &&String| c.split_whitespace().next() == Some(column);
            let at = columns.iter().position(|c| declared(&c)).ok_or(column.clone())?;
            let part = parts.next().ok_or(format!("{name}: short key"))?;
            let number = columns[at].contains("INTEGER");
            order.push(match (&row[at], part) {
                (None, b"a") => (0, 0.0, String::new()),
                (Some(text), [b'b', ..]) if number => (1, text.parse().unwrap(), String::new()),
                (Some(text), [b'c', rest @ ..]) if rest == text.as_bytes() => {
                    (2, 0.0, text.clone())
                }
                (field, part) => return Err(format!("{name}: {field:?} as {part:?}")),
            });
        }
        // Keys are compared as bytes; rows must come out in the order of their values.
        if last.is_some_and(|last| last > order) {
            return Err(format!("{name}: row {id} is out of order"));
        }
        last = Some(order);
    }
    Ok(())
}
