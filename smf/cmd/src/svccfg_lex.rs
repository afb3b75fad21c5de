//! svccfg_lex.rs - the words of svccfg.
//!
//! A word is a run of characters other than blank, tab, newline, `"`, `>`, `=`, `(` and `)`; a
//! string is quoted by `"`, may span lines, and a backslash in it makes the next character plain.
//! `#` starts a comment wherever a token could start, and ends with the line.  A newline ends a
//! command, except between parentheses.  `;` is an ordinary character.
//!
//! Pure, and fed as text comes: a terminal hands over line after line and asks in between whether
//! a command is still open.  However the text is cut into pieces, the commands are the same.

/// A token, with the difference between a word and a quoted string kept: a list of strings
/// must be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A bare word.
    Word(String),
    /// A quoted string, without its quotes.
    Quoted(String),
    /// `=`
    Equals,
    /// `>`
    Redirect,
    /// `(`
    Open,
    /// `)`
    Close,
}

/// One command: its tokens and the line on which it ends, which is the one messages name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// From 1.
    pub line: usize,
    /// At least one.
    pub tokens: Vec<Token>,
}

/// Where the next character belongs.
#[derive(Debug, PartialEq, Eq)]
enum Inside {
    Nothing,
    Comment,
    Word(String),
    Quoted(String),
    /// In a string, behind a backslash.
    Escape(String),
}

/// A lexer between two pieces of text.
#[derive(Debug)]
pub struct Lexer {
    inside: Inside,
    line: usize,
    /// Where the string or the list that is open began.
    opened: usize,
    depth: usize,
    tokens: Vec<Token>,
    complete: Vec<Command>,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            inside: Inside::Nothing,
            line: 1,
            opened: 1,
            depth: 0,
            tokens: Vec::new(),
            complete: Vec::new(),
        }
    }
}

impl Lexer {
    /// Takes a piece of text; the commands that are complete with it.
    pub fn feed(&mut self, text: &str) -> Vec<Command> {
        for character in text.chars() {
            self.character(character);
        }
        std::mem::take(&mut self.complete)
    }

    /// Whether a string or a list is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.depth > 0 || matches!(self.inside, Inside::Quoted(_) | Inside::Escape(_))
    }

    /// The line that comes next, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The text ends here: the last command, which needs no newline.
    ///
    /// # Errors
    /// A string or a list is open.
    pub fn finish(mut self) -> Result<Option<Command>, Unclosed> {
        if self.is_open() {
            return Err(Unclosed { line: self.opened });
        }
        Ok(self.feed("\n").pop())
    }

    fn character(&mut self, character: char) {
        match std::mem::replace(&mut self.inside, Inside::Nothing) {
            Inside::Nothing => self.between(character),
            Inside::Comment if character != '\n' => self.inside = Inside::Comment,
            Inside::Comment => self.between(character),
            Inside::Word(mut word) => {
                if " \t\n\">=()".contains(character) {
                    self.tokens.push(Token::Word(word));
                    self.between(character);
                } else {
                    word.push(character);
                    self.inside = Inside::Word(word);
                }
            }
            Inside::Quoted(text) if character == '"' => self.tokens.push(Token::Quoted(text)),
            Inside::Quoted(text) if character == '\\' => self.inside = Inside::Escape(text),
            Inside::Quoted(mut text) | Inside::Escape(mut text) => {
                self.line += usize::from(character == '\n');
                text.push(character);
                self.inside = Inside::Quoted(text);
            }
        }
    }

    /// A character where a token could start.
    fn between(&mut self, character: char) {
        match character {
            ' ' | '\t' => {}
            '\n' => {
                if self.depth == 0 {
                    let command = self.take();
                    self.complete.extend(command);
                }
                self.line += 1;
            }
            '#' => self.inside = Inside::Comment,
            '"' => {
                self.open();
                self.inside = Inside::Quoted(String::new());
            }
            '=' => self.tokens.push(Token::Equals),
            '>' => self.tokens.push(Token::Redirect),
            '(' => {
                self.open();
                self.depth += 1;
                self.tokens.push(Token::Open);
            }
            ')' => {
                self.depth = self.depth.saturating_sub(1);
                self.tokens.push(Token::Close);
            }
            other => self.inside = Inside::Word(other.to_string()),
        }
    }

    /// A string or a list begins here; one in a list belongs to the list.
    fn open(&mut self) {
        if self.depth == 0 {
            self.opened = self.line;
        }
    }

    fn take(&mut self) -> Option<Command> {
        let tokens = std::mem::take(&mut self.tokens);
        (!tokens.is_empty()).then_some(Command { line: self.line, tokens })
    }
}

