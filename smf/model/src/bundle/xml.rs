//! xml.rs - the text of a bundle becomes a tree of elements that know their place.
//!
//! What must hold: every element carries the line and column of its `<`, so that whatever is
//! found wrong later can be pointed at.  Only the five predefined entities and character
//! references are expanded; a document type with an internal subset is refused, so no entity can
//! be declared and none can explode.  Size and depth are bounded before anything is built.
//!
//! What is not here: which elements are allowed (dtd.rs).

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::BundleError;

/// The largest bundle that is read, in bytes.
pub const SIZE_MAX: usize = 16 << 20;
/// The deepest nesting of elements.  The document type itself needs fewer than twenty.
const DEPTH_MAX: usize = 64;

/// A place in the text: line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One element with its attributes, its children and the text directly inside it.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub name: String,
    pub at: Position,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

impl Element {
    /// The value of an attribute, if it is there.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The children with this name, in order.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child with this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// A whole document: what its document type says, and the root element.
#[derive(Debug)]
pub(super) struct Document {
    /// The text after `<!DOCTYPE`, if there was one.
    pub doctype: Option<String>,
    pub root: Element,
}

/// Where each byte offset lies.
struct Places<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { text, line_starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn of(&self, offset: usize) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

/// Builds the tree as the events arrive.
struct Builder<'a> {
    places: Places<'a>,
    doctype: Option<String>,
    open: Vec<Element>,
    root: Option<Element>,
}

/// Refuses characters that no XML document may have: the parser lets them pass, and what is read
/// could not be written again.
fn legible(text: &str) -> Result<(), BundleError> {
    let illegal = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    let Some(offset) = text.find(illegal) else { return Ok(()) };
    Err(BundleError::malformed(Places::new(text).of(offset), "a character that XML does not allow"))
}

/// Reads the text of a bundle into its tree of elements.
pub(super) fn document(text: &str) -> Result<Document, BundleError> {
    if text.len() > SIZE_MAX {
        return Err(BundleError::TooLarge { limit: SIZE_MAX });
    }
    legible(text)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut builder =
        Builder { places: Places::new(text), doctype: None, open: Vec::new(), root: None };
    loop {
        let at = builder.places.of(usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX));
        let event = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => event,
            Err(error) => {
                let offset = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                return Err(BundleError::malformed(builder.places.of(offset), error));
            }
        };
        builder.event(event, at)?;
    }
    if let Some(element) = builder.open.last() {
        let text = format!("element {} is never closed", element.name);
        return Err(BundleError::malformed(element.at, text));
    }
    let root = builder.root.ok_or(BundleError::Empty)?;
    Ok(Document { doctype: builder.doctype, root })
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), BundleError> {
        let utf8 = |error| BundleError::malformed(at, error);
        match event {
            Event::Start(start) => return self.start(&start, at),
            Event::End(_) => self.end(),
            Event::Text(text) => return self.text(&text.xml10_content().map_err(utf8)?, at),
            Event::CData(data) => return self.text(&data.xml10_content().map_err(utf8)?, at),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content().map_err(utf8)?;
                let expanded = match reference.resolve_char_ref() {
                    Ok(Some(character)) => character.to_string(),
                    Ok(None) => {
                        resolve_predefined_entity(&name).map(str::to_owned).ok_or_else(|| {
                            BundleError::malformed(at, format!("entity &{name}; is not known"))
                        })?
                    }
                    Err(error) => return Err(BundleError::malformed(at, error)),
                };
                return self.text(&expanded, at);
            }
            Event::DocType(text) => {
                let text = text.xml10_content().map_err(utf8)?.into_owned();
                if text.contains('[') {
                    return Err(BundleError::InternalSubset { at });
                }
                self.doctype = Some(text);
            }
            // With expand_empty_elements the reader never gives Empty; the end was seen above.
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>, at: Position) -> Result<(), BundleError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(BundleError::malformed(at, "elements are nested too deeply"));
        }
        if self.root.is_some() {
            return Err(BundleError::malformed(at, "more than one root element"));
        }
        let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
        let mut element = Element { name, at, ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| BundleError::malformed(at, error))?;
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            // XML 1.0, 3.3.3: literal white space in an attribute is a blank; a reference to it is
            // not touched, so this comes before the expansion.
            let raw = String::from_utf8_lossy(&attribute.value).replace("\r\n", " ");
            let raw = raw.replace(['\t', '\n', '\r'], " ");
            if raw.contains('<') {
                return Err(BundleError::malformed(at, format!("`<' in attribute {name}")));
            }
            let value = quick_xml::escape::unescape(&raw)
                .map_err(|error| BundleError::malformed(at, format!("attribute {name}: {error}")))?
                .into_owned();
            element.attributes.push((name, value));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        // The reader has checked that the names match.
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str, at: Position) -> Result<(), BundleError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() || text == "\u{feff}" => {}
            None => return Err(BundleError::malformed(at, "text outside of the root element")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_their_place() {
        let document =
            document("<?xml version='1.0'?>\n<a>\n  <b x='1&amp;2'/>é<c/></a>\n").unwrap();
        let places: Vec<_> =
            document.root.children.iter().map(|e| (e.at.line, e.at.column)).collect();
        assert_eq!(places, [(3, 3), (3, 20)]);
        assert_eq!(document.root.children[0].attribute("x"), Some("1&2"));
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_place() {
        for (text, expected) in [
            ("<a>\n<b></a>", "line 2, column 4"),
            ("<a>\n  <b>", "line 2, column 3: element b is never closed"),
            ("<a>&bomb;</a>", "line 1, column 4: entity &bomb; is not known"),
            ("<a x='&bomb;'/>", "line 1, column 1: attribute x"),
            ("<!DOCTYPE a [<!ENTITY b 'cc'>]>\n<a>&b;</a>", "line 1, column 1"),
            ("<a/>\n<b/>", "line 2, column 1: more than one root element"),
            ("", "document is empty"),
            ("<a>\n<b x='\0'/></a>", "line 2, column 7: a character that XML does not allow"),
            ("<a x='1' x='2'/>", "line 1, column 1"),
        ] {
            let error = document(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?} gave {error}");
        }
        let deep = "<a>".repeat(100);
        assert!(document(&deep).unwrap_err().to_string().contains("nested too deeply"));
        let large = " ".repeat(SIZE_MAX + 1);
        assert!(matches!(document(&large), Err(BundleError::TooLarge { .. })));
    }
}
