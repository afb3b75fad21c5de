//! environment.rs - the files that configure writes: the gate's environment, and build.env.
//!
//! The gate's own `usr/src/tools/env/illumos.sh` is taken, and a value that a live image needs
//! takes the place of the gate's, on its own line, so that what the gate derives from it follows.
//! A name that the gate does not assign comes first, for the same reason.  Here is also what every
//! source finds in its environment when it is built or cleaned.

use std::path::Path;

use crate::host::ASIDE;

/// A value that a file assigns.
pub type Assigned = (&'static str, String);

/// How the written file begins.
const HEADER: &str = "\
# illumos.sh - how nightly builds this gate for a live image: written by configure, of
# usr/src/tools/env/illumos.sh.  What is changed here is lost; set it in a configure.* file.
";

/// A word of sh.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn line(name: &str, value: &str) -> String {
    format!("{name}={}; export {name}\n", quoted(value))
}

/// The name that a line assigns, when it does so at its beginning.
fn assigned(line: &str) -> Option<&str> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, _) = line.split_once('=')?;
    let good = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    (!name.is_empty() && name.chars().all(good)).then_some(name)
}

/// Whether a quote that a text opens is still open at its end.
fn is_open(text: &str) -> bool {
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None | Some('"'), '\\') => drop(letters.next()),
            (None, '\'' | '"') => quote = Some(letter),
            (None, '#') => break,
            (Some(open), letter) if letter == open => quote = None,
            _ => {}
        }
    }
    quote.is_some() || text.ends_with('\\')
}

/// The gate's environment file with these values.
#[must_use]
pub fn of_gate(original: &str, values: &[Assigned]) -> String {
    let mut body = String::new();
    let mut placed = vec![false; values.len()];
    let mut lines = original.lines();
    while let Some(first) = lines.next() {
        let place = assigned(first).and_then(|name| values.iter().position(|(n, _)| *n == name));
        let Some(place) = place else {
            // The shell's name belongs on the first line, and that is ours.
            if !(body.is_empty() && first.starts_with("#!")) {
                body.push_str(first);
                body.push('\n');
            }
            continue;
        };
        let mut whole = first.to_owned();
        while is_open(&whole) {
            let Some(next) = lines.next() else { break };
            whole = format!("{}\n{next}", whole.trim_end_matches('\\'));
        }
        body.push_str(&line(values[place].0, &values[place].1));
        placed[place] = true;
    }
    let missing = values.iter().zip(&placed).filter(|(_, placed)| !**placed);
    let first: String = missing.map(|((name, value), _)| line(name, value)).collect();
    format!("{HEADER}{first}{body}")
}

/// `build.env`: NAME=value, for make and for us; no value holds what either would read in it.
#[must_use]
pub fn build(values: &[Assigned]) -> String {
    let lines = values.iter().map(|(name, value)| format!("{name}={value}\n"));
    "# build.env - written by configure; what is changed here is lost.\n".to_owned()
        + &lines.collect::<String>()
}

/// Whether a value can stand in build.env.
#[must_use]
pub fn is_plain(value: &str) -> bool {
    !value.contains(['\n', '$', '#', '\\', '\'', '"', '`']) && value.trim() == value
}

/// What build.env says of a name; what it leaves empty it does not say.
#[must_use]
pub fn value<'a>(build: &'a str, name: &str) -> Option<&'a str> {
    let pairs = build.lines().filter_map(|line| line.split_once('='));
    let last = pairs.filter(|(n, _)| *n == name).map(|(_, value)| value).next_back();
    last.filter(|value| !value.is_empty())
}

/// Where a real gate's tools are on illumos.
const TOOLS: [&str; 4] = ["/opt/onbld/bin", "/usr/ccs/bin", "/opt/SUNWspro/bin", "/opt/local/bin"];

/// What every source finds in its environment, whatever is done with it.
#[must_use]
pub fn surroundings(build: &str, proto: &Path, path: &str) -> Vec<Assigned> {
    let text = proto.display().to_string();
    let prefix = value(build, "LAMPLIGHTER_PREFIX").unwrap_or("/").to_owned();
    let tools = TOOLS.iter().filter(|_| value(build, "GATE_IS_REAL").is_some());
    let tools: String = tools.map(|tool| format!("{tool}:")).collect();
    vec![
        // What configure has found is found by the build.
        ("PATH", format!("{prefix}/bin:{tools}{path}:{}", ASIDE.join(":"))),
        ("LAMPLIGHTER_PREFIX", prefix),
        ("ONBLD", proto.join("opt/onbld").display().to_string()),
        ("DESTDIR", text.clone()),
        ("ROOT", text.clone()),
        ("PROTO_ILLUMOS", text),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_places() {
        let original = "#!/bin/ksh\n# the gate's\nexport NIGHTLY_OPTIONS='-FnCDAmprt'\n\
            GATE=\"a b\" ; export GATE\nexport CODEMGR_WS=\"$HOME/$GATE\"\n#export ROOT=x\n\
            \tROOT=in_a_function\nNOTE='a\nROOT=quoted'\nONE=1 # it's\nexport ROOT=\"$CODEMGR_WS/\\\nproto\"\n\
            ATLOG=\"$CODEMGR_WS/log\"\n";
        let values = [
            ("GATE", "it's".to_owned()),
            ("NIGHTLY_OPTIONS", "-in".to_owned()),
            ("ROOT", "/w/proto".to_owned()),
            ("CW_NO_SHADOW", "1".to_owned()),
            ("NOTE", "n".to_owned()),
        ];
        let written = of_gate(original, &values);
        let want = "CW_NO_SHADOW='1'; export CW_NO_SHADOW\n# the gate's\n\
            NIGHTLY_OPTIONS='-in'; export NIGHTLY_OPTIONS\nGATE='it'\\''s'; export GATE\n\
            export CODEMGR_WS=\"$HOME/$GATE\"\n#export ROOT=x\n\tROOT=in_a_function\n\
            NOTE='n'; export NOTE\nONE=1 # it's\nROOT='/w/proto'; export ROOT\n\
            ATLOG=\"$CODEMGR_WS/log\"\n";
        assert_eq!(written.strip_prefix(HEADER), Some(want));
        let again = of_gate(&written, &values);
        assert_eq!(of_gate(&again, &values).matches("GATE=").count(), 1);
    }

    #[test]
    fn build_env_is_read_as_it_was_written() {
        let text = build(&[("A", "/x y".into()), ("B", String::new())]);
        assert_eq!(value(&text, "A"), Some("/x y"));
        assert_eq!(value(&text, "B"), None);
        assert_eq!(value(&text, "C"), None);
        for (text, plain) in [("/opt/x", true), ("a$b", false), (" a", false), ("a\nb", false)] {
            assert_eq!(is_plain(text), plain, "{text:?}");
        }
    }
}
