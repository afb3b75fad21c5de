//! console.rs - the guest's text: cleaned, and watched for a pattern.
//!
//! A serial console is made for a terminal: carriage returns, cursor movements, a cleared
//! screen.  What is kept is the text.  Invariant: cleaning the whole gives what cleaning it
//! line by line gives.

/// The text without carriage returns, escape sequences and other control characters; lines of
/// blanks only are dropped, blanks at a line's end too.
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => skip_escape(&mut characters),
            '\n' | '\t' => plain.push(character),
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    let mut out = String::with_capacity(plain.len());
    for line in plain.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// ECMA-48: `ESC [` parameters, one final byte; or `ESC` and one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if characters.next() != Some('[') {
        return;
    }
    for character in characters.by_ref() {
        if ('@'..='~').contains(&character) {
            return;
        }
    }
}

/// Collects what arrives and knows when the pattern has come.
pub struct Console<'a> {
    pattern: &'a str,
    bytes: Vec<u8>,
    line: usize,
    seen: bool,
}

impl<'a> Console<'a> {
    /// Watches for a line that contains `pattern`.
    pub fn new(pattern: &'a str) -> Self {
        Self { pattern, bytes: Vec::new(), line: 0, seen: false }
    }

    /// Takes more bytes; true from the moment a whole line contains the pattern.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        while let Some(length) = self.bytes[self.line..].iter().position(|&byte| byte == b'\n') {
            let end = self.line + length + 1;
            self.seen |= clean(&self.bytes[self.line..end]).contains(self.pattern);
            self.line = end;
        }
        self.seen
    }

    /// Whether the pattern has come.
    pub fn seen(&self) -> bool {
        self.seen
    }

    /// All text so far, cleaned.
    pub fn text(&self) -> String {
        clean(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_is_taken_out() {
        for (raw, text) in [
            ("a\r\nb\r\n", "a\nb\n"),
            ("\x1b[2J\x1b[1;1Hloading\x1b[0m x  \r\n\r\n", "loading x\n"),
            ("\x1bcBooting\x07\n", "Booting\n"),
            ("no newline", "no newline\n"),
            ("\x1b[", ""),
        ] {
            assert_eq!(clean(raw.as_bytes()), text, "{raw:?}");
        }
    }

    #[test]
    fn a_pattern_is_seen_whole_however_it_arrives() {
        let mut console = Console::new("hash: ok");
        let steps = [("boot_archive.ha", false), ("sh: o", false), ("k\r", false), ("\n", true)];
        for (bytes, seen) in steps {
            assert_eq!(console.take(bytes.as_bytes()), seen, "{bytes:?}");
        }
        assert_eq!(console.text(), "boot_archive.hash: ok\n");
    }
}
