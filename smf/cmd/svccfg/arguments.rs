//! arguments.rs - what stands behind the word of a command.
//!
//! Most commands take bare words only; a quoted string where a word belongs is a syntax error.

use smf_cmd::svccfg_lex::Token;

use crate::session::Complaint;

type Answer<T> = Result<T, Complaint>;

/// Bare words and nothing else.
pub fn words(tokens: &[Token]) -> Answer<Vec<&str>> {
    fn word(token: &Token) -> Answer<&str> {
        match token {
            Token::Word(text) => Ok(text),
            Token::Quoted(_) | Token::Equals | Token::Redirect | Token::Open | Token::Close => {
                Err(Complaint::Syntax)
            }
        }
    }
    tokens.iter().map(word).collect()
}

/// Words and strings.
pub fn texts(tokens: &[Token]) -> Answer<Vec<&str>> {
    fn text(token: &Token) -> Answer<&str> {
        match token {
            Token::Word(text) | Token::Quoted(text) => Ok(text),
            Token::Equals | Token::Redirect | Token::Open | Token::Close => Err(Complaint::Syntax),
        }
    }
    tokens.iter().map(text).collect()
}

/// Nothing.
pub fn none(tokens: &[Token]) -> Answer<()> {
    if tokens.is_empty() { Ok(()) } else { Err(Complaint::Syntax) }
}

/// One word.
pub fn one(tokens: &[Token]) -> Answer<&str> {
    match words(tokens)?[..] {
        [word] => Ok(word),
        [] | [_, ..] => Err(Complaint::Syntax),
    }
}

/// A word or none.
pub fn optional(tokens: &[Token]) -> Answer<Option<&str>> {
    match words(tokens)?[..] {
        [] => Ok(None),
        [word] => Ok(Some(word)),
        [_, ..] => Err(Complaint::Syntax),
    }
}

/// A word, with the one flag that may stand before it.
pub fn flagged<'a>(tokens: &'a [Token], flag: &str) -> Answer<(bool, &'a str)> {
    match words(tokens)?[..] {
        [first, word] if first == flag => Ok((true, word)),
        [word] => Ok((false, word)),
        [] | [_, ..] => Err(Complaint::Syntax),
    }
}

/// Splits `> file` off.
pub fn redirect(tokens: &[Token]) -> Answer<(&[Token], Option<&str>)> {
    match tokens {
        [rest @ .., Token::Redirect, Token::Word(file)] => Ok((rest, Some(file))),
        rest => Ok((rest, None)),
    }
}

/// An option with its argument.
pub type Flag<'a> = (char, Option<&'a str>);

/// getopt(3C): the options that `allowed` names (`:` behind one that has an argument), and the
/// operands behind them.
pub fn options<'a, 'b>(
    words: &'b [&'a str],
    allowed: &str,
) -> Answer<(Vec<Flag<'a>>, &'b [&'a str])> {
    let mut flags = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            break;
        };
        at += 1;
        if letters == "-" {
            break;
        }
        for (index, letter) in letters.char_indices() {
            let place = allowed.find(letter).filter(|_| letter != ':').ok_or(Complaint::Syntax)?;
            if !allowed[place + letter.len_utf8()..].starts_with(':') {
                flags.push((letter, None));
                continue;
            }
            let mut argument = &letters[index + letter.len_utf8()..];
            if argument.is_empty() {
                argument = words.get(at).ok_or(Complaint::Syntax)?;
                at += 1;
            }
            flags.push((letter, Some(argument)));
            break;
        }
    }
    Ok((flags, &words[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_as_getopt_reads_them() {
        for (given, allowed, expected) in [
            ("-v -t x", "vt", Some("v t | x")),
            ("-vt x -v", "vt", Some("v t | x -v")),
            ("-p out x", "np:V", Some("p=out | x")),
            ("-Vpout x", "np:V", Some("V p=out | x")),
            ("-- -v", "v", Some(" | -v")),
            ("-", "v", Some(" | -")),
            ("-z", "v", None),
            ("-p", "p:", None),
            ("-:", "p:", None),
        ] {
            let words: Vec<&str> = given.split_whitespace().collect();
            let got = options(&words, allowed).ok().map(|(flags, operands)| {
                let flag = |(letter, argument): &Flag| match argument {
                    Some(argument) => format!("{letter}={argument}"),
                    None => letter.to_string(),
                };
                let flags: Vec<_> = flags.iter().map(flag).collect();
                format!("{} | {}", flags.join(" "), operands.join(" "))
            });
            assert_eq!(got.as_deref(), expected, "{given}");
        }
    }
}
