//! literal.rs - a list as Python writes it, which is how pkgsend sends an attribute's values.
//!
//! `['a', "b's", 'c\\d']`: strings in either quotes, with backslash escapes.

/// The members of a list; nothing where the text is none.
pub fn list(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut members = Vec::new();
    let mut rest = inner.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(first) = rest.next() else { return Some(members) };
        // Python 2 marks its Unicode strings.
        let quote = if first == 'u' { rest.next()? } else { first };
        if !matches!(quote, '\'' | '"') {
            return None;
        }
        members.push(string(&mut rest, quote)?);
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        match rest.next() {
            None => return Some(members),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// What stands before the closing quote.
fn string(rest: &mut impl Iterator<Item = char>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            end if end == quote => return Some(text),
            '\\' => text.push(escape(rest)?),
            other => text.push(other),
        }
    }
}

fn escape(rest: &mut impl Iterator<Item = char>) -> Option<char> {
    let digits = match rest.next()? {
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        itself @ ('\\' | '\'' | '"') => return Some(itself),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let text: String = rest.by_ref().take(digits).collect();
    let code = (text.len() == digits).then(|| u32::from_str_radix(&text, 16).ok())??;
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (text, members) in [
            ("[]", Some(vec![])),
            ("['a']", Some(vec!["a"])),
            ("['a', \"b's\", 'c\\\\d', u'e', ]", Some(vec!["a", "b's", "c\\d", "e"])),
            (r"['\xe4\u00f6\U0001f35e', 'a, ]b']", Some(vec!["äö🍞", "a, ]b"])),
            ("plain", None),
            ("[plain]", None),
            ("['a' 'b']", None),
            ("['a", None),
            (r"['\q']", None),
            (r"['\x4']", None),
        ] {
            let found = list(text);
            let wanted = members.map(|members| members.iter().map(|m| m.to_string()).collect());
            assert_eq!(found, wanted, "{text}");
        }
    }
}
