//! ini.rs - files of sections, as Python's ConfigParser reads them.
//!
//! ```text
//! [Section]
//! name = value           # or name: value; names are taken in lower case
//!     goes on here
//! ```

/// A section: its title, and its properties in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) properties: Vec<(String, String)>,
}

/// The sections of a text, or the line that is neither section nor property, counted from 1.
pub(super) fn sections(text: &str) -> Result<Vec<Section>, usize> {
    let mut sections: Vec<Section> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let goes_on = line.starts_with(char::is_whitespace);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let open = sections.last_mut();
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { title: title.to_string(), properties: Vec::new() });
            continue;
        }
        let open = open.ok_or(at + 1)?;
        if let Some((_, value)) = open.properties.last_mut().filter(|_| goes_on) {
            value.push('\n');
            value.push_str(line);
            continue;
        }
        let cut = line.find(['=', ':']).ok_or(at + 1)?;
        let name = line[..cut].trim().to_lowercase();
        open.properties.push((name, line[cut + 1..].trim().to_string()));
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        let text = "# x\n[A]\nName = a = b\n  more\n\n; y\nother: c\n[B]\n";
        let property = |name: &str, value: &str| (name.to_string(), value.to_string());
        let expected = [
            Section {
                title: "A".into(),
                properties: vec![property("name", "a = b\nmore"), property("other", "c")],
            },
            Section { title: "B".into(), properties: Vec::new() },
        ];
        assert_eq!(sections(text).unwrap(), expected);
        for (text, line) in [("a = b\n", 1), ("[a]\n\nwords\n", 3)] {
            assert_eq!(sections(text), Err(line), "{text}");
        }
    }
}
