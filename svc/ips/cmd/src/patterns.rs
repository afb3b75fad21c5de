//! patterns.rs - packages as users name them, with pkg5's words for what is no name.

use ips_model::Pattern;
use ips_model::pattern::PatternError;

use crate::Failure;

/// Reads patterns.
pub fn parse(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    let told = |error: PatternError| {
        let name = error.reason.starts_with("Invalid Package Name");
        let reason = if name { error.to_string() } else { error.reason };
        Failure::new(format!("'{reason}' is an illegal FMRI"))
    };
    texts.iter().map(|text| Pattern::parse(text).map_err(told)).collect()
}

/// What is said of patterns that mean no package.
pub fn unmatched<S: AsRef<str>>(texts: &[S]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    format!("The following pattern(s) did not match any packages:\n\t{}", texts.join("\n\t"))
}
