//! Catalog parts, attributes and logs: what was read is signed and read back the same.
#![no_main]

use ips_model::catalog::{Attributes, Log, Part};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(part) = Part::parse(text) {
        let _ = (part.entries().count(), part.counts());
        let again = Part::parse(&part.sign().text).expect("what was signed is read");
        assert_eq!(again, part);
    }
    if let Ok(attributes) = Attributes::parse(text) {
        let signed = attributes.sign().text;
        let again = Attributes::parse(&signed).expect("what was signed is read");
        assert_eq!(again.sign().text, signed);
    }
    if let Ok(log) = Log::parse(text) {
        let signed = log.sign().text;
        let again = Log::parse(&signed).expect("what was signed is read");
        assert_eq!(again.sign().text, signed);
    }
});
