//! value.rs - the types of properties, and what may stand for a value of each.
//!
//! The input rules and printed forms are those of libscf; a `Value` is always in printed form, so
//! two that are equal print equal.

/// The type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PropertyType {
    /// `true` or `false`.
    Boolean,
    /// An unsigned number of 64 bits.
    Count,
    /// A signed number of 64 bits.
    Integer,
    /// Seconds and nanoseconds.
    Time,
    /// Bytes.
    Astring,
    /// Bytes as hexadecimal digits.
    Opaque,
    /// UTF-8.
    Ustring,
    /// RFC 2396.
    Uri,
    /// `svc:` or `file:`.
    Fmri,
    /// A hostname or an address.
    Host,
    /// A hostname.
    Hostname,
    /// An address of either version, with an optional prefix length.
    NetAddress,
    /// An address of version 4.
    NetAddressV4,
    /// An address of version 6.
    NetAddressV6,
}
use PropertyType::{
    Astring, Boolean, Count, Fmri, Host, Hostname, Integer, NetAddress, NetAddressV4, NetAddressV6,
    Opaque, Time, Uri, Ustring,
};

const NAMES: &[(PropertyType, &str)] = &[
    (Boolean, "boolean"),
    (Count, "count"),
    (Integer, "integer"),
    (Time, "time"),
    (Astring, "astring"),
    (Opaque, "opaque"),
    (Ustring, "ustring"),
    (Uri, "uri"),
    (Fmri, "fmri"),
    (Host, "host"),
    (Hostname, "hostname"),
    (NetAddress, "net_address"),
    (NetAddressV4, "net_address_v4"),
    (NetAddressV6, "net_address_v6"),
];

impl PropertyType {
    /// By the name that bundles and svccfg use.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, own)| *own == name).map(|(kind, _)| *kind)
    }
}

impl PropertyType {
    /// Whether this is that type, or one made from it.
    #[must_use]
    pub fn is_a(self, other: Self) -> bool {
        self == other || self.base().is_some_and(|base| base.is_a(other))
    }

    /// The type this one is made from.
    fn base(self) -> Option<Self> {
        match self {
            Boolean | Count | Integer | Time | Astring | Opaque => None,
            Ustring => Some(Astring),
            Uri | Host => Some(Ustring),
            Fmri => Some(Uri),
            Hostname | NetAddress => Some(Host),
            NetAddressV4 | NetAddressV6 => Some(NetAddress),
        }
    }
}

impl std::fmt::Display for PropertyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

/// A value in its printed form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Value(String);

/// The text is no value of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a value of type {0}")]
pub struct ValueError(pub PropertyType);

/// The longest value, in bytes.
const LENGTH_MAX: usize = 4095;

