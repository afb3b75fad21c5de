//! xml.rs - a tree of elements becomes text, the way svccfg prints it.
//!
//! Two blanks a level, single quotes around attributes, and nothing but ASCII: every other
//! character is a reference.  So the text means the same in any encoding, and a value with line
//! breaks, tabs or quotes comes back as it was.

use std::fmt::Write;

/// An element on its way out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    name: String,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
    text: Option<String>,
}

impl Node {
    /// An empty element.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), attributes: Vec::new(), children: Vec::new(), text: None }
    }

    /// The same with an attribute more.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// The same around a text.
    pub fn around(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets an attribute that comes after the others.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.attributes.push((name, value.into()));
    }

    /// Adds children behind those that are there.
    pub fn extend(&mut self, children: impl IntoIterator<Item = Node>) {
        self.children.extend(children);
    }

    fn print(&self, depth: usize, into: &mut String) {
        let indent = "  ".repeat(depth);
        into.push_str(&indent);
        into.push('<');
        into.push_str(&self.name);
        for (name, value) in &self.attributes {
            into.push(' ');
            into.push_str(name);
            into.push_str("='");
            escape(value, Place::Attribute, into);
            into.push('\'');
        }
        match &self.text {
            Some(text) if !text.is_empty() => {
                into.push('>');
                escape(text, Place::Text, into);
            }
            _ if self.children.is_empty() => {
                into.push_str("/>\n");
                return;
            }
            _ => {
                into.push_str(">\n");
                self.children.iter().for_each(|child| child.print(depth + 1, into));
                into.push_str(&indent);
            }
        }
        into.push_str("</");
        into.push_str(&self.name);
        into.push_str(">\n");
    }
}

/// A document with this root element.
pub(super) fn document(root: &Node) -> String {
    let mut text = format!(
        "<?xml version='1.0'?>\n<!DOCTYPE {} SYSTEM '{}'>\n",
        root.name,
        crate::bundle::DTD
    );
    root.print(0, &mut text);
    text
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Attribute,
    Text,
}

fn escape(value: &str, place: Place, into: &mut String) {
    for character in value.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '\'' => into.push_str("&apos;"),
            '"' => into.push_str("&quot;"),
            '\n' | '\t' if place == Place::Text => into.push(character),
            ' '..='~' => into.push(character),
            other => reference(other, into),
        }
    }
}

/// Decimal below the blank, hexadecimal above the tilde.
fn reference(character: char, into: &mut String) {
    let code = u32::from(character);
    let written =
        if code < 0x20 { write!(into, "&#{code};") } else { write!(into, "&#x{code:X};") };
    written.expect("a string takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_printed_as_svccfg_prints_them() {
        let mut root = Node::new("service_bundle").with("name", "it's \"<&>\"\n\té");
        root.extend([Node::new("a"), Node::new("loctext").around("x 'y'\nz é")]);
        root.extend([Node::new("empty").around("")]);
        assert_eq!(
            document(&root),
            "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM \
             '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n<service_bundle name='it&apos;s \
             &quot;&lt;&amp;&gt;&quot;&#10;&#9;&#xE9;'>\n  <a/>\n  <loctext>x &apos;y&apos;\nz \
             &#xE9;</loctext>\n  <empty/>\n</service_bundle>\n"
        );
    }
}
