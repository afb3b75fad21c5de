//! The words of svccfg: however a text is cut, the commands are the same; what is quoted is read
//! back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smf_cmd::svccfg_lex::{Lexer, Token, commands, quoted};

/// A command as one may type it again.
fn typed(tokens: &[Token]) -> String {
    let words: Vec<String> = tokens
        .iter()
        .map(|token| match token {
            Token::Word(word) => word.clone(),
            Token::Quoted(text) => quoted(text, true),
            Token::Equals => "=".to_owned(),
            Token::Redirect => ">".to_owned(),
            Token::Open => "(".to_owned(),
            Token::Close => ")".to_owned(),
        })
        .collect();
    words.join(" ")
}

fuzz_target!(|input: (usize, &str)| {
    let (cut, text) = input;
    let cut = (0..=cut % (text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
    let whole = commands(text);
    let mut lexer = Lexer::default();
    let mut pieces = lexer.feed(&text[..cut]);
    pieces.extend(lexer.feed(&text[cut..]));
    let pieces = lexer.finish().map(|last| {
        pieces.extend(last);
        pieces
    });
    assert_eq!(whole, pieces);
    for command in whole.into_iter().flatten() {
        assert!(!command.tokens.is_empty());
        let again = commands(&typed(&command.tokens)).unwrap();
        assert_eq!(again.len(), 1, "{command:?}");
        assert_eq!(again[0].tokens, command.tokens);
    }
});
