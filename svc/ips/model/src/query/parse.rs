//! parse.rs - tokens as a tree that can be run.
//!
//! Invariant: both sides of AND and OR give the same, actions or packages.

use std::fmt;

use crate::query::error::{QueryError, WORDS};
use crate::query::lexer::{Kind, Token, tokens};
use crate::query::request::Returns;

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// A word or pattern.
    Term(Term),
    /// Words that stand one after the other in the action.
    Phrase {
        /// The first of them; a beginning of a word where others follow.
        first: Term,
        /// All of them, one blank between.
        text: String,
    },
    /// What both give; of actions, those of the left that the right finds too.
    And(Box<Query>, Box<Query>),
    /// What either gives.
    Or(Box<Query>, Box<Query>),
    /// The packages of the actions found.
    Packages(Box<Query>),
}

/// A word or pattern, and where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The pattern.
    pub pattern: String,
    /// Where.
    pub fields: Fields,
}

/// Restrictions of a term; none where every value will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// A pattern of `NAME@VERSION`, case ignored.
    pub package: Option<String>,
    /// The type of action.
    pub action: Option<String>,
    /// The key.
    pub key: Option<String>,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        let words = text.split(' ').count();
        if words > WORDS {
            return Err(QueryError::Words(words));
        }
        let (tokens, refused) = tokens(text);
        let mut parser = Parser { text, tokens: tokens.into_iter().peekable(), refused };
        let query = parser.xterm()?;
        match parser.tokens.next() {
            None if parser.refused.is_none() => Ok(query),
            token => Err(parser.unexpected(token)),
        }
    }

    /// What the query gives.
    pub fn returns(&self) -> Returns {
        match self {
            Query::Term(_) | Query::Phrase { .. } => Returns::Actions,
            Query::Packages(_) => Returns::Packages,
            Query::And(left, _) | Query::Or(left, _) => left.returns(),
        }
    }

    /// The query that gives the packages of what this one gives, each part of it on its own.
    #[must_use]
    pub fn of_packages(self) -> Query {
        match self {
            Query::Packages(_) => self,
            Query::And(left, right) => {
                Query::And(Box::new(left.of_packages()), Box::new(right.of_packages()))
            }
            Query::Or(left, right) => {
                Query::Or(Box::new(left.of_packages()), Box::new(right.of_packages()))
            }
            Query::Term(_) | Query::Phrase { .. } => Query::Packages(Box::new(self)),
        }
    }

    fn restrict(&mut self, own: Fields) {
        match self {
            Query::Term(term) | Query::Phrase { first: term, .. } => term.fields = own,
            Query::And(..) | Query::Or(..) | Query::Packages(_) => {}
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    refused: Option<QueryError>,
}

impl Parser<'_> {
    fn unexpected(&mut self, token: Option<Token>) -> QueryError {
        let query = self.text.to_string();
        match (token, self.refused.take()) {
            (None, Some(refused)) => refused,
            (None, None) => {
                QueryError::Syntax { position: query.chars().count() + 1, query, token: None }
            }
            (Some(token), _) => {
                QueryError::Syntax { query, token: Some(token.shown()), position: token.end }
            }
        }
    }

    fn next_is(&mut self, kind: &Kind) -> bool {
        self.tokens.next_if(|token| token.kind == *kind).is_some()
    }

    fn expect(&mut self, kind: &Kind) -> Result<(), QueryError> {
        if self.next_is(kind) {
            return Ok(());
        }
        let token = self.tokens.next();
        Err(self.unexpected(token))
    }

    fn xterm(&mut self) -> Result<Query, QueryError> {
        let left = self.list()?;
        if self.next_is(&Kind::And) {
            let right = self.xterm()?;
            return both(Query::And, left, right);
        }
        if self.next_is(&Kind::Or) {
            let right = self.xterm()?;
            return both(Query::Or, left, right);
        }
        Ok(left)
    }

    fn list(&mut self) -> Result<Query, QueryError> {
        let first = self.base()?;
        let goes_on = self.tokens.peek().is_some_and(|token| {
            matches!(
                token.kind,
                Kind::Fields(_)
                    | Kind::Term(_)
                    | Kind::OpenParen
                    | Kind::OpenBrace
                    | Kind::Quote(_)
            )
        });
        if !goes_on {
            return Ok(first);
        }
        let rest = self.list()?;
        both(Query::And, first, rest)
    }

    fn base(&mut self) -> Result<Query, QueryError> {
        let Some(token) = self.tokens.next() else { return Err(self.unexpected(None)) };
        match token.kind {
            Kind::Term(text) => Ok(term(&text)),
            Kind::Fields(fields) => self.fterm(fields),
            Kind::Quote(quote) => self.phrase(quote),
            Kind::OpenParen => {
                let inner = self.xterm()?;
                self.expect(&Kind::CloseParen)?;
                Ok(inner)
            }
            Kind::OpenBrace => {
                let inner = self.xterm()?;
                self.expect(&Kind::CloseBrace)?;
                Ok(Query::Packages(Box::new(inner)))
            }
            Kind::CloseParen | Kind::CloseBrace | Kind::And | Kind::Or => {
                Err(self.unexpected(Some(token)))
            }
        }
    }

    /// A term with fields; without a token of its own the next term or phrase is it.
    fn fterm(&mut self, [package, action, key, token]: [String; 4]) -> Result<Query, QueryError> {
        let fields = Fields::of(&package, &action, &key);
        if !token.is_empty() {
            // What follows is joined by the AND that is not written, as everywhere.
            return Ok(in_fields(term(&token), fields));
        }
        let argument = self.tokens.peek().map(|token| token.kind.clone());
        match argument {
            Some(Kind::Term(text)) => {
                self.tokens.next();
                Ok(in_fields(term(&text), fields))
            }
            Some(Kind::Quote(quote)) => {
                self.tokens.next();
                Ok(in_fields(self.phrase(quote)?, fields))
            }
            // Fields of fields have no meaning.
            Some(Kind::Fields(_)) => {
                let token = self.tokens.next();
                Err(self.unexpected(token))
            }
            _ => Ok(in_fields(term("*"), fields)),
        }
    }

    fn phrase(&mut self, quote: char) -> Result<Query, QueryError> {
        let mut words: Vec<String> = Vec::new();
        loop {
            match self.tokens.next() {
                Some(Token { kind: Kind::Term(text), .. }) => words.push(text),
                Some(Token { kind: Kind::Quote(other), .. })
                    if other == quote && !words.is_empty() =>
                {
                    break;
                }
                token => return Err(self.unexpected(token)),
            }
        }
        let mut first = Term { pattern: words[0].clone(), fields: Fields::default() };
        if words.len() > 1 && !first.pattern.ends_with('*') {
            first.pattern.push('*');
        }
        Ok(Query::Phrase { first, text: words.join(" ") })
    }
}

