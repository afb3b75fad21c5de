//! loader.rs - the arguments of xorriso for media that start by the image's own boot loader.
//!
//! The order of the boot options is rigid: each shapes the entry of the catalog that it stands at.
//!
//! ```text
//! illumos loader   -b boot/cdboot, whole, boot information table
//!                  -eltorito-alt-boot -eltorito-platform efi -b boot/efiboot.img
//! GRUB 0.97        -b boot/grub/stage2_eltorito, four sectors, boot information table
//! ```

use std::path::Path;

use super::common_arguments;

/// The loader's El Torito image, in the medium.
pub const CDBOOT: &str = "boot/cdboot";
/// The EFI system partition, in the medium.
pub const EFIBOOT: &str = "boot/efiboot.img";
/// The loader's master boot record and its second stage for disks, in an image's root.
pub const PMBR: &str = "boot/pmbr";
/// See [`PMBR`].
pub const ISOBOOT: &str = "boot/isoboot";
/// The loader's programs for UEFI in an image's root, with their names in the partition.
pub const EFI_LOADERS: [(&str, &str); 2] =
    [("boot/loader64.efi", "BOOTX64.EFI"), ("boot/loader32.efi", "BOOTIA32.EFI")];
/// GRUB 0.97's El Torito image, in the medium.
pub const STAGE2: &str = "boot/grub/stage2_eltorito";

/// How a medium starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// By [`CDBOOT`] and [`EFIBOOT`]; [`super::hybrid`] makes it start from disks too.
    Loader,
    /// By [`STAGE2`], from a CD by BIOS only.
    Grub,
    /// Not at all: an image for lofi, or data.
    Not,
}

/// A medium to be made of a directory.
#[derive(Debug, Clone)]
pub struct Volume<'a> {
    /// The directory that becomes the medium's root; holds what it starts by.
    pub root: &'a Path,
    /// The file to write.
    pub output: &'a Path,
    /// Volume id, checked by [`super::check_volume_id`].
    pub name: &'a str,
    /// Volume set id, if it has one.
    pub volume_set: Option<&'a str>,
    /// How it starts.
    pub starts: Starts,
    /// A file of weights, in xorriso's form ([`weights`]).
    pub weights: Option<&'a Path>,
    /// Every date on the medium, seconds since the epoch, 1980 to 2099.
    pub time: i64,
}

/// xorriso's arguments for a volume.
pub fn volume_arguments(volume: &Volume<'_>) -> Vec<String> {
    let mut arguments =
        common_arguments(volume.output, volume.name, volume.volume_set, volume.time);
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_string()));
    if let Some(weights) = volume.weights {
        add(&["--sort-weight-list", &weights.display().to_string()]);
    }
    match volume.starts {
        Starts::Loader => {
            add(&["-c", ".catalog", "-b", CDBOOT, "-no-emul-boot", "-boot-info-table"]);
            add(&[
                "-eltorito-alt-boot",
                "-eltorito-platform",
                "efi",
                "-b",
                EFIBOOT,
                "-no-emul-boot",
            ]);
        }
        Starts::Grub => {
            add(&["-c", ".catalog", "-b", STAGE2, "-no-emul-boot", "-boot-load-size", "4"]);
            add(&["-boot-info-table"]);
        }
        Starts::Not => {}
    }
    add(&[&volume.root.display().to_string()]);
    arguments
}

/// mkisofs' sort file (`PATH weight`, PATH relative to where mkisofs ran) as xorriso has it: weight
/// first, the path from the medium's root, where what lies below `below` has its names.
pub fn weights(sort: &str, below: &str) -> String {
    let mut text = String::new();
    for line in sort.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((path, weight)) = line.rsplit_once(char::is_whitespace) else { continue };
        let Ok(weight) = weight.parse::<i64>() else { continue };
        let path = path.trim().trim_start_matches("./").trim_start_matches('/');
        let inside = match below {
            "" => Some(path),
            below => path.strip_prefix(below).and_then(|rest| rest.strip_prefix('/')),
        };
        if let Some(inside) = inside {
            text.push_str(&format!("{weight} /{inside}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_boot_options_is_rigid() {
        let volume = |starts| Volume {
            root: Path::new("/r"),
            output: Path::new("/o.iso"),
            name: "x",
            volume_set: Some("v"),
            starts,
            weights: Some(Path::new("/w")),
            time: 1_700_000_000,
        };
        let text = |starts| volume_arguments(&volume(starts)).join(" ");
        for (starts, options) in [
            (
                Starts::Loader,
                "-c .catalog -b boot/cdboot -no-emul-boot -boot-info-table \
                 -eltorito-alt-boot -eltorito-platform efi -b boot/efiboot.img -no-emul-boot /r",
            ),
            (
                Starts::Grub,
                "-c .catalog -b boot/grub/stage2_eltorito -no-emul-boot -boot-load-size 4 \
                 -boot-info-table /r",
            ),
            (Starts::Not, "--sort-weight-list /w /r"),
        ] {
            assert!(text(starts).ends_with(options), "{}", text(starts));
            assert!(text(starts).contains("-volset v"));
        }
    }

    #[test]
    fn weights_come_first() {
        let sort = "usr/bin/ls\t100\n./usr/with a blank 90\n\nbad\nusr/x nine\netc/y 5\n";
        assert_eq!(weights(sort, "usr"), "100 /bin/ls\n90 /with a blank\n");
        let all = "100 /usr/bin/ls\n90 /usr/with a blank\n5 /etc/y\n";
        assert_eq!(weights(sort, ""), all);
    }
}
