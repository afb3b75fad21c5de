//! sqlite2.rs - tables and indexes as a file of SQLite 2.
//!
//! Source: the comments of `btree.c` and `vdbe.c` of SQLite 2.8.  All numbers are little-endian but the
//! row numbers in keys.  Pages have 1,024 bytes and are counted from 1:
//!
//! ```text
//! page 1     0 magic (48)   48 0xdae37528   52 first free page   56 free pages   60 nine meta numbers
//!            meta: schema's version, file format (4), pages of cache, synchronous (2 = on), ...
//! B-tree     0 right child u32   4 first cell u16   6 first free block u16   8 cells, free blocks
//! cell       0 left child u32   4 key's length u16   6 next cell u16   8 key's and data's length, bits 16 to 23
//!            10 data's length u16   12 key, data: at most 236 bytes, filled up to 4; then, if there is more, the
//!            first overflow page u32
//! free block 0 its length u16   2 next u16
//! overflow   0 next u32   4 bytes
//! ```
//!
//! Every B-tree node holds entries; all leaves are equally deep.  Page 2 is the root of `sqlite_master`.  A table's
//! key is the row number, big-endian with its highest bit turned over; its data are the offsets of
//! the fields, one more for the end, then the fields as text with a NUL each (NULL: nothing).  An index's key
//! is its fields, each `a` (NULL), `b` and a sortable number, or `c` and the text, with a NUL; then
//! the row's key.  It has no data.
//!
//! What must hold: no byte depends on anything but the tables.

use crate::number::sortable;

const PAGE: usize = 1024;
const HEADER: usize = 8;
const CELL: usize = 12;
/// Of key and data, what a cell holds itself.
const LOCAL: usize = 236;
const MAGIC: &[u8; 48] = b"** This file contains an SQLite 2.1 database **\0";

/// A field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// NULL; also the field that is the row's number.
    Null,
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
}

impl Field {
    fn text(&self) -> Option<String> {
        match self {
            Field::Null => None,
            Field::Number(number) => Some(number.to_string()),
            Field::Text(text) => Some(text.clone()),
        }
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns as CREATE TABLE has them.
    pub columns: &'static str,
    /// Row number and fields; in the order of the numbers.
    pub rows: Vec<(u32, Vec<Field>)>,
}

/// An index.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    /// The table's name.
    pub table: &'static str,
    /// Its own name after the table's.
    pub name: &'static str,
    /// Its columns as CREATE INDEX has them.
    pub columns: &'static str,
}

/// The file of these tables and their indexes: first those of one group, then those of the next.
pub fn file(groups: &[(&[Table], &[Index])]) -> Vec<u8> {
    let mut pages = Pages::default();
    let (first, master) = (pages.allocate(), pages.allocate());
    let mut objects = Vec::new();
    for (tables, indexes) in groups {
        for table in *tables {
            let root = pages.allocate();
            let sql = format!("CREATE TABLE {} ({})", table.name, table.columns);
            objects.push(object("table", table.name.to_owned(), table.name, root, sql));
            pages.tree(root, table.rows.iter().map(|(id, row)| (row_key(*id), record(row))));
        }
        for index in *indexes {
            let root = pages.allocate();
            let name = format!("{}_{}", index.table, index.name);
            let sql = format!("CREATE INDEX {name} ON {} ({})", index.table, index.columns);
            objects.push(object("index", name, index.table, root, sql));
            let table = tables.iter().find(|table| table.name == index.table);
            let mut keys = table.map(|table| keys(table, index)).unwrap_or_default();
            keys.sort_unstable();
            pages.tree(root, keys.into_iter().map(|key| (key, Vec::new())));
        }
    }
    let version = objects.len() as u32;
    let rows = (1..).zip(&objects).map(|(id, row)| (row_key(id), record(row)));
    pages.tree(master, rows);
    let page = pages.page(first);
    page[..MAGIC.len()].copy_from_slice(MAGIC);
    for (at, number) in [(48, 0xdae3_7528), (60, version), (64, 4), (68, 2000), (72, 2)] {
        put32(page, at, number);
    }
    pages.0.concat()
}

/// A row of `sqlite_master`.
fn object(kind: &str, name: String, table: &str, root: u32, sql: String) -> Vec<Field> {
    let text = |text: &str| Field::Text(text.to_owned());
    vec![text(kind), Field::Text(name), text(table), Field::Number(root), Field::Text(sql)]
}

fn row_key(id: u32) -> Vec<u8> {
    (id ^ 0x8000_0000).to_be_bytes().to_vec()
}

fn record(row: &[Field]) -> Vec<u8> {
    let fields: Vec<_> = row.iter().map(Field::text).collect();
    let bytes: usize = fields.iter().flatten().map(|field| field.len() + 1).sum();
    let offsets = fields.len() + 1;
    let width = match bytes {
        _ if bytes + offsets < 256 => 1,
        _ if bytes + 2 * offsets < 65_536 => 2,
        _ => 3,
    };
    let mut record = Vec::with_capacity(bytes + width * offsets);
    let mut at = width * offsets;
    for field in fields.iter().map(Some).chain([None]) {
        record.extend_from_slice(&at.to_le_bytes()[..width]);
        at += field.and_then(Option::as_ref).map_or(0, |field| field.len() + 1);
    }
    for field in fields.iter().flatten() {
        record.extend_from_slice(field.as_bytes());
        record.push(0);
    }
    record
}

