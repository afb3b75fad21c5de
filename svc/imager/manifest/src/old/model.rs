//! model.rs - a `distribution` that was checked becomes what the steps read.

use super::content::scripts;
use super::places::{self, INSTALLED, MORE_INSTALLED, MORE_REPOSITORIES, REPOSITORY};
use crate::argslist;
use crate::document::Form;
use crate::image::{
    Authority, BootArchive, BootEntry, BootMenu, Compression, Flags, Image, Included, Listed,
    Listing, Password, Profile, Publishers, Step,
};
use crate::native::{Native, SCRIPTS};
use crate::tree::{Node, ROOT, Tree};

/// The level that lofiadm's gzip has where none is named.
const GZIP_LEVEL: u8 = 6;

/// The model of a whole tree.
pub(crate) fn image(tree: &Tree, form: Form) -> Image {
    let reader = Reader { tree };
    Image {
        form,
        name: tree.attribute(ROOT, "name").unwrap_or_default().to_owned(),
        add_timestamp: false,
        http_proxy: None,
        build_area: places::moved(tree, "build_area")
            .first()
            .map(|node| tree.value(*node))
            .unwrap_or_default(),
        preserve_area: false,
        flags: reader.flags(),
        steps: reader.steps(form),
        publishers: reader.publishers(),
        packages: reader.names("img_params/packages/pkg"),
        removed_packages: reader.names("img_params/post_install_remove_packages/pkg"),
        search_index: reader.is_true("img_params/generate_ips_search_index").unwrap_or(false),
        facets: Vec::new(),
        properties: Vec::new(),
        root_password: reader.root_password(),
        host_name: reader.text("img_params/hostname").unwrap_or_default(),
        boot_archive: reader.boot_archive(),
        live_compression: reader.live_compression(),
        boot_menu: reader.boot_menu(),
        pairs: reader.pairs(),
    }
}

struct Reader<'a> {
    tree: &'a Tree,
}

/// As XML Schema has it.
fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

