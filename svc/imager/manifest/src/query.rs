//! query.rs - node paths: the language in which finalizer scripts ask for values.
//!
//! ```text
//! path      = token { "/" { "/" } token }          no "/" before the first
//! token     = name | name "=" value | name "[" inner "=" value { ":" inner "=" value } "]" | ".."
//! inner     = a path of names alone
//! value     = "..." | '...' | characters but [ ] = : / and quotes
//! ```
//!
//! The name of the root may be left out.  `name=value` asks for the element's own value, `[ ]`
//! for values below it, all of them.  `..` is the parent; at the root it stays there.  The last
//! name is that of an attribute where no child has it.  Results come in document order, each
//! once.
//!
//! Invariant: the work of a query is bounded by [`WORK_MAX`], whatever is asked; each step keeps
//! a set of elements, so going up and down again multiplies nothing.

use std::collections::HashSet;

use crate::tree::{Node, ROOT, Tree};

/// The most elements that are looked at for one query.
const WORK_MAX: usize = 2_000_000;
/// The longest query, in bytes; those of the known scripts have under 200.
const PATH_MAX: usize = 64 << 10;

/// Why a query has no answer.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum QueryError {
    /// It is no node path.
    #[error("Error parsing nodepath: {reason}")]
    Syntax {
        /// What is wrong.
        reason: &'static str,
        /// Where, in characters from 0.
        index: usize,
        /// What is left from there, at most 80 characters of it.
        rest: String,
    },
    /// It asks for too much.
    #[error("Error searching nodepath: too many nodes to be looked at")]
    TooMuch,
}

/// One name of a path, with what it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Token {
    name: String,
    /// Paths below the element as they are written, one for each value; none: the value is the
    /// element's own.
    inner: Vec<String>,
    values: Vec<String>,
    /// The same paths, read.
    below: Vec<Vec<Token>>,
}

impl Token {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Where the parser is in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Name,
    /// After `[` or `:`.
    InnerStart,
    Inner,
    ValueStart,
    Value,
    /// Inside quotes of this kind.
    Quoted(char),
    /// After the closing quote.
    Unquoted,
    Closed,
    /// After a `/`.
    Slash,
}

const ORDER: &str = "] before [ in path token";
const STARTING_SLASH: &str = "Path cannot start with a /";
const QUOTES: &str = "Quote mistmatch in path token";
const BRACKETS: &str = "Mismatching brackets in path token";
const OTHER: &str = "Error parsing path token";

/// Reads a path.
struct Parser {
    tokens: Vec<Token>,
    token: Option<Token>,
    bracket: bool,
    state: State,
}

impl Parser {
    fn take(&mut self, c: char) -> Result<(), &'static str> {
        if let State::Quoted(quote) = self.state {
            if c == quote {
                self.state = State::Unquoted;
            } else {
                self.value(c);
            }
            return Ok(());
        }
        let plain = !"[]=:/\"'".contains(c);
        self.state = match (self.state, c) {
            (State::Start, '/') => return Err(STARTING_SLASH),
            (State::Start | State::Slash, _) if plain => {
                self.token = Some(Token::named(c.encode_utf8(&mut [0; 4])));
                State::Name
            }
            (State::Slash, '/') => State::Slash,
            (State::Name, _) if plain => {
                self.name(c);
                State::Name
            }
            (State::Name, '[') => self.inner_start(),
            (State::Name | State::Inner, '=') => self.value_start(),
            (State::InnerStart | State::Inner, _) if plain => self.inner(c),
            (State::Inner, '/') => self.inner(c),
            (State::ValueStart, '"' | '\'') => State::Quoted(c),
            (State::ValueStart | State::Value, _) if plain => {
                self.value(c);
                State::Value
            }
            // A quote inside a value that none opened ends it.
            (State::Value, '"' | '\'') => State::Unquoted,
            (State::Value | State::Unquoted, ']') if self.bracket => {
                self.bracket = false;
                State::Closed
            }
            (State::Value | State::Unquoted, ']') => return Err(ORDER),
            (State::Value | State::Unquoted, ':') => self.inner_start(),
            (State::Name | State::Value | State::Unquoted | State::Closed, '/') => {
                self.tokens.extend(self.token.take());
                State::Slash
            }
            _ => return Err(OTHER),
        };
        Ok(())
    }

    fn name(&mut self, c: char) {
        if let Some(token) = &mut self.token {
            token.name.push(c);
        }
    }

    fn inner_start(&mut self) -> State {
        self.bracket = true;
        if let Some(token) = &mut self.token {
            token.inner.push(String::new());
        }
        State::InnerStart
    }

    fn inner(&mut self, c: char) -> State {
        if let Some(inner) = self.token.as_mut().and_then(|token| token.inner.last_mut()) {
            inner.push(c);
        }
        State::Inner
    }

    fn value_start(&mut self) -> State {
        if let Some(token) = &mut self.token {
            token.values.push(String::new());
        }
        State::ValueStart
    }

    fn value(&mut self, c: char) {
        if let Some(value) = self.token.as_mut().and_then(|token| token.values.last_mut()) {
            value.push(c);
        }
    }
}

