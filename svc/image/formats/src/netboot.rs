//! netboot.rs - what a machine is started from over the network: which files of an image a server
//! offers where, and iPXE's script.
//!
//! ```text
//! boot.ipxe                                        iPXE, by HTTP or TFTP
//! platform/i86pc/kernel/amd64/unix
//! platform/i86pc/amd64/{boot_archive,boot_archive.hash}
//! solaris.zlib solarismisc.zlib .volsetid          what the running system fetches
//! boot/pxeboot boot/loader64.efi boot/...          illumos' loader, by TFTP
//! ```
//!
//! Pure: a list of names in, the tree and the script out.

use image_tree::{Kind, Tree};

use crate::iso::{BOOT_ARCHIVE, BOOT_ARCHIVE_HASH, KERNEL, VOLUME_SET_ID};

/// iPXE's script, in the tree.
pub const SCRIPT: &str = "boot.ipxe";
/// What a boot needs.
const NEEDED: [&str; 2] = [KERNEL, BOOT_ARCHIVE];
/// What is offered where the image has it; directories with all that is below.
const OFFERED: [&str; 5] =
    [BOOT_ARCHIVE_HASH, "solaris.zlib", "solarismisc.zlib", VOLUME_SET_ID, "boot"];
/// Folders of the boot loaders that are for other ways to start.
const NOT_OFFERED: [&str; 2] = ["boot/grub", "boot/platform"];

/// Why there is no tree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetbootError {
    /// A file that every boot needs is no file of the medium.
    #[error("{0} is not on the medium: it could not be started over the network")]
    Missing(&'static str),
    /// Arguments that would be more than arguments in a script.
    #[error("\"{0}\" cannot be an argument of the kernel")]
    Argument(String),
}

/// The files of a medium's root that a server offers, each under its own path.
pub fn files(medium: &Tree) -> Result<Vec<String>, NetbootError> {
    let is_file = |path: &str| {
        matches!(
            medium.get(path).map(|entry| &entry.kind),
            Some(Kind::File { .. } | Kind::HardLink { .. })
        )
    };
    if let Some(missing) = NEEDED.into_iter().find(|path| !is_file(path)) {
        return Err(NetbootError::Missing(missing));
    }
    let mut files: Vec<String> = NEEDED.iter().map(|path| (*path).to_string()).collect();
    for offered in OFFERED {
        let below = medium.below(offered).map(|(path, _)| path);
        let all = std::iter::once(offered).chain(below).filter(|path| is_file(path));
        files.extend(
            all.filter(|path| !NOT_OFFERED.iter().any(|not| path.starts_with(not)))
                .map(str::to_string),
        );
    }
    files.sort();
    Ok(files)
}

/// iPXE's script: the kernel with `arguments`, the archive, and its hash where there is one, from
/// where the script came.
pub fn script(files: &[String], arguments: &str) -> Result<String, NetbootError> {
    if arguments.chars().any(|c| c.is_control() || "${};|&".contains(c)) {
        return Err(NetbootError::Argument(arguments.to_string()));
    }
    let blank = if arguments.is_empty() { "" } else { " " };
    // iPXE puts a file's URI before its arguments, unlike GRUB 2: no path is repeated here.
    let mut text = format!(
        "#!ipxe\nkernel {KERNEL}{blank}{arguments} || goto failed\n\
         module {BOOT_ARCHIVE} type=rootfs name=ramdisk || goto failed\n"
    );
    if files.iter().any(|path| path == BOOT_ARCHIVE_HASH) {
        text.push_str(&format!(
            "module {BOOT_ARCHIVE_HASH} type=hash name=ramdisk || goto failed\n"
        ));
    }
    text.push_str("boot || goto failed\n:failed\necho the image could not be started\nexit 1\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use image_tree::Entry;

    use super::*;

    fn medium(paths: &[&str]) -> Tree {
        let mut tree = Tree::new();
        for path in paths {
            let kind = Kind::File { size: 1 };
            let entry = Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime: 0 };
            tree.insert(path, entry).unwrap();
        }
        tree
    }

    #[test]
    fn what_is_offered() {
        let all = [
            KERNEL,
            BOOT_ARCHIVE,
            BOOT_ARCHIVE_HASH,
            "boot/pxeboot",
            "boot/forth/a.4th",
            "boot/grub/efi.img",
            "secret",
            "solaris.zlib",
        ];
        let files = files(&medium(&all)).unwrap();
        assert_eq!(
            files,
            [
                "boot/forth/a.4th",
                "boot/pxeboot",
                BOOT_ARCHIVE,
                BOOT_ARCHIVE_HASH,
                KERNEL,
                "solaris.zlib"
            ]
        );
        let text = script(&files, "-B console=ttya").unwrap();
        assert!(text.starts_with(&format!("#!ipxe\nkernel {KERNEL} -B console=ttya ||")));
        assert!(text.contains("module platform/i86pc/amd64/boot_archive.hash type=hash"));
        for bad in ["a\nboot", "${x}", "a && b", "a || b"] {
            assert!(script(&files, bad).is_err(), "{bad}");
        }
        assert_eq!(super::files(&medium(&[KERNEL])), Err(NetbootError::Missing(BOOT_ARCHIVE)));
    }
}
