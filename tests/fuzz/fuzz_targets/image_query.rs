//! Node paths and lists of arguments: any text, asked of one manifest.
#![no_main]

use std::sync::LazyLock;

use image_manifest::{Document, argslist};
use libfuzzer_sys::fuzz_target;

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let text = include_str!("../../../packaging/images/templates/slim_cd_x86.xml");
    Document::parse(text).expect("it is shipped")
});

fuzz_target!(|text: &str| {
    let document = &*DOCUMENT;
    if let Ok(values) = document.query(text) {
        assert!(values.len() < 10_000);
        // The root's name may be left out, so it may be there.
        let named = format!("distribution/{}", text.trim());
        if !text.trim().is_empty() && !text.trim().starts_with("distribution") {
            assert_eq!(document.query(&named).as_ref(), Ok(&values), "{text:?}");
        }
    }
    let _ = document.key(text);
    if let Ok(strings) = argslist::split(text) {
        let quotable = |s: &&String| !s.is_empty() && !s.contains(['"', '\\', '\'']);
        let plain: Vec<String> = strings.iter().filter(quotable).cloned().collect();
        let quoted: Vec<String> = plain.iter().map(|s| format!("\"{s}\"")).collect();
        assert_eq!(argslist::split(&quoted.join(" ")), Ok(plain));
    }
    let _ = argslist::words(text);
});
