//! iso.rs - the arguments of xorriso and grub-mkimage, and GRUB's menu.
//!
//! ISO 9660 itself is xorriso's work.  What must be right is here: Rock Ridge (RRIP_1991A, the
//! only one illumos reads), El Torito through the host's GRUB 2 for images that ship no loader,
//! the four ways to start, and dates and identifiers from what is given only.
//!
//! ```text
//!           as a CD                          as a disk
//! BIOS      El Torito entry 1: EL_TORITO     MBR code (boot_hybrid.img) reads EL_TORITO
//! UEFI      El Torito entry 2: EFI_IMAGE     GPT partition that covers EFI_IMAGE
//! ```
//!
//! Firmware of BIOS hands GRUB the device it came from.  Under UEFI the device is the partition,
//! so GRUB's image there carries a script ([`find_medium`]) that looks for the medium's own mark.
//!
//! Law: names are plain; a volume id has at most 32 characters.

use std::fmt::Write as _;
use std::path::Path;

use crate::date::Civil;

mod catalog;
mod hybrid;
mod loader;

pub use catalog::{BootEntry, catalog};
pub use hybrid::hybrid;
pub(crate) use hybrid::told;
pub use loader::{
    CDBOOT, EFI_LOADERS, EFIBOOT, ISOBOOT, PMBR, STAGE2, Starts, Volume, volume_arguments, weights,
};

/// Why an image is not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// Not what was expected of an ISO 9660 image.
    #[error("this is no image that starts: {0}")]
    Format(&'static str),
    /// A boot program of another length.
    #[error("{0} of {1} bytes has no place")]
    Boot(&'static str, usize),
    /// The stream.
    #[error("the image")]
    Io(#[from] std::io::Error),
}

/// The kernel, in the medium and in an image.
pub const KERNEL: &str = "platform/i86pc/kernel/amd64/unix";
/// The boot archive (gzip), in the medium.
pub const BOOT_ARCHIVE: &str = "platform/i86pc/amd64/boot_archive";
/// The archive's hash, in the medium.
pub const BOOT_ARCHIVE_HASH: &str = "platform/i86pc/amd64/boot_archive.hash";
/// GRUB's El Torito image, in the medium.
pub const EL_TORITO: &str = "boot/grub/eltorito.img";
/// GRUB's menu, in the medium.
pub const MENU: &str = "boot/grub/grub.cfg";
/// Where a volume carries its set's id, in the medium and in the archive.
pub const VOLUME_SET_ID: &str = ".volsetid";
/// The EFI system partition ([`crate::fat`]), in the medium.
pub const EFI_IMAGE: &str = "boot/grub/efi.img";

/// GRUB's modules that the menu needs, whatever the firmware.
const MODULES: [&str; 11] = [
    "iso9660",
    "multiboot",
    "normal",
    "configfile",
    "serial",
    "terminal",
    "echo",
    "test",
    "gzio",
    "boot",
    "halt",
];

/// What starts GRUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// BIOS, by El Torito or by the code in the master boot record.
    Bios,
    /// UEFI on x86-64.
    Uefi,
}

impl Platform {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bios, Self::Uefi];

    /// GRUB's name of it; its folder of modules is called so.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "i386-pc",
            Self::Uefi => "x86_64-efi",
        }
    }

    /// What [`grub_arguments`] makes for it.
    fn format(self) -> &'static str {
        match self {
            Self::Bios => "i386-pc-eltorito",
            Self::Uefi => "x86_64-efi",
        }
    }

    /// The modules that only it needs.
    fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Bios => &["biosdisk", "chain"],
            Self::Uefi => {
                &["fat", "part_gpt", "part_msdos", "search", "search_fs_file", "all_video", "chain"]
            }
        }
    }
}

/// Why a name cannot be a volume id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VolumeError {
    /// More than 32 characters.
    #[error("Volume ID string {0} is too long")]
    Long(String),
    /// Empty, or with characters beyond letters, digits, `.`, `_`, `-`, or beginning with `-`.
    #[error("\"{0}\" cannot be the name of a volume")]
    Name(String),
}