fn term(text: &str) -> Query {
    Query::Term(Term { pattern: text.trim().to_string(), fields: Fields::default() })
}

fn in_fields(mut query: Query, fields: Fields) -> Query {
    query.restrict(fields);
    query
}

fn both(
    join: fn(Box<Query>, Box<Query>) -> Query,
    left: Query,
    right: Query,
) -> Result<Query, QueryError> {
    match (left.returns(), right.returns()) {
        (Returns::Actions, Returns::Packages) => {
            Err(QueryError::Mixed { actions: left.to_string(), packages: right.to_string() })
        }
        (Returns::Packages, Returns::Actions) => {
            Err(QueryError::Mixed { actions: right.to_string(), packages: left.to_string() })
        }
        _ => Ok(join(Box::new(left), Box::new(right))),
    }
}

impl Fields {
    fn of(package: &str, action: &str, key: &str) -> Fields {
        let some = |text: &str| (!matches!(text, "" | "*")).then(|| text.to_string());
        // Nobody names a package down to its time stamp: a beginning will do.
        let package = some(package).map(|name| match name.strip_suffix('*') {
            Some(_) => name,
            None => name + "*",
        });
        Fields { package, action: some(action), key: some(key) }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |field: &Option<String>| escaped(field.as_deref().unwrap_or(""));
        write!(to, "{}:{}:{}", shown(&self.package), shown(&self.action), shown(&self.key))
    }
}

