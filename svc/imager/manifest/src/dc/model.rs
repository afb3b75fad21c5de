//! model.rs - a `dc` that was checked becomes what the steps read.
//!
//! What the old form says in elements, this one says in arguments of checkpoints; what it says
//! in arguments of scripts, this one says by the class.  Both end in the same fields, so a step
//! does not know which form it serves:
//!
//! | here | there |
//! |---|---|
//! | class LiveCD..., Text..., AI... | `.livecd`, `.textinstall`, `.autoinstall`; `livecd`, ... |
//! | PrePkgImgMod: root_password, is_plaintext, hostname | `rootpass`, `hostname` |
//! | BootArchiveArchive: compression_type, ..._level, size_pad, bytes_per_inode | `boot_archive` |
//! | PkgImgMod: compression_type, dist_iso_sort | `live_img_compression`, key `iso_sort` |
//! | BootTest: pattern | key `boot_test_pattern` |
//! | software of TransferCPIO | `boot_archive_contents` |
//! | configuration of type sysconf | `smf_service_profile` |

use crate::argslist;
use crate::document::Form;
use crate::image::{
    Authority, BootArchive, BootEntry, BootMenu, Compression, Flags, Image, Included, Listed,
    Listing, Password, Profile, Publishers, Step,
};
use crate::native::{Native, SCRIPTS};
use crate::tree::{Node, Tree};

/// The class of a checkpoint that runs a command.
pub(super) const CUSTOM_SCRIPT: &str = "CustomScript";

/// The pools of the target.
pub(super) fn pools(tree: &Tree) -> Vec<Node> {
    let mut pools = tree.all("distro/target/logical/zpool");
    pools.extend(tree.all("distro/target/target_device/zpool"));
    pools
}

/// The file systems of the target, in pools or not.
pub(super) fn filesystems(tree: &Tree) -> Vec<Node> {
    let mut systems = tree.all("distro/target/logical/filesystem");
    for pool in pools(tree) {
        systems.extend(tree.named(pool, "filesystem"));
        systems.extend(tree.below(pool, "dataset/filesystem"));
    }
    systems
}

/// Whether a file system is a folder of its own.
pub(super) fn is_folder(tree: &Tree, system: Node) -> bool {
    tree.attribute(system, "name").is_some_and(|name| name.starts_with('/'))
}

/// The build area that a file system means: `POOL/DATASET`, or a folder.
pub(super) fn area(tree: &Tree, system: Node) -> String {
    let name = tree.attribute(system, "name").unwrap_or_default();
    let pools = pools(tree);
    let pool = pools.first().and_then(|pool| tree.attribute(*pool, "name")).unwrap_or_default();
    let full = name.strip_prefix(pool).is_some_and(|rest| rest.starts_with('/'));
    if is_folder(tree, system) || full || pool.is_empty() {
        name.to_owned()
    } else {
        format!("{pool}/{name}")
    }
}

/// The command of a CustomScript.
pub(super) fn command(tree: &Tree, checkpoint: Node) -> String {
    let named = tree.below(checkpoint, "kwargs/arg");
    let own = named.into_iter().find(|arg| tree.attribute(*arg, "name") == Some("command"));
    let args = tree.named(checkpoint, "args").next();
    args.or(own).map(|node| tree.value(node)).unwrap_or_default()
}

/// Whether a software node is of packages.
pub(super) fn is_ips(tree: &Tree, software: Node) -> bool {
    match tree.attribute(software, "type") {
        Some(kind) => kind == "IPS",
        None => !tree.below(software, "destination/image").is_empty(),
    }
}

