//! init - what `etc/default/init` says about every process that init starts, methods included.
//!
//! ```text
//! TZ=Europe/Prague       for the environment, after the variables of the engine
//! CMASK=022              the file mode mask; octal
//! ```
//!
//! `#` begins a comment line; quotes around a value are taken off; what begins with SMF_ is the
//! restarter's own and left out.

use std::fs;
use std::path::Path;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Variables in order.
    pub variables: Vec<(String, String)>,
    /// The file mode mask.
    pub umask: u32,
}

impl Init {
    /// Reads the file below a root; where there is none, nothing is said.
    #[must_use]
    pub fn read(root: &Path) -> Init {
        Init::parse(&fs::read_to_string(root.join("etc/default/init")).unwrap_or_default())
    }

    /// Reads its text.
    #[must_use]
    pub fn parse(text: &str) -> Init {
        let mut init = Init { variables: Vec::new(), umask: 0o022 };
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let bare = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            let value = bare('"').or_else(|| bare('\'')).unwrap_or(value);
            if name == "CMASK" {
                let mask = u32::from_str_radix(value, 8).ok().filter(|mask| *mask <= 0o777);
                init.umask = mask.unwrap_or(init.umask);
            } else if !name.is_empty() && !name.starts_with("SMF_") {
                init.variables.push((name.to_owned(), value.to_owned()));
            }
        }
        init
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "# TZ=no\nTZ=UTC\nCMASK=077\nSMF_X=1\nLANG=\"C\"\n\nno\n=x\n";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = vec![pair("TZ", "UTC"), pair("LANG", "C")];
        assert_eq!(Init { variables, umask: 0o077 }, Init::parse(text));
        for text in ["", "CMASK=8", "CMASK=7777"] {
            assert_eq!(0o022, Init::parse(text).umask, "{text}");
        }
    }
}
