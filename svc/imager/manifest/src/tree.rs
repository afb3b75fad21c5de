//! tree.rs - the elements of a manifest, each with its place and its parent.
//!
//! ```text
//! Tree   elements: [Element]        elements[0] is the root; a Node is an index
//! Element name, place, attributes, contents: text | child | comment, parent
//! ```
//!
//! Invariants: a child's parent is the element whose contents name it; an element is named by
//! exactly one contents list or, replaced by what it included, by none; indexes are not reused.
//! What is not here: which elements are allowed (`rule.rs`), how they are found (`query.rs`).

/// A place in a text: file, line and column; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Position {
    /// Which text: 0 is the manifest itself, others are what it includes.
    pub file: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// An element of a tree, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node(pub usize);

/// What stands inside an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    Comment(String),
    Child(Node),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub name: String,
    pub at: Position,
    pub parent: Option<Node>,
    pub attributes: Vec<(String, String)>,
    pub contents: Vec<Content>,
}

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    elements: Vec<Element>,
    /// Names of the texts; that of the manifest itself is empty.
    pub files: Vec<String>,
}

/// The root of every tree.
pub(crate) const ROOT: Node = Node(0);

impl Tree {
    /// A tree of one element.
    pub fn new(root: Element) -> Self {
        Self { elements: vec![root], files: vec![String::new()] }
    }

    pub fn get(&self, node: Node) -> &Element {
        &self.elements[node.0]
    }

    pub fn get_mut(&mut self, node: Node) -> &mut Element {
        &mut self.elements[node.0]
    }

    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Adds an element as the last child of its parent, if it has one.
    pub fn add(&mut self, element: Element) -> Node {
        let node = Node(self.elements.len());
        if let Some(parent) = element.parent {
            self.get_mut(parent).contents.push(Content::Child(node));
        }
        self.elements.push(element);
        node
    }

    /// The child elements, in order.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        self.get(node).contents.iter().filter_map(|content| match content {
            Content::Child(child) => Some(*child),
            Content::Text(_) | Content::Comment(_) => None,
        })
    }

    /// The child elements with a name, in order.
    pub fn named<'a>(&'a self, node: Node, name: &'a str) -> impl Iterator<Item = Node> + 'a {
        self.children(node).filter(move |child| self.get(*child).name == name)
    }

    /// The elements that a path of names leads to from the root, in order.
    pub fn all(&self, path: &str) -> Vec<Node> {
        self.below(ROOT, path)
    }

    /// The elements that a path of names leads to, in order; the empty path is the element.
    pub fn below(&self, node: Node, path: &str) -> Vec<Node> {
        let mut nodes = vec![node];
        for name in path.split('/').filter(|name| !name.is_empty()) {
            nodes = nodes.iter().flat_map(|node| self.named(*node, name)).collect();
        }
        nodes
    }

    pub fn attribute(&self, node: Node, name: &str) -> Option<&str> {
        let attributes = &self.get(node).attributes;
        attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The text directly inside an element, its parts joined, white space around it removed.
    pub fn text(&self, node: Node) -> String {
        let mut joined = String::new();
        for content in &self.get(node).contents {
            if let Content::Text(text) = content {
                joined.push_str(text);
            }
        }
        joined.trim().to_owned()
    }

    /// The value of an element: its text, without one pair of quotes around the whole.
    ///
    /// Text that holds more quotes of that kind is a list and keeps them all; `\"` counts as no
    /// quote.
    pub fn value(&self, node: Node) -> String {
        let text = self.text(node);
        for quote in ['"', '\''] {
            let inside = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            if let Some(inside) = inside.filter(|inside| !inside.is_empty()) {
                // As the original counts: an escaped quote at the very end leaves an odd one out.
                let plain = text.replace(&format!("\\{quote}"), "");
                if plain.matches(quote).count() == 2 {
                    return inside.to_owned();
                }
            }
        }
        text
    }

    /// Replaces the text of an element; its children stay.
    pub fn set_text(&mut self, node: Node, text: &str) {
        let contents = &mut self.get_mut(node).contents;
        contents.retain(|content| !matches!(content, Content::Text(_)));
        contents.push(Content::Text(text.to_owned()));
    }

    /// Sets an attribute, new or not.
    pub fn set_attribute(&mut self, node: Node, name: &str, value: &str) {
        let attributes = &mut self.get_mut(node).attributes;
        match attributes.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => value.clone_into(old),
            None => attributes.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The names from below the root to an element, parted by `/`; empty for the root.
    pub fn path(&self, node: Node) -> String {
        let mut names = Vec::new();
        let mut element = self.get(node);
        while let Some(parent) = element.parent {
            names.push(element.name.as_str());
            element = self.get(parent);
        }
        names.reverse();
        names.join("/")
    }

    /// The path to an attribute of an element.
    pub fn attribute_path(&self, node: Node, attribute: &str) -> String {
        let path = self.path(node);
        if path.is_empty() { attribute.to_owned() } else { format!("{path}/{attribute}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(name: &str, parent: Option<Node>, text: &str) -> Element {
        let contents = vec![Content::Text(text.to_owned())];
        let at = Position::default();
        Element { name: name.to_owned(), at, parent, attributes: Vec::new(), contents }
    }

    #[test]
    fn one_pair_of_quotes_around_a_value_is_not_part_of_it() {
        for (text, value) in [
            ("  plain ", "plain"),
            ("\"a b\"", "a b"),
            ("'a b'", "a b"),
            ("\"a\" \"b\"", "\"a\" \"b\""),
            ("\"say \\\"a\\\" twice\"", "say \\\"a\\\" twice"),
            ("'it\"s'", "it\"s"),
            ("\"\"", "\"\""),
            ("\"open", "\"open"),
            ("\"", "\""),
        ] {
            let tree = Tree::new(element("a", None, text));
            assert_eq!(tree.value(ROOT), value, "{text}");
        }
    }

    #[test]
    fn paths_leave_the_root_out() {
        let mut tree = Tree::new(element("a", None, ""));
        let b = tree.add(element("b", Some(ROOT), ""));
        let c = tree.add(element("c", Some(b), "x"));
        assert_eq!((tree.path(ROOT), tree.path(c)), (String::new(), "b/c".to_owned()));
        assert_eq!(tree.attribute_path(ROOT, "name"), "name");
        assert_eq!(tree.attribute_path(c, "name"), "b/c/name");
        assert_eq!(tree.all("b/c"), [c]);
        tree.set_text(c, "y");
        assert_eq!(tree.text(c), "y");
        tree.set_attribute(c, "n", "1");
        tree.set_attribute(c, "n", "2");
        assert_eq!(tree.attribute(c, "n"), Some("2"));
    }
}
