//! layout.rs - one action as text: attributes in reading order, folded at 80 columns.
//!
//! A fold is ` \`, a line feed and four blanks.  Columns are characters.  Of a line that is
//! followed by another the last two columns belong to the fold.

use ips_model::action::{NO_HASH, quoted_member};
use ips_model::{Action, Kind};

use crate::options::{Form, Style};

const FOLD: &str = " \\\n    ";
/// How driver aliases begin that are numbers after that.
const ALIAS_HEADS: [&str; 12] = [
    "firewire",
    "pccard",
    "pciexclass",
    "pciclass",
    "pciex",
    "pcie",
    "pci",
    "pnpPNP",
    "usbia",
    "usbif",
    "usbi",
    "usb",
];

/// An attribute's text, and whether it begins a line.
struct Piece {
    text: String,
    own_line: bool,
}

/// The action as it stands in a formatted manifest, without the line feed at its end.
pub fn laid_out(prefix: &str, action: &Action, style: Style) -> String {
    let mut head = format!("{prefix}{}", action.kind.as_str());
    let mut attributes: Vec<(&str, &[String])> = action
        .attributes
        .iter()
        .map(|(name, values)| (name.as_str(), &values[..]))
        .filter(|(name, _)| {
            !style.strip || !(name.starts_with("pkg.depend.") || name.starts_with("pkg.debug"))
        })
        .collect();
    let mut hashes = 0;
    if let Some(hash) = action.hash.as_ref().filter(|hash| *hash != NO_HASH) {
        if hash.contains(['=', ' ', '"']) {
            attributes.push(("hash", std::slice::from_ref(hash)));
        } else {
            head = format!("{head} {hash}");
            hashes = 1;
        }
    }
    attributes.sort_by_key(|(name, values)| (rank(action.kind, name, values, style.form), *name));
    let pieces: Vec<Piece> =
        attributes.iter().flat_map(|(name, values)| pieces(name, values, style.form)).collect();
    let folded = fold(&head, &pieces, style);
    // A lone attribute is not worth a line of its own.
    let lone = pieces.len() == 1 && hashes == 0 && folded.matches(FOLD).count() == 1;
    let text = if style.form == Form::V2 && lone {
        fold(&head, &pieces, Style { unwrap: true, ..style })
    } else {
        folded
    };
    match text.strip_prefix("dir ") {
        Some(rest) if style.form == Form::V2 => format!("dir  {rest}"),
        Some(_) | None => text,
    }
}

fn fold(head: &str, pieces: &[Piece], style: Style) -> String {
    let mut text = head.to_string();
    let mut column = head.chars().count();
    for (at, piece) in pieces.iter().enumerate() {
        let last = at + 1 == pieces.len();
        let limit = if style.form == Form::V2 && last { 80 } else { 78 };
        let length = piece.text.chars().count();
        if style.unwrap || (!piece.own_line && column + length < limit) {
            text.push(' ');
            column += 1 + length;
        } else {
            text.push_str(FOLD);
            // The line feed counts as the first character of the line it begins.
            column = 5 + length;
        }
        text.push_str(&piece.text);
    }
    text
}

/// An attribute's values in their order.
fn pieces(name: &str, values: &[String], form: Form) -> Vec<Piece> {
    let mut sorted: Vec<&String> = values.iter().collect();
    if name == "alias" && form == Form::V2 {
        sorted.sort_by_key(|value| alias_key(value));
    } else {
        sorted.sort();
    }
    let apart = name == "alias" || (form == Form::V2 && name.starts_with("pkg.debug"));
    let own_line = values.len() > 1 && apart;
    sorted
        .into_iter()
        .map(|value| Piece { text: format!("{name}={}", quoted_member(value)), own_line })
        .collect()
}

