//! imports.rs - the import statements of a Python text, wherever they stand.
//!
//! The text is cut into tokens as Python does it (strings of every kind, brackets, joined lines);
//! a statement starts at the start of a logical line, after `;`, and after the `:` of a compound
//! statement.  Nothing else is understood: what is no import is passed over, right or wrong.

use std::iter::Peekable;
use std::vec::IntoIter;

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// `import a.b`, `from a.b import c`.
    Module(String),
    /// `from ..a import b`; the name may be empty.
    Relative {
        /// How many dots.
        level: usize,
        /// What stands after them.
        name: String,
    },
}

/// A text that is no Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// In Python's words.
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Name(String),
    Sign(char),
    /// A number or string.
    Value,
    /// The end of a logical line.
    End,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    line: usize,
    column: usize,
}

/// Fields of formatted strings within each other, and brackets.
const DEEPEST: usize = 200;

/// The imports, in order.
pub fn imports(text: &str) -> Result<Vec<Import>, SyntaxError> {
    let mut tokens = Tokens::of(text).all()?.into_iter().peekable();
    let mut found = Vec::new();
    let mut starts = true;
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match &token.kind {
            Kind::Name(word) if starts && word == "import" => plain(&mut tokens, &mut found)?,
            Kind::Name(word) if starts && word == "from" => from(&mut tokens, &mut found)?,
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Kind::Name(_) | Kind::Sign(_) | Kind::Value | Kind::End => {}
        }
        starts = match token.kind {
            Kind::End => true,
            Kind::Sign(';' | ':') => depth == 0,
            Kind::Name(_) | Kind::Sign(_) | Kind::Value => false,
        };
    }
    Ok(found)
}

type Rest = Peekable<IntoIter<Token>>;

fn invalid(token: Option<&Token>) -> SyntaxError {
    let (line, column) = token.map_or((1, 1), |token| (token.line, token.column));
    SyntaxError { line, column, reason: "invalid syntax" }
}

fn name(rest: &mut Rest) -> Result<String, SyntaxError> {
    match rest.next() {
        Some(Token { kind: Kind::Name(name), .. }) => Ok(name),
        other => Err(invalid(other.as_ref())),
    }
}

fn takes(rest: &mut Rest, kind: &Kind) -> bool {
    rest.next_if(|token| token.kind == *kind).is_some()
}

fn takes_word(rest: &mut Rest, word: &str) -> bool {
    rest.next_if(|token| matches!(&token.kind, Kind::Name(name) if name == word)).is_some()
}

fn dotted(rest: &mut Rest) -> Result<String, SyntaxError> {
    let mut whole = name(rest)?;
    while takes(rest, &Kind::Sign('.')) {
        whole.push('.');
        whole.push_str(&name(rest)?);
    }
    Ok(whole)
}

fn ended(rest: &mut Rest) -> Result<(), SyntaxError> {
    match rest.peek() {
        None => Ok(()),
        Some(Token { kind: Kind::End | Kind::Sign(';'), .. }) => Ok(()),
        Some(other) => Err(invalid(Some(other))),
    }
}

/// After `import`.
fn plain(rest: &mut Rest, found: &mut Vec<Import>) -> Result<(), SyntaxError> {
    loop {
        found.push(Import::Module(dotted(rest)?));
        if takes_word(rest, "as") {
            name(rest)?;
        }
        if !takes(rest, &Kind::Sign(',')) {
            return ended(rest);
        }
    }
}

/// After `from`.
fn from(rest: &mut Rest, found: &mut Vec<Import>) -> Result<(), SyntaxError> {
    let mut level = 0;
    while takes(rest, &Kind::Sign('.')) {
        level += 1;
    }
    let bare =
        matches!(rest.peek(), Some(Token { kind: Kind::Name(word), .. }) if word == "import");
    let module = if bare && level > 0 { String::new() } else { dotted(rest)? };
    if !takes_word(rest, "import") {
        return Err(invalid(rest.peek()));
    }
    found.push(match level {
        0 => Import::Module(module),
        level => Import::Relative { level, name: module },
    });
    if takes(rest, &Kind::Sign('*')) {
        return ended(rest);
    }
    let bracket = takes(rest, &Kind::Sign('('));
    loop {
        name(rest)?;
        if takes_word(rest, "as") {
            name(rest)?;
        }
        let more = takes(rest, &Kind::Sign(','));
        let closed = bracket && takes(rest, &Kind::Sign(')'));
        if closed || !more {
            return if closed == bracket { ended(rest) } else { Err(invalid(rest.peek())) };
        }
    }
}

