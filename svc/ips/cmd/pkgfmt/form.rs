//! form.rs - a whole manifest in its form.

use crate::layout::laid_out;
use crate::lines::Parts;
use crate::options::Style;
use crate::order::compare;

/// The manifest as it should be.
pub fn formatted(text: &str, style: Style) -> String {
    let mut parts = Parts::of(text, style.form);
    parts.actions.sort_by(|one, other| compare(&one.action, &other.action, style.form));
    let mut lines = parts.fixed;
    for one in &parts.actions {
        let comments = one.comments.join("\n");
        // A single blank line between actions goes: their order is not the writer's any more.
        if !comments.is_empty() {
            lines.push(comments);
        }
        lines.push(laid_out(&one.prefix, &one.action, style));
    }
    lines.extend(parts.trailing);
    lines.iter().map(|line| format!("{line}\n")).collect()
}
