//! write.rs - a tree becomes text again, one element a line, comments kept.
//!
//! Read again, it gives the same elements, attributes, values and comments.  White space is only
//! added where an element has no text of its own.

use crate::tree::{Content, Node, ROOT, Tree};

/// The text of a whole document.
pub(crate) fn text(tree: &Tree) -> String {
    let mut out = String::from("<?xml version=\"1.0\"?>\n");
    element(tree, ROOT, Some(0), &mut out);
    out
}

/// Writes an element; without a depth, it stands in the text of another.
fn element(tree: &Tree, node: Node, depth: Option<usize>, out: &mut String) {
    let indent = "  ".repeat(depth.unwrap_or(0));
    let end = if depth.is_some() { "\n" } else { "" };
    let element = tree.get(node);
    out.push_str(&format!("{indent}<{}", element.name));
    for (name, value) in &element.attributes {
        out.push_str(&format!(" {name}=\"{}\"", escape(value, true)));
    }
    let is_blank = |content: &Content| match content {
        Content::Text(text) => text.trim().is_empty(),
        Content::Comment(_) | Content::Child(_) => false,
    };
    let has_text = |content: &Content| matches!(content, Content::Text(_)) && !is_blank(content);
    if element.contents.iter().all(is_blank) {
        out.push_str(&format!("/>{end}"));
        return;
    }
    out.push('>');
    if let [Content::Text(text)] = element.contents.as_slice() {
        out.push_str(&escape(text.trim(), false));
    } else if depth.is_none() || element.contents.iter().any(has_text) {
        element.contents.iter().for_each(|content| self::content(tree, content, None, out));
    } else {
        out.push('\n');
        let below = depth.map(|depth| depth + 1);
        let told = element.contents.iter().filter(|content| !is_blank(content));
        told.for_each(|content| self::content(tree, content, below, out));
        out.push_str(&indent);
    }
    out.push_str(&format!("</{}>{end}", element.name));
}

fn content(tree: &Tree, content: &Content, depth: Option<usize>, out: &mut String) {
    match content {
        Content::Text(text) => out.push_str(&escape(text, false)),
        Content::Child(child) => element(tree, *child, depth, out),
        Content::Comment(text) => match depth {
            Some(depth) => out.push_str(&format!("{}<!--{text}-->\n", "  ".repeat(depth))),
            None => out.push_str(&format!("<!--{text}-->")),
        },
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

#[cfg(test)]
mod tests {
    use crate::xml;

    fn written(text: &str) -> String {
        let tree = xml::read(text, 0, "", (xml::SIZE_MAX, xml::ELEMENTS_MAX)).unwrap();
        super::text(&tree)
    }

    #[test]
    fn white_space_is_added_where_there_is_no_text() {
        for (text, expected) in [
            ("<a/>", "<a/>\n"),
            ("<a>\n\n</a>", "<a/>\n"),
            (
                "<a><b> x </b><c d='1&#10;\"'/></a>",
                "<a>\n  <b>x</b>\n  <c d=\"1&#10;&quot;\"/>\n</a>\n",
            ),
            ("<a><!-- b --><c/></a>", "<a>\n  <!-- b -->\n  <c/>\n</a>\n"),
            ("<a>tr<!-- b -->ue</a>", "<a>tr<!-- b -->ue</a>\n"),
            ("<a>x &lt;<b> <c/></b>&amp;</a>", "<a>x &lt;<b> <c/></b>&amp;</a>\n"),
        ] {
            let once = written(text);
            assert_eq!(once, format!("<?xml version=\"1.0\"?>\n{expected}"), "{text}");
            assert_eq!(written(&once), once);
        }
    }
}
