//! Images to change, repositories to change them from.

#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use image_tree::Kind;
use ips_client::change::{ChangeError, Done, Order, Want, carry_out, plan, resolve};
use ips_client::image::{Configuration, CreateOptions, Image, ImageKind};
use ips_client::{Control, Origin, Source};
use ips_model::digest::sha1_hex;
use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources};

pub const NOW: i64 = 1_750_000_000;

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Publishes manifests; every payload's content is the name it has in the manifest.
pub fn publish(path: &Path, manifests: &[&str]) {
    let proto = path.with_extension("proto");
    let now = Timestamp::from_seconds(NOW);
    let repository = if path.exists() {
        Repository::open(path).unwrap()
    } else {
        let new = Repository::create(path).unwrap();
        new.add_publisher("orchard.example", now).unwrap();
        new
    };
    let batch = repository.batch().unwrap();
    for text in manifests {
        let manifest = Manifest::parse(text).unwrap();
        for action in manifest.actions.iter().filter(|action| action.kind.has_payload()) {
            let file = proto.join(action.hash.as_deref().unwrap());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, action.hash.as_deref().unwrap()).unwrap();
        }
        let sources = Sources { folders: vec![proto.clone()], timestamps: Vec::new() };
        batch.publish(&manifest, &sources, now).unwrap();
    }
    batch.commit(now).unwrap();
}

/// An image and the repository it is changed from.
pub struct World {
    pub place: tempfile::TempDir,
    pub image: Image,
    pub sources: Vec<Source>,
    pub time: i64,
}

impl World {
    pub fn of(repository: &Path, place: tempfile::TempDir) -> Self {
        let variants = [
            ("variant.arch", "i386"),
            ("variant.debug.illumos", "false"),
            ("variant.opensolaris.zone", "global"),
        ];
        let variants = variants.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let options = CreateOptions {
            kind: ImageKind::Full,
            configuration: Configuration::new(&variants),
            force: false,
            rootless: true,
            lasting: true,
            time: Timestamp::from_seconds(NOW),
        };
        let image = Image::create(&place.path().join("root"), "pkg", &options).unwrap();
        let sources = vec![Source::open(&Origin::directory(repository)).unwrap()];
        Self { place, image, sources, time: NOW }
    }

    /// With these manifests published.
    pub fn published(manifests: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let repository = place.path().join("repo");
        publish(&repository, manifests);
        Self::of(&repository, place)
    }

    /// More manifests.
    pub fn publish(&mut self, manifests: &[&str]) {
        let repository = self.place.path().join("repo");
        publish(&repository, manifests);
        self.sources = vec![Source::open(&Origin::directory(&repository)).unwrap()];
    }

    pub fn root(&self) -> PathBuf {
        self.place.path().join("root")
    }

    pub fn order(&self, want: Want) -> Order<'_> {
        Order { sources: &self.sources, ..Order::of(want) }
    }

    pub fn change(&mut self, want: Want) -> Result<Done, ChangeError> {
        self.change_with(want, &Control::silent())
    }

    pub fn change_with(&mut self, want: Want, control: &Control<'_>) -> Result<Done, ChangeError> {
        let lock = self.image.lock().unwrap();
        let order = Order { sources: &self.sources, ..Order::of(want) };
        let resolved = resolve(&self.image, &order, control)?;
        let planned = plan(&self.image, &resolved)?;
        self.time += 1;
        let time = Timestamp::from_seconds(self.time);
        carry_out(&mut self.image, &lock, &order, &planned, time, control)
    }

    /// Does what is ordered, from the image's repository.
    pub fn order_done(&mut self, order: Order<'_>) -> Result<Done, ChangeError> {
        let (lock, control) = (self.image.lock().unwrap(), Control::silent());
        let order = Order { sources: &self.sources, ..order };
        let resolved = resolve(&self.image, &order, &control)?;
        let planned = plan(&self.image, &resolved)?;
        self.time += 1;
        let time = Timestamp::from_seconds(self.time);
        carry_out(&mut self.image, &lock, &order, &planned, time, &control)
    }

    pub fn install(&mut self, patterns: &str) -> Result<Done, ChangeError> {
        self.change(Want::Install(patterns.split(' ').map(str::to_string).collect()))
    }

    pub fn uninstall(&mut self, patterns: &str) -> Result<Done, ChangeError> {
        self.change(Want::Uninstall(patterns.split(' ').map(str::to_string).collect()))
    }

    pub fn update(&mut self) -> Result<Done, ChangeError> {
        self.change(Want::Update(Vec::new()))
    }

    /// The installed packages in short.
    pub fn installed(&self) -> String {
        let installed = self.image.installed().unwrap();
        installed.packages().map(|(fmri, _)| fmri.brief()).collect::<Vec<_>>().join(" ")
    }

    pub fn write(&self, path: &str, content: &str) {
        fs::write(self.root().join(path), content).unwrap();
    }

    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }

    /// The table and the disk in the words of a listing, without the image's own folder.
    pub fn listing(&self) -> BTreeMap<String, String> {
        let tree = self.image.table().unwrap().unwrap();
        let root = self.root();
        let mut shown = BTreeMap::new();
        let own = |path: &str| path.is_empty() || path.starts_with("var/pkg");
        for (path, entry) in tree.iter().filter(|(path, _)| !own(path)) {
            let first = match &entry.kind {
                Kind::HardLink { target } => tree.get(target).unwrap(),
                _ => entry,
            };
            let owner = format!("{}:{}", first.uid, first.gid);
            let about = fs::symlink_metadata(root.join(path)).unwrap();
            let row = match &first.kind {
                Kind::Directory => format!("d\t{:04o}\t{owner}\t-\t-\t-", first.mode),
                Kind::Symlink { target } => {
                    assert_eq!(fs::read_link(root.join(path)).unwrap(), Path::new(target));
                    format!("l\t-\t{owner}\t-\t-\t{target}")
                }
                Kind::File { size } => {
                    let bytes = fs::read(root.join(path)).unwrap();
                    assert_eq!(bytes.len() as u64, *size, "{path}");
                    let links = about.nlink();
                    let links = if links > 1 { format!("nlink={links}") } else { "-".into() };
                    format!("f\t{:04o}\t{owner}\t{size}\t{}\t{links}", first.mode, sha1_hex(&bytes))
                }
                other => panic!("{path}: {other:?}"),
            };
            shown.insert(path.to_string(), row);
        }
        shown
    }

    /// Every path on the disk, without the image's own folder.
    pub fn disk(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root(), "", &mut found);
        found.sort();
        found
    }

    /// What is in lost+found.
    pub fn salvaged(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root().join("var/pkg/lost+found"), "", &mut found);
        found
    }
}

fn walk(root: &Path, below: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if path == "var/pkg" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, found);
        }
        found.push(path);
    }
}