/// The model of a whole tree.
pub(crate) fn image(tree: &Tree) -> Image {
    let reader = Reader { tree };
    let steps = reader.steps();
    let of = |native: Native, name: &str| {
        let found = steps.iter().find(|step| step.native == Some(native));
        found.and_then(|step| step.argument(name)).map(str::to_owned)
    };
    let distro = |name| reader.attribute("distro", name);
    let system = filesystems(tree).first().copied();
    let action = system.and_then(|system| tree.attribute(system, "action"));
    let plain = of(Native::ImMod, "is_plaintext");
    let pairs = [
        ("iso_sort", of(Native::PostMod, "dist_iso_sort")),
        ("boot_test_pattern", of(Native::BootTest, "pattern")),
    ];
    let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Image {
        form: Form::Dc,
        name: distro("name").unwrap_or_default(),
        add_timestamp: distro("add_timestamp").as_deref() == Some("true"),
        http_proxy: distro("http_proxy").filter(|proxy| !proxy.is_empty()),
        build_area: system.map(|system| area(tree, system)).unwrap_or_default(),
        preserve_area: action == Some("preserve"),
        flags: Flags {
            stop_on_error: reader.attribute("distro/execution", "stop_on_error").as_deref()
                != Some("false"),
            checkpoints: true,
            resume_from: None,
        },
        publishers: reader.publishers(),
        packages: reader.packages("install"),
        removed_packages: reader.packages("uninstall"),
        search_index: reader
            .images()
            .iter()
            .any(|image| tree.attribute(*image, "index") == Some("true")),
        facets: reader.facets(),
        properties: reader.properties(),
        root_password: Password {
            text: of(Native::ImMod, "root_password").unwrap_or_else(|| "solaris".to_owned()),
            plain: plain.is_none_or(|plain| plain.eq_ignore_ascii_case("true")),
        },
        host_name: of(Native::ImMod, "hostname").unwrap_or_else(|| "solaris".to_owned()),
        boot_archive: reader.boot_archive(&of),
        live_compression: compression(of(Native::PostMod, "compression_type").as_deref(), None),
        boot_menu: reader.boot_menu(),
        pairs: pairs.collect(),
        steps,
    }
}

fn compression(kind: Option<&str>, level: Option<&str>) -> Compression {
    let level = level.and_then(|level| level.trim().parse().ok()).filter(|level| *level <= 9);
    match kind {
        Some("none") => Compression::None,
        Some("lzma") => Compression::Lzma,
        Some("dcfs") => Compression::Dcfs,
        _ => Compression::Gzip(level.unwrap_or(9)),
    }
}

struct Reader<'a> {
    tree: &'a Tree,
}

