//! native.rs - the steps that are built in, and the scripts and classes they stand for.
//!
//! A manifest names a step by the path of a script that the original installed, or by the class
//! of a checkpoint.  Those we have ourselves are known here by that name; any other script is
//! the user's own, and run.  What a step does is not here.

/// The folder whose scripts are built in.
pub const SCRIPTS: &str = "/usr/share/distro_const";

/// A step that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Native {
    /// Installs the packages.
    ImPop,
    /// Sets what the installed system starts with; the later form has it as a step of its own.
    SetIpsAttributes,
    /// Sets the root password.
    ImMod,
    /// Edits the root of a live CD.
    SlimImMod,
    /// Edits the root of a text installer.
    TmImMod,
    /// Edits the root of an automated installer.
    AiImMod,
    /// Copies files into the boot archive.
    BaInit,
    /// Configures the boot archive of a live CD.
    SlimBaConfig,
    /// Configures the boot archive of an automated installer.
    AiBaConfig,
    /// Configures the boot archive; the argument is the marker file.
    BaConfig,
    /// Packs the boot archive; the argument is the architecture.
    BaArch,
    /// Strips the root of a live CD.
    SlimPostMod,
    /// Strips the root of an installer.
    PostModCustom,
    /// Prepares the platform folder (SPARC).
    PlatSetup,
    /// Writes GRUB's menu; the argument is the kind of image.
    GrubSetup,
    /// Writes the loader's menu; the argument is the kind of image.
    LoaderSetup,
    /// Compresses what is left of the root; the argument is `usr_zlib_compression=ALGORITHM`.
    PostMod,
    /// Lists the contents of the medium.
    GenCdCont,
    /// Makes the ISO image.
    Iso,
    /// Makes the USB image.
    Usb,
    /// Puts the service into the image by which an instance in a cloud becomes itself; `label`,
    /// `url`.
    MetadataAgent,
    /// Makes disk images; `format`, `root`, `size_mb`, `console`.
    Disk,
    /// Makes the folder that machines start from over the network; `console`.
    Netboot,
    /// Publishes the image as a package.
    AiPublishPkg,
    /// Boots the media and waits for a word on their serial lines; `media`, `pattern`.
    BootTest,
}

/// Step, its name, file names of scripts (below [`SCRIPTS`]), ends of class names.
///
/// A class is compared by its end: `LiveCDPkgImgMod`, `TextPkgImgMod` and `AIPkgImgMod` are one.
const TABLE: [(Native, &str, &[&str], &[&str]); 25] = [
    (Native::ImPop, "im-pop", &["im_pop.py", "im_pop"], &["TransferIPS"]),
    (Native::SetIpsAttributes, "set-ips-attributes", &[], &[]),
    (
        Native::ImMod,
        "im-mod",
        &["pre_boot_archive_pkg_image_mod.py", "pre_boot_archive_pkg_image_mod"],
        &["PrePkgImgMod"],
    ),
    (Native::SlimImMod, "slim-im-mod", &["slimcd_pre_boot_archive_pkg_image_mod"], &[]),
    (Native::TmImMod, "tm-im-mod", &["tm_pre_boot_archive_pkg_image_mod"], &[]),
    (Native::AiImMod, "ai-im-mod", &["ai_pre_boot_archive_pkg_image_mod"], &[]),
    (
        Native::BaInit,
        "ba-init",
        &["boot_archive_initialize.py", "boot_archive_initialize"],
        &["TransferCPIO"],
    ),
    (Native::SlimBaConfig, "slim-ba-config", &["slimcd_boot_archive_configure"], &[]),
    (Native::AiBaConfig, "ai-ba-config", &["ai_boot_archive_configure"], &[]),
    (Native::BaConfig, "ba-config", &["boot_archive_configure"], &["BootArchiveConfigure"]),
    (
        Native::BaArch,
        "ba-arch",
        &["boot_archive_archive.py", "boot_archive_archive", "boot_archive_archive_32"],
        &["BootArchiveArchive"],
    ),
    (Native::SlimPostMod, "slim-post-mod", &["slimcd_post_boot_archive_pkg_image_mod"], &[]),
    (
        Native::PostModCustom,
        "post-mod-custom",
        &["post_boot_archive_pkg_image_mod_custom", "ai_post_boot_archive_pkg_image_mod"],
        &[],
    ),
    (Native::PlatSetup, "plat-setup", &["plat_setup.py", "ai_plat_setup.py"], &[]),
    (Native::GrubSetup, "grub-setup", &["grub_setup.py", "grub_setup"], &["GrubSetup"]),
    (
        Native::LoaderSetup,
        "loader-setup",
        &["loader_setup.py", "loader_setup"],
        &["ISOImageBootMenu"],
    ),
    (Native::PostMod, "post-mod", &["post_boot_archive_pkg_image_mod"], &["PkgImgMod"]),
    (
        Native::GenCdCont,
        "gen-cd-cont",
        &["gen_cd_content", "slimcd_gen_cd_content"],
        &["GenCDContent"],
    ),
    (Native::Iso, "iso", &["create_iso"], &["CreateISO"]),
    (Native::Usb, "usb", &["create_usb"], &["CreateUSB"]),
    (Native::MetadataAgent, "metadata-agent", &["metadata_agent"], &["MetadataAgent"]),
    (Native::Disk, "disk", &["create_disk"], &["CreateDisk"]),
    (Native::Netboot, "netboot", &["create_netboot"], &["CreateNetboot"]),
    (Native::AiPublishPkg, "ai-publish-pkg", &["ai_publish_pkg"], &["AIPublishPackages"]),
    (Native::BootTest, "boot-test", &["boot_test"], &["BootTest"]),
];

