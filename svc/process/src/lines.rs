//! lines.rs - bytes as they come to whole lines.
//!
//! A line longer than [`LONGEST`] is handed over in pieces, so memory stays bounded.  What is not
//! UTF-8 is replaced; a carriage return before the newline is dropped.

/// The most bytes of one line.
pub const LONGEST: usize = 64 * 1024;

/// What has come of a line that is not whole yet.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes more bytes; gives each line that they complete.
    pub fn push(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.rest.len() >= LONGEST {
                self.finish(line);
            }
        }
    }

    /// Gives the line without a newline at the end, if there is one.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if self.rest.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.rest);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        line(text.strip_suffix('\r').unwrap_or(text));
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_lines() {
        for (pieces, want) in [
            (vec!["one\ntwo\n"], vec!["one", "two"]),
            (vec!["o", "ne", "\r\n", "\nrest"], vec!["one", "", "rest"]),
            (vec![""], vec![]),
        ] {
            let mut found = Vec::new();
            let mut lines = Lines::default();
            for piece in pieces {
                lines.push(piece.as_bytes(), &mut |line| found.push(line.to_owned()));
            }
            lines.finish(&mut |line| found.push(line.to_owned()));
            assert_eq!(found, want);
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut count = 0;
        let mut lines = Lines::default();
        for _ in 0..3 {
            lines.push(&[b'x'; LONGEST], &mut |line| count += line.len());
        }
        assert_eq!(count, 3 * LONGEST);
    }
}
