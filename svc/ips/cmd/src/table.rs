//! table.rs - the forms of a list: aligned, tab-separated, JSON, JSON with line breaks.

use serde_json::{Map, Value};

use ips_model::json::canonical;

use crate::Failure;

/// What `-F` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Columns with a heading.
    #[default]
    Aligned,
    /// Columns between tabs.
    Tabs,
    /// One line of JSON without a line feed.
    Json,
    /// JSON with an indent of two.
    JsonIndented,
}

impl Form {
    /// Reads the argument of `-F`.
    pub fn parse(text: &str) -> Result<Form, Failure> {
        match text {
            "default" => Ok(Form::Aligned),
            "tsv" => Ok(Form::Tabs),
            "json" => Ok(Form::Json),
            "json-formatted" => Ok(Form::JsonIndented),
            other => Err(Failure::argument(format!(
                "Argument '{other}' for option '-F' is invalid. Supported formats: ('default', 'json', 'json-formatted', 'tsv')"
            ))),
        }
    }
}

/// The objects as JSON of the form asked for; not for the column forms.
pub fn json(objects: &[Map<String, Value>], form: Form) -> String {
    let list = Value::Array(objects.iter().cloned().map(Value::Object).collect());
    match form {
        Form::JsonIndented => {
            let mut text = String::new();
            indented(&list, 0, &mut text);
            text.push('\n');
            text
        }
        Form::Aligned | Form::Tabs | Form::Json => canonical(&list),
    }
}

/// Sorted keys, an indent of two, ASCII as in the other form.
fn indented(value: &Value, depth: usize, to: &mut String) {
    let line = |depth: usize, to: &mut String| {
        to.push('\n');
        to.push_str(&"  ".repeat(depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            to.push('[');
            for (at, item) in items.iter().enumerate() {
                to.push_str(if at > 0 { "," } else { "" });
                line(depth + 1, to);
                indented(item, depth + 1, to);
            }
            line(depth, to);
            to.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            to.push('{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                to.push_str(if at > 0 { "," } else { "" });
                line(depth + 1, to);
                to.push_str(&format!("{}: ", canonical(&Value::String(key.clone()))));
                indented(member, depth + 1, to);
            }
            line(depth, to);
            to.push('}');
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => to.push_str(&canonical(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_forms() {
        let Value::Object(object) = json!({"b": [1], "a": "é", "c": [], "d": {}}) else {
            panic!()
        };
        assert_eq!(
            json(std::slice::from_ref(&object), Form::Json),
            r#"[{"a":"\u00E9","b":[1],"c":[],"d":{}}]"#
        );
        let expected = "[\n  {\n    \"a\": \"\\u00E9\",\n    \"b\": [\n      1\n    ],\n    \"c\": [],\n    \"d\": {}\n  }\n]\n";
        assert_eq!(json(&[object], Form::JsonIndented), expected);
        assert_eq!(json(&[], Form::Json), "[]");
    }
}
