//! complaint.rs - the line that says why a build failed.
//!
//! The first error of a compiler, because what follows it are mostly its consequences; when none
//! complained, the first complaint of a packaging command; else the first line that tells of a
//! host that ran out of something (space, memory, files) or lacks a program; else the first target
//! that make gave up (others may go on and write more); else the last line the command wrote.

/// Listens to a build.
#[derive(Debug, Default)]
pub struct Complaint {
    compiler: Option<String>,
    packaging: Option<String>,
    starved: Option<String>,
    given_up: Option<String>,
    last: Option<String>,
}

impl Complaint {
    /// One line of the command.
    pub fn hear(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if self.compiler.is_none() && is_compiler_error(line) {
            self.compiler = Some(line.to_owned());
        }
        if self.packaging.is_none() && is_packaging_error(line) {
            self.packaging = Some(line.to_owned());
        }
        if self.starved.is_none() && (is_starved(line) || is_absent(line)) {
            self.starved = Some(line.to_owned());
        }
        if self.given_up.is_none() && line.contains("make") && line.contains(": *** [") {
            self.given_up = Some(line.to_owned());
        }
        self.last = Some(line.to_owned());
    }

    /// What is an error by its form.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        let found = self.compiler.as_ref().or(self.packaging.as_ref()).or(self.starved.as_ref());
        found.map(String::as_str)
    }

    /// Why it failed, when it did.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.error().or(self.given_up.as_deref()).or(self.last.as_deref())
    }
}

/// `file:line: error: …`, `file:line:column: fatal error: …`, `"file", line 7: …` (Studio), and
/// what linkers say of a source: `file:line: undefined reference to …`.
fn is_compiler_error(line: &str) -> bool {
    if let Some((file, rest)) = line.strip_prefix('"').and_then(|rest| rest.split_once("\", line "))
    {
        let number = rest.split(':').next().unwrap_or_default();
        return !file.is_empty() && is_number(number) && !rest.contains("warning:");
    }
    let said = ["error: ", "undefined reference to "];
    let Some(at) = said.iter().filter_map(|word| line.find(word)).min() else { return false };
    let place = line[..at].trim_end();
    let place = place.strip_suffix("fatal").unwrap_or(place).trim_end();
    let Some(place) = place.strip_suffix(':') else { return false };
    let mut parts = place.rsplit(':');
    let line_or_column = parts.next().is_some_and(is_number);
    line_or_column && parts.next().is_some_and(|file| !file.is_empty())
}

/// `pkgsend: …`, as pkg(7)'s commands begin their messages.
fn is_packaging_error(line: &str) -> bool {
    let Some((program, text)) = line.split_once(": ") else { return false };
    let known = ["pkgsend", "pkgrepo", "pkgrecv", "pkgmogrify", "pkgmerge", "pkgdepend", "pkglint"];
    known.contains(&program) && !text.to_lowercase().starts_with("warning")
}

/// What tools say when the host gives no more: the system's words, at the end of the line.
fn is_starved(line: &str) -> bool {
    let words = [
        "No space left on device",
        "Disk quota exceeded",
        "Too many open files",
        "Too many open files in system",
        "Cannot allocate memory",
        "Resource temporarily unavailable",
        "File too large",
        "Input/output error",
        "Read-only file system",
    ];
    let line = line.trim_end_matches(['.', ' ']);
    let said = words.iter().any(|word| line.ends_with(word));
    let compiler = ["out of memory allocating", "memory exhausted", " signal terminated program "];
    said || compiler.iter().any(|word| line.contains(word))
}

/// What shells and make say of a program that is not there.
fn is_absent(line: &str) -> bool {
    let make = line
        .split_once(": ")
        .is_some_and(|(who, _)| who.split('[').next().is_some_and(|name| name.ends_with("make")));
    line.ends_with(": command not found")
        || line.ends_with(": not found")
        || (make && line.ends_with(": No such file or directory"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers() {
        for (line, want) in [
            ("usr/src/cmd/true/true.c:5:2: error: unknown type name 'retrun'", true),
            ("../a b.c:5: error: bad", true),
            ("x.c:1:10: fatal error: no.h: No such file or directory", true),
            ("x.c:3: undefined reference to `f'", true),
            ("\"true.c\", line 5: syntax error before or at: 0", true),
            ("\"true.c\", line 5: warning: statement not reached", false),
            ("x.c:5:2: warning: -Werror: set", false),
            ("make: *** [Makefile:12: all] Error 1", false),
            ("error: nothing is where", false),
            ("pkgsend: error: two files are missing", false),
            ("collect2: error: ld returned 1 exit status", false),
            ("", false),
        ] {
            assert_eq!(is_compiler_error(line), want, "{line}");
        }
    }

    #[test]
    fn the_first_or_the_last() {
        let heard = |lines: &[&str]| {
            let mut complaint = Complaint::default();
            lines.iter().for_each(|line| complaint.hear(line));
            complaint.text().map(str::to_owned)
        };
        let error = "a.c:1:1: error: one";
        assert_eq!(
            heard(&["cc", error, "a.c:2:1: error: two", "make: *** x"]).as_deref(),
            Some(error)
        );
        assert_eq!(heard(&["cc", "  cannot go on ", ""]).as_deref(), Some("cannot go on"));
        let absent = "pkgsend: Action payload 'a' was not found in any of the provided locations:";
        assert_eq!(heard(&["pkgsend: WARNING: x", absent, "/proto"]).as_deref(), Some(absent));
        assert_eq!(heard(&[absent, error]).as_deref(), Some(error));
        let full = "mkdir: cannot create directory 'x': No space left on device";
        assert_eq!(heard(&["cc", full, "make: *** [x] Error 1"]).as_deref(), Some(full));
        let killed = "gcc: fatal error: Killed signal terminated program cc1";
        let grown =
            "gcc: internal compiler error: Segmentation fault signal terminated program cc1";
        assert_eq!(heard(&[grown, "make: *** [x] Error 4"]).as_deref(), Some(grown));
        assert_eq!(heard(&[killed, "make: *** [x] Error 1"]).as_deref(), Some(killed));
        let zic = "make[1]: zic: No such file or directory";
        let stopped = "make[1]: *** [Makefile:17: zones] Error 127";
        let others = "make[1]: Nothing to be done for 'install'.";
        assert_eq!(heard(&["zic -b fat", zic, stopped, others]).as_deref(), Some(zic));
        assert_eq!(
            heard(&["false", stopped, "make: *** [x] Error 2", others]).as_deref(),
            Some(stopped)
        );
        assert_eq!(
            heard(&["sh: 1: zic: not found", "x"]).as_deref(),
            Some("sh: 1: zic: not found")
        );
        assert_eq!(heard(&["grep: a: No such file or directory", "x"]).as_deref(), Some("x"));
        assert_eq!(heard(&[]), None);
    }
}
