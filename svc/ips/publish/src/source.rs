//! source.rs - the lines of a manifest that is being written.
//!
//! Unlike a stored manifest its lines may be indented, and blank at their end after a `\`.

use ips_model::Kind;
use ips_model::action::Action;
use ips_model::check::DEPEND_TYPES;
use ips_model::parse::ActionError;

/// The lines without the white space around them, a `\` at the end joined with the next; comments
/// and blank lines are left out.
pub fn joined_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    for line in text.lines() {
        let line = line.trim();
        match line.strip_suffix('\\') {
            Some(head) => begun.push_str(head),
            None => {
                begun.push_str(line);
                lines.push(std::mem::take(&mut begun));
            }
        }
    }
    lines.push(begun);
    lines.retain(|line| !line.is_empty() && !line.starts_with('#'));
    lines
}

/// The actions, and why lines are none.
pub fn actions(text: &str) -> (Vec<Action>, Vec<ActionError>) {
    let mut actions = Vec::new();
    let mut errors = Vec::new();
    for line in joined_lines(text) {
        match Action::parse(&line) {
            Ok(action) => match unknown_dependency(&action) {
                Some(error) => errors.push(error),
                None => actions.push(action),
            },
            Err(error) => errors.push(error),
        }
    }
    (actions, errors)
}

/// A manifest may have dependencies of a type that is not known yet.
fn unknown_dependency(action: &Action) -> Option<ActionError> {
    let kind = action.get("type").unwrap_or("None");
    let known = action.kind != Kind::Depend || DEPEND_TYPES.contains(&kind);
    (!known).then(|| ActionError::Invalid {
        text: action.to_string(),
        reason: format!("Unknown dependency type '{kind}'"),
    })
}

/// The manifest's lines as they stand, but those that are dependencies; continued lines together.
pub fn without_dependencies(text: &str) -> Vec<String> {
    let mut kept = Vec::new();
    let (mut lines, mut action) = (String::new(), String::new());
    let mut all = text.split_inclusive('\n').peekable();
    while let Some(line) = all.next() {
        lines.push_str(line);
        action.push_str(line.trim_end());
        if action.ends_with('\\') && all.peek().is_some() {
            action.truncate(action.trim_end_matches('\\').len());
            continue;
        }
        let depends = Action::parse(action.trim()).is_ok_and(|action| action.kind == Kind::Depend);
        if !depends {
            kept.push(std::mem::take(&mut lines));
        }
        lines.clear();
        action.clear();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined() {
        let text = "  # no\nset \\  \n  name=a value=b\n\ndepend fmri=x\\\n  type=require\n";
        assert_eq!(joined_lines(text), ["set name=a value=b", "depend fmri=xtype=require"]);
        let text = "# kept\nset name=a value=b\ndepend \\\n  fmri=x type=require\n\nbroken";
        assert_eq!(
            without_dependencies(text),
            ["# kept\n", "set name=a value=b\n", "\n", "broken"]
        );
    }
}
