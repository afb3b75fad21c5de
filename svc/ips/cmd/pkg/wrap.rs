//! wrap.rs - text in lines of eighty, as `pkg info` prints it; and sizes for people.

const WIDTH: usize = 80;

/// Fills lines with the words of a text: `label` before the first, blanks of its width before the
/// others.  White space counts as blanks; what no line can hold stands out.
pub fn fill(label: &str, text: &str) -> String {
    let indent = " ".repeat(label.chars().count());
    let mut lines: Vec<String> = Vec::new();
    let mut line = label.to_string();
    let mut begun = false;
    for (blanks, word) in words(text) {
        let length = line.chars().count() + if begun { blanks } else { 0 } + word.chars().count();
        if begun && length > WIDTH {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            begun = false;
        }
        // What begins a further line begins at its indent.
        if begun || lines.is_empty() {
            line.push_str(&" ".repeat(blanks));
        }
        line.push_str(word);
        begun = true;
    }
    lines.push(line);
    lines.join("\n")
}

/// The words of a text, each with the number of blanks before it.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let word = rest.trim_start();
        if word.is_empty() {
            return words;
        }
        let blanks = rest[..rest.len() - word.len()].chars().count();
        let end = word.find(char::is_whitespace).unwrap_or(word.len());
        words.push((blanks, &word[..end]));
        rest = &word[end..];
    }
}

/// A size as people read it: `24.98 kB`.
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(fill("  A: ", "one two"), "  A: one two");
        assert_eq!(fill("A: ", "one\ntwo  three\tfour "), "A: one two  three four");
        let long = "word ".repeat(20);
        let filled = fill("Label: ", &long);
        let lines: Vec<&str> = filled.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].len(), &lines[1][..11]), (76, "       word"));
        let stone = "x".repeat(100);
        assert_eq!(fill("A: ", &format!("a {stone} b")), format!("A: a\n   {stone}\n   b"));
    }

    #[test]
    fn sizes() {
        for (bytes, text) in
            [(0, "0.00 B"), (929, "929.00 B"), (1_536, "1.50 kB"), (1 << 30, "1.00 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