impl Native {
    /// The step that a script stands for: one of the original's, in the original's folder.
    #[must_use]
    pub fn of_script(path: &str) -> Option<Self> {
        let inside = path.strip_prefix(SCRIPTS)?.strip_prefix('/')?;
        let name = inside.rsplit('/').next().unwrap_or(inside);
        // Until November 2009 the boot archive was called so.
        let name = name.replace("bootroot", "boot_archive");
        let row = TABLE.iter().find(|(_, _, scripts, _)| scripts.contains(&name.as_str()))?;
        Some(row.0)
    }

    /// The step that a class of the newer form stands for.
    #[must_use]
    pub fn of_class(class: &str) -> Option<Self> {
        // `PrePkgImgMod` ends like `PkgImgMod` and stands before it.
        let ends =
            |row: &&(Self, &str, &[&str], &[&str])| row.3.iter().any(|end| class.ends_with(end));
        Some(TABLE.iter().find(ends)?.0)
    }

    /// The name of the step in the manifests that were shipped.
    #[must_use]
    pub fn name(self) -> &'static str {
        let row = TABLE.iter().find(|row| row.0 == self);
        row.map_or("", |row| row.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_the_original_are_known_where_it_put_them() {
        for (path, native) in [
            ("/usr/share/distro_const/im_pop.py", Some(Native::ImPop)),
            (
                "/usr/share/distro_const/slim_cd/slimcd_boot_archive_configure",
                Some(Native::SlimBaConfig),
            ),
            ("/usr/share/distro_const/boot_archive_archive_32", Some(Native::BaArch)),
            ("/usr/share/distro_const/slim_cd/slimcd_gen_cd_content", Some(Native::GenCdCont)),
            ("/usr/share/distro_const/bootroot_archive_32", Some(Native::BaArch)),
            (
                "/usr/share/distro_const/slim_cd/slimcd_post_bootroot_pkg_image_mod",
                Some(Native::SlimPostMod),
            ),
            ("/usr/share/distro_const/mine", None),
            ("/usr/share/distro_constant/create_iso", None),
            ("/home/me/create_iso", None),
            ("create_iso", None),
        ] {
            assert_eq!(Native::of_script(path), native, "{path}");
        }
    }

    #[test]
    fn classes_are_known_by_their_end() {
        for (class, native) in [
            ("TransferIPS", Some(Native::ImPop)),
            ("LiveCDPrePkgImgMod", Some(Native::ImMod)),
            ("TextPkgImgMod", Some(Native::PostMod)),
            ("AIISOImageBootMenu", Some(Native::LoaderSetup)),
            ("LiveCDGrubSetup", Some(Native::GrubSetup)),
            ("CustomScript", None),
        ] {
            assert_eq!(Native::of_class(class), native, "{class}");
        }
    }

    #[test]
    fn every_step_has_one_row_and_a_name() {
        for row in TABLE {
            assert_eq!(row.0.name(), row.1);
            assert_eq!(
                TABLE.iter().filter(|other| other.0 == row.0 || other.1 == row.1).count(),
                1
            );
        }
    }
}
