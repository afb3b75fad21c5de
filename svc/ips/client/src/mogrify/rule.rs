//! rule.rs - what a `<transform TYPE… ATTRIBUTE=REGEX… -> OPERATION …>` says.

use super::MogrifyError;
use super::lines::Position;
use super::pattern::Pattern;
use super::substitute::names_something;

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Types of action, in any of which the rule holds; none = all.
    pub kinds: Vec<String>,
    /// Attributes that have to be there, each value matching.
    pub criteria: Vec<(String, Pattern)>,
    /// What to do.
    pub operation: Operation,
    /// As it was written.
    pub text: String,
    /// Where it stands.
    pub position: Position,
}

/// What a rule does.  Values are templates for `substitute`.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Append a value to an attribute.
    Add { attribute: String, value: String },
    /// Give an attribute that is absent a value.
    Default { attribute: String, value: String },
    /// Give an attribute one value.
    Set { attribute: String, value: String },
    /// Take the values out that match.
    Delete { attribute: String, pattern: Pattern },
    /// Replace what matches in each value.
    Edit { attribute: String, pattern: Search, template: String },
    /// Leave the action out.
    Drop,
    /// Put a line after the action.
    Emit(String),
    /// Say something.
    Print(String),
    /// End with a status and perhaps a message, without a manifest.
    Exit { status: String, message: Option<String> },
}

/// What an edit looks for.
#[derive(Debug, Clone)]
pub enum Search {
    /// Known from the rule.
    Ready(Pattern),
    /// Known when the action is: a template.
    Template(String),
}

impl Search {
    fn parse(text: &str) -> Result<Search, String> {
        match names_something(text) {
            true => Ok(Search::Template(text.to_string())),
            false => Pattern::anywhere(text).map(Search::Ready),
        }
    }
}

impl Rule {
    /// Reads the directive.
    pub fn parse(text: &str, position: Position) -> Result<Rule, MogrifyError> {
        let refuse = |what: String| position.refuse(what);
        let inner = text.strip_prefix("<transform").and_then(|rest| rest.strip_suffix('>'));
        let parts = inner.and_then(|inner| inner.split_once("->"));
        let Some((head, operation)) = parts else {
            return Err(refuse(format!("malformed transform: {text}")));
        };
        let (mut kinds, mut criteria) = (Vec::new(), Vec::new());
        for word in words(head, Backslash::Kept).map_err(refuse)? {
            match word.split_once('=') {
                None => kinds.push(word),
                Some((name, regex)) => {
                    let pattern = Pattern::anchored(regex).map_err(refuse)?;
                    criteria.push((name.to_string(), pattern));
                }
            }
        }
        let operation = Operation::parse(operation.trim()).map_err(refuse)?;
        Ok(Rule { kinds, criteria, operation, text: text.to_string(), position })
    }
}

impl Operation {
    fn parse(text: &str) -> Result<Operation, String> {
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        match name {
            "add" | "default" | "set" => {
                let [attribute, value] = exactly(name, rest)?;
                Ok(match name {
                    "add" => Operation::Add { attribute, value },
                    "default" => Operation::Default { attribute, value },
                    _ => Operation::Set { attribute, value },
                })
            }
            "delete" => {
                let [attribute, regex] = exactly(name, rest)?;
                Ok(Operation::Delete { attribute, pattern: Pattern::anywhere(&regex)? })
            }
            "edit" => {
                let mut arguments = words(rest, Backslash::Shell)?.into_iter();
                match (arguments.next(), arguments.next(), arguments.next(), arguments.next()) {
                    (Some(attribute), Some(regex), template, None) => Ok(Operation::Edit {
                        attribute,
                        pattern: Search::parse(&regex)?,
                        template: template.unwrap_or_default(),
                    }),
                    (_, _, _, _) => Err(count("edit", "2 or 3", rest)),
                }
            }
            "drop" if rest.is_empty() => Ok(Operation::Drop),
            "drop" => Err(count(name, "0", rest)),
            "emit" => Ok(Operation::Emit(rest.to_string())),
            "print" => Ok(Operation::Print(rest.to_string())),
            "abort" if rest.is_empty() => Ok(Operation::Exit { status: "0".into(), message: None }),
            "abort" => Err(count(name, "0", rest)),
            "exit" => {
                let (status, message) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let status = if status.is_empty() { "0" } else { status };
                let message = Some(message.trim().to_string()).filter(|text| !text.is_empty());
                Ok(Operation::Exit { status: status.to_string(), message })
            }
            _ => Err(format!("unknown transform operation '{name}'")),
        }
    }
}

fn exactly(name: &str, rest: &str) -> Result<[String; 2], String> {
    <[String; 2]>::try_from(words(rest, Backslash::Shell)?).map_err(|_| count(name, "2", rest))
}

fn count(name: &str, wanted: &str, rest: &str) -> String {
    format!("{name} operation takes {wanted} argument(s): '{rest}'")
}

/// What a backslash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// Ordinary: in criteria, which are read as an action's attributes are.
    Kept,
    /// As in a shell: takes the meaning of what follows; in double quotes only that of `"` and
    /// itself; in single quotes it is ordinary.  So `\1` has to be quoted.
    Shell,
}

/// Words between white space; quotes of either kind keep it and are taken away.
fn words(text: &str, backslash: Backslash) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let escapes = next == '\\' && backslash == Backslash::Shell && quote != Some('\'');
        let literal = quote == Some('"') && !matches!(rest.peek(), Some('"' | '\\'));
        if escapes && !literal {
            word.get_or_insert_default().extend(rest.next());
            continue;
        }
        match (quote, next) {
            (Some(open), _) if next == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(next),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(next);
            }
            (None, _) if next.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(next),
        }
    }
    if quote.is_some() {
        return Err(format!("unfinished quoted value: {text}"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position { file: "rules".into(), line: 7 }
    }

    #[test]
    fn what_rules_say() {
        let rule = Rule::parse(r#"<transform file dir path="a b.*" -> set x %<1>>"#, position());
        let rule = rule.unwrap();
        assert_eq!(rule.kinds, ["file", "dir"]);
        assert!(rule.criteria[0].1.is_match("a bc") && rule.criteria[0].0 == "path");
        assert!(matches!(rule.operation, Operation::Set { value, .. } if value == "%<1>"));
        let text = r#"a "b c"'d' \1 "\1\"" '\1' "" \ x"#;
        let shell = words(text, Backslash::Shell).unwrap();
        assert_eq!(shell, ["a", "b cd", "1", r#"\1""#, r"\1", "", " x"]);
        assert_eq!(words(r#"a\.b "\d""#, Backslash::Kept).unwrap(), [r"a\.b", r"\d"]);
    }

    #[test]
    fn refused() {
        for (text, what) in [
            ("<transform file>", "malformed transform"),
            ("<transform file -> set x", "malformed transform"),
            ("<transform file -> frob>", "unknown transform operation 'frob'"),
            ("<transform file -> set x>", "takes 2"),
            ("<transform file -> edit x>", "takes 2 or 3"),
            ("<transform file -> edit x a b c>", "takes 2 or 3"),
            ("<transform file -> drop it>", "takes 0"),
            ("<transform file path=( -> drop>", "Malformed regexp '('"),
            ("<transform file path='a -> drop>", "unfinished"),
        ] {
            let failure = Rule::parse(text, position()).unwrap_err();
            assert!(failure.0.starts_with("File rules, line 7: "), "{failure:?}");
            assert!(failure.0.contains(what), "{text}: {failure:?}");
        }
    }
}
