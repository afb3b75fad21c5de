//! error.rs - what is said of a query that cannot be run; the texts are pkg5's.

use std::fmt;

/// The most words a query may have.
pub(crate) const WORDS: usize = 100;

/// A query that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// The text of search/1 has not all five fields.
    Incomplete(String),
    /// One of the fields is refused.
    Value {
        /// The whole text.
        query: String,
        /// The field's name.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// More words than a query may have.
    Words(usize),
    /// The grammar has no place for a token.
    Syntax {
        /// The query.
        query: String,
        /// The token as pkg5 prints it; none where the text ended too early.
        token: Option<String>,
        /// Characters read when it was seen.
        position: usize,
    },
    /// A character no token begins with.
    Character {
        /// The query.
        query: String,
        /// Characters before it.
        position: usize,
    },
    /// AND and OR of actions with packages.
    Mixed {
        /// The side that gives actions.
        actions: String,
        /// The side that gives packages.
        packages: String,
    },
}

impl QueryError {
    /// Whether the five fields of search/1 are at fault, not the language of the query.
    pub fn is_request(&self) -> bool {
        matches!(self, QueryError::Incomplete(_) | QueryError::Value { .. } | QueryError::Words(_))
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Incomplete(text) => write!(
                to,
                "A query is expected to have five fields: case sensitivity, return type, number \
                 of results to return, the number at which to start returning results, and the \
                 text of the query.  The query provided lacked at least one of those fields:\n\
                 {text}"
            ),
            QueryError::Value { query, name, value } => {
                write!(to, "In query {query}, {name} had a bad value of '{value}'.")
            }
            QueryError::Words(count) => write!(
                to,
                "The number of terms in the query is {count}, which exceeds the maximum \
                 supported value of {WORDS} terms."
            ),
            QueryError::Syntax { query, token, position } => {
                let token = token.as_deref().unwrap_or("None");
                let blanks = " ".repeat(position.saturating_sub(1));
                write!(
                    to,
                    "Could not parse query.\nProblem occurred with: {token}\t\n\t{query}\n\t\
                     {blanks}^"
                )
            }
            QueryError::Character { query, position } => {
                let blanks = " ".repeat(*position);
                let at = position + 1;
                write!(
                    to,
                    "An unparseable character in query at position : {at}\n{query}\n{blanks}^"
                )
            }
            QueryError::Mixed { actions, packages } => write!(
                to,
                "This expression produces action results:\n\t{actions}\nThis expression \
                 produces package results:\n\t{packages}\n'AND' and 'OR' require those \
                 expressions to produce the same type of results."
            ),
        }
    }
}

impl std::error::Error for QueryError {}
