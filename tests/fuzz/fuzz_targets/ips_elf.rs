//! ELF files: header, sections and the dynamic section of any bytes.
#![no_main]

use ips_model::elf::Elf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(elf) = Elf::parse(bytes) else { return };
    let _ = (elf.arch(), elf.is_64());
    let sections = elf.named_sections().unwrap_or_default();
    for (_, content) in &sections {
        assert!(content.as_ref().is_none_or(|content| content.len() <= bytes.len().max(8)));
    }
    if let Ok(dynamic) = elf.dynamic() {
        assert!(dynamic.needed.len() <= bytes.len() / 8);
    }
});
