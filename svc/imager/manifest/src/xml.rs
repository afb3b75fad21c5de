//! xml.rs - the text of a manifest becomes a tree.
//!
//! What must hold: every element carries the place of its `<`.  Only the five predefined
//! entities and character references are expanded; a document type with an internal subset is
//! refused, so no entity can be declared and none can explode.  Size, depth, elements and
//! attributes are bounded before anything is built of them.
//!
//! What is not here: which elements are allowed (`rule.rs`), inclusion (`include.rs`).

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

use crate::tree::{Content, Element, Node, Position, Tree};

/// The largest manifest with all that it includes, in bytes; the longest known has 22,137.
pub(crate) const SIZE_MAX: usize = 4 << 20;
/// The deepest nesting of elements; the schemas need ten.
const DEPTH_MAX: usize = 32;
/// The most elements of a manifest with all that it includes.
pub(crate) const ELEMENTS_MAX: usize = 100_000;
/// The most attributes of an element; the parser compares each with all before it.
const ATTRIBUTES_MAX: usize = 32;

/// Why a text is no manifest.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// It is no XML, or XML that is not accepted.
    #[error("{}line {}, column {}: {}{reason}", in_file(.file), .at.line, .at.column, in_file(.path))]
    Malformed {
        /// What it was included as; empty for the manifest itself.
        file: String,
        /// Where.
        at: Position,
        /// The node path of the element that was being read, from below the root.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// It is larger than any manifest.
    #[error("{}the manifest has more than {limit} bytes", in_file(.file))]
    TooLarge {
        /// What it was included as; empty for the manifest itself.
        file: String,
        /// What is left of the limit.
        limit: usize,
    },
    /// Its root element is that of no manifest.
    #[error("line {}, column {}: <{name}>: <distribution> or <dc> expected", .at.line, .at.column)]
    NoManifest {
        /// The name of the root element.
        name: String,
        /// Where it begins.
        at: Position,
    },
}

/// `FILE: ` before a place in what is included; nothing before one in the manifest itself.
pub(crate) fn in_file(file: &str) -> String {
    if file.is_empty() { String::new() } else { format!("{file}: ") }
}

/// Where each byte offset lies.
struct Places<'a> {
    text: &'a str,
    file: usize,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, file: usize) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { text, file, line_starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn of(&self, offset: u64) -> Position {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { file: self.file, line, column: before.chars().count() + 1 }
    }
}

/// Characters that no XML document may have; the parser lets them pass.
fn illegal(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// A fault at a place of the text being read.
struct Fault {
    at: Position,
    reason: String,
}

fn fault<T>(at: Position, reason: impl ToString) -> Result<T, Fault> {
    Err(Fault { at, reason: reason.to_string() })
}

/// Builds the tree as the events arrive.
struct Builder<'a> {
    places: Places<'a>,
    tree: Option<Tree>,
    open: Vec<Node>,
    /// So many elements may still come.
    left: usize,
}

/// Reads a text; `file` is its number and name, `left` what is left of bytes and elements.
pub(crate) fn read(
    text: &str,
    file: usize,
    name: &str,
    left: (usize, usize),
) -> Result<Tree, ParseError> {
    if text.len() > left.0 {
        return Err(ParseError::TooLarge { file: name.to_owned(), limit: left.0 });
    }
    let mut builder =
        Builder { places: Places::new(text, file), tree: None, open: Vec::new(), left: left.1 };
    builder.read(text).map_err(|Fault { at, reason }| {
        let open = builder.tree.as_ref().zip(builder.open.last());
        let path = open.map(|(tree, node)| tree.path(*node)).unwrap_or_default();
        ParseError::Malformed { file: name.to_owned(), at, path, reason }
    })
}

impl Builder<'_> {
    fn read(&mut self, text: &str) -> Result<Tree, Fault> {
        if let Some(offset) = text.find(illegal) {
            return fault(self.places.of(offset as u64), "a character that XML does not allow");
        }
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        loop {
            let at = self.places.of(reader.buffer_position());
            match reader.read_event() {
                Ok(Event::Eof) => break,
                Ok(event) => self.event(event, at)?,
                Err(error) => return fault(self.places.of(reader.error_position()), error),
            }
        }
        let end = self.places.of(text.len() as u64);
        if let (Some(tree), Some(node)) = (&self.tree, self.open.last()) {
            let element = tree.get(*node);
            return fault(element.at, format!("<{}> is never closed", element.name));
        }
        self.tree.take().ok_or(Fault { at: end, reason: "there is no element".to_owned() })
    }

    fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), Fault> {
        let utf8 =
            |error: quick_xml::encoding::EncodingError| Fault { at, reason: error.to_string() };
        match event {
            Event::Start(start) => self.start(&start, at),
            Event::End(_) => {
                // The reader has checked that the names match.
                self.open.pop();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content().map_err(utf8)?, at),
            Event::CData(data) => self.text(&data.xml10_content().map_err(utf8)?, at),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content().map_err(utf8)?;
                match reference.resolve_char_ref() {
                    Ok(Some(character)) if illegal(character) => {
                        fault(at, format!("&{name}; is a character that XML does not allow"))
                    }
                    Ok(Some(character)) => self.text(character.encode_utf8(&mut [0; 4]), at),
                    Ok(None) => match resolve_predefined_entity(&name) {
                        Some(text) => self.text(text, at),
                        None => fault(at, format!("entity &{name}; is not known")),
                    },
                    Err(error) => fault(at, error),
                }
            }
            Event::DocType(text) => {
                let text = text.xml10_content().map_err(utf8)?;
                if text.contains('[') {
                    return fault(at, "a document type with an internal subset is not accepted");
                }
                Ok(())
            }
            Event::Comment(text) => {
                let text = text.xml10_content().map_err(utf8)?.into_owned();
                if let (Some(tree), Some(node)) = (&mut self.tree, self.open.last()) {
                    tree.get_mut(*node).contents.push(Content::Comment(text));
                }
                Ok(())
            }
            // With expand_empty_elements the reader never gives Empty; the end was seen above.
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, at: Position) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return fault(at, "elements are nested too deeply");
        }
        if self.left == 0 {
            return fault(at, "there are too many elements");
        }
        self.left -= 1;
        let name = name(start.name().as_ref(), at)?;
        let parent = self.open.last().copied();
        let attributes = attributes(start, at)?;
        let element = Element { name, at, parent, attributes, contents: Vec::new() };
        let node = match &mut self.tree {
            None => {
                self.tree = Some(Tree::new(element));
                crate::tree::ROOT
            }
            Some(_) if parent.is_none() => return fault(at, "more than one root element"),
            Some(tree) => tree.add(element),
        };
        self.open.push(node);
        Ok(())
    }

    fn text(&mut self, text: &str, at: Position) -> Result<(), Fault> {
        match (&mut self.tree, self.open.last()) {
            (Some(tree), Some(node)) => {
                let contents = &mut tree.get_mut(*node).contents;
                match contents.last_mut() {
                    Some(Content::Text(before)) => before.push_str(text),
                    _ => contents.push(Content::Text(text.to_owned())),
                }
                Ok(())
            }
            _ if text.trim().is_empty() || text == "\u{feff}" => Ok(()),
            _ => fault(at, "text outside of the root element"),
        }
    }
}

