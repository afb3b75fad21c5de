//! lexer.rs - a query's text as tokens.
//!
//! The rules are tried in this order at every place that is not a blank:
//!
//! ```text
//! LBRACE  p? pk? pkg? pkgs? followed by <        RBRACE  >
//! FTERM   a run without blanks that holds a colon; fields end at colons without a backslash
//! TERM    a run without blanks; closing brackets and quotes at its end are not of it
//! LPAREN RPAREN QUOTE1 QUOTE2
//! ```
//!
//! Law: positions count characters, as the messages do.

use crate::query::error::QueryError;

/// More tokens than any query of a hundred words needs; so nesting is bounded.
const TOKENS: usize = 512;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Package, action, key, token.
    Fields([String; 4]),
    Term(String),
    OpenParen,
    CloseParen,
    And,
    Or,
    Quote(char),
    OpenBrace,
    CloseBrace,
}

/// A token and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    text: String,
    start: usize,
    /// Characters up to its end.
    pub(crate) end: usize,
}

/// All tokens of a query.  One that nothing matches is an error when the parser comes to it, so
/// it stands at the end of the list.
pub(crate) fn tokens(query: &str) -> (Vec<Token>, Option<QueryError>) {
    let chars: Vec<char> = query.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == ' ' {
            at += 1;
            continue;
        }
        let found = if tokens.len() < TOKENS { token(&chars[at..]) } else { None };
        let Some((kind, length)) = found else {
            let refused = QueryError::Character { query: query.to_string(), position: at };
            return (tokens, Some(refused));
        };
        let text = chars[at..at + length].iter().collect();
        tokens.push(Token { kind, text, start: at, end: at + length });
        at += length;
    }
    (tokens, None)
}

fn token(rest: &[char]) -> Option<(Kind, usize)> {
    let run = rest.iter().position(|c| c.is_whitespace()).unwrap_or(rest.len());
    let run = &rest[..run];
    let first = *run.first()?;
    if let Some(length) = open_brace(run) {
        return Some((Kind::OpenBrace, length));
    }
    if first == '>' {
        return Some((Kind::CloseBrace, 1));
    }
    let length = fields_length(run).or_else(|| term_length(run));
    if let Some(length) = length {
        let text: String = run[..length].iter().collect();
        return Some((term(&text), length));
    }
    match first {
        '(' => Some((Kind::OpenParen, 1)),
        ')' => Some((Kind::CloseParen, 1)),
        '\'' | '"' => Some((Kind::Quote(first), 1)),
        _ => None,
    }
}

fn open_brace(run: &[char]) -> Option<usize> {
    let at = run.iter().take(5).position(|c| *c == '<')?;
    let word = run[..at].iter().zip("pkgs".chars());
    (at <= 4 && word.into_iter().all(|(c, own)| c.eq_ignore_ascii_case(&own))).then_some(at + 1)
}

/// The length of a run with a colon: what is before the last colon, and a term after it.
fn fields_length(run: &[char]) -> Option<usize> {
    let colon = run.iter().rposition(|c| *c == ':')?;
    if colon > 0 && matches!(run[0], '\'' | '"' | '(') {
        return None;
    }
    Some(colon + 1 + after_colon(&run[colon + 1..]))
}

fn after_colon(rest: &[char]) -> usize {
    match rest.first() {
        None | Some('(' | '\'' | '"') => 0,
        Some(first) => match last_inside(rest) {
            0 if matches!(first, ')' | '>') => 0,
            0 => 1,
            last => last + 1,
        },
    }
}

fn term_length(run: &[char]) -> Option<usize> {
    let first = *run.first()?;
    if matches!(first, '(' | '\'' | '"') {
        return None;
    }
    match last_inside(run) {
        0 if first == ')' => None,
        0 => Some(1),
        last => Some(last + 1),
    }
}

/// The last place behind the first one that a term may end at; 0 where there is none.
fn last_inside(run: &[char]) -> usize {
    let may_end = |c: &char| !matches!(c, ')' | '\'' | '"' | '>');
    run.iter().skip(1).rposition(may_end).map_or(0, |at| at + 1)
}

