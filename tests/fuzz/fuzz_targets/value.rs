//! Values: what is taken is printed in a form that is taken as the same value; quoted for svccfg
//! and for the shell it is read back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smf_cmd::svccfg_lex::{Token, commands, quoted};
use smf_model::bundle::value::{PropertyType, Value};
use smf_startd::expand::expand;

const TYPES: [&str; 14] = [
    "boolean",
    "count",
    "integer",
    "time",
    "astring",
    "opaque",
    "ustring",
    "uri",
    "fmri",
    "host",
    "hostname",
    "net_address",
    "net_address_v4",
    "net_address_v6",
];

/// One word as a shell reads it: a backslash makes the next character plain.
fn unquoted(word: &str) -> String {
    let mut text = String::new();
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        let plain = if character == '\\' { characters.next() } else { Some(character) };
        text.extend(plain);
    }
    text
}

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let kind = PropertyType::from_name(TYPES[usize::from(kind) % TYPES.len()]).unwrap();
    if let Ok(value) = Value::parse(kind, text) {
        let printed = value.to_string();
        let again = Value::parse(kind, &printed).map(|value| value.to_string());
        assert_eq!(again.as_deref(), Ok(printed.as_str()), "{kind}");
    }
    let token = commands(&quoted(text, true)).unwrap();
    assert_eq!(token[0].tokens, [Token::Quoted(text.to_owned())]);
    if !text.contains(['#', '=', '>']) && !text.is_empty() {
        let read = commands(&quoted(text, false)).unwrap();
        let [Token::Word(one) | Token::Quoted(one)] = &read[0].tokens[..] else {
            panic!("{text:?}: {read:?}")
        };
        assert_eq!(one, text);
    }
    let mut values = |_: &smf_startd::expand::Named<'_>| Some(vec![text.to_owned()]);
    let word = expand("%{pg/p}", "svc:/a:b", "start", &mut values).unwrap();
    assert_eq!(unquoted(&word), text);
    // Any text as a method, too.
    let _any = expand(text, "svc:/a:b", "start", &mut values);
});
