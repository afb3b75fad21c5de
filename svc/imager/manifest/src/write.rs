//! write.rs - a tree becomes text again, one element a line, comments kept.
//!
//! Read again, it gives the same elements, attributes, values and comments.

use crate::tree::{Content, Node, ROOT, Tree};

/// The text of a whole document.
pub(crate) fn text(tree: &Tree) -> String {
    let mut out = String::from("<?xml version=\"1.0\"?>\n");
    element(tree, ROOT, 0, &mut out);
    out
}

fn element(tree: &Tree, node: Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let element_ = tree.get(node);
    out.push_str(&format!("{indent}<{}", element_.name));
    for (name, value) in &element_.attributes {
        out.push_str(&format!(" {name}=\"{}\"", escape(value, true)));
    }
    let told = |content: &Content| match content {
        Content::Text(text) => !text.trim().is_empty(),
        Content::Comment(_) | Content::Child(_) => true,
    };
    let contents: Vec<&Content> = element_.contents.iter().filter(|c| told(c)).collect();
    match contents.as_slice() {
        [] => out.push_str("/>\n"),
        [Content::Text(text)] => {
            out.push_str(&format!(">{}</{}>\n", escape(text.trim(), false), element_.name));
        }
        contents => {
            out.push_str(">\n");
            for content in contents {
                match content {
                    Content::Text(text) => {
                        out.push_str(&format!("{indent}  {}\n", escape(text.trim(), false)));
                    }
                    Content::Comment(text) => out.push_str(&format!("{indent}  <!--{text}-->\n")),
                    Content::Child(child) => element(tree, *child, depth + 1, out),
                }
            }
            out.push_str(&format!("{indent}</{}>\n", element_.name));
        }
    }
}

/// What may not stand in text, or between the quotes of an attribute.
fn escape(text: &str, attribute: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' if attribute => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' if attribute => escaped.push_str(&format!("&#{};", c as u32)),
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    escaped
}
