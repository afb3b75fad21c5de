//! files.rs - what becomes of a file that may have been edited: the rules of `preserve`.
//!
//! | preserve | edited, or there unpackaged | not edited |
//! |---|---|---|
//! | none | the new content | the new content |
//! | `true` | kept | the new content |
//! | `renameold` | kept as `.old`, the new content | the new content |
//! | `renamenew` | kept, the new content as `.new` | the new content |
//! | `legacy` | as `.legacy`, when it was not legacy before; nothing is delivered anew | likewise |
//! | `install-only` | kept | kept |
//! | `abandon` | left alone | left alone |
//!
//! On the way back to an older package, an edited file goes aside as `.update`, unless it has the same
//! `preserve-version` or none says one.  ELF files are never edited.

use ips_model::action::Action;
use ips_model::digest::sha1_hex;
use ips_model::version::DotSequence;

/// What is done with the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The new content is put.
    Put,
    /// What lies there stays, with the attributes of the new action.
    Keep,
    /// What lies there goes aside under this ending, then the new content is put.
    Aside(&'static str),
    /// What lies there stays, the new content is put beside it under this ending.
    Beside(&'static str),
    /// Nothing is done at all.
    Leave,
}

/// Whether a package goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It comes, stays or gets newer.
    Forward,
    /// It gets older.
    Back,
}

fn preserve(action: &Action) -> Option<&str> {
    // The content of these is never edited by people.
    action.get("preserve").filter(|_| action.get("elfhash").is_none())
}

/// Whether an action says that its file may be edited.
pub fn is_editable(action: &Action) -> bool {
    preserve(action).is_some_and(|text| text != "false")
}

fn preserve_version(action: &Action) -> Option<DotSequence> {
    DotSequence::parse(action.get("preserve-version").unwrap_or("0")).ok()
}

/// Decides; `disk` is what lies there, if it is a file.
pub fn content(old: Option<&Action>, new: &Action, disk: Option<&[u8]>, way: Way) -> Content {
    let Some(preserve) = preserve(new) else { return Content::Put };
    match (preserve, old) {
        ("abandon", _) => return Content::Leave,
        ("legacy", None) => return Content::Leave,
        ("legacy", Some(old)) if old.get("preserve") == Some("legacy") => return Content::Keep,
        ("legacy", Some(_)) => {
            return if disk.is_some() { Content::Aside("legacy") } else { Content::Leave };
        }
        ("install-only", Some(_)) => return Content::Keep,
        ("install-only", None) if disk.is_some() => return Content::Keep,
        _ => {}
    }
    let Some(disk) = disk else { return Content::Put };
    let on_disk = sha1_hex(disk);
    let Some(old) = old else { return unexpected(preserve) };
    let edited = old.payload_hash() != Some(on_disk.as_str());
    let changes = old.payload_hash() != new.payload_hash();
    if way == Way::Back && changes && edited {
        // The same layout of the file is as good for the older program.
        let same = preserve_version(old) <= preserve_version(new);
        return if same { Content::Keep } else { Content::Aside("update") };
    }
    match (edited, changes) {
        (false, true) => Content::Put,
        (_, false) => Content::Keep,
        (true, true) => unexpected(preserve),
    }
}

/// A content that is not the one that was delivered.
fn unexpected(preserve: &str) -> Content {
    match preserve {
        "renameold" => Content::Aside("old"),
        "renamenew" => Content::Beside("new"),
        _ => Content::Keep,
    }
}

/// What becomes of a file that is no longer delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It goes.
    Unlink,
    /// It is the administrator's now, and is salvaged.
    Salvage,
    /// It stays.
    Leave,
}

/// Decides; `goes` tells that its package goes altogether.
pub fn removal(old: &Action, disk: Option<&[u8]>, goes: bool) -> Removal {
    match preserve(old) {
        Some("abandon" | "install-only") => Removal::Leave,
        Some(text) if text != "false" && goes => {
            let edited =
                disk.is_some_and(|disk| Some(sha1_hex(disk).as_str()) != old.payload_hash());
            if edited { Removal::Salvage } else { Removal::Unlink }
        }
        Some(_) | None => Removal::Unlink,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str, attributes: &str) -> Action {
        let hash = sha1_hex(content.as_bytes());
        Action::parse(&format!("file {hash} path=a mode=0644 owner=root group=sys {attributes}"))
            .unwrap()
    }

    #[test]
    fn what_becomes_of_the_content() {
        use Content::{Aside, Beside, Keep, Leave, Put};
        for (preserve, fresh, unpackaged, edited, same, lost) in [
            ("", Put, Put, Put, Put, Put),
            ("preserve=true", Put, Keep, Keep, Put, Put),
            ("preserve=renameold", Put, Aside("old"), Aside("old"), Put, Put),
            ("preserve=renamenew", Put, Beside("new"), Beside("new"), Put, Put),
            ("preserve=install-only", Put, Keep, Keep, Keep, Keep),
            ("preserve=legacy", Leave, Leave, Keep, Keep, Keep),
            ("preserve=abandon", Leave, Leave, Leave, Leave, Leave),
            ("preserve=true elfhash=x", Put, Put, Put, Put, Put),
        ] {
            let (old, new) = (file("1", preserve), file("2", preserve));
            let go =
                |old, disk: Option<&str>| content(old, &new, disk.map(str::as_bytes), Way::Forward);
            let found = [
                go(None, None),
                go(None, Some("x")),
                go(Some(&old), Some("x")),
                go(Some(&old), Some("1")),
                go(Some(&old), None),
            ];
            assert_eq!(found, [fresh, unpackaged, edited, same, lost], "{preserve}");
        }
        let (old, new) = (file("1", "preserve=true"), file("1", "preserve=renamenew"));
        let forward = Way::Forward;
        assert_eq!(content(Some(&old), &new, Some(b"x"), forward), Keep);
        assert_eq!(
            content(Some(&old), &file("2", "preserve=legacy"), Some(b"1"), forward),
            Aside("legacy")
        );
    }

    #[test]
    fn on_the_way_back() {
        for (old, new, expected) in [
            ("preserve-version=2.0", "preserve-version=1.0", Content::Aside("update")),
            ("preserve-version=1.0", "preserve-version=1.0", Content::Keep),
            ("", "", Content::Keep),
        ] {
            let old = file("2", &format!("preserve=renameold {old}"));
            let new = file("1", &format!("preserve=renameold {new}"));
            assert_eq!(content(Some(&old), &new, Some(b"x"), Way::Back), expected);
            assert_eq!(content(Some(&old), &new, Some(b"2"), Way::Back), Content::Put);
        }
    }

    #[test]
    fn what_is_edited_is_not_lost_with_its_package() {
        for (preserve, edited, kept, updated) in [
            ("", Removal::Unlink, Removal::Unlink, Removal::Unlink),
            ("preserve=true", Removal::Salvage, Removal::Unlink, Removal::Unlink),
            ("preserve=abandon", Removal::Leave, Removal::Leave, Removal::Leave),
            ("preserve=install-only", Removal::Leave, Removal::Leave, Removal::Leave),
        ] {
            let old = file("1", preserve);
            let found = [
                removal(&old, Some(b"x"), true),
                removal(&old, Some(b"1"), true),
                removal(&old, Some(b"x"), false),
            ];
            assert_eq!(found, [edited, kept, updated], "{preserve}");
        }
    }
}
