//! image.rs - an image of ours, and what is said about it.

use super::{Place, Said};

/// A place with an image that `pkg` made.
pub fn ours() -> Place {
    let place = Place::new();
    let made = place.sh(
        "pkg image-create -F -p repo --variant arch=i386 --variant debug.illumos=false img",
        None,
    );
    assert_eq!((made.status, made.err.as_str(), made.out.as_str()), (0, "", ""));
    place
}

/// What a line says, whole, and its status.
pub fn check(place: &Place, line: &str, status: i32, out: &str, err: &str) {
    let said = place.sh(line, None);
    let expected = Said { out: out.to_string(), err: err.to_string(), status };
    assert_eq!(said, expected, "{line}");
}

/// That a line is refused: standard error begins so.
pub fn refused(place: &Place, line: &str, status: i32, begin: &str) {
    let said = place.sh(line, None);
    assert!(said.err.starts_with(begin), "{line}: {}", said.err);
    assert_eq!((said.status, said.out.as_str()), (status, ""), "{line}");
}