fn escaped(text: &str) -> String {
    text.replace(':', "\\:")
}

impl fmt::Display for Query {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Query::Term(Term { pattern, fields }) => write!(to, "{fields}:{}", escaped(pattern)),
            Query::Phrase { first, text } => write!(to, "{}:'{text}'", first.fields),
            Query::And(left, right) => write!(to, "({left} AND {right})"),
            Query::Or(left, right) => write!(to, "({left} OR {right})"),
            Query::Packages(inner) => write!(to, "p<{inner}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings() {
        for (text, expected) in [
            ("pear", ":::pear"),
            ("a b c", "(:::a AND (:::b AND :::c))"),
            ("a AND b OR c", "(:::a AND (:::b OR :::c))"),
            ("(a OR b) c", "((:::a OR :::b) AND :::c)"),
            ("a b OR c", "((:::a AND :::b) OR :::c)"),
            ("<a> OR pkg<b c>", "(p<:::a> OR p<(:::b AND :::c)>)"),
            ("\"big pear\"", ":::'big pear'"),
            ("set:pkg.summary:'big pear'", ":set:pkg.summary:'big pear'"),
            ("fruit/pear:file::", "fruit/pear*:file::*"),
            ("file:basename: pear", ":file:basename:pear"),
            ("x:y z", "(::x:y AND :::z)"),
            ("x:y q:z", "(::x:y AND ::q:z)"),
            ("a*:*:*:b", "a*:::b"),
            ("k:a\\:b", "::k:a\\:b"),
        ] {
            assert_eq!(Query::parse(text).map(|query| query.to_string()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn refusals() {
        let long = "a ".repeat(100) + "a";
        for (text, expected) in [
            ("((a", "Could not parse query.\nProblem occurred with: None\t\n\t((a\n\t   ^"),
            ("", "Could not parse query.\nProblem occurred with: None\t\n\t\n\t^"),
            (
                "a)",
                "Could not parse query.\nProblem occurred with: \
                 LexToken(RPAREN,')',1,1)\t\n\ta)\n\t ^",
            ),
            (
                "a AND OR",
                "Could not parse query.\nProblem occurred with: \
                 LexToken(OR,'OR',1,6)\t\n\ta AND OR\n\t       ^",
            ),
            (
                "'a:b'",
                "Could not parse query.\nProblem occurred with: \
                 LexToken(FTERM,('', '', 'a', 'b'),1,1)\t\n\t'a:b'\n\t   ^",
            ),
            (
                "a <b>",
                "This expression produces action results:\n\t:::a\nThis expression produces \
                 package results:\n\tp<:::b>\n'AND' and 'OR' require those expressions to \
                 produce the same type of results.",
            ),
            ("a \tb", "An unparseable character in query at position : 3\na \tb\n  ^"),
            (
                &long,
                "The number of terms in the query is 101, which exceeds the maximum supported \
                 value of 100 terms.",
            ),
        ] {
            let refused = Query::parse(text).unwrap_err();
            assert_eq!(refused.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn packages_of_each_part() {
        let query = Query::parse("a AND (b OR 'c d')").unwrap().of_packages();
        assert_eq!(query.to_string(), "(p<:::a> AND (p<:::b> OR p<:::'c d'>))");
        assert_eq!(query.returns(), Returns::Packages);
        let deep = "\"a\"".repeat(100);
        assert!(Query::parse(&deep).is_ok());
    }
}