fn parse(path: &str) -> Result<Vec<Token>, QueryError> {
    let path = path.trim();
    let mut parser =
        Parser { tokens: Vec::new(), token: None, bracket: false, state: State::Start };
    for (index, (at, c)) in path.char_indices().enumerate() {
        parser.take(c).map_err(|reason| QueryError::Syntax {
            reason,
            index,
            rest: path[at..].chars().take(80).collect(),
        })?;
    }
    let unfinished = |reason| {
        let index = path.chars().count();
        Err(QueryError::Syntax { reason, index, rest: String::new() })
    };
    if matches!(parser.state, State::Quoted(_)) {
        return unfinished(QUOTES);
    }
    if parser.bracket {
        return unfinished(BRACKETS);
    }
    parser.tokens.extend(parser.token);
    for token in &mut parser.tokens {
        // A path inside brackets has names alone: everything else was refused above.
        let names =
            |inner: &String| inner.split('/').filter(|n| !n.is_empty()).map(Token::named).collect();
        token.below = token.inner.iter().map(names).collect();
    }
    Ok(parser.tokens)
}

/// What is found: an element, or an attribute of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub node: Node,
    pub attribute: Option<String>,
}

impl Found {
    pub fn value(&self, tree: &Tree) -> String {
        match &self.attribute {
            None => tree.value(self.node),
            Some(name) => tree.attribute(self.node, name).unwrap_or_default().to_owned(),
        }
    }
}

/// Finds what a path leads to from the root.
pub(crate) fn find(tree: &Tree, path: &str) -> Result<Vec<Found>, QueryError> {
    if path.len() > PATH_MAX {
        return Err(QueryError::TooMuch);
    }
    let mut tokens = parse(path)?;
    if tokens.first().is_none_or(|token| token.name != tree.get(ROOT).name) {
        tokens.insert(0, Token::named(&tree.get(ROOT).name));
    }
    let mut search = Search { tree, left: WORK_MAX };
    if !search.matches(ROOT, None, &tokens[0])? {
        return Ok(Vec::new());
    }
    let mut found = search.walk(ROOT, &tokens[1..], None)?;
    if tokens.iter().any(|token| token.name == "..") {
        let order = document_order(tree);
        found.sort_by_key(|found| order[found.node.0]);
    }
    Ok(found)
}

/// The place of each element in the document; what defaults and inclusion added is not in the
/// order of the indexes.
fn document_order(tree: &Tree) -> Vec<usize> {
    let mut order = vec![usize::MAX; tree.len()];
    let mut stack = vec![ROOT];
    let mut next = 0;
    while let Some(node) = stack.pop() {
        order[node.0] = next;
        next += 1;
        let children: Vec<Node> = tree.children(node).collect();
        stack.extend(children.into_iter().rev());
    }
    order
}

struct Search<'a> {
    tree: &'a Tree,
    left: usize,
}