/// A name as XML 1.0, 2.3 has it; the parser takes anything.
fn name(bytes: &[u8], at: Position) -> Result<String, Fault> {
    let name = String::from_utf8_lossy(bytes);
    let other = |c: char| c.is_alphanumeric() || "_:.-\u{b7}".contains(c);
    let first = |c: char| c.is_alphabetic() || "_:".contains(c);
    if name.starts_with(first) && name.chars().all(other) {
        Ok(name.into_owned())
    } else {
        fault(at, format!("`{name}' is no name"))
    }
}

fn attributes(start: &BytesStart<'_>, at: Position) -> Result<Vec<(String, String)>, Fault> {
    let mut found = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Fault { at, reason: error.to_string() })?;
        let name = name(attribute.key.as_ref(), at)?;
        if found.len() == ATTRIBUTES_MAX {
            return fault(at, "an element has too many attributes");
        }
        // XML 1.0, 3.3.3: literal white space in an attribute is a blank; a reference to it is
        // not touched, so this comes before the expansion.
        let raw = String::from_utf8_lossy(&attribute.value).replace("\r\n", " ");
        let raw = raw.replace(['\t', '\n', '\r'], " ");
        if raw.contains('<') {
            return fault(at, format!("`<' in attribute {name}"));
        }
        let value = match unescape(&raw) {
            Ok(value) if value.contains(illegal) => {
                return fault(at, format!("attribute {name}: a character that XML does not allow"));
            }
            Ok(value) => value.into_owned(),
            Err(error) => return fault(at, format!("attribute {name}: {error}")),
        };
        found.push((name, value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Tree, ParseError> {
        read(text, 0, "", (SIZE_MAX, ELEMENTS_MAX))
    }

    #[test]
    fn elements_know_their_place() {
        let tree = tree("<?xml version='1.0'?>\n<a>\n  <b x='1&amp;2'/>é<c/></a>\n").unwrap();
        let places: Vec<_> = tree
            .children(crate::tree::ROOT)
            .map(|node| (tree.get(node).at.line, tree.get(node).at.column))
            .collect();
        assert_eq!(places, [(3, 3), (3, 20)]);
        assert_eq!(tree.attribute(tree.all("b")[0], "x"), Some("1&2"));
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_place() {
        for (text, expected) in [
            ("<a>\n<b></a>", "line 2, column 4"),
            ("<a>\n  <b>", "line 2, column 3: b: <b> is never closed"),
            ("<a><b><c>\n&bomb;", "line 2, column 1: b/c: entity &bomb; is not known"),
            ("<a>&bomb;</a>", "line 1, column 4: entity &bomb; is not known"),
            ("<a x='&bomb;'/>", "line 1, column 1: attribute x"),
            ("<!DOCTYPE a [<!ENTITY b 'cc'>]>\n<a>&b;</a>", "line 1, column 1: a document type"),
            ("<a/>\n<b/>", "line 2, column 1: more than one root element"),
            ("", "line 1, column 1: there is no element"),
            ("<a>\n<b x='\0'/></a>", "line 2, column 7: a character that XML does not allow"),
            ("<a>&#1;</a>", "line 1, column 4: &#1; is a character that XML does not allow"),
            ("<a x='&#1;'/>", "line 1, column 1: attribute x: a character"),
            ("<a x='1' x='2'/>", "line 1, column 1"),
            ("<a><></></a>", "line 1, column 4: `' is no name"),
            ("<a><2/></a>", "line 1, column 4: `2' is no name"),
            ("<a x;y='1'/>", "line 1, column 1: `x;y' is no name"),
            ("<a>\n</a> b", "line 2, column 5: text outside of the root element"),
        ] {
            let error = tree(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?} gave {error}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let attributes = (0..200_000).map(|n| format!(" a{n}=''")).collect::<String>();
        for (text, expected) in [
            ("<a>".repeat(100), "nested too deeply"),
            (" ".repeat(SIZE_MAX + 1), "more than 4194304 bytes"),
            (format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX)), "too many elements"),
            (format!("<a{attributes}/>"), "too many attributes"),
        ] {
            let error = tree(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
