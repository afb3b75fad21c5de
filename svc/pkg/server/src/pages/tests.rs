//! What can be known of the pages without a browser: colours, and that files are answered.

use std::collections::BTreeMap;

use super::STYLE;

/// Names and colours of the first block after `start`.
fn colours(start: &str) -> BTreeMap<String, [f64; 3]> {
    let block = STYLE.split_once(start).unwrap().1.split_once('{').unwrap().1;
    let block = block.split_once('}').unwrap().0;
    let pairs = block.split(';').filter_map(|line| line.trim().split_once(": #"));
    let parse = |digits: &str| {
        let part = |at: usize| f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
        [part(0), part(2), part(4)]
    };
    pairs.map(|(name, digits)| (name.to_string(), parse(digits))).collect()
}

/// Relative luminance, as WCAG 2 defines it.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|part| {
        let part = part / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_can_be_read_on_its_ground() {
    assert!((contrast([0.0; 3], [255.0; 3]) - 21.0).abs() < 0.01);
    let light = colours(":root ");
    let dark = colours("@media (prefers-color-scheme: dark) {\n  :root ");
    assert_eq!(light.keys().collect::<Vec<_>>(), dark.keys().collect::<Vec<_>>());
    for (scheme, colours) in [("light", &light), ("dark", &dark)] {
        for (text, ground, least) in [
            ("--text", "--ground", 7.0),
            ("--text", "--raised", 7.0),
            ("--muted", "--ground", 4.5),
            ("--muted", "--raised", 4.5),
            ("--link", "--ground", 4.5),
            ("--link", "--raised", 4.5),
            ("--visited", "--ground", 4.5),
            ("--visited", "--raised", 4.5),
            ("--button-text", "--button", 4.5),
            ("--notice-text", "--notice", 4.5),
            ("--gone-text", "--gone", 4.5),
            ("--good-text", "--good", 4.5),
            // Edges of fields and the outline of what has the focus.
            ("--edge", "--ground", 3.0),
            ("--edge", "--raised", 3.0),
            ("--link", "--notice", 3.0),
        ] {
            let found = contrast(colours[text], colours[ground]);
            assert!(found >= least, "{scheme}: {text} on {ground}: {found:.2}");
        }
    }
}

#[test]
fn colours_are_named_in_one_place_and_nothing_is_fetched() {
    let rules = STYLE.split_once("*, *::before").unwrap().1;
    assert!(!rules.contains('#'), "a colour without a name");
    for word in ["url(", "@import", "http:", "https:"] {
        assert!(!STYLE.contains(word), "{word}");
    }
    // Every name that is used is there, and the other way round.
    let named = colours(":root ");
    for name in named.keys() {
        assert!(rules.contains(&format!("var({name})")), "{name} is not used");
    }
    for used in rules.split("var(").skip(1) {
        let name = used.split(')').next().unwrap();
        assert!(named.contains_key(name), "{name} has no colour");
    }
}
