//! license.rs - what packages call their licences, as SPDX writes it.
//!
//! IPS leaves the word of a licence action to the package.  One that is in the list of SPDX (any
//! case) is taken over; a few words that illumos packages use are known by another name; everything
//! else becomes a `LicenseRef-` of its own, and the document says what it was.

/// Identifiers of the SPDX list that packages of illumos distributions have.
const KNOWN: [&str; 58] = [
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSD-4-Clause-UC",
    "BSL-1.0",
    "bzip2-1.0.6",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "curl",
    "EPL-1.0",
    "EPL-2.0",
    "FTL",
    "GFDL-1.2-only",
    "GFDL-1.3-only",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ICU",
    "IJG",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "Libpng",
    "MIT",
    "MPL-1.1",
    "MPL-2.0",
    "OFL-1.1",
    "OpenSSL",
    "PSF-2.0",
    "Python-2.0",
    "Ruby",
    "Sleepycat",
    "TCL",
    "Unlicense",
    "Vim",
    "Zlib",
];

/// What illumos packages write, and what it is.
const CALLED: [(&str, &str); 7] = [
    ("lic_CDDL", "CDDL-1.0"),
    ("CDDL", "CDDL-1.0"),
    ("GPLv2", "GPL-2.0-only"),
    ("GPLv3", "GPL-3.0-only"),
    ("LGPLv2.1", "LGPL-2.1-only"),
    ("LGPLv3", "LGPL-3.0-only"),
    ("MPLv2", "MPL-2.0"),
];

/// The identifier for a word; whether it is a reference that the document has to explain is told by
/// its prefix.
#[must_use]
pub fn identifier(word: &str) -> String {
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(word));
    let called = CALLED.iter().find(|(called, _)| called.eq_ignore_ascii_case(word));
    match known.copied().or(called.map(|(_, identifier)| *identifier)) {
        Some(identifier) => identifier.to_owned(),
        None => format!("LicenseRef-{}", reference(word)),
    }
}

/// A word with nothing in it but what an SPDX reference may have; different words stay different.
pub(crate) fn reference(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for byte in word.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' => out.push(char::from(byte)),
            // What follows a "-" tells what it stands for.
            b'-' => out.push_str("--"),
            b'/' => out.push_str("-."),
            other => out.push_str(&format!("-x{other:02x}")),
        }
    }
    out
}

/// The licences of a package as one expression.
#[must_use]
pub fn expression(words: &[String]) -> String {
    let mut identifiers: Vec<_> = words.iter().map(|word| identifier(word)).collect();
    identifiers.sort();
    identifiers.dedup();
    if identifiers.is_empty() { "NOASSERTION".to_owned() } else { identifiers.join(" AND ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_expressions() {
        for (words, wanted) in [
            (vec![], "NOASSERTION"),
            (vec!["cddl"], "CDDL-1.0"),
            (vec!["MIT", "lic_CDDL", "mit"], "CDDL-1.0 AND MIT"),
            (vec!["Sun & friends (c)"], "LicenseRef-Sun-x20-x26-x20friends-x20-x28c-x29"),
        ] {
            let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(expression(&words), wanted);
        }
    }
}
