//! lines.rs - reads the input: joined lines, macros expanded, includes in place, rules apart.
//!
//! A macro is replaced wherever its `$(NAME)` stands, again and again until nothing changes.  A
//! line that macros make empty is gone; one that was empty stays, as comments do.

use std::fs;
use std::path::{Path, PathBuf};

use ips_model::Action;

use super::rule::Rule;
use super::{MogrifyError, Settings};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file as given.
    pub file: String,
    /// Counted from 1; of a continued line its last.
    pub line: usize,
}

impl Position {
    /// An error in this line.
    pub fn refuse(&self, what: impl std::fmt::Display) -> MogrifyError {
        MogrifyError(format!("File {}, line {}: {what}", self.file, self.line))
    }
}

/// A line of the output to come.
#[derive(Debug, Clone)]
pub enum Line {
    /// A comment, a blank line or a kept `<include>`.
    Text(String),
    /// An action, with the undefined macros that stood before it.
    Action { prefix: String, action: Action, position: Position },
    /// The end of a file named in the arguments.
    EndOfFile(Position),
}

/// All input.
#[derive(Debug, Default)]
pub struct Input {
    /// The lines, includes in place.
    pub lines: Vec<Line>,
    /// The rules, in the order they were met.
    pub rules: Vec<Rule>,
    /// Whether what rules do is told in comments.
    pub verbose: bool,
}

/// Includes within includes end here; a file that includes itself has no end.
const DEEPEST: usize = 64;
/// Expansions of one line end here; a macro that holds itself has no end.
const MOST_EXPANSIONS: usize = 1000;

/// Reads every file: its name and its text.
pub fn read(files: &[(String, String)], settings: &Settings) -> Result<Input, MogrifyError> {
    let mut input = Input { verbose: settings.verbose, ..Input::default() };
    for (name, text) in files {
        file(name, text, 0, settings, &mut input)?;
        input.lines.push(Line::EndOfFile(Position { file: name.clone(), line: 0 }));
    }
    Ok(input)
}

/// The file that a name means: in the working directory, else in the first folder of `-I` that has it.
pub fn find(name: &str, settings: &Settings) -> Result<PathBuf, MogrifyError> {
    let here = std::iter::once(Path::new("")).chain(settings.includes.iter().map(PathBuf::as_path));
    let found = here.map(|place| place.join(name)).find(|path| path.exists());
    found
        .filter(|_| !name.is_empty())
        .ok_or_else(|| MogrifyError(format!("File not found: '{name}'")))
}

/// The text of a file that was found.
pub fn text_of(path: &Path) -> Result<String, MogrifyError> {
    fs::read_to_string(path)
        .map_err(|error| MogrifyError(format!("Cannot open file: {}: {error}", path.display())))
}

fn file(
    name: &str,
    text: &str,
    depth: usize,
    settings: &Settings,
    input: &mut Input,
) -> Result<(), MogrifyError> {
    for (number, joined) in joined_lines(text) {
        let position = Position { file: name.to_string(), line: number };
        let expanded = expand(&joined, &settings.macros).map_err(|what| position.refuse(what))?;
        if expanded.is_empty() && !joined.is_empty() {
            continue;
        }
        line(&expanded, position, depth, settings, input)?;
    }
    Ok(())
}

/// Lines without the white space around them, a `\` at the end joined with the next.
fn joined_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        // A blank line stays where it is, and what was begun before it goes on after it.
        if open && line.is_empty() {
            lines.push((at + 1, String::new()));
            continue;
        }
        open = match line.strip_suffix('\\') {
            Some(head) => {
                begun.push_str(head);
                true
            }
            None => {
                begun.push_str(line);
                lines.push((at + 1, std::mem::take(&mut begun)));
                false
            }
        };
    }
    if open {
        lines.push((text.lines().count(), begun));
    }
    lines
}

fn expand(line: &str, macros: &[(String, String)]) -> Result<String, String> {
    let mut expanded = line.to_string();
    for _ in 0..MOST_EXPANSIONS {
        let before = expanded.clone();
        for (name, value) in macros {
            expanded = expanded.replace(&format!("$({name})"), value);
        }
        if expanded == before {
            return Ok(expanded.trim().to_string());
        }
    }
    Err(format!("the macros of '{line}' have no end"))
}

fn line(
    text: &str,
    position: Position,
    depth: usize,
    settings: &Settings,
    input: &mut Input,
) -> Result<(), MogrifyError> {
    if text.is_empty() || text.starts_with('#') {
        input.lines.push(Line::Text(text.to_string()));
    } else if text.starts_with("<transform") {
        input.rules.push(Rule::parse(text, position)?);
    } else if let Some(rest) = text.strip_prefix("<include") {
        if settings.keep_includes {
            input.lines.push(Line::Text(text.to_string()));
            return Ok(());
        }
        let wanted = rest.strip_suffix('>').unwrap_or(rest).trim().trim_matches('"');
        include(wanted, &position, depth, settings, input)?;
    } else if text.starts_with('<') {
        return Err(position.refuse(format!("unknown command {text}")));
    } else {
        let (prefix, rest) = undefined_head(text);
        let action = Action::parse(rest).map_err(|error| {
            MogrifyError(format!("File {} line {}: {error}", position.file, position.line))
        })?;
        input.lines.push(Line::Action { prefix: prefix.to_string(), action, position });
    }
    Ok(())
}

fn include(
    wanted: &str,
    position: &Position,
    depth: usize,
    settings: &Settings,
    input: &mut Input,
) -> Result<(), MogrifyError> {
    if depth >= DEEPEST {
        return Err(position.refuse(format!("includes of '{wanted}' have no end")));
    }
    let path = find(wanted, settings).map_err(|error| position.refuse(error))?;
    let text = text_of(&path).map_err(|error| position.refuse(error))?;
    file(&path.display().to_string(), &text, depth + 1, settings, input)
}

/// The undefined macros a line begins with, and the rest.
fn undefined_head(text: &str) -> (&str, &str) {
    let mut at = 0;
    while text[at..].starts_with("$(") {
        match text[at..].find(')') {
            Some(end) => at += end + 1,
            None => break,
        }
    }
    text.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined() {
        let lines = joined_lines(" a \\\n  b\n\nd \\\n\ne\nc\\");
        let expected = [(2, "a b"), (3, ""), (5, ""), (6, "d e"), (7, "c")];
        assert_eq!(lines, expected.map(|(number, text)| (number, text.to_string())));
    }

    #[test]
    fn macros_end() {
        let one = |name: &str, value: &str| (name.to_string(), value.to_string());
        let macros = [one("A", "$(B)x"), one("B", "b")];
        assert_eq!(expand("$(A) $(C)", &macros).unwrap(), "bx $(C)");
        assert!(expand("$(A)", &[one("A", "$(A)a")]).is_err());
        assert_eq!(undefined_head("$(A)$(B)file $(C)"), ("$(A)$(B)", "file $(C)"));
    }
}