/// The keys of an index, one for each row.
fn keys(table: &Table, index: &Index) -> Vec<Vec<u8>> {
    let columns: Vec<Vec<&str>> =
        table.columns.split(',').map(|column| column.split_whitespace().collect()).collect();
    let named = |name: &str| columns.iter().position(|column| column.first() == Some(&name));
    let chosen: Vec<usize> = index.columns.split(", ").filter_map(named).collect();
    let textual = |at: usize| columns[at].get(1).is_some_and(|kind| kind.contains("CHAR"));
    let key = |(id, row): &(u32, Vec<Field>)| {
        let mut key = Vec::new();
        for &at in &chosen {
            match &row[at] {
                Field::Null => key.push(b'a'),
                Field::Number(number) if !textual(at) => {
                    key.push(b'b');
                    key.extend(sortable(*number));
                }
                field => {
                    key.push(b'c');
                    key.extend(field.text().unwrap_or_default().into_bytes());
                }
            }
            key.push(0);
        }
        key.extend(row_key(*id));
        key
    };
    table.rows.iter().map(key).collect()
}

fn put16(page: &mut [u8], at: usize, number: usize) {
    page[at..at + 2].copy_from_slice(&(number as u16).to_le_bytes());
}

fn put32(page: &mut [u8], at: usize, number: u32) {
    page[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

#[derive(Default)]
struct Pages(Vec<[u8; PAGE]>);

impl Pages {
    fn allocate(&mut self) -> u32 {
        self.0.push([0; PAGE]);
        self.0.len() as u32
    }

    fn page(&mut self, number: u32) -> &mut [u8; PAGE] {
        &mut self.0[number as usize - 1]
    }

    /// Writes a B-tree of entries in their order.
    fn tree(&mut self, root: u32, entries: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) {
        let mut cells: Vec<Vec<u8>> = entries.map(|(key, data)| self.cell(&key, &data)).collect();
        let mut children = Vec::new();
        // One level after the other, from the leaves up, until one page holds all that is left.
        while cells.iter().map(Vec::len).sum::<usize>() > PAGE - HEADER {
            (cells, children) = self.level(&cells, &children);
        }
        self.write(root, &cells, &children);
    }

    /// Writes all cells of a level but those between its pages; returns those, and the pages.
    fn level(&mut self, cells: &[Vec<u8>], children: &[u32]) -> (Vec<Vec<u8>>, Vec<u32>) {
        let (mut between, mut pages) = (Vec::new(), Vec::new());
        let mut from = 0;
        loop {
            let (mut end, mut room) = (from, PAGE - HEADER);
            while cells.get(end).is_some_and(|cell| cell.len() <= room) {
                room -= cells[end].len();
                end += 1;
            }
            if end + 1 == cells.len() {
                // No page stays empty behind the last cell between two.
                end -= 1;
            }
            let page = self.allocate();
            let below = if children.is_empty() { &[][..] } else { &children[from..=end] };
            self.write(page, &cells[from..end], below);
            pages.push(page);
            match cells.get(end) {
                None => return (between, pages),
                Some(cell) => between.push(cell.clone()),
            }
            from = end + 1;
        }
    }

    /// Writes a page: cells, and the pages before, between and after them, if it is no leaf.
    fn write(&mut self, number: u32, cells: &[Vec<u8>], children: &[u32]) {
        let page = self.page(number);
        let mut at = HEADER;
        for (i, cell) in cells.iter().enumerate() {
            page[at..at + cell.len()].copy_from_slice(cell);
            put32(page, at, children.get(i).copied().unwrap_or(0));
            let next = if i + 1 < cells.len() { at + cell.len() } else { 0 };
            put16(page, at + 6, next);
            at += cell.len();
        }
        put32(page, 0, children.last().copied().unwrap_or(0));
        put16(page, 4, if cells.is_empty() { 0 } else { HEADER });
        if at < PAGE {
            put16(page, 6, at);
            put16(page, at, PAGE - at);
        }
    }

    /// A cell; what it has no room for goes to pages of its own.
    fn cell(&mut self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let mut cell = vec![0; CELL];
        put16(&mut cell, 4, key.len() & 0xffff);
        cell[8] = (key.len() >> 16) as u8;
        cell[9] = (data.len() >> 16) as u8;
        put16(&mut cell, 10, data.len() & 0xffff);
        let payload = [key, data].concat();
        if payload.len() <= LOCAL {
            cell.extend_from_slice(&payload);
            cell.resize(cell.len().next_multiple_of(4), 0);
            return cell;
        }
        let (local, rest) = payload.split_at(LOCAL);
        cell.extend_from_slice(local);
        let mut next = 0;
        for part in rest.chunks(PAGE - 4).rev() {
            let number = self.allocate();
            let page = self.page(number);
            put32(page, 0, next);
            page[4..4 + part.len()].copy_from_slice(part);
            next = number;
        }
        cell.extend_from_slice(&next.to_le_bytes());
        cell
    }
}
