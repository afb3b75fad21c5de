//! netboot.rs - what a machine is started from over the network: which files of an image a server
//! offers where, iPXE's script, GRUB's menu.
//!
//! ```text
//! boot.ipxe                                        iPXE, by HTTP or TFTP
//! platform/i86pc/kernel/amd64/unix
//! platform/i86pc/amd64/{boot_archive,boot_archive.hash}
//! solaris.zlib solarismisc.zlib .volsetid          what the running system fetches
//! boot/pxeboot boot/loader64.efi boot/...          illumos' loader, by TFTP
//! bootx64.efi grub.cfg                             GRUB 2 for UEFI where there is no such loader, by TFTP
//! ```
//!
//! iPXE starts the kernel itself where there is a BIOS; under UEFI it knows no multiboot, and hands over
//! to the loader.
//!
//! Pure: a list of names in, the tree and the script out.

use image_tree::{Kind, Tree};

use crate::iso::{self, BOOT_ARCHIVE, BOOT_ARCHIVE_HASH, KERNEL, VOLUME_SET_ID};

/// iPXE's script, in the tree.
pub const SCRIPT: &str = "boot.ipxe";
/// GRUB for UEFI, in the tree.
pub const GRUB: &str = "bootx64.efi";
/// Its menu, beside it.
pub const MENU: &str = "grub.cfg";
/// Its first script: the menu lies where it came from itself.
pub const FIND_MENU: &str = "configfile $cmdpath/grub.cfg\n";
/// illumos' loader for UEFI, in the tree.
const LOADER: &str = iso::EFI_LOADERS[0].0;
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

/// Whether the image's own loader is what UEFI starts; else it is [`GRUB`].
pub fn has_loader(files: &[String]) -> bool {
    files.iter().any(|path| path == LOADER)
}

/// GRUB's menu: its one entry, with files from where GRUB came.
pub fn menu(files: &[String], title: &str, arguments: &str) -> String {
    let hash = files.iter().map(String::as_str).find(|path| *path == BOOT_ARCHIVE_HASH);
    iso::menu_head(0, 0) + &iso::menu_entry_from("$cmdpath", title, arguments, hash)
}

/// iPXE's script: the kernel with `arguments`, the archive, and its hash where there is one, from
/// where the script came; under UEFI the loader.
pub fn script(files: &[String], arguments: &str) -> Result<String, NetbootError> {
    if arguments.chars().any(|c| c.is_control() || "${};|&".contains(c)) {
        return Err(NetbootError::Argument(arguments.to_string()));
    }
    let blank = if arguments.is_empty() { "" } else { " " };
    // iPXE puts a file's URI before its arguments, unlike GRUB 2: no path is repeated here.
    let loader = if has_loader(files) { LOADER } else { GRUB };
    let mut text = format!(
        "#!ipxe\niseq ${{platform}} efi && goto efi ||\nkernel {KERNEL}{blank}{arguments} || goto failed\n\
         module {BOOT_ARCHIVE} type=rootfs name=ramdisk || goto failed\n"
    );
    if files.iter().any(|path| path == BOOT_ARCHIVE_HASH) {
        text.push_str(&format!(
            "module {BOOT_ARCHIVE_HASH} type=hash name=ramdisk || goto failed\n"
        ));
    }
    text.push_str(&format!(
        "boot || goto failed\n:efi\nchain {loader} || goto failed\n\
         :failed\necho the image could not be started\nexit 1\n"
    ));
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
        let (head, rest) =
            text.split_once(&format!("\nkernel {KERNEL} -B console=ttya ||")).unwrap();
        assert_eq!(head, "#!ipxe\niseq ${platform} efi && goto efi ||");
        assert!(rest.contains("\n:efi\nchain bootx64.efi || goto failed\n:failed\n"), "{rest}");
        let with_loader = [files.clone(), vec!["boot/loader64.efi".to_string()]].concat();
        assert!(script(&with_loader, "").unwrap().contains("\nchain boot/loader64.efi ||"));
        assert!(text.contains("module platform/i86pc/amd64/boot_archive.hash type=hash"));
        let shown = menu(&files, "T", "-B console=ttya");
        for line in [
            format!("\tmultiboot $cmdpath/{KERNEL} /{KERNEL} -B console=ttya\n"),
            format!("\tmodule $cmdpath/{BOOT_ARCHIVE_HASH} type=hash name=ramdisk\n}}\n"),
        ] {
            assert!(shown.contains(&line), "{shown}");
        }
        let without = menu(&[], "T", "");
        assert_eq!(without.matches("\tmodule $cmdpath/").count(), 1, "{without}");
        for bad in ["a\nboot", "${x}", "a && b", "a || b"] {
            assert!(script(&files, bad).is_err(), "{bad}");
        }
        assert_eq!(super::files(&medium(&[KERNEL])), Err(NetbootError::Missing(BOOT_ARCHIVE)));
    }
}