/// Where an attribute goes; names decide among equals.
fn rank(kind: Kind, name: &str, values: &[String], form: Form) -> u8 {
    if name.starts_with("variant.") {
        return 7;
    }
    if name.starts_with("facet.") {
        return 6;
    }
    if values.len() > 1 {
        return 5;
    }
    let special = match (form, kind, name) {
        (Form::V1, _, _) => None,
        (Form::V2, Kind::Depend, "type") => Some(0),
        (Form::V2, Kind::Depend, "fmri") => Some(1),
        (Form::V2, Kind::Driver, "perms") => Some(1),
        (Form::V2, Kind::Driver, "clone_perms") => Some(2),
        (Form::V2, Kind::Driver, "privs") => Some(3),
        (Form::V2, Kind::Driver, "policy") => Some(4),
        (Form::V2, Kind::Driver, "devlink") => Some(5),
        (Form::V2, Kind::Driver, "alias") => Some(6),
        (Form::V2, Kind::Depend | Kind::Driver | Kind::User, _) => None,
        (Form::V2, _, "owner" | "target") => Some(1),
        (Form::V2, _, "group") => Some(2),
        (Form::V2, _, "mode") => Some(3),
        (Form::V2, _, _) => None,
    };
    special.unwrap_or(if name == kind.key_attribute() { 0 } else { 4 })
}

/// A part of an alias: numbers before words, each among its own.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum AliasPart {
    Number(u128),
    Word(String),
}

/// `pci8086,15b8.1` → its head, then its hexadecimal numbers as numbers.
fn alias_key(alias: &str) -> Vec<AliasPart> {
    let Some(head) = ALIAS_HEADS.iter().find(|head| alias.starts_with(**head)) else {
        return vec![AliasPart::Word(alias.to_string())];
    };
    let part = |part: &str| match u128::from_str_radix(part, 16) {
        Ok(number) => AliasPart::Number(number),
        Err(_) => AliasPart::Word(part.to_string()),
    };
    let rest = alias[head.len()..].split([',', '.']).map(part);
    std::iter::once(AliasPart::Word((*head).to_string())).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(text: &str, form: Form, unwrap: bool) -> String {
        let style = Style { form, unwrap, strip: false };
        laid_out("", &Action::parse(text).unwrap(), style)
    }

    #[test]
    fn layouts() {
        let long = "x".repeat(70);
        for (text, v1, v2) in [
            (
                "dir mode=0755 path=a owner=root group=sys",
                "dir path=a group=sys mode=0755 owner=root".to_string(),
                "dir  path=a owner=root group=sys mode=0755".to_string(),
            ),
            (
                "user username=u uid=1 group=g",
                "user username=u group=g uid=1".into(),
                "user username=u group=g uid=1".into(),
            ),
            (
                "driver name=d alias=pci10 alias=pci9",
                "driver name=d \\\n    alias=pci10 \\\n    alias=pci9".into(),
                "driver name=d \\\n    alias=pci9 \\\n    alias=pci10".into(),
            ),
            (
                &format!("license h license={long}"),
                format!("license h \\\n    license={long}"),
                format!("license h \\\n    license={long}"),
            ),
            (
                &format!("license license={long}"),
                format!("license \\\n    license={long}"),
                format!("license license={long}"),
            ),
        ] {
            assert_eq!(laid(text, Form::V1, false), v1);
            assert_eq!(laid(text, Form::V2, false), v2);
            assert!(!laid(text, Form::V2, true).contains('\n'));
        }
    }

    #[test]
    fn the_last_attribute_may_use_all_columns() {
        for (length, folded_v1, folded_v2) in
            [(58, false, false), (59, true, false), (60, true, false), (61, true, true)]
        {
            let text = format!("set name=a value={}", "x".repeat(length + 3));
            assert_eq!(laid(&text, Form::V1, false).contains('\n'), folded_v1, "{length}");
            assert_eq!(laid(&text, Form::V2, false).contains('\n'), folded_v2, "{length}");
        }
    }
}
