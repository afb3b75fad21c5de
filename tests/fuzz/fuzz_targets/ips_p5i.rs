//! Publisher descriptions: what was read is printed and read back the same.
#![no_main]

use ips_model::p5i;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(publishers) = p5i::parse(text) else { return };
    let again = p5i::parse(&p5i::print(&publishers)).expect("what was printed is read");
    assert_eq!(again, publishers);
});
