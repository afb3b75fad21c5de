//! image.rs - what an image is to be, whichever form of manifest said so.
//!
//! Plain values; a default that a manifest leaves out is filled in here already, so a step never
//! asks what is missing.  Times, hosts and paths on this machine are not here.

use std::collections::BTreeMap;

use crate::{Form, Native};

/// What the steps read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The form it came from; what is said to users follows it.
    pub form: Form,
    /// Name of the distribution: volume id and file name of the media; 32 characters at most.
    pub name: String,
    /// Whether the media carry the time of the build in their names (the newer form).
    pub add_timestamp: bool,
    /// The proxy through which repositories are read, if one is named (the newer form).
    pub http_proxy: Option<String>,
    /// Where to build: `POOL/DATASET`, or an absolute path.
    pub build_area: String,
    /// Whether the area is kept as it is when a build begins at its first step.
    pub preserve_area: bool,
    /// What holds for the whole build.
    pub flags: Flags,
    /// The steps, in order; each has a name of its own.
    pub steps: Vec<Step>,
    /// Where packages come from, and where the installed system gets them.
    pub publishers: Publishers,
    /// Patterns of packages to install, in order.
    pub packages: Vec<String>,
    /// Patterns of packages to remove again after that, in order.
    pub removed_packages: Vec<String>,
    /// Whether the image gets a search index.
    pub search_index: bool,
    /// Facets of the image, in order: name, whether it is set (the newer form).
    pub facets: Vec<(String, bool)>,
    /// Properties of the image: name, value (the newer form).
    pub properties: Vec<(String, String)>,
    /// The password of root.
    pub root_password: Password,
    /// The name of the host.
    pub host_name: String,
    /// What is in the boot archive and how it is packed.
    pub boot_archive: BootArchive,
    /// How `solarismisc.zlib` is compressed, and `solaris.zlib` unless its step says so.
    pub live_compression: Compression,
    /// What the boot menu holds beside its built-in entries.
    pub boot_menu: BootMenu,
    /// What `key_value_pairs` holds; of a key that is repeated, the first.
    pub pairs: BTreeMap<String, String>,
}

impl Image {
    /// The step of a name or, if none has it, of a decimal number from 0.
    #[must_use]
    pub fn step(&self, name_or_number: &str) -> Option<usize> {
        let by_name = self.steps.iter().position(|step| step.name == name_or_number);
        let number = || {
            let digits = name_or_number.bytes().all(|byte| byte.is_ascii_digit());
            name_or_number.parse().ok().filter(|number| digits && *number < self.steps.len())
        };
        by_name.or_else(number)
    }
}

/// What holds for the whole build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    /// Whether the build ends at the first step that fails.
    pub stop_on_error: bool,
    /// Whether checkpoints are made.
    pub checkpoints: bool,
    /// The step to resume at unless the command line names one: a name or a number.
    pub resume_from: Option<String>,
}

/// A finalizer script, or a checkpoint of the newer form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of its checkpoint.
    pub name: String,
    /// What is said when it begins.
    pub message: String,
    /// The built-in step that it is; `None`: `script` is run.
    pub native: Option<Native>,
    /// The script as the manifest names it, or the class of the checkpoint.
    ///
    /// Of a `CustomScript` of the newer form, the command; `{PKG_IMAGE_PATH}`, `{BOOT_ARCHIVE}`,
    /// `{BUILD_DATA}` in it are still to be replaced.
    pub script: String,
    /// Its arguments after the five that every script gets.
    pub arguments: Vec<String>,
    /// Its named arguments (the newer form).
    pub named: Vec<(String, Vec<String>)>,
    /// Whether the step is no script of the manifest but was always there (im-pop, in 2009).
    pub built_in: bool,
}

impl Step {
    /// The first value of a named argument.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        let (_, values) = self.named.iter().find(|(n, _)| n == name)?;
        values.first().map(String::as_str)
    }
}

/// A publisher as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authority {
    /// Its name.
    pub name: String,
    /// Its origins; the old form has one.
    pub origins: Vec<String>,
    /// Its mirrors.
    pub mirrors: Vec<String>,
}

/// All publishers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publishers {
    /// The preferred one while the image is built.
    pub preferred: Authority,
    /// Others while the image is built.
    pub additional: Vec<Authority>,
    /// The preferred one of the installed system.
    pub installed: Authority,
    /// Others of the installed system.
    pub installed_additional: Vec<Authority>,
}

/// The password of root.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// As it is written.
    pub text: String,
    /// Whether it still has to be encrypted.
    pub plain: bool,
}

/// A password is for one eye only: what prints an image does not print it.
impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("plain", &self.plain).finish_non_exhaustive()
    }
}

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, with a level from 0 to 9.
    Gzip(u8),
    /// LZMA.
    Lzma,
    /// Each file by itself, in the file system (SPARC).
    Dcfs,
}

/// What is in a boot archive and how it is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootArchive {
    /// MiB to leave free.
    pub size_pad_mb: u64,
    /// Bytes for each inode; 0: by content.
    pub nbpi: u32,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Profiles to apply, in order.
    pub profiles: Vec<Profile>,
    /// What is copied in, and what is left out, in order.
    pub contents: Vec<Included>,
    /// Files that are not compressed one by one (SPARC).
    pub uncompressed: Vec<String>,
}

/// A profile of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Where it is.
    pub path: String,
    /// Whether on the machine that builds; else in the image.
    pub on_build_host: bool,
}

/// Whether a line of the contents takes in or leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// `base_include`.
    Include,
    /// `base_exclude`.
    Exclude,
}

/// What a line of the contents is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// One file.
    File,
    /// A directory with all below it.
    ///
    /// The newer form need not say which of both a path is: what it leaves open is listed as a
    /// directory, and a file in its place is taken as it is.
    Directory,
}

/// One line of the contents of a boot archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// In or out.
    pub listing: Listing,
    /// File or directory.
    pub listed: Listed,
    /// Relative to the root of the image; no `..`.
    pub path: String,
}

/// An entry of the boot menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEntry {
    /// What follows the title of the menu; a blank is put between.
    pub title_suffix: String,
    /// Place among the entries, from 0; `None`: at the end.
    pub position: Option<usize>,
    /// Lines of GRUB's menu, verbatim.
    pub lines: Vec<String>,
    /// Arguments of the kernel (the newer form, which has no lines).
    pub kernel_arguments: Option<String>,
    /// Whether it is the default entry (the newer form).
    pub is_default: bool,
}

/// What the boot menu holds beside its built-in entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootMenu {
    /// Title; `None`: the first line of the image's etc/release.
    pub title: Option<String>,
    /// Number of the default entry.
    pub default_entry: u32,
    /// Seconds until the default entry is booted; `None`: as the menu has it.
    pub timeout: Option<u32>,
    /// The same for the loader, where a manifest has its own element for it.
    pub loader_timeout: Option<u32>,
    /// Memory in MB without which no 64-bit installation is offered; `None`: no line of it.
    pub min_mem64: Option<u32>,
    /// Entries, in order.
    pub entries: Vec<BootEntry>,
}