/// The text while it is cut.
struct Tokens {
    chars: Vec<char>,
    at: usize,
    line: usize,
    line_at: usize,
    open: Vec<(char, usize, usize)>,
    tokens: Vec<Token>,
}

impl Tokens {
    fn of(text: &str) -> Tokens {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let chars = text.chars().collect();
        Tokens { chars, at: 0, line: 1, line_at: 0, open: Vec::new(), tokens: Vec::new() }
    }

    fn all(mut self) -> Result<Vec<Token>, SyntaxError> {
        while self.at < self.chars.len() {
            self.one()?;
        }
        match self.open.last() {
            Some((_, line, column)) => {
                let reason = "a bracket was never closed";
                Err(SyntaxError { line: *line, column: *column, reason })
            }
            None => Ok(self.tokens),
        }
    }

    fn column(&self) -> usize {
        self.at - self.line_at + 1
    }

    fn fails<T>(&self, reason: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, column: self.column(), reason })
    }

    fn push(&mut self, kind: Kind, column: usize) {
        self.tokens.push(Token { kind, line: self.line, column });
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Goes on by one character.
    fn step(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
            self.line_at = self.at + 1;
        }
        self.at += 1;
    }

    fn one(&mut self) -> Result<(), SyntaxError> {
        let column = self.column();
        let Some(next) = self.peek(0) else { return Ok(()) };
        match next {
            '\n' => {
                if self.open.is_empty() {
                    self.push(Kind::End, column);
                }
                self.step();
            }
            '#' => {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.step();
                }
            }
            '\\' if self.peek(1) == Some('\n') => {
                self.step();
                self.step();
            }
            '"' | '\'' => {
                self.string(false, 0)?;
                self.push(Kind::Value, column);
            }
            c if c.is_alphanumeric() || c == '_' => return self.word(column),
            c if c.is_whitespace() => self.step(),
            c => return self.sign(c, column),
        }
        Ok(())
    }

    fn word(&mut self, column: usize) -> Result<(), SyntaxError> {
        let from = self.at;
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.step();
        }
        let word: String = self.chars[from..self.at].iter().collect();
        let prefix = word.len() <= 3 && word.chars().all(|c| "rRbBuUfFtT".contains(c));
        if prefix && matches!(self.peek(0), Some('"' | '\'')) {
            self.string(word.contains(['f', 'F', 't', 'T']), 0)?;
            self.push(Kind::Value, column);
        } else if word.starts_with(|c: char| c.is_ascii_digit()) {
            self.push(Kind::Value, column);
        } else {
            self.push(Kind::Name(word), column);
        }
        Ok(())
    }

    fn sign(&mut self, sign: char, column: usize) -> Result<(), SyntaxError> {
        match sign {
            '(' | '[' | '{' => {
                if self.open.len() > DEEPEST {
                    return self.fails("too many nested parentheses");
                }
                self.open.push((sign, self.line, column));
            }
            ')' | ']' | '}' => {
                let partner = match sign {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if self.open.pop().is_none_or(|(open, _, _)| open != partner) {
                    return self.fails("unmatched bracket");
                }
            }
            _ => {}
        }
        self.push(Kind::Sign(sign), column);
        self.step();
        Ok(())
    }

    /// A string from its quote on.
    fn string(&mut self, formatted: bool, depth: usize) -> Result<(), SyntaxError> {
        let Some(quote) = self.peek(0) else { return Ok(()) };
        let long = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        for _ in 0..if long { 3 } else { 1 } {
            self.step();
        }
        loop {
            match self.peek(0) {
                None if long => return self.fails("unterminated triple-quoted string literal"),
                Some('\n') | None if !long => return self.fails("unterminated string literal"),
                Some('\\') => {
                    self.step();
                    self.step();
                }
                Some(c) if c == quote => {
                    let ends =
                        !long || (self.peek(1) == Some(quote) && self.peek(2) == Some(quote));
                    for _ in 0..if long && ends { 3 } else { 1 } {
                        self.step();
                    }
                    if ends {
                        return Ok(());
                    }
                }
                Some('{') if formatted && self.peek(1) == Some('{') => {
                    self.step();
                    self.step();
                }
                Some('{') if formatted => self.field(quote, long, depth + 1)?,
                _ => self.step(),
            }
        }
    }

    /// A field of a formatted string from its `{` on: an expression, and what stands after `:`.
    fn field(&mut self, quote: char, long: bool, depth: usize) -> Result<(), SyntaxError> {
        if depth > DEEPEST {
            return self.fails("f-string: expressions nested too deeply");
        }
        self.step();
        let (mut brackets, mut format) = (0_usize, false);
        loop {
            match self.peek(0) {
                None => return self.fails("f-string: expecting '}'"),
                Some('\n') if !long && format => return self.fails("unterminated string literal"),
                Some('}') if brackets == 0 => {
                    self.step();
                    return Ok(());
                }
                Some('{') if format => self.field(quote, long, depth + 1)?,
                // The string ends within the field: before 3.12 that was its end.
                Some(c) if format && c == quote => return Ok(()),
                _ if format => self.step(),
                Some('"' | '\'') => {
                    let nested = self.at > 0 && matches!(self.chars[self.at - 1], 'f' | 'F');
                    self.string(nested, depth)?;
                }
                Some('(' | '[' | '{') => {
                    brackets += 1;
                    self.step();
                }
                Some(')' | ']' | '}') => {
                    brackets = brackets.saturating_sub(1);
                    self.step();
                }
                Some(':') if brackets == 0 => {
                    format = true;
                    self.step();
                }
                _ => self.step(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match imports(text) {
            Ok(found) => {
                let one = |import: &Import| match import {
                    Import::Module(name) => name.clone(),
                    Import::Relative { level, name } => format!("{}{name}", ".".repeat(*level)),
                };
                found.iter().map(one).collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("{}:{} {}", error.line, error.column, error.reason),
        }
    }

    #[test]
    fn statements() {
        for (text, expected) in [
            ("import a, b.c as d\nfrom e.f import (g,\n  h as i,)\n", "a b.c e.f"),
            ("from . import x\nfrom ..y import *\nfrom ...z.w import v", ". ..y ...z.w"),
            (
                "def f():\n    import a; import b\ntry: import c\nexcept: from d import e\n",
                "a b c d",
            ),
            ("x = 'import a'\n\"\"\"\nimport b\n\"\"\"\n# import c\nimport d", "d"),
            ("x = yield from y\nraise A from import_b\nx = {1: 2}\nfrom_ = 3\n", ""),
            ("import \\\n  a\\\n .b\n", "a.b"),
            ("print f'{x[\"import\"]:>{n}}' 'it\\'s'\nimport a", "a"),
            ("x = f\"{d[\"k\"]}\" + rb'\\\\'\nimport a", "a"),
            ("f'{x:'\nimport b", "b"),
            ("import a\r\nimport b\r\n", "a b"),
            ("x[\nimport_a]\nimport b", "b"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_python() {
        for (text, expected) in [
            ("import\n", "1:7 invalid syntax"),
            ("import a b", "1:10 invalid syntax"),
            ("from a import", "1:1 invalid syntax"),
            ("from a import (b\n", "1:15 a bracket was never closed"),
            ("x = 'abc\n", "1:9 unterminated string literal"),
            ("x = '''abc\n", "2:1 unterminated triple-quoted string literal"),
            ("x = )", "1:5 unmatched bracket"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        assert!(told(&"(".repeat(100_000)).contains("too many"));
        assert!(told(&format!("f'{}", "{x:".repeat(100_000))).contains("too deeply"));
    }
}
