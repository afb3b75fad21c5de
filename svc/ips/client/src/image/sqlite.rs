//! sqlite.rs - the rows of the tables of an SQLite 3 file, as bytes; nothing is asked, nothing written.
//!
//! ```text
//! page 1    100 bytes of header (page size at 16, reserved at 20, user_version at 60), then a b-tree
//!           of the tables: TYPE, NAME, TABLE, ROOT PAGE, SQL
//! b-tree    05 inner and 0d leaf pages of tables, 02 inner and 0a leaf pages of those WITHOUT ROWID,
//!           whose inner pages have rows too; a long row goes on in a chain of pages
//! row       length of the header, a type for each column, then the columns
//! ```
//!
//! Law: nothing in the file is believed: every offset is looked up, no page is read twice as a node.
//! A log beside the file (`-wal`) is not read: who makes such files here makes none.
//!
//! Source: the SQLite file format, sqlite.org/fileformat2.html.

use std::collections::BTreeSet;

/// A file that is no database, or a damaged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an SQLite database, or a damaged one")]
pub struct DatabaseError;

/// A column of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// NULL; in the place of a table's INTEGER PRIMARY KEY the row's number is meant.
    Null,
    /// A whole number.
    Integer(i64),
    /// Text; what is not UTF-8 in it is replaced.
    Text(String),
    /// Bytes, and numbers with a fraction, which nobody here needs.
    Other,
}

/// A row: its number (0 in tables without) and its columns.
pub type Row = (i64, Vec<Column>);

/// A file.
#[derive(Debug)]
pub struct Database<'a> {
    bytes: &'a [u8],
    page: usize,
    usable: usize,
}

fn number(bytes: &[u8], at: usize, size: usize) -> Result<usize, DatabaseError> {
    let field = at.checked_add(size).and_then(|end| bytes.get(at..end)).ok_or(DatabaseError)?;
    Ok(field.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// A number of one to nine bytes, and how many.
fn variable(bytes: &[u8], at: usize) -> Result<(u64, usize), DatabaseError> {
    let mut value = 0u64;
    for step in 0..9 {
        let byte = *bytes.get(at + step).ok_or(DatabaseError)?;
        if step == 8 {
            return Ok((value << 8 | u64::from(byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, step + 1));
        }
    }
    Err(DatabaseError)
}

fn size(value: u64) -> Result<usize, DatabaseError> {
    usize::try_from(value).map_err(|_| DatabaseError)
}

impl<'a> Database<'a> {
    /// Takes a file's bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DatabaseError> {
        if !bytes.starts_with(b"SQLite format 3\0") {
            return Err(DatabaseError);
        }
        let page = match number(bytes, 16, 2)? {
            1 => 65_536,
            page => page,
        };
        let usable = page.checked_sub(number(bytes, 20, 1)?).ok_or(DatabaseError)?;
        if !page.is_power_of_two() || page < 512 || usable < 480 {
            return Err(DatabaseError);
        }
        Ok(Self { bytes, page, usable })
    }

    /// What the writer numbered its schema by.
    pub fn user_version(&self) -> Result<usize, DatabaseError> {
        number(self.bytes, 60, 4)
    }

    /// The rows of a table; `None`: there is no such table.
    pub fn rows(&self, table: &str) -> Result<Option<Vec<Row>>, DatabaseError> {
        for (_, columns) in self.tree(1)? {
            if let [Column::Text(kind), Column::Text(name), _, Column::Integer(root), ..] =
                columns.as_slice()
            {
                if kind == "table" && name == table {
                    let root = usize::try_from(*root).map_err(|_| DatabaseError)?;
                    return self.tree(root).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn page(&self, at: usize) -> Result<&'a [u8], DatabaseError> {
        let start = at.checked_sub(1).and_then(|at| at.checked_mul(self.page));
        let start = start.ok_or(DatabaseError)?;
        let end = start.checked_add(self.page).ok_or(DatabaseError)?;
        self.bytes.get(start..end).ok_or(DatabaseError)
    }

    /// Every row below a page.
    fn tree(&self, root: usize) -> Result<Vec<Row>, DatabaseError> {
        let (mut rows, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![root]);
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                return Err(DatabaseError);
            }
            let page = self.page(at)?;
            let head = if at == 1 { 100 } else { 0 };
            let kind = number(page, head, 1)?;
            let cells = number(page, head + 3, 2)?;
            let (inner, table) = match kind {
                0x02 => (true, false),
                0x05 => (true, true),
                0x0a => (false, false),
                0x0d => (false, true),
                _ => return Err(DatabaseError),
            };
            let first = head + if inner { 12 } else { 8 };
            for cell in 0..cells {
                let mut place = number(page, first + 2 * cell, 2)?;
                if inner {
                    open.push(number(page, place, 4)?);
                    place += 4;
                }
                if !(inner && table) {
                    rows.push(self.cell(page, place, table)?);
                }
            }
            if inner {
                open.push(number(page, head + 8, 4)?);
            }
        }
        Ok(rows)
    }

    fn cell(&self, page: &[u8], mut at: usize, table: bool) -> Result<Row, DatabaseError> {
        let (length, step) = variable(page, at)?;
        at += step;
        let mut row = 0;
        if table {
            let (number, step) = variable(page, at)?;
            row = number as i64;
            at += step;
        }
        let length = size(length)?;
        let most = if table { self.usable - 35 } else { (self.usable - 12) * 64 / 255 - 23 };
        let local = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let some = least + (length - least) % (self.usable - 4);
            if some <= most { some } else { least }
        };
        let end = at.checked_add(local).ok_or(DatabaseError)?;
        let mut payload = page.get(at..end).ok_or(DatabaseError)?.to_vec();
        let mut next = if local < length { number(page, end, 4)? } else { 0 };
        // A row is no longer than the file, so a ring of pages ends.
        if length > self.bytes.len() {
            return Err(DatabaseError);
        }
        while payload.len() < length {
            let more = self.page(next)?;
            let take = (length - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(more.get(4..4 + take).ok_or(DatabaseError)?);
            next = number(more, 0, 4)?;
        }
        Ok((row, columns(&payload)?))
    }
}

fn columns(payload: &[u8]) -> Result<Vec<Column>, DatabaseError> {
    let (head, mut at) = variable(payload, 0)?;
    let head = size(head)?;
    let mut body = head;
    let mut columns = Vec::new();
    while at < head {
        let (kind, step) = variable(payload, at)?;
        at += step;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => size(kind)?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(DatabaseError),
            kind => size((kind - 12) / 2)?,
        };
        let end = body.checked_add(length).ok_or(DatabaseError)?;
        let field = payload.get(body..end).ok_or(DatabaseError)?;
        body = end;
        columns.push(match kind {
            0 => Column::Null,
            8 | 9 => Column::Integer(i64::from(kind == 9)),
            1..=6 => Column::Integer(signed(field)),
            kind if kind >= 13 && kind % 2 == 1 => {
                Column::Text(String::from_utf8_lossy(field).into_owned())
            }
            _ => Column::Other,
        });
    }
    Ok(columns)
}

fn signed(field: &[u8]) -> i64 {
    let negative = field.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    field.iter().fold(start, |value, byte| value << 8 | i64::from(*byte))
}
