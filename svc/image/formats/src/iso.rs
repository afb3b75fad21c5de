//! iso.rs - the arguments of xorriso and grub-mkimage, and GRUB's menu.
//!
//! ISO 9660 itself is xorriso's work.  What must be right is here: Rock Ridge (RRIP_1991A, the
//! only one illumos reads), El Torito through the host's GRUB 2 for images that ship no loader,
//! the same image in the boot sector of a disk, and dates from one given time only.
//!
//! Law: names are plain; a volume id has at most 32 characters.

use std::fmt::Write as _;
use std::path::Path;

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
/// GRUB's modules that the menu needs.
pub const MODULES: [&str; 12] = [
    "biosdisk",
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

/// GRUB's menu: one entry called `title`, on the screen and on the first serial line.
///
/// GRUB 2 drops a file's name from what it hands over, so the kernel's own path is repeated
/// as its first argument.
pub fn menu(title: &str, boot_arguments: &str) -> String {
    let title: String = title.chars().filter(|c| !c.is_control() && *c != '\'').collect();
    let mut text = String::new();
    let _ = write!(
        text,
        "serial --unit=0 --speed=115200\n\
         terminal_input serial console\n\
         terminal_output serial console\n\
         set default=0\n\
         set timeout=0\n\
         menuentry '{title}' {{\n\
         \techo 'loading {title}'\n\
         \tmultiboot /{KERNEL} /{KERNEL}{}{boot_arguments}\n\
         \tmodule /{BOOT_ARCHIVE} type=rootfs name=ramdisk\n\
         \tmodule /{BOOT_ARCHIVE_HASH} type=hash name=ramdisk\n\
         }}\n",
        if boot_arguments.is_empty() { "" } else { " " },
    );
    text
}

/// grub-mkimage's arguments for an El Torito image at `output`.
pub fn grub_arguments(modules_dir: &Path, output: &Path) -> Vec<String> {
    let mut arguments = vec![
        "--format=i386-pc-eltorito".to_string(),
        format!("--directory={}", modules_dir.display()),
        "--prefix=/boot/grub".to_string(),
        format!("--output={}", output.display()),
    ];
    arguments.extend(MODULES.map(str::to_string));
    arguments
}

/// What a medium is made of.
#[derive(Debug, Clone)]
pub struct Medium<'a> {
    /// The directory that becomes the medium's root; holds [`EL_TORITO`].
    pub root: &'a Path,
    /// The file to write.
    pub output: &'a Path,
    /// Volume id, checked by [`check_volume_id`].
    pub name: &'a str,
    /// Volume set id.
    pub volume_set: &'a str,
    /// GRUB's `boot_hybrid.img`: with it the medium also boots as a disk.
    pub hybrid: Option<&'a Path>,
    /// Every date on the medium, seconds since the epoch, 1980 to 2099.
    pub time: i64,
}

/// xorriso's arguments for a medium.
pub fn xorriso_arguments(medium: &Medium<'_>) -> Vec<String> {
    // ECMA-119's sixteen digits; the last two are hundredths of a second.
    let date = format!("{}00", date(medium.time));
    let mut arguments: Vec<String> =
        ["-no_rc", "-as", "mkisofs", "-quiet"].map(str::to_string).to_vec();
    let mut pair = |name: &str, value: String| arguments.extend([name.to_string(), value]);
    pair("-o", medium.output.display().to_string());
    pair("-V", medium.name.to_string());
    pair("-volset", medium.volume_set.to_string());
    pair("-A", "LAMPLIGHTER".to_string());
    let modified = format!("--modification-date={date}");
    pair("--set_all_file_dates", date);
    pair("-uid", "0".to_string());
    pair("-gid", "0".to_string());
    pair("-dir-mode", "0755".to_string());
    pair("-file-mode", "0644".to_string());
    arguments.push(modified);
    arguments.extend(["-R", "-D", "-d", "-N", "-l", "-U"].map(str::to_string));
    let mut pair = |name: &str, value: String| arguments.extend([name.to_string(), value]);
    pair("-c", ".catalog".to_string());
    pair("-b", EL_TORITO.to_string());
    pair("-boot-load-size", "4".to_string());
    arguments.extend(["-no-emul-boot", "-boot-info-table"].map(str::to_string));
    if let Some(hybrid) = medium.hybrid {
        arguments.extend(["--grub2-boot-info".to_string(), "--grub2-mbr".to_string()]);
        arguments.push(hybrid.display().to_string());
    }
    arguments.push(medium.root.display().to_string());
    arguments
}

/// YYYYMMDDhhmmss of a time, UTC.
fn date(time: i64) -> String {
    let (days, second) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    // Days since 1 March of year 0; a year then ends with the leap day.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day = shifted.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let day = day - (153 * from_march + 2) / 5 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (time, text) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_700_000_000, "20231114221320"),
            (4_102_444_799, "20991231235959"),
        ] {
            assert_eq!(date(time), text);
        }
    }

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
    fn options_come_before_the_entry_they_shape() {
        let medium = Medium {
            root: Path::new("/r"),
            output: Path::new("/o.iso"),
            name: "x",
            volume_set: "v",
            hybrid: None,
            time: 1_700_000_000,
        };
        let arguments = xorriso_arguments(&medium).join(" ");
        assert!(arguments.contains("--modification-date=2023111422132000"), "{arguments}");
        assert!(arguments.ends_with("-no-emul-boot -boot-info-table /r"), "{arguments}");
        assert_eq!(
            volume_set_id("0123456789abcdef0123456789abcdef00"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
