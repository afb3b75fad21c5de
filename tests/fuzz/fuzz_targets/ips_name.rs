//! FMRIs, versions and patterns: printed and read back the same; every pattern is matched.
#![no_main]

use ips_model::quote::{quote, unquote};
use ips_model::{Fmri, Pattern, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    assert_eq!(unquote(&quote(text)).as_deref(), Some(text));
    let _ = unquote(text);
    if let Ok(version) = Version::parse(text) {
        assert_eq!(Version::parse(&version.to_string()), Ok(version));
    }
    let mut lines = text.splitn(2, '\n');
    let (name, pattern) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(fmri) = Fmri::parse(name) else { return };
    assert_eq!(Fmri::parse(&fmri.to_string()).as_ref(), Ok(&fmri));
    if let Some(path) = fmri.path() {
        assert!(!path.split('/').any(|part| matches!(part, "" | "." | "..")), "{path}");
    }
    if let Ok(pattern) = Pattern::parse(pattern) {
        let _ = pattern.matches(&fmri);
    }
    if fmri.version.is_some() {
        let own = Pattern::parse(&fmri.to_string());
        assert!(own.is_ok_and(|own| own.matches(&fmri)), "{fmri}");
    }
});
