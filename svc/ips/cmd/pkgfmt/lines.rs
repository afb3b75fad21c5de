//! lines.rs - a source manifest as pkgfmt sees it: actions that may move, and what may not.
//!
//! Comments and blank lines belong to the action after them.  What is no action (a transform, a
//! macro, a line that does not parse) stays before all actions, in its order.

use ips_model::check::DEPEND_TYPES;
use ips_model::{Action, Kind};

use crate::options::Form;

/// An action, with the macro it begins with and the lines that belong to it.
#[derive(Debug, Clone)]
pub struct Movable {
    /// The action.
    pub action: Action,
    /// `$(NAME)` directly before the type, or nothing.
    pub prefix: String,
    /// The comments before it.
    pub comments: Vec<String>,
}

/// A manifest taken apart.
#[derive(Debug, Default)]
pub struct Parts {
    /// Lines that stay at the top.
    pub fixed: Vec<String>,
    /// The actions, in the order of the input.
    pub actions: Vec<Movable>,
    /// Comments that belong to nothing.
    pub trailing: Vec<String>,
}

impl Parts {
    /// Takes a manifest apart.
    pub fn of(text: &str, form: Form) -> Parts {
        let mut parts = Parts::default();
        let mut comments = Vec::new();
        let mut begun = false;
        for (joined, as_written) in joined_lines(text) {
            if joined.is_empty() || joined.starts_with('#') {
                comments.push(joined);
                continue;
            }
            if !begun {
                begun = true;
                parts.fixed.append(&mut comments);
            }
            match movable(&joined) {
                Some((prefix, action)) => {
                    let comments = std::mem::take(&mut comments);
                    parts.actions.push(Movable { action, prefix, comments });
                }
                None => {
                    parts.fixed.append(&mut comments);
                    let whole = joined.ends_with('>') && after_macro(&joined).1.starts_with('<');
                    // The newer form keeps the folds of a transform.
                    let kept = whole && form == Form::V2;
                    parts.fixed.push(if kept { as_written } else { joined });
                }
            }
        }
        if parts.actions.is_empty() {
            parts.fixed.append(&mut comments);
        }
        parts.trailing = comments;
        parts
    }
}

/// Lines with continuations joined, and as they were written with an indent of four.
fn joined_lines(text: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let (mut joined, mut written) = (String::new(), String::new());
    for line in text.lines() {
        let body = line.trim();
        let indented = line.starts_with([' ', '\t']);
        if !written.is_empty() {
            written.push('\n');
        }
        written.push_str(if indented { "    " } else { "" });
        written.push_str(body);
        if let Some(head) = body.strip_suffix('\\') {
            joined.push_str(head);
            continue;
        }
        joined.push_str(body);
        lines.push((std::mem::take(&mut joined), std::mem::take(&mut written)));
    }
    if !joined.is_empty() {
        lines.push((joined, written));
    }
    lines
}

/// The macro a line begins with, and the rest.
fn after_macro(line: &str) -> (&str, &str) {
    match line.find(')').filter(|_| line.starts_with("$(")) {
        Some(end) => line.split_at(end + 1),
        None => ("", line),
    }
}

/// The action of a line.  A dependency of no known type is none: it may become anything.
fn movable(line: &str) -> Option<(String, Action)> {
    let (prefix, rest) = after_macro(line);
    let mut action = Action::parse(rest).ok()?;
    if action.kind == Kind::Depend && !action.get("type").is_some_and(|t| DEPEND_TYPES.contains(&t))
    {
        return None;
    }
    // Reading adds the newer spelling of the zone's variant; formatting adds nothing.
    if !rest.contains("variant.opensolaris.zone") {
        action.set("variant.opensolaris.zone", Vec::new());
    }
    Some((prefix.to_string(), action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_move() {
        let text = "# top\n\n<transform a \\\n  -> drop>\n# of b\ndir path=b\n$(X)dir path=a\nnonsense\ndepend type=$(T) fmri=x\n# end\n";
        let parts = Parts::of(text, Form::V2);
        let fixed =
            ["# top", "", "<transform a \\\n    -> drop>", "nonsense", "depend type=$(T) fmri=x"];
        assert_eq!(parts.fixed, fixed);
        assert_eq!(parts.trailing, ["# end"]);
        let actions: Vec<String> =
            parts.actions.iter().map(|one| format!("{}{}", one.prefix, one.action)).collect();
        assert_eq!(actions, ["dir path=b", "$(X)dir path=a"]);
        assert_eq!(parts.actions[0].comments, ["# of b"]);
        let parts = Parts::of(text, Form::V1);
        assert_eq!(parts.fixed[2], "<transform a -> drop>");
        assert_eq!(Parts::of("# only\n", Form::V2).fixed, ["# only"]);
    }
}
