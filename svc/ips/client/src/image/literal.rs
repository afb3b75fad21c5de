//! literal.rs - values as `pkg5.image` writes them: text, or a Python literal of lists and maps.
//!
//! `['a', "it's", {'uri': 'x', 'proxy': ''}]`: what repr() prints and literal_eval() reads.  Only
//! text, lists and maps of text occur; numbers, None, True and False are read as their words.

/// A list's member, or a whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A quoted text, or a bare word.
    Text(String),
    /// `[…]`, also `(…)`.
    List(Vec<Literal>),
    /// `{…}`, keys and values in the order written.
    Map(Vec<(String, Literal)>),
}

impl Literal {
    /// Reads one; `None` where the text is none, or something follows it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let literal = value(&mut rest, 0)?;
        rest.trim().is_empty().then_some(literal)
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value of a map's key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_text())
    }

    /// As repr() prints it.
    pub fn print(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::List(members) => {
                let members: Vec<String> = members.iter().map(Self::print).collect();
                format!("[{}]", members.join(", "))
            }
            Self::Map(members) => {
                let member =
                    |(key, value): &(String, Self)| format!("{}: {}", quoted(key), value.print());
                let members: Vec<String> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }
}

/// The members of a list of texts; an empty value is an empty list.
pub fn texts(text: &str) -> Option<Vec<String>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let Literal::List(members) = Literal::parse(text)? else { return None };
    members.into_iter().map(|member| member.as_text().map(str::to_string)).collect()
}

/// A list of texts as it is stored.
pub fn print_texts(members: &[String]) -> String {
    Literal::List(members.iter().cloned().map(Literal::Text).collect()).print()
}

/// Lists in lists beyond this are nobody's configuration.
const DEEPEST: usize = 16;

fn value(rest: &mut &str, depth: usize) -> Option<Literal> {
    if depth > DEEPEST {
        return None;
    }
    *rest = rest.trim_start();
    let first = rest.chars().next()?;
    match first {
        '\'' | '"' => text(rest).map(Literal::Text),
        '[' => members(rest, ']', |rest| value(rest, depth + 1)).map(Literal::List),
        '(' => members(rest, ')', |rest| value(rest, depth + 1)).map(Literal::List),
        '{' => members(rest, '}', |rest| {
            let Literal::Text(key) = value(rest, depth + 1)? else { return None };
            *rest = rest.trim_start().strip_prefix(':')?;
            Some((key, value(rest, depth + 1)?))
        })
        .map(Literal::Map),
        'u' if rest[1..].starts_with(['\'', '"']) => {
            *rest = &rest[1..];
            text(rest).map(Literal::Text)
        }
        _ => word(rest).map(Literal::Text),
    }
}

fn word(rest: &mut &str) -> Option<String> {
    let end = rest
        .find(|next: char| !(next.is_ascii_alphanumeric() || "_.-+".contains(next)))
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    (!word.is_empty()).then(|| word.to_string())
}

fn members<T>(
    rest: &mut &str,
    end: char,
    mut member: impl FnMut(&mut &str) -> Option<T>,
) -> Option<Vec<T>> {
    *rest = &rest[1..];
    let mut members = Vec::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(end) {
            *rest = after;
            return Some(members);
        }
        members.push(member(rest)?);
        *rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None if rest.starts_with(end) => {}
            None => return None,
        }
    }
}

fn text(rest: &mut &str) -> Option<String> {
    let quote = rest.chars().next()?;
    let mut out = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, next)) = characters.next() {
        if next == quote {
            *rest = &rest[at + next.len_utf8()..];
            return Some(out);
        }
        if next != '\\' {
            out.push(next);
            continue;
        }
        let (_, escaped) = characters.next()?;
        match escaped {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'x' | 'u' | 'U' => {
                let digits = match escaped {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let mut code = 0;
                for _ in 0..digits {
                    code = code * 16 + characters.next()?.1.to_digit(16)?;
                }
                out.push(char::from_u32(code)?);
            }
            '\\' | '\'' | '"' => out.push(escaped),
            other => out.extend(['\\', other]),
        }
    }
    None
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for next in text.chars() {
        match next {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if next == quote => out.extend(['\\', next]),
            _ if next.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(next))),
            _ => out.push(next),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repr_prints() {
        for text in [
            "[]",
            "['a', 'b c']",
            "[\"it's\", 'say \"x\"', 'both \\' and \"']",
            "[{'uri': 'file:///r/', 'proxy': '', 'disabled': 'false'}]",
            "['a\\\\b\\n', 'ü']",
        ] {
            assert_eq!(Literal::parse(text).unwrap().print(), text);
        }
        for (text, printed) in [
            ("('a',)", "['a']"),
            ("[u'a', None]", "['a', 'None']"),
            ("['\\u00fc\\x41']", "['üA']"),
            (" [ 'a' , ] ", "['a']"),
        ] {
            assert_eq!(Literal::parse(text).unwrap().print(), printed);
        }
    }

    #[test]
    fn refused() {
        for bad in ["", "[", "['a'", "['a' 'b']", "[] x", "{'a'}", "{['a']: 1}", "'a", "['\\u00']"]
        {
            assert_eq!(Literal::parse(bad), None, "{bad}");
        }
        assert_eq!(Literal::parse(&"[".repeat(100_000)), None);
        assert_eq!(texts(""), Some(Vec::new()));
        assert_eq!(texts("{}"), None);
    }
}