impl Value {
    /// Reads a value of a type.
    ///
    /// # Errors
    /// The text is no value of the type, or too long.
    pub fn parse(kind: PropertyType, text: &str) -> Result<Self, ValueError> {
        // A NUL byte ends every string of the real repository.
        if text.len() > LENGTH_MAX || text.contains('\0') {
            return Err(ValueError(kind));
        }
        let plain = |good: bool| good.then(|| text.to_owned());
        let printed = match kind {
            Boolean => match text {
                "true" | "t" | "1" => Some("true".into()),
                "false" | "f" | "0" => Some("false".into()),
                _ => None,
            },
            Count => count(text).map(|n| n.to_string()),
            Integer => integer(text).map(|n| n.to_string()),
            Time => time(text),
            Astring | Ustring | Hostname | Host => plain(true),
            Opaque => {
                let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
                (digits && text.len() % 2 == 0).then(|| text.to_ascii_lowercase())
            }
            Uri => plain(is_uri(text)),
            Fmri => plain(is_fmri(text)),
            NetAddress => plain(is_v4(text) || is_v6(text)),
            NetAddressV4 => plain(is_v4(text)),
            NetAddressV6 => plain(is_v6(text)),
        };
        printed.map(Self).ok_or(ValueError(kind))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Digits with the base that strtoull(3C) sees in them: 0x, 0, or decimal.
fn magnitude(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // from_str_radix would take a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

fn count(text: &str) -> Option<u64> {
    match text.strip_prefix('-') {
        // strtoull negates what does not carry a plain sign: -1 is the largest count.
        Some(rest) => magnitude(rest).map(u64::wrapping_neg),
        None => magnitude(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => 0i64.checked_sub_unsigned(magnitude(rest)?),
        None => i64::try_from(magnitude(text.strip_prefix('+').unwrap_or(text))?).ok(),
    }
}

fn time(text: &str) -> Option<String> {
    let (seconds, fraction) = match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (text, None),
    };
    let seconds: i64 = seconds.parse().ok()?;
    let Some(fraction) = fraction else { return Some(seconds.to_string()) };
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}");
    let whole = nanoseconds.bytes().all(|byte| byte == b'0');
    Some(if whole { seconds.to_string() } else { format!("{seconds}.{nanoseconds}") })
}

/// RFC 2396 as far as libscf looks: an optional scheme, and a path that is not empty.
fn is_uri(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_graphic() && !"<>\"{}|\\^`".contains(c);
    if text.is_empty() || !text.chars().all(legal) {
        return false;
    }
    let rest = match text.split_once(':') {
        Some((scheme, rest)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => rest,
        _ => text,
    };
    !rest.split(['?', '#']).next().unwrap_or_default().is_empty()
}

fn is_fmri(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//localhost").or_else(|| path.strip_prefix("//"));
        return path.unwrap_or(&text["file:".len()..]).starts_with('/');
    }
    let rest = text.strip_prefix("svc:").unwrap_or(text);
    let rest = match rest.strip_prefix("//") {
        Some(rest) => match rest.split_once('/') {
            Some((_, rest)) => rest,
            None => return false,
        },
        None => rest.strip_prefix('/').unwrap_or(rest),
    };
    let (entity, property) = match rest.split_once("/:properties/") {
        Some((entity, property)) => (entity, Some(property)),
        None => (rest, None),
    };
    let (service, instance) = match entity.rsplit_once(':') {
        Some((service, instance)) => (service, Some(instance)),
        None => (entity, None),
    };
    valid_service_name(service)
        && instance.is_none_or(valid_name)
        && property.is_none_or(|p| p.splitn(2, '/').all(valid_name))
}

/// Splits a prefix length off; none when it is malformed or too long.
fn without_prefix(text: &str, bits: u8) -> Option<&str> {
    match text.split_once('/') {
        None => Some(text),
        Some((address, prefix)) => {
            prefix.parse::<u8>().ok().filter(|prefix| *prefix <= bits).map(|_| address)
        }
    }
}

fn is_v4(text: &str) -> bool {
    without_prefix(text, 32).is_some_and(|a| a.parse::<core::net::Ipv4Addr>().is_ok())
}

fn is_v6(text: &str) -> bool {
    without_prefix(text, 128).is_some_and(|a| a.parse::<core::net::Ipv6Addr>().is_ok())
}

/// The longest name, in bytes.
const NAME_MAX: usize = 119;

/// Whether this is one component: `[provider,]ident`.
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let component = |text: &str, dots: bool| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (dots && c == '.'))
    };
    name.len() <= NAME_MAX
        && match name.split_once(',') {
            Some((provider, ident)) => component(provider, true) && component(ident, false),
            None => component(name, false),
        }
}

/// Whether this is a name of a service: components with `/` between them.
#[must_use]
pub fn valid_service_name(name: &str) -> bool {
    name.len() <= NAME_MAX && name.split('/').all(valid_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_type_takes_and_prints() {
        for (kind, text, printed) in [
            (Boolean, "t", Some("true")),
            (Boolean, "True", None),
            (Count, "0x10", Some("16")),
            (Count, "010", Some("8")),
            (Count, "-1", Some("18446744073709551615")),
            (Count, "", None),
            (Count, "18446744073709551616", None),
            (Count, "++1", None),
            (Integer, "-0x10", Some("-16")),
            (Integer, "-9223372036854775808", Some("-9223372036854775808")),
            (Integer, "9223372036854775808", None),
            (Time, "12.5", Some("12.500000000")),
            (Time, "12.000", Some("12")),
            (Time, "12.", None),
            (Opaque, "0AfF", Some("0aff")),
            (Opaque, "abc", None),
            (Uri, "http://example.com/x", Some("http://example.com/x")),
            (Uri, "http:", None),
            (Uri, "a b", None),
            (Fmri, "svc:/a/b:c", Some("svc:/a/b:c")),
            (Fmri, "file:///etc/x", Some("file:///etc/x")),
            (Fmri, "file://localhost/etc/x", Some("file://localhost/etc/x")),
            (Fmri, "svc:/a b", None),
            (Fmri, "file:etc", None),
            (NetAddress, "10.0.0.1/8", Some("10.0.0.1/8")),
            (NetAddress, "::1", Some("::1")),
            (NetAddress, "10.0.0.1/33", None),
            (NetAddressV4, "::1", None),
            (NetAddressV6, "::1/129", None),
        ] {
            let got = Value::parse(kind, text).ok().map(|value| value.to_string());
            assert_eq!(got.as_deref(), printed, "{kind} {text:?}");
        }
        assert!(Value::parse(Astring, &"x".repeat(4096)).is_err());
    }

    #[test]
    fn names() {
        for (name, good) in [
            ("default", true),
            ("com.example,b", true),
            ("a.b", false),
            ("1a", false),
            ("", false),
            ("a,", false),
            ("multi-user_2", true),
        ] {
            assert_eq!(valid_name(name), good, "{name}");
        }
        assert!(valid_service_name("application/pkg/server"));
        assert!(!valid_service_name("application//server"));
    }
}