fn term(text: &str) -> Kind {
    let mut fields: Vec<String> = Vec::new();
    for field in text.split(':') {
        match fields.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(':');
                last.push_str(field);
            }
            _ => fields.push(field.to_string()),
        }
    }
    // Of more than four fields the last four count.
    let mut from_end = fields.into_iter().rev();
    let token = from_end.next().unwrap_or_default();
    match from_end.next() {
        Some(key) => {
            let action = from_end.next().unwrap_or_default();
            let package = from_end.next().unwrap_or_default();
            Kind::Fields([package, action, key, token])
        }
        None if token == "AND" => Kind::And,
        None if token == "OR" => Kind::Or,
        None => Kind::Term(token),
    }
}

impl Token {
    /// As pkg5's messages name it.
    pub(crate) fn shown(&self) -> String {
        let (name, value) = match &self.kind {
            Kind::Fields(fields) => {
                let fields: Vec<String> = fields.iter().map(|field| shown(field)).collect();
                ("FTERM", format!("({})", fields.join(", ")))
            }
            Kind::Term(text) => ("TERM", shown(text)),
            Kind::OpenParen => ("LPAREN", shown("(")),
            Kind::CloseParen => ("RPAREN", shown(")")),
            Kind::And => ("AND", shown("AND")),
            Kind::Or => ("OR", shown("OR")),
            Kind::Quote('\'') => ("QUOTE1", shown("'")),
            Kind::Quote(_) => ("QUOTE2", shown("\"")),
            Kind::OpenBrace => ("LBRACE", shown(&self.text)),
            Kind::CloseBrace => ("RBRACE", shown(">")),
        };
        format!("LexToken({name},{value},1,{})", self.start)
    }
}

/// A text as Python writes it.
fn shown(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            c if c == quote => shown.extend(['\\', c]),
            c if c.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown.push(quote);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_texts() {
        for (query, expected) in [
            ("pear", "TERM'pear'"),
            ("a AND (b OR c)", "TERM'a' AND'AND' LPAREN'(' TERM'b' OR'OR' TERM'c' RPAREN')'"),
            ("PkGs<a b>", "LBRACE'PkGs<' TERM'a' TERM'b' RBRACE'>'"),
            ("<a>", "LBRACE'<' TERM'a' RBRACE'>'"),
            ("file:basename:pe*", "FTERM('', 'file', 'basename', 'pe*')"),
            ("p:file:path:/a", "FTERM('p', 'file', 'path', '/a')"),
            (":::x", "FTERM('', '', '', 'x')"),
            ("a\\:b", "TERM'a:b'"),
            ("k:a\\:b", "FTERM('', '', 'k', 'a:b')"),
            ("k:'a b'", "FTERM('', '', 'k', '') QUOTE1\"'\" TERM'a' TERM'b' QUOTE1\"'\""),
            ("(k:v)", "LPAREN'(' FTERM('', '', 'k', 'v') RPAREN')'"),
            ("\"a\"", "QUOTE2'\"' TERM'a' QUOTE2'\"'"),
            ("a))", "TERM'a' RPAREN')' RPAREN')'"),
            ("a)b", "TERM'a)b'"),
            ("()", "LPAREN'(' RPAREN')'"),
        ] {
            let (tokens, refused) = tokens(query);
            let shown: Vec<String> = tokens
                .iter()
                .map(|token| {
                    let text = token.shown();
                    let inner = text.trim_start_matches("LexToken(").rsplitn(3, ',').last();
                    inner.unwrap().replacen(',', "", 1)
                })
                .collect();
            assert_eq!((shown.join(" ").as_str(), refused), (expected, None), "{query}");
        }
        assert!(matches!(tokens("a\tb").1, Some(QueryError::Character { position: 1, .. })));
    }

    #[test]
    fn a_text_of_brackets_without_end_is_refused() {
        assert!(tokens(&"(".repeat(100_000)).1.is_some());
    }
}