/// Checks that a distribution's name can be the volume id and the file name of its medium.
pub fn check_volume_id(name: &str) -> Result<(), VolumeError> {
    if name.len() > 32 {
        return Err(VolumeError::Long(name.to_string()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(plain) {
        return Err(VolumeError::Name(name.to_string()));
    }
    Ok(())
}

/// A volume set's id, shaped as a UUID, from the digest of what the medium holds.
/// Panics if `digest` has fewer than 32 characters.
pub fn volume_set_id(digest: &str) -> String {
    let part = |from: usize, to: usize| &digest[from..to];
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// GRUB's menu: one entry called `title`, on the screen and on the first serial line, which starts at
/// once.
pub fn menu(title: &str, boot_arguments: &str) -> String {
    menu_head(0, 0) + &menu_entry(title, boot_arguments)
}

/// The head of GRUB's menu: the entry that starts, from 0, after so many seconds.
pub fn menu_head(default: usize, timeout: u32) -> String {
    format!(
        "serial --unit=0 --speed=115200\n\
         terminal_input serial console\n\
         terminal_output serial console\n\
         set default={default}\n\
         set timeout={timeout}\n"
    )
}

/// An entry of GRUB's menu.
pub fn menu_entry(title: &str, boot_arguments: &str) -> String {
    menu_entry_from("", title, boot_arguments, Some(BOOT_ARCHIVE_HASH))
}

/// An entry of GRUB's menu, with files that lie below `place`; `hash`: the archive's, if it is there.
///
/// GRUB 2 drops a file's name from what it hands over, so the kernel's own path is repeated
/// as its first argument.
pub(crate) fn menu_entry_from(
    place: &str,
    title: &str,
    boot_arguments: &str,
    hash: Option<&str>,
) -> String {
    let title: String = title.chars().filter(|c| !c.is_control() && *c != '\'').collect();
    let mut text = String::new();
    let _ = write!(
        text,
        "menuentry '{title}' {{\n\
         \techo 'loading {title}'\n\
         \tmultiboot {place}/{KERNEL} /{KERNEL}{}{boot_arguments}\n\
         \tmodule {place}/{BOOT_ARCHIVE} type=rootfs name=ramdisk\n",
        if boot_arguments.is_empty() { "" } else { " " },
    );
    if let Some(hash) = hash {
        let _ = writeln!(text, "\tmodule {place}/{hash} type=hash name=ramdisk");
    }
    text.push_str("}\n");
    text
}

/// The entry of GRUB's menu that starts the first disk: its master boot record, or the program that
/// UEFI itself would take from its first partition.
pub fn menu_of_disk(title: &str) -> String {
    format!(
        "menuentry '{title}' {{\n\
         \tif [ \"$grub_platform\" = efi ]; then\n\
         \t\tchainloader (hd0,gpt1)/efi/boot/bootx64.efi\n\
         \telse\n\
         \t\tchainloader (hd0)+1\n\
         \tfi\n\
         }}\n"
    )
}

/// The file by which GRUB knows the medium among others, in the medium.
pub fn mark(volume_set: &str) -> String {
    format!("boot/grub/{volume_set}")
}

/// GRUB's first script where the firmware does not tell where the medium is.
pub fn find_medium(volume_set: &str) -> String {
    format!(
        "search --no-floppy --set=root --file /{}\nset prefix=($root)/boot/grub\n",
        mark(volume_set)
    )
}

/// grub-mkimage's arguments for the image at `output`; `script`: a file with GRUB's first script.
pub fn grub_arguments(
    platform: Platform,
    modules_dir: &Path,
    script: Option<&Path>,
    output: &Path,
) -> Vec<String> {
    let mut arguments = vec![
        format!("--format={}", platform.format()),
        format!("--directory={}", modules_dir.display()),
        "--prefix=/boot/grub".to_string(),
        format!("--output={}", output.display()),
    ];
    arguments.extend(script.map(|script| format!("--config={}", script.display())));
    arguments.extend(MODULES.iter().chain(platform.modules()).map(|name| (*name).to_string()));
    arguments
}

/// grub-mkimage's arguments for a disk with GPT whose files lie in UFS or ISO 9660: by BIOS the core
/// that [`crate::disk::grub`] places, by UEFI the program of the EFI system partition.  `script`
/// finds the partition ([`find_medium`]).
pub fn grub_disk_arguments(
    platform: Platform,
    modules_dir: &Path,
    script: &Path,
    output: &Path,
) -> Vec<String> {
    let mut arguments = grub_arguments(platform, modules_dir, Some(script), output);
    arguments[0] = format!("--format={}", platform.name());
    let here = |word: &str| arguments.iter().any(|argument| argument == word);
    let more = ["ufs1", "part_gpt", "search", "search_fs_file"].into_iter();
    let more: Vec<String> = more.filter(|word| !here(word)).map(str::to_string).collect();
    arguments.extend(more);
    arguments
}

/// grub-mkimage's arguments for the program that UEFI starts over the network; `script` finds the
/// menu ([`crate::netboot::FIND_MENU`]).
pub fn grub_net_arguments(modules_dir: &Path, script: &Path, output: &Path) -> Vec<String> {
    let mut arguments = grub_arguments(Platform::Uefi, modules_dir, Some(script), output);
    arguments.extend(["efinet", "tftp", "http"].map(str::to_string));
    arguments
}

/// What a medium is made of.
#[derive(Debug, Clone)]
pub struct Medium<'a> {
    /// The directory that becomes the medium's root; holds [`EL_TORITO`] and [`EFI_IMAGE`].
    pub root: &'a Path,
    /// The file to write.
    pub output: &'a Path,
    /// Volume id, checked by [`check_volume_id`].
    pub name: &'a str,
    /// Volume set id, shaped as a UUID; the partition table's too.
    pub volume_set: &'a str,
    /// GRUB's `boot_hybrid.img`: the code in the master boot record.
    pub hybrid: &'a Path,
    /// Every date on the medium, seconds since the epoch, 1980 to 2099.
    pub time: i64,
}

/// What every medium needs: names, dates, and Rock Ridge as illumos reads it.
fn common_arguments(output: &Path, name: &str, volume_set: Option<&str>, time: i64) -> Vec<String> {
    // ECMA-119's sixteen digits; the last two are hundredths of a second.
    let date = format!("{}00", Civil::of(time).digits());
    // Whoever wants the medium on the disk flushes it once; xorriso would every 16 MiB.
    // Its threads wait less for each other with more room between them than 4 MiB; and whether its
    // work is done it looks as often as it would tell how far it is: every second, unless told.
    let how = ["-no_rc", "-stdio_sync", "off", "-fs", "16m", "-pacifier", "interval=0.1"];
    let words = how.into_iter().chain(["-as", "mkisofs", "-quiet"]);
    let mut arguments: Vec<String> = words.map(str::to_string).collect();
    let mut pair = |name: &str, value: String| arguments.extend([name.to_string(), value]);
    pair("-o", output.display().to_string());
    pair("-V", name.to_string());
    if let Some(id) = volume_set {
        pair("-volset", id.to_string());
    }
    pair("-A", "LAMPLIGHTER".to_string());
    let modified = format!("--modification-date={date}");
    pair("--set_all_file_dates", date);
    pair("-uid", "0".to_string());
    pair("-gid", "0".to_string());
    pair("-dir-mode", "0755".to_string());
    pair("-file-mode", "0644".to_string());
    arguments.push(modified);
    arguments.extend(["-R", "-D", "-d", "-N", "-l", "-U"].map(str::to_string));
    arguments
}

/// xorriso's arguments for a medium that starts by the host's GRUB 2.
pub fn xorriso_arguments(medium: &Medium<'_>) -> Vec<String> {
    let Medium { output, name, volume_set, time, .. } = *medium;
    let mut arguments = common_arguments(output, name, Some(volume_set), time);
    let mut pair = |name: &str, value: String| arguments.extend([name.to_string(), value]);
    pair("-c", ".catalog".to_string());
    pair("-b", EL_TORITO.to_string());
    pair("-boot-load-size", "4".to_string());
    let options = ["-no-emul-boot", "-boot-info-table", "--grub2-boot-info"];
    arguments.extend(options.map(str::to_string));
    let mut pair = |name: &str, value: String| arguments.extend([name.to_string(), value]);
    pair("--grub2-mbr", medium.hybrid.display().to_string());
    pair("--gpt_disk_guid", medium.volume_set.to_string());
    pair("--efi-boot", EFI_IMAGE.to_string());
    // Some firmware starts no disk whose master boot record has no active partition.
    let options = ["-efi-boot-part", "--efi-boot-image", "--protective-msdos-label"];
    arguments.extend(options.map(str::to_string));
    arguments.push("--mbr-force-bootable".to_string());
    arguments.push(medium.root.display().to_string());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_volumes() {
        for good in ["lamplighter", "a", "OpenSolaris-2009.06_x"] {
            assert_eq!(check_volume_id(good), Ok(()));
        }
        assert!(matches!(check_volume_id(&"x".repeat(33)), Err(VolumeError::Long(_))));
        for bad in ["", "a/b", "-o", "..", "a b", "é"] {
            assert!(check_volume_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_menu_repeats_the_kernels_path() {
        let text = menu("it's\nX", "-B console=ttya");
        assert!(text.contains("menuentry 'itsX' {\n"), "{text}");
        assert!(text.contains(&format!("multiboot /{KERNEL} /{KERNEL} -B console=ttya\n")));
        assert_eq!(text.matches("\tmodule ").count(), 2);
    }

    #[test]
    fn the_first_disk_is_started_by_either_firmware() {
        let text = menu_of_disk("D");
        assert!(text.contains("\t\tchainloader (hd0,gpt1)/efi/boot/bootx64.efi\n"), "{text}");
        assert!(text.contains("\telse\n\t\tchainloader (hd0)+1\n"), "{text}");
        let place = Path::new("/x");
        for platform in Platform::ALL {
            let words = grub_arguments(platform, place, None, place);
            assert!(["chain", "test"].iter().all(|word| words.iter().any(|one| one == word)));
        }
    }

    #[test]
    fn options_come_before_the_entry_they_shape() {
        let medium = Medium {
            root: Path::new("/r"),
            output: Path::new("/o.iso"),
            name: "x",
            volume_set: "v",
            hybrid: Path::new("/h.img"),
            time: 1_700_000_000,
        };
        let arguments = xorriso_arguments(&medium).join(" ");
        assert!(arguments.contains("--modification-date=2023111422132000"), "{arguments}");
        let bios = format!("-b {EL_TORITO} -boot-load-size 4 -no-emul-boot -boot-info-table");
        let (first, second) = (arguments.find(&bios), arguments.find("--efi-boot "));
        assert!(first.is_some() && first < second, "{arguments}");
        assert!(arguments.ends_with(" /r"), "{arguments}");
        assert_eq!(
            volume_set_id("0123456789abcdef0123456789abcdef00"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
