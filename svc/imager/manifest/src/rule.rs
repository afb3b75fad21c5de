//! rule.rs - schemas as tables, and the check of a tree against them.
//!
//! A rule says of one element: its attributes, its text, its children with how often each may
//! stand there, and whether in this order.  The check goes on after a fault, so that all are
//! told; it does not go into an element that has no rule.

use crate::document::{Phase, Problem};
use crate::tree::{Content, Node, ROOT, Tree};

/// How often a child may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    One,
    Optional,
    /// Once or more.
    Many,
    Any,
}

/// What a text or an attribute may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Text,
    Bool,
    /// A whole number up to this one.
    Unsigned(u64),
    /// Any number.
    Float,
    OneOf(&'static [&'static str]),
}

impl Value {
    pub(crate) fn holds(self, text: &str) -> bool {
        let text = text.trim();
        match self {
            Self::Text => true,
            Self::Bool => matches!(text, "true" | "false" | "1" | "0"),
            Self::Unsigned(max) => {
                let digits = text.strip_prefix('+').unwrap_or(text);
                let number = digits.bytes().all(|byte| byte.is_ascii_digit());
                number && digits.parse().is_ok_and(|number: u64| number <= max)
            }
            Self::Float => {
                let digits = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
                matches!(text, "INF" | "-INF" | "NaN")
                    || (text.bytes().all(digits) && text.parse::<f64>().is_ok())
            }
            Self::OneOf(words) => words.contains(&text),
        }
    }

    pub(crate) fn told(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Unsigned(max) => format!("a number from 0 to {max}"),
            Self::Float => "a number".to_owned(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// The largest `unsignedInt` of XML Schema.
pub(crate) const UNSIGNED: Value = Value::Unsigned(u32::MAX as u64);
/// `unsignedByte` of XML Schema.
pub(crate) const UNSIGNED_BYTE: Value = Value::Unsigned(u8::MAX as u64);

/// An attribute: name, whether it must be there, what it holds.
#[derive(Debug)]
pub(crate) struct Attribute(pub &'static str, pub bool, pub Value);

/// One element.
#[derive(Debug)]
pub(crate) struct Rule {
    pub name: &'static str,
    pub attributes: &'static [Attribute],
    /// What its text holds; `None`: it has none.
    pub text: Option<Value>,
    pub children: &'static [(Times, &'static Rule)],
    /// Whether the children stand in the order of the table.
    pub ordered: bool,
}

impl Rule {
    /// An element with text and nothing else.
    pub const fn text(name: &'static str, value: Value) -> Self {
        Self { name, attributes: &[], text: Some(value), children: &[], ordered: false }
    }

    /// An element with children in any order.
    pub const fn mixed(name: &'static str, children: &'static [(Times, &'static Rule)]) -> Self {
        Self { name, attributes: &[], text: None, children, ordered: false }
    }

    /// An element with children in the order of the table.
    pub const fn group(name: &'static str, children: &'static [(Times, &'static Rule)]) -> Self {
        Self { name, attributes: &[], text: None, children, ordered: true }
    }

    /// The same with attributes.
    pub const fn with(self, attributes: &'static [Attribute]) -> Self {
        Self { attributes, ..self }
    }
}

/// Checks a whole tree; the root's name is the rule's.
pub(crate) fn check(tree: &Tree, rule: &Rule) -> Vec<Problem> {
    let mut checker = Checker { tree, problems: Vec::new() };
    checker.element(ROOT, rule);
    checker.problems
}

struct Checker<'a> {
    tree: &'a Tree,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn say(&mut self, node: Node, path: String, reason: String) {
        self.problems.push(Problem::new(self.tree, Phase::Schema, node, path, reason));
    }

    fn element(&mut self, node: Node, rule: &Rule) {
        self.attributes(node, rule);
        self.text(node, rule);
        self.children(node, rule);
    }

    fn attributes(&mut self, node: Node, rule: &Rule) {
        let tree = self.tree;
        for (name, value) in &tree.get(node).attributes {
            // Declarations of name spaces and xml:base belong to XML, not to the schema.
            if name == "xmlns" || name.starts_with("xmlns:") || name.starts_with("xml:") {
                continue;
            }
            let path = tree.attribute_path(node, name);
            match rule.attributes.iter().find(|attribute| attribute.0 == name) {
                None => self.say(node, path, format!("attribute {name} is not known here")),
                Some(attribute) if !attribute.2.holds(value) => {
                    let reason = format!("\"{value}\" is not {}", attribute.2.told());
                    self.say(node, path, reason);
                }
                Some(_) => {}
            }
        }
        for attribute in rule.attributes.iter().filter(|attribute| attribute.1) {
            if tree.attribute(node, attribute.0).is_none() {
                let path = tree.attribute_path(node, attribute.0);
                self.say(node, path, format!("attribute {} is missing", attribute.0));
            }
        }
    }

    fn text(&mut self, node: Node, rule: &Rule) {
        let text = self.tree.text(node);
        let path = self.tree.path(node);
        match rule.text {
            None if !text.is_empty() => {
                let start: String = text.chars().take(40).collect();
                self.say(node, path, format!("text \"{start}\" is not expected here"));
            }
            Some(value) if !value.holds(&text) => {
                self.say(node, path, format!("\"{text}\" is not {}", value.told()));
            }
            None | Some(_) => {}
        }
    }

    fn children(&mut self, node: Node, rule: &Rule) {
        let tree = self.tree;
        let mut counts = vec![0_usize; rule.children.len()];
        let mut furthest = 0;
        for content in &tree.get(node).contents {
            let Content::Child(child) = content else { continue };
            let name = &tree.get(*child).name;
            let Some(at) = rule.children.iter().position(|(_, rule)| rule.name == name) else {
                let told = format!("element {name} is not known here");
                self.say(*child, tree.path(*child), told);
                continue;
            };
            counts[at] += 1;
            let (times, child_rule) = rule.children[at];
            if rule.ordered && at < furthest {
                let before = rule.children[furthest].1.name;
                self.say(*child, tree.path(*child), format!("element {name} comes after {before}"));
            }
            furthest = furthest.max(at);
            if counts[at] == 2 && matches!(times, Times::One | Times::Optional) {
                self.say(*child, tree.path(*child), format!("element {name} is there already"));
            }
            self.element(*child, child_rule);
        }
        for ((times, child), count) in rule.children.iter().zip(counts) {
            if count == 0 && matches!(times, Times::One | Times::Many) {
                let path = tree.attribute_path(node, child.name);
                self.say(node, path, format!("element {} is missing", child.name));
            }
        }
    }
}
