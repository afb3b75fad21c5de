//! Catalog parts and logs changed as text: they say the same as those that are taken apart.
//!
//! The first line is what is done, a byte a step: which package, which version, come or go.
#![no_main]

use ips_model::Fmri;
use ips_model::catalog::{Entry, Log, LogText, Part, PartText};
use ips_model::version::Version;
use libfuzzer_sys::fuzz_target;

const PUBLISHERS: [&str; 2] = ["a", "orchard.example"];
const STEMS: [&str; 4] = ["a", "fruit/pear", "library/tiny", "zz/last"];
const VERSIONS: [&str; 4] = [
    "1.0,5.11-1:20240102T030405Z",
    "1.10,5.11-1:20240102T030405Z",
    "1.0,5.11:20240102T030405Z",
    "1.0,5.12-1:20240102T030405Z",
];

/// One change: publisher, stem, version, whether it comes.
fn step(byte: u8) -> (&'static str, &'static str, Version, bool) {
    let at = |shift: u32, count: usize| usize::from(byte >> shift) % count;
    let version = Version::parse(VERSIONS[at(3, 4)]).expect("these are versions");
    (PUBLISHERS[at(0, 2)], STEMS[at(1, 4)], version, byte & 0x20 != 0)
}

fn entry(version: Version, byte: u8) -> Entry {
    let actions = vec![format!("set name=pkg.summary value=\"{} \u{e9}\"", byte)];
    Entry { version, signature: (byte & 0x40 != 0).then(|| "ab".repeat(20)), actions }
}

/// The part as a whole and the part as text stay the same through every change.
fn parts(steps: &[u8], text: &str) {
    let whole = Part::parse_signed(text);
    let read = PartText::read(text.to_string());
    let Ok((mut whole, signature)) = whole else {
        // What only the walk accepts may be asked and changed; it may refuse.
        if let Ok((mut part, _)) = read {
            for byte in steps {
                let (publisher, stem, version, _) = step(*byte);
                let _ = part.remove(publisher, stem, &version);
            }
            let _ = (part.counts(), part.unsigned(), part.stems().count());
        }
        return;
    };
    let (mut part, own) = read.expect("what is read whole is read as text");
    assert_eq!(own, signature);
    for byte in steps.iter().take(64) {
        let (publisher, stem, version, comes) = step(*byte);
        if comes {
            let one = entry(version, *byte);
            whole.insert(publisher, stem, one.clone());
            part.insert(publisher, stem, one).expect("a list that was read is changed");
        } else {
            let gone = whole.remove(publisher, stem, &version);
            let own = part.remove(publisher, stem, &version).expect("a list that was read");
            assert_eq!(own, gone);
        }
        let fmri = Fmri::of(publisher, stem, VERSIONS[usize::from(byte >> 3) % 4]);
        let fmri = fmri.expect("these are names");
        let own = part.get(&fmri).expect("a list that was read");
        assert_eq!(own.as_ref(), whole.get(&fmri));
    }
    let signed = part.sign().text;
    assert_eq!(Part::parse(&signed).expect("what was signed is read"), whole);
    assert_eq!(part.counts(), whole.counts());
    let (again, _) = PartText::read(signed.clone()).expect("what was signed is read");
    assert_eq!(again.sign().text, signed);
    assert_eq!(PartText::of(&whole).expect("a part has a text").counts(), whole.counts());
}

fn logs(text: &str) {
    let Ok((log, signature)) = Log::parse_signed(text) else { return };
    let (mut own, held) = LogText::read(text.to_string()).expect("what is read whole is read");
    assert_eq!(held, signature);
    for (publisher, stem, _) in own.clone().stems() {
        let entries = own.entries(publisher, stem).expect("a list that was read");
        if let Some(entry) = entries.first() {
            own.push(publisher, stem, entry.clone()).expect("a list that was read");
        }
    }
    let signed = own.sign().text;
    Log::parse(&signed).expect("what was signed is read");
    let (again, _) = LogText::read(log.sign().text).expect("what was signed is read");
    let _ = again.counts();
}

fuzz_target!(|text: &str| {
    let (steps, text) = text.split_once('\n').unwrap_or(("", text));
    parts(steps.as_bytes(), text);
    logs(text);
});
