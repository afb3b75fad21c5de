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
    Exit { status: u8, message: Option<String> },
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
        let Some(inner) = inner else {
            return Err(refuse(format!("malformed transform: {text}")));
        };
        let Some((head, operation)) = inner.split_once("->") else {
            return Err(refuse("Missing -> in transform".to_string()));
        };
        let told = |what: String| refuse(format!("transform ({text}) has {what}"));
        let (mut kinds, mut criteria) = (Vec::new(), Vec::new());
        for word in words(head, Backslash::Kept).map_err(refuse)? {
            match word.split_once('=') {
                None => kinds.push(word),
                Some((name, regex)) => {
                    let wrong = |error| told(format!("regexp error ({error}) in matching clause"));
                    let pattern = Pattern::anchored(regex).map_err(wrong)?;
                    criteria.push((name.to_string(), pattern));
                }
            }
        }
        let operation = operation.trim();
        let name = operation.split(char::is_whitespace).next().unwrap_or_default();
        if !Operation::NAMES.contains(&name) {
            return Err(refuse(format!("unknown transform operation '{name}'")));
        }
        let operation = Operation::parse(name, operation[name.len()..].trim()).map_err(told)?;
        Ok(Rule { kinds, criteria, operation, text: text.to_string(), position })
    }
}

impl Operation {
    const NAMES: [&str; 10] =
        ["abort", "add", "default", "delete", "drop", "edit", "emit", "exit", "print", "set"];

    /// Reads one of these names and what follows it; what is wrong, as words after `has`.
    fn parse(name: &str, rest: &str) -> Result<Operation, String> {
        let syntax = || format!("'{name}' operation syntax error");
        let regexp = |error| format!("'{name}' operation with malformed regexp ({error})");
        let arguments = || words(rest, Backslash::Shell).map_err(|_| syntax());
        let two = || <[String; 2]>::try_from(arguments()?).map_err(|_| syntax());
        match name {
            "emit" => return Ok(Operation::Emit(rest.to_string())),
            "print" => return Ok(Operation::Print(rest.to_string())),
            "drop" | "abort" if !rest.is_empty() => return Err(syntax()),
            "drop" => return Ok(Operation::Drop),
            "abort" => return Ok(Operation::Exit { status: 0, message: None }),
            "exit" => {
                let (status, message) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let illegal = |_| format!("{}: illegal exit value", syntax());
                let status = if status.is_empty() { "0" } else { status };
                // A status is what the system keeps of it: the last eight bits.
                let status = status.parse::<i32>().map_err(illegal)?.to_le_bytes()[0];
                let message = Some(message.trim().to_string()).filter(|text| !text.is_empty());
                return Ok(Operation::Exit { status, message });
            }
            "edit" => {
                let mut arguments = arguments()?.into_iter();
                let (Some(attribute), Some(regex)) = (arguments.next(), arguments.next()) else {
                    return Err(syntax());
                };
                let template = arguments.next().unwrap_or_default();
                if arguments.next().is_some() {
                    return Err(syntax());
                }
                let pattern = Search::parse(&regex).map_err(regexp)?;
                return Ok(Operation::Edit { attribute, pattern, template });
            }
            _ => {}
        }
        let [attribute, value] = two()?;
        Ok(match name {
            "add" => Operation::Add { attribute, value },
            "default" => Operation::Default { attribute, value },
            "set" => Operation::Set { attribute, value },
            _ => {
                let pattern = Pattern::anywhere(&value).map_err(regexp)?;
                Operation::Delete { attribute, pattern }
            }
        })
    }
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
            ("<transform file -> set x", "malformed transform"),
            ("<transform file>", "Missing -> in transform"),
            ("<transform file -> frob>", "unknown transform operation 'frob'"),
            (
                "<transform file -> set x>",
                "transform (<transform file -> set x>) has 'set' operation syntax error",
            ),
            ("<transform file -> add x 'y>", "has 'add' operation syntax error"),
            ("<transform file -> edit x>", "has 'edit' operation syntax error"),
            ("<transform file -> edit x a b c>", "has 'edit' operation syntax error"),
            ("<transform file -> edit x ( y>", "has 'edit' operation with malformed regexp ("),
            ("<transform file -> delete x (>", "has 'delete' operation with malformed regexp ("),
            ("<transform file -> drop it>", "has 'drop' operation syntax error"),
            ("<transform -> exit x>", "has 'exit' operation syntax error: illegal exit value"),
            (
                "<transform file path=( -> drop>",
                "transform (<transform file path=( -> drop>) has regexp error (",
            ),
            ("<transform file path='a -> drop>", "unfinished"),
        ] {
            let failure = Rule::parse(text, position()).unwrap_err();
            assert!(failure.0.starts_with("File rules, line 7: "), "{failure:?}");
            assert!(failure.0.contains(what), "{text}: {failure:?}");
        }
        for (text, wanted) in [("exit", 0), ("exit 300 x", 44), ("exit -1", 255), ("abort", 0)] {
            let rule = Rule::parse(&format!("<transform -> {text}>"), position()).unwrap();
            let Operation::Exit { status, .. } = rule.operation else { panic!("{text}") };
            assert_eq!(status, wanted, "{text}");
        }
    }
}
