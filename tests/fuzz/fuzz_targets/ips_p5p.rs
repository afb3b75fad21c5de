//! Package archives: any bytes are opened, and every manifest they promise is asked for.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use ips_client::{Origin, Source};
use libfuzzer_sys::fuzz_target;

static PLACE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-{}.p5p", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*PLACE, bytes).expect("the temporary directory takes it");
    let source = Source::open(&Origin::archive(&PLACE));
    std::fs::remove_file(&*PLACE).expect("it was written");
    let Ok(source) = source else { return };
    for fmri in source.packages() {
        let Ok((_, manifest)) = source.manifest(&fmri) else { continue };
        for action in &manifest.actions {
            let _ = source.contents(&fmri, action);
        }
    }
});