impl Search<'_> {
    fn work(&mut self) -> Result<(), QueryError> {
        self.left = self.left.checked_sub(1).ok_or(QueryError::TooMuch)?;
        Ok(())
    }

    /// What the tokens lead to from an element that the token before them matched; only what has
    /// the value, if one is given.
    fn walk(
        &mut self,
        from: Node,
        tokens: &[Token],
        value: Option<&str>,
    ) -> Result<Vec<Found>, QueryError> {
        let mut nodes = vec![from];
        for (at, token) in tokens.iter().enumerate() {
            self.work()?;
            let last = at + 1 == tokens.len();
            if token.name == ".." {
                nodes = self.parents(&nodes)?;
                continue;
            }
            if last {
                return self.leaves(&nodes, token, value);
            }
            let mut matched = Vec::new();
            for node in nodes {
                matched.extend(self.children(node, token)?);
            }
            nodes = matched;
        }
        let found = nodes.into_iter().map(|node| Found { node, attribute: None });
        let tree = self.tree;
        Ok(found.filter(|found| value.is_none_or(|value| found.value(tree) == value)).collect())
    }

    fn parents(&mut self, nodes: &[Node]) -> Result<Vec<Node>, QueryError> {
        let mut seen = HashSet::new();
        let mut parents = Vec::new();
        for node in nodes {
            self.work()?;
            let parent = self.tree.get(*node).parent.unwrap_or(*node);
            if seen.insert(parent) {
                parents.push(parent);
            }
        }
        Ok(parents)
    }

    fn children(&mut self, node: Node, token: &Token) -> Result<Vec<Node>, QueryError> {
        let tree = self.tree;
        let mut matched = Vec::new();
        for child in tree.children(node) {
            self.work()?;
            if tree.get(child).name == token.name && self.matches(child, None, token)? {
                matched.push(child);
            }
        }
        Ok(matched)
    }

    /// The last name of a path: children or, where there are none, the attribute.
    fn leaves(
        &mut self,
        nodes: &[Node],
        token: &Token,
        value: Option<&str>,
    ) -> Result<Vec<Found>, QueryError> {
        let tree = self.tree;
        let mut leaves = Vec::new();
        for node in nodes {
            let children = self.children(*node, token)?;
            let elements = children.into_iter().map(|node| Found { node, attribute: None });
            let wanted = |found: &Found| value.is_none_or(|value| found.value(tree) == value);
            let before = leaves.len();
            leaves.extend(elements.filter(wanted));
            if leaves.len() == before && tree.attribute(*node, &token.name).is_some() {
                let found = Found { node: *node, attribute: Some(token.name.clone()) };
                if wanted(&found) && self.matches(*node, Some(&found), token)? {
                    leaves.push(found);
                }
            }
        }
        Ok(leaves)
    }

    /// Whether an element, or its attribute, has the values that a token asks for.
    fn matches(
        &mut self,
        node: Node,
        attribute: Option<&Found>,
        token: &Token,
    ) -> Result<bool, QueryError> {
        if token.inner.is_empty() {
            let Some(wanted) = token.values.first() else { return Ok(true) };
            let own = Found { node, attribute: None };
            return Ok(attribute.unwrap_or(&own).value(self.tree) == *wanted);
        }
        for (tokens, value) in token.below.iter().zip(&token.values) {
            self.work()?;
            if self.walk(node, tokens, Some(value))?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml;

    const TEXT: &str = r#"<A>
        <B n="one">v1<D>v3</D><C>v4</C><C>v5</C></B>
        <B n="two">v2<C>v6</C><C n="attr">"v7"</C><D>v8</D><E/></B>
        <F x="a b:c" y="it's"/>
    </A>"#;

    fn asked(path: &str) -> Result<Vec<String>, QueryError> {
        let tree = xml::read(TEXT, 0, "", (xml::SIZE_MAX, xml::ELEMENTS_MAX)).unwrap();
        Ok(find(&tree, path)?.iter().map(|found| found.value(&tree)).collect())
    }

    #[test]
    fn paths_lead_to_values() {
        for (path, values) in [
            ("B/C", &["v4", "v5", "v6", "v7"][..]),
            ("A/B/C", &["v4", "v5", "v6", "v7"]),
            ("A/B=v1/C", &["v4", "v5"]),
            ("A[B/C=v5]/B=v1/D", &["v3"]),
            ("A[B/C=v6:B/D=v8]/B", &["v1", "v2"]),
            ("A[B/C=v6:B/D=v9]/B", &[]),
            ("B[C=v6]/D", &["v8"]),
            ("B[C=v6:D=v8]/C", &["v6", "v7"]),
            ("B[n=one]/D", &["v3"]),
            ("B[n=\"two\"]/n", &["two"]),
            ("B/n", &["one", "two"]),
            ("B/n=two", &["two"]),
            ("B/C/n", &["attr"]),
            ("B/E", &[""]),
            ("F[x=\"a b:c\"]/y", &["it's"]),
            ("F[y=\"it's\"]/x", &["a b:c"]),
            ("B/C/..", &["v1", "v2"]),
            ("B/C/../D", &["v3", "v8"]),
            ("B/C/../../F/x", &["a b:c"]),
            ("..", &[""]),
            ("B[../F/x='a b:c']/n", &["one", "two"]),
            ("B//C=v4", &["v4"]),
            ("B/C/", &["v4", "v5", "v6", "v7"]),
            ("  B/D ", &["v3", "v8"]),
            ("B=", &[]),
            ("B/E=", &[""]),
            ("none", &[]),
            ("B/none/C", &[]),
            ("", &[""]),
        ] {
            assert_eq!(asked(path).unwrap(), values, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_where_it_goes_wrong() {
        for (path, reason, index) in [
            ("/A", STARTING_SLASH, 0),
            ("B[C=v1", BRACKETS, 6),
            ("B=v1]", ORDER, 4),
            ("B]", OTHER, 1),
            ("B[C]", OTHER, 3),
            ("B[", BRACKETS, 2),
            ("B=\"v1", QUOTES, 5),
            ("B='v1\"", QUOTES, 6),
            ("B=\"v1\"x", OTHER, 6),
            ("=v1", OTHER, 0),
            ("B:C=v", OTHER, 1),
            ("\"B\"", OTHER, 0),
            ("B/[C=v]", OTHER, 2),
            ("B[C=v]x", OTHER, 6),
        ] {
            match asked(path) {
                Err(QueryError::Syntax { reason: told, index: at, .. }) => {
                    assert_eq!((told, at), (reason, index), "{path}");
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn no_query_multiplies() {
        assert_eq!(asked(&format!("B{}", "/C/..".repeat(5_000))).unwrap(), ["v1", "v2"]);
        let long = format!("B[{}C=v4]", "C=v4:".repeat(9_000));
        assert_eq!(asked(&long).unwrap(), ["v1"]);
        assert_eq!(asked(&"B/".repeat(PATH_MAX)).unwrap_err(), QueryError::TooMuch);
        let wide = format!("<A>{}</A>", "<B><C/></B>".repeat(1_000));
        let tree = xml::read(&wide, 0, "", (xml::SIZE_MAX, xml::ELEMENTS_MAX)).unwrap();
        let path = format!("B[{}C='']", "../B/C='':".repeat(6_000));
        assert!(find(&tree, &path) == Err(QueryError::TooMuch));
    }
}