impl Reader<'_> {
    fn attribute(&self, path: &str, name: &str) -> Option<String> {
        let node = self.tree.all(path).first().copied()?;
        self.tree.attribute(node, name).map(str::to_owned)
    }

    fn owned(&self, node: Node, name: &str) -> String {
        self.tree.attribute(node, name).unwrap_or_default().to_owned()
    }

    fn steps(&self) -> Vec<Step> {
        let nodes = self.tree.all("distro/execution/checkpoint");
        nodes.into_iter().map(|node| self.step(node)).collect()
    }

    fn step(&self, node: Node) -> Step {
        let (name, class) = (self.owned(node, "name"), self.owned(node, "checkpoint_class"));
        let named = self.named(node);
        let argument = |wanted: &str| {
            let found = named.iter().find(|(name, _)| name == wanted);
            found.and_then(|(_, values)| values.first()).map(String::as_str)
        };
        let native = match Native::of_class(&class) {
            Some(Native::ImPop) if self.only_sets_attributes(&name) => {
                Some(Native::SetIpsAttributes)
            }
            native => native,
        };
        let (script, arguments) = match native {
            Some(native) => (
                format!("{SCRIPTS}/{class}"),
                arguments(native, &class, argument("compression_type")),
            ),
            None => {
                let mut words = argslist::words(&command(self.tree, node)).unwrap_or_default();
                let script = if words.is_empty() { String::new() } else { words.remove(0) };
                (script, words)
            }
        };
        let message = self.owned(node, "desc");
        let message = if message.is_empty() { name.clone() } else { message };
        Step { name, message, native, script, arguments, named, built_in: false }
    }

    fn named(&self, node: Node) -> Vec<(String, Vec<String>)> {
        let tree = self.tree;
        let kwargs = tree.named(node, "kwargs").next();
        let children = kwargs.map(|kwargs| tree.children(kwargs).collect()).unwrap_or_default();
        let values = |child: Node| match tree.get(child).name.as_str() {
            "arglist" => tree.named(child, "argitem").map(|item| tree.value(item)).collect(),
            _ => vec![tree.value(child)],
        };
        let children: Vec<Node> = children;
        children.into_iter().map(|child| (self.owned(child, "name"), values(child))).collect()
    }

    /// The software of a checkpoint uses an image that is there and installs nothing.
    fn only_sets_attributes(&self, checkpoint: &str) -> bool {
        let tree = self.tree;
        let software = self.software(checkpoint);
        let existing = software.iter().any(|software| {
            let images = tree.below(*software, "destination/image");
            images.iter().any(|image| tree.attribute(*image, "action") == Some("use_existing"))
        });
        let installs = software.iter().any(|software| {
            let data = tree.below(*software, "software_data");
            data.iter().any(|data| tree.attribute(*data, "action") == Some("install"))
        });
        existing && !installs
    }

    fn software(&self, name: &str) -> Vec<Node> {
        let nodes = self.tree.all("distro/software");
        nodes.into_iter().filter(|node| self.tree.attribute(*node, "name") == Some(name)).collect()
    }

    /// The software of packages, in order.
    fn ips(&self) -> Vec<Node> {
        let nodes = self.tree.all("distro/software");
        nodes.into_iter().filter(|node| is_ips(self.tree, *node)).collect()
    }

    fn images(&self) -> Vec<Node> {
        let tree = self.tree;
        self.ips().iter().flat_map(|node| tree.below(*node, "destination/image")).collect()
    }

    fn packages(&self, action: &str) -> Vec<String> {
        let tree = self.tree;
        let data = self.ips().into_iter().flat_map(|node| tree.below(node, "software_data"));
        let data = data.filter(|data| tree.attribute(*data, "action") == Some(action));
        data.flat_map(|data| tree.below(data, "name")).map(|name| tree.value(name)).collect()
    }

    /// Those of the software that installs, then those of the one that only sets attributes.
    fn publishers(&self) -> Publishers {
        let tree = self.tree;
        let (mut building, mut installed) = (Vec::new(), Vec::new());
        for software in self.ips() {
            let name = self.owned(software, "name");
            let list =
                if self.only_sets_attributes(&name) { &mut installed } else { &mut building };
            for publisher in tree.below(software, "source/publisher") {
                let names = |child| -> Vec<String> {
                    tree.named(publisher, child).map(|node| self.owned(node, "name")).collect()
                };
                list.push(Authority {
                    name: self.owned(publisher, "name"),
                    origins: names("origin"),
                    mirrors: names("mirror"),
                });
            }
        }
        if installed.is_empty() {
            installed.clone_from(&building);
        }
        let split = |list: Vec<Authority>| {
            let mut list = list.into_iter();
            (list.next().unwrap_or_default(), list.collect())
        };
        let (preferred, additional) = split(building);
        let (installed, installed_additional) = split(installed);
        Publishers { preferred, additional, installed, installed_additional }
    }

    fn facets(&self) -> Vec<(String, bool)> {
        let tree = self.tree;
        let facets = self.images().into_iter().flat_map(|image| tree.below(image, "facet"));
        facets
            .map(|facet| (tree.value(facet), tree.attribute(facet, "set") == Some("true")))
            .collect()
    }

    fn properties(&self) -> Vec<(String, String)> {
        let tree = self.tree;
        let properties = self.images().into_iter().flat_map(|image| tree.below(image, "property"));
        properties.map(|node| (tree.value(node), self.owned(node, "val"))).collect()
    }

    fn boot_archive(&self, of: &dyn Fn(Native, &str) -> Option<String>) -> BootArchive {
        let tree = self.tree;
        let argument = |name| of(Native::BaArch, name);
        let profiles = tree
            .all("distro/configuration")
            .into_iter()
            .filter(|node| tree.attribute(*node, "type").is_none_or(|kind| kind == "sysconf"));
        let uncompressed = self
            .steps()
            .into_iter()
            .filter(|step| step.native == Some(Native::BaArch))
            .flat_map(|step| step.named)
            .filter(|(name, _)| name == "uncompressed_files")
            .flat_map(|(_, values)| values);
        BootArchive {
            size_pad_mb: argument("size_pad").and_then(|text| text.parse().ok()).unwrap_or(0),
            nbpi: argument("bytes_per_inode").and_then(|text| text.parse().ok()).unwrap_or(0),
            compression: compression(
                argument("compression_type").as_deref(),
                argument("compression_level").as_deref(),
            ),
            profiles: profiles.map(|node| self.profile(node)).collect(),
            contents: self.contents(),
            uncompressed: uncompressed.collect(),
        }
    }

    /// Profiles that the original installed are on the machine that builds, others in the image.
    fn profile(&self, node: Node) -> Profile {
        let path = self.owned(node, "source");
        let on_build_host = path.strip_prefix(SCRIPTS).is_some_and(|rest| rest.starts_with('/'));
        Profile { path, on_build_host }
    }

    /// The files of the boot archive: all software that is of files.
    fn contents(&self) -> Vec<Included> {
        let tree = self.tree;
        let mut contents = Vec::new();
        let files = tree.all("distro/software").into_iter().filter(|node| !is_ips(tree, *node));
        for data in files.flat_map(|software| tree.below(software, "software_data")) {
            let listing = match tree.attribute(data, "action") {
                Some("uninstall") => Listing::Exclude,
                _ => Listing::Include,
            };
            let listed = match tree.attribute(data, "type") {
                Some("FILE") => Listed::File,
                _ => Listed::Directory,
            };
            for name in tree.named(data, "name") {
                let path = tree.value(name).trim_matches('/').to_owned();
                contents.push(Included { listing, listed, path });
            }
        }
        contents
    }

    fn boot_menu(&self) -> BootMenu {
        const MEDIA: &str = "distro/distro_spec/img_params/media_im";
        let tree = self.tree;
        let boot = format!("{MEDIA}/boot_mods");
        let grub = format!("{MEDIA}/grub_mods");
        let either = |name: &str| {
            let value = self.attribute(&boot, name).or_else(|| self.attribute(&grub, name));
            value.filter(|value| !value.is_empty())
        };
        let mut entries: Vec<BootEntry> = tree
            .all(&format!("{boot}/boot_entry"))
            .into_iter()
            .map(|node| self.boot_entry(node))
            .collect();
        entries.extend(
            tree.all(&format!("{grub}/grub_entry")).into_iter().map(|node| self.grub_entry(node)),
        );
        let number = |text: Option<String>| text.and_then(|text| text.trim().parse().ok());
        BootMenu {
            title: either("title"),
            default_entry: number(self.attribute(&grub, "default_entry")).unwrap_or(0),
            timeout: number(either("timeout")),
            loader_timeout: None,
            min_mem64: number(self.attribute(&grub, "min_mem")),
            entries,
        }
    }

    fn boot_entry(&self, node: Node) -> BootEntry {
        let tree = self.tree;
        let text = |name| tree.named(node, name).next().map(|node| tree.value(node));
        BootEntry {
            title_suffix: text("title_suffix").unwrap_or_default(),
            position: (tree.attribute(node, "insert_at") == Some("start")).then_some(0),
            lines: Vec::new(),
            kernel_arguments: text("kernel_args"),
            is_default: tree.attribute(node, "default_entry") == Some("true"),
        }
    }

    fn grub_entry(&self, node: Node) -> BootEntry {
        let tree = self.tree;
        let suffix = tree.named(node, "title_suffix").next();
        BootEntry {
            title_suffix: suffix.map(|node| tree.value(node)).unwrap_or_default(),
            position: tree.attribute(node, "position").and_then(|text| text.trim().parse().ok()),
            lines: tree.named(node, "line").map(|node| tree.value(node)).collect(),
            kernel_arguments: None,
            is_default: false,
        }
    }
}

/// What the script of the old form gets, where here the class says it.
fn arguments(native: Native, class: &str, compression: Option<&str>) -> Vec<String> {
    let (marker, menu) = if class.starts_with("Text") {
        (".textinstall", "text-install")
    } else if class.starts_with("AI") {
        (".autoinstall", "ai")
    } else {
        (".livecd", "livecd")
    };
    match native {
        Native::BaConfig => vec![marker.to_owned()],
        Native::GrubSetup | Native::LoaderSetup => vec![menu.to_owned()],
        Native::BaArch => vec!["amd64".to_owned()],
        Native::PostMod => {
            vec![format!("usr_zlib_compression={}", compression.unwrap_or("gzip"))]
        }
        _ => Vec::new(),
    }
}
