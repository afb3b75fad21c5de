//! lex.rs - the words of svccfg.
//!
//! A word is a run of characters other than blank, tab, newline, `"`, `>`, `=`, `(` and `)`; a
//! string is quoted by `"`, may span lines, and a backslash in it makes the next character plain.
//! `#` starts a comment wherever a token could start, and ends with the line.  A newline ends a
//! command, except between parentheses.  `;` is an ordinary character.

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

/// One command: its tokens and the line on which the first of them stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// From 1.
    pub line: usize,
    /// At least one.
    pub tokens: Vec<Token>,
}

/// What the lexer found at the end of the text it was given.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// Every command was complete.
    Complete,
    /// A string or a list is open: an interactive svccfg reads on.
    Open,
}

struct Lexer<'a> {
    characters: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    depth: usize,
    commands: Vec<Command>,
    current: Option<Command>,
}

/// Splits a text into its commands.
pub fn commands(text: &str) -> (Vec<Command>, Rest) {
    let mut lexer = Lexer {
        characters: text.chars().peekable(),
        line: 1,
        depth: 0,
        commands: Vec::new(),
        current: None,
    };
    let rest = lexer.run();
    lexer.finish();
    (lexer.commands, rest)
}

impl Lexer<'_> {
    fn run(&mut self) -> Rest {
        while let Some(character) = self.characters.next() {
            match character {
                ' ' | '\t' => {}
                '\n' => {
                    self.line += 1;
                    if self.depth == 0 {
                        self.finish();
                    }
                }
                // The newline itself stays: it ends the command.
                '#' => while self.characters.next_if(|c| *c != '\n').is_some() {},
                '=' => self.push(Token::Equals),
                '>' => self.push(Token::Redirect),
                '(' => {
                    self.depth += 1;
                    self.push(Token::Open);
                }
                ')' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.push(Token::Close);
                }
                '"' => {
                    if !self.quoted() {
                        return Rest::Open;
                    }
                }
                first => {
                    let mut word = String::from(first);
                    while let Some(next) = self.characters.next_if(|c| !" \t\n\">=()".contains(*c))
                    {
                        word.push(next);
                    }
                    self.push(Token::Word(word));
                }
            }
        }
        if self.depth > 0 { Rest::Open } else { Rest::Complete }
    }

    /// The rest of a string; false when it is not closed.
    fn quoted(&mut self) -> bool {
        let mut text = String::new();
        let line = self.line;
        loop {
            match self.characters.next() {
                None => return false,
                Some('"') => break,
                Some('\\') => text.extend(self.characters.next()),
                Some(other) => {
                    self.line += usize::from(other == '\n');
                    text.push(other);
                }
            }
        }
        self.current.get_or_insert_with(|| Command { line, tokens: Vec::new() });
        self.push(Token::Quoted(text));
        true
    }

    fn push(&mut self, token: Token) {
        let line = self.line;
        self.current.get_or_insert_with(|| Command { line, tokens: Vec::new() }).tokens.push(token);
    }

    fn finish(&mut self) {
        self.commands.extend(self.current.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens as text: strings in quotes.
    fn shown(text: &str) -> Vec<String> {
        let show = |token: &Token| match token {
            Token::Word(word) => word.clone(),
            Token::Quoted(text) => format!("{text:?}"),
            Token::Equals => "=".into(),
            Token::Redirect => ">".into(),
            Token::Open => "(".into(),
            Token::Close => ")".into(),
        };
        let all = commands(text).0;
        all.iter()
            .map(|command| {
                let tokens: Vec<_> = command.tokens.iter().map(show).collect();
                format!("{}: {}", command.line, tokens.join(" "))
            })
            .collect()
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
                vec![r#"1: setprop p/q = ( "a" "b" )"#, "3: end"],
            ),
            ("a;b\nexport x>y", vec!["1: a;b", "2: export x > y"]),
            ("x \"a\nb\"\ny", vec!["1: x \"a\\nb\"", "3: y"]),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_open_is_said() {
        for (text, rest) in [
            ("setprop a/b = \"x", Rest::Open),
            ("setprop a/b = (1 2", Rest::Open),
            ("setprop a/b = (1 2)", Rest::Complete),
        ] {
            assert_eq!(commands(text).1, rest, "{text}");
        }
    }
}