impl Reader<'_> {
    /// The value of the first element of a path.
    fn text(&self, path: &str) -> Option<String> {
        self.tree.all(path).first().map(|node| self.tree.value(*node))
    }

    fn is_true(&self, path: &str) -> Option<bool> {
        self.text(path).map(|text| is_true(&text))
    }

    fn number<N: std::str::FromStr>(&self, path: &str) -> Option<N> {
        self.text(path).and_then(|text| text.trim().parse().ok())
    }

    fn names(&self, path: &str) -> Vec<String> {
        let nodes = self.tree.all(path);
        nodes.iter().filter_map(|node| self.owned(*node, "name")).collect()
    }

    fn owned(&self, node: Node, attribute: &str) -> Option<String> {
        self.tree.attribute(node, attribute).map(str::to_owned)
    }

    fn flags(&self) -> Flags {
        let flag = |name| format!("distro_constr_params/distro_constr_flags/{name}");
        let enable = self.tree.all(&flag("checkpoint_enable")).first().copied();
        Flags {
            stop_on_error: self.is_true(&flag("stop_on_error")).unwrap_or(true),
            checkpoints: self.is_true(&flag("checkpoint_enable")).unwrap_or(true),
            resume_from: enable
                .and_then(|node| self.owned(node, "resume_from"))
                .filter(|step| !step.is_empty()),
        }
    }

    fn steps(&self, form: Form) -> Vec<Step> {
        let mut steps: Vec<Step> =
            scripts(self.tree).into_iter().map(|script| self.step(script)).collect();
        let packages = places::has(self.tree, places::IMAGE);
        let listed = steps.iter().any(|step| step.native == Some(Native::ImPop));
        if form == Form::Distribution2009 && packages && !listed {
            steps.insert(
                0,
                Step {
                    name: "im-pop".to_owned(),
                    message: "Populate the image with packages".to_owned(),
                    native: Some(Native::ImPop),
                    script: format!("{SCRIPTS}/im_pop"),
                    arguments: Vec::new(),
                    named: Vec::new(),
                    built_in: true,
                },
            );
        }
        steps
    }

    fn step(&self, node: Node) -> Step {
        let tree = self.tree;
        let script = self.owned(node, "name").unwrap_or_default();
        let checkpoint = tree.named(node, "checkpoint").next();
        let of_checkpoint = |name| {
            let value = checkpoint.and_then(|checkpoint| self.owned(checkpoint, name));
            value.filter(|value| !value.is_empty())
        };
        let list = tree.named(node, "argslist").next().map(|list| tree.value(list));
        Step {
            name: of_checkpoint("name").unwrap_or_default(),
            message: of_checkpoint("message").unwrap_or_else(|| format!("Executing {script}")),
            native: Native::of_script(&script),
            arguments: list.and_then(|list| argslist::split(&list).ok()).unwrap_or_default(),
            script,
            named: Vec::new(),
            built_in: false,
        }
    }

    fn publishers(&self) -> Publishers {
        let all = |name| -> Vec<Authority> {
            let nodes = places::moved(self.tree, name);
            nodes.iter().map(|node| self.authority(*node)).collect()
        };
        let one = |name| all(name).into_iter().next().unwrap_or_default();
        Publishers {
            preferred: one(REPOSITORY),
            additional: all(MORE_REPOSITORIES),
            installed: one(INSTALLED),
            installed_additional: all(MORE_INSTALLED),
        }
    }

    fn authority(&self, node: Node) -> Authority {
        let tree = self.tree;
        let urls = |name| tree.named(node, name).filter_map(|node| self.owned(node, "url"));
        let main = tree.named(node, "main").next();
        Authority {
            name: main.and_then(|main| self.owned(main, "authname")).unwrap_or_default(),
            origins: urls("main").filter(|url| !url.is_empty()).collect(),
            mirrors: urls("mirror").filter(|url| !url.is_empty()).collect(),
        }
    }

    /// In 2009 there is no default: an empty password, which stays as the image has it.
    fn root_password(&self) -> Password {
        let node = self.tree.all("img_params/rootpass").first().copied();
        let plain = node.and_then(|node| self.owned(node, "is_plaintext"));
        Password {
            text: node.map(|node| self.tree.value(node)).unwrap_or_default(),
            plain: plain.is_none_or(|plain| is_true(&plain)),
        }
    }

    fn boot_archive(&self) -> BootArchive {
        let tree = self.tree;
        let archive = places::boot_archives(tree).first().copied();
        let inside = |path| archive.map(|archive| tree.below(archive, path)).unwrap_or_default();
        let text = |path| inside(path).first().map(|node| tree.value(*node));
        let compression = inside("compression").first().copied();
        BootArchive {
            size_pad_mb: text("size_pad_mb").and_then(|text| text.parse().ok()).unwrap_or(0),
            nbpi: text("nbpi").and_then(|text| text.parse().ok()).unwrap_or(0),
            compression: compression.map_or(Compression::Gzip(9), |node| self.compression(node, 9)),
            profiles: inside("smf_service_profile/profile")
                .into_iter()
                .map(|node| Profile {
                    path: self.owned(node, "path").unwrap_or_default(),
                    on_build_host: tree.attribute(node, "use_build_sys_file").is_some_and(is_true),
                })
                .collect(),
            contents: self.contents(),
            uncompressed: self.uncompressed(),
        }
    }

    fn compression(&self, node: Node, usual: u8) -> Compression {
        let level = self.tree.attribute(node, "level").and_then(|level| level.trim().parse().ok());
        match self.tree.attribute(node, "type") {
            Some("none") => Compression::None,
            Some("lzma") => Compression::Lzma,
            Some("dcfs") => Compression::Dcfs,
            _ => Compression::Gzip(level.unwrap_or(usual)),
        }
    }

    fn contents(&self) -> Vec<Included> {
        let tree = self.tree;
        let mut contents = Vec::new();
        for list in places::contents(tree) {
            for node in tree.children(list) {
                let listing = match tree.get(node).name.as_str() {
                    "base_include" => Listing::Include,
                    "base_exclude" => Listing::Exclude,
                    _ => continue,
                };
                let listed = match tree.attribute(node, "type") {
                    Some("dir") => Listed::Directory,
                    _ => Listed::File,
                };
                let path = tree.value(node).trim_matches('/').to_owned();
                contents.push(Included { listing, listed, path });
            }
        }
        contents
    }

    fn uncompressed(&self) -> Vec<String> {
        let tree = self.tree;
        let lists = places::contents(tree);
        let nodes = lists.iter().flat_map(|list| tree.named(*list, "base_include"));
        nodes
            .filter(|node| {
                tree.attribute(*node, "fiocompress").is_some_and(|value| !is_true(value))
            })
            .map(|node| tree.value(node).trim_matches('/').to_owned())
            .collect()
    }

    fn live_compression(&self) -> Compression {
        let node = self.tree.all("img_params/live_img_compression").first().copied();
        match node.map(|node| self.compression(node, GZIP_LEVEL)) {
            // Level 0 is what a manifest that names none is given.
            Some(Compression::Gzip(0)) | None => Compression::Gzip(GZIP_LEVEL),
            Some(compression) => compression,
        }
    }

    fn boot_menu(&self) -> BootMenu {
        let of = |name| format!("img_params/grub_menu_modifications/{name}");
        BootMenu {
            title: self.text(&of("title")).filter(|title| !title.is_empty()),
            default_entry: self.number(&of("default_entry")).unwrap_or(0),
            timeout: self.number(&of("timeout")),
            loader_timeout: self.number("img_params/loader_menu_modifications/timeout"),
            min_mem64: self.number(&of("min_mem64")),
            entries: self.tree.all(&of("entry")).into_iter().map(|node| self.entry(node)).collect(),
        }
    }

    fn entry(&self, node: Node) -> BootEntry {
        let tree = self.tree;
        let suffix = tree.named(node, "title_suffix").next();
        let position = tree.attribute(node, "position");
        BootEntry {
            title_suffix: suffix.map(|node| tree.value(node)).unwrap_or_default(),
            position: position.and_then(|position| position.trim().parse().ok()),
            lines: tree.named(node, "line").map(|node| tree.value(node)).collect(),
            kernel_arguments: None,
            is_default: false,
        }
    }

    fn pairs(&self) -> std::collections::BTreeMap<String, String> {
        let mut pairs = std::collections::BTreeMap::new();
        for node in self.tree.all("key_value_pairs/pair") {
            let (key, value) = (self.owned(node, "key"), self.owned(node, "value"));
            if let (Some(key), Some(value)) = (key, value) {
                pairs.entry(key).or_insert(value);
            }
        }
        pairs
    }
}
