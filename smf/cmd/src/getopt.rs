//! getopt.rs - the command line as getopt(3C) reads it, and its words for one that cannot be read.

use std::ffi::OsString;

/// All operands, when the first has been read: what follows it is no option.
///
/// # Errors
/// None, in between two arguments.
pub fn operands(
    first: OsString,
    parser: &mut lexopt::Parser,
) -> Result<Vec<String>, lexopt::Error> {
    let all = std::iter::once(first).chain(parser.raw_args()?);
    Ok(all.map(|operand| operand.to_string_lossy().into_owned()).collect())
}

/// What is said before the usage.
#[must_use]
pub fn said(error: &lexopt::Error) -> String {
    use lexopt::Error::{MissingValue, UnexpectedOption};
    let letter = |option: &str| option.trim_start_matches('-').to_owned();
    match error {
        UnexpectedOption(option) => format!("illegal option -- {}", letter(option)),
        MissingValue { option } => {
            let option = option.as_deref().map(letter).unwrap_or_default();
            format!("option requires an argument -- {option}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_original() {
        for (arguments, expected) in
            [("-q", "illegal option -- q"), ("-o", "option requires an argument -- o")]
        {
            let mut parser = lexopt::Parser::from_args([arguments]);
            let argument = parser.next().unwrap().unwrap();
            let error = match argument {
                lexopt::Arg::Short('o') => parser.value().unwrap_err(),
                other => other.unexpected(),
            };
            assert_eq!(said(&error), expected);
        }
    }
}