/// A string or a list is not closed where the text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a string or a list is not closed")]
pub struct Unclosed {
    /// Where it began.
    pub line: usize,
}

/// Splits a whole text into its commands.
///
/// # Errors
/// A string or a list is not closed.
pub fn commands(text: &str) -> Result<Vec<Command>, Unclosed> {
    let mut lexer = Lexer::default();
    let mut commands = lexer.feed(text);
    commands.extend(lexer.finish()?);
    Ok(commands)
}

/// A value the way a command reads it: in quotes where it needs them, or where `always` says so.
#[must_use]
pub fn quoted(value: &str, always: bool) -> String {
    if !always && !value.contains([' ', '\t', '\n', '"', '(', ')']) {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens as text: strings in quotes.
    fn shown(commands: &[Command]) -> Vec<String> {
        let show = |token: &Token| match token {
            Token::Word(word) => word.clone(),
            Token::Quoted(text) => format!("{text:?}"),
            Token::Equals => "=".into(),
            Token::Redirect => ">".into(),
            Token::Open => "(".into(),
            Token::Close => ")".into(),
        };
        let tokens = |command: &Command| -> Vec<_> { command.tokens.iter().map(show).collect() };
        commands.iter().map(|c| format!("{}: {}", c.line, tokens(c).join(" "))).collect()
    }

    #[test]
    fn words_strings_and_comments() {
        for (text, expected) in [
            ("setprop pkg/port=8001", vec!["1: setprop pkg/port = 8001"]),
            (
                "setprop a/b = astring: \"x \\\" \\\\ y\"\n",
                vec![r#"1: setprop a/b = astring: "x \" \\ y""#],
            ),
            ("# all\n\nselect a # rest\n", vec!["3: select a"]),
            ("select a#b", vec!["1: select a#b"]),
            ("setprop p/q = #x\n", vec!["1: setprop p/q ="]),
            (
                "setprop p/q = (\"a\"\n \"b\")\nend",
                vec![r#"2: setprop p/q = ( "a" "b" )"#, "3: end"],
            ),
            ("a;b\nexport x>y", vec!["1: a;b", "2: export x > y"]),
            ("x \"a\nb\"\ny", vec!["2: x \"a\\nb\"", "3: y"]),
            ("a\"b\"c", vec!["1: a \"b\" c"]),
            ("", vec![]),
        ] {
            assert_eq!(shown(&commands(text).unwrap()), expected, "{text:?}");
            // The same, character by character.
            let mut lexer = Lexer::default();
            let mut pieces = Vec::new();
            for character in text.chars() {
                pieces.extend(lexer.feed(&character.to_string()));
            }
            pieces.extend(lexer.finish().unwrap());
            assert_eq!(shown(&pieces), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_open_is_said() {
        for (text, line) in [
            ("setprop a/b = \"x", Some(1)),
            ("setprop a/b = \"x\\", Some(1)),
            ("list\nsetprop a/b = (1\n 2 \"", Some(2)),
            ("setprop a/b = (1 2)", None),
            ("setprop a/b = 1)", None),
        ] {
            assert_eq!(commands(text).err().map(|open| open.line), line, "{text}");
        }
    }

    #[test]
    fn a_quoted_value_is_read_back() {
        for value in ["", "plain", "two words", "a\"b\\c", "(x)", "line\nline", "\\", "é#=>"] {
            let read = commands(&quoted(value, true)).unwrap();
            assert_eq!(read[0].tokens, [Token::Quoted(value.to_owned())], "{value:?}");
        }
        assert_eq!(quoted("plain", false), "plain");
        assert_eq!(quoted("two words", false), "\"two words\"");
    }
}
