//! workshop.rs - the guest that makes pools: a kernel of Linux and an initial file system with
//! busybox and zfs-fuse, put together of Debian's packages.
//!
//! They are looked for below one folder: `/`, where they are installed, or wherever the packages
//! were unpacked (`dpkg -x`, which needs no root).  Libraries that are not there are the host's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::cpio::{self, Format};
use image_tree::{Entry, Kind, Tree};
use ips_model::elf::Elf;

/// What the packages are called.
const PACKAGES: &str = "zfs-fuse libaio1 libfuse2 busybox-static and linux-image-amd64";
const PROGRAMS: [&str; 4] = ["busybox", "zfs-fuse", "zpool", "zfs"];
const FOLDERS: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];
const LIBRARIES: [&str; 4] =
    ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64"];
const INTERPRETER: &str = "lib64/ld-linux-x86-64.so.2";
/// What a thread asks for only when it ends.
const LATE: &str = "libgcc_s.so.1";
const MODULES: [&str; 7] = [
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "fs/fuse/fuse",
];

/// All that the guest is made of.
pub(super) struct Workshop {
    kernel: PathBuf,
    /// The guest's path, and the host's.
    files: BTreeMap<String, PathBuf>,
}

impl Workshop {
    /// Looks for everything below `tools`.
    pub fn find(tools: &Path) -> Result<Self> {
        let lacks = |what: &str| {
            format!(
                "root zfs: {what} is not below {}: install the packages {PACKAGES}, or unpack them into a \
                 folder (dpkg -x) and name it by tools=FOLDER",
                tools.display()
            )
        };
        let (kernel, modules) = kernel(tools).with_context(|| lacks("boot/vmlinuz-VERSION"))?;
        let mut files = BTreeMap::new();
        for program in PROGRAMS {
            let found = first(FOLDERS.map(|folder| tools.join(folder).join(program)));
            files.insert(format!("bin/{program}"), found.with_context(|| lacks(program))?);
        }
        for module in MODULES {
            let file = modules.join(format!("{module}.ko"));
            let name = module.rsplit('/').next().unwrap_or(module);
            let found = first([file]).with_context(|| lacks(&format!("module {name}.ko")))?;
            files.insert(format!("modules/{name}.ko"), found);
        }
        let interpreter = first([tools.join(INTERPRETER), Path::new("/").join(INTERPRETER)]);
        files.insert(INTERPRETER.to_owned(), interpreter.with_context(|| lacks(INTERPRETER))?);
        for (name, path) in libraries(tools, &files)? {
            files.insert(format!("lib/{name}"), path.with_context(|| lacks(&name))?);
        }
        Ok(Self { kernel, files })
    }

    /// Writes the initial file system.
    pub fn write(&self, init: &str, to: &Path) -> Result<()> {
        let mut tree = Tree::new();
        let entry = |kind, mode| Entry { kind, mode, uid: 0, gid: 0, mtime: 0 };
        let folders =
            ["bin", "sbin", "lib", "lib64", "modules", "proc", "sys", "dev", "mnt", "tmp"];
        let state = ["etc", "etc/zfs", "var", "var/run", "var/run/zfs", "var/lock", "run"];
        for folder in folders.into_iter().chain(state) {
            tree.insert(folder, entry(Kind::Directory, 0o755))?;
        }
        tree.insert("dev/console", entry(Kind::CharacterDevice { major: 5, minor: 1 }, 0o600))?;
        tree.insert("bin/sh", entry(Kind::Symlink { target: "busybox".to_owned() }, 0o777))?;
        tree.insert("init", entry(Kind::File { size: init.len() as u64 }, 0o755))?;
        for (path, from) in &self.files {
            let size = std::fs::metadata(from).with_context(|| from.display().to_string())?.len();
            tree.insert(path, entry(Kind::File { size }, 0o755))?;
        }
        let content = |path: &str| -> io::Result<Box<dyn Read>> {
            match self.files.get(path) {
                Some(from) => Ok(Box::new(File::open(from)?)),
                None => Ok(Box::new(io::Cursor::new(init.as_bytes().to_vec()))),
            }
        };
        let named = || to.display().to_string();
        let mut out = BufWriter::new(File::create(to).with_context(named)?);
        cpio::write(&tree, &content, Format::Newc, &mut out).with_context(named)?;
        out.flush().with_context(named)
    }

    /// QEMU's arguments: initial file system, pool, content.
    pub fn arguments(&self, [initial, pool, content]: [&Path; 3]) -> Vec<String> {
        let drive = |path: &Path, more: &str| {
            let file = path.display().to_string().replace(',', ",,");
            format!("file={file},format=raw,if=virtio{more}")
        };
        let (kernel, initial) = (self.kernel.display().to_string(), initial.display().to_string());
        let (pool, content) = (drive(pool, ""), drive(content, ",readonly=on"));
        let fixed = "-machine pc -accel tcg -cpu max -nodefaults -no-user-config -display none \
                     -monitor none -serial stdio -no-reboot -m";
        let mut words: Vec<String> = fixed.split_whitespace().map(str::to_owned).collect();
        let append = "console=ttyS0 quiet panic=-1";
        let more = [
            super::GUEST_MB,
            "-kernel",
            &kernel,
            "-initrd",
            &initial,
            "-append",
            append,
            "-drive",
            &pool,
            "-drive",
            &content,
        ];
        words.extend(more.map(str::to_owned));
        words
    }
}

fn first(paths: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    paths.into_iter().find(|path| path.is_file())
}

/// The newest kernel that has its modules.
fn kernel(tools: &Path) -> Option<(PathBuf, PathBuf)> {
    let boot = std::fs::read_dir(tools.join("boot")).ok()?;
    let names = boot.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut versions: Vec<String> =
        names.filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned())).collect();
    versions.sort();
    versions.into_iter().rev().find_map(|version| {
        let modules = ["lib/modules", "usr/lib/modules"].map(|folder| tools.join(folder));
        let modules = modules.into_iter().map(|folder| folder.join(&version).join("kernel"));
        let modules = modules.into_iter().find(|folder| folder.is_dir())?;
        Some((tools.join(format!("boot/vmlinuz-{version}")), modules))
    })
}

/// The libraries of the programs, and theirs; those that were not found have no path.
fn libraries(
    tools: &Path,
    files: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, Option<PathBuf>>> {
    let place = |name: &str| {
        let all = [tools, Path::new("/")].map(|top| LIBRARIES.map(|one| top.join(one).join(name)));
        first(all.into_iter().flatten())
    };
    let mut found = BTreeMap::from([(LATE.to_owned(), place(LATE))]);
    let programs = files.iter().filter(|(path, _)| path.starts_with("bin/"));
    let mut unread: Vec<PathBuf> = programs.map(|(_, file)| file.clone()).collect();
    let mut seen = BTreeSet::new();
    while let Some(file) = unread.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let named = || file.display().to_string();
        let bytes = std::fs::read(&file).with_context(named)?;
        let needed = Elf::parse(&bytes).and_then(|elf| elf.dynamic());
        let needed = match needed {
            Ok(dynamic) => dynamic.needed,
            Err(error) => bail!("{}: {error}", file.display()),
        };
        for name in needed {
            // The interpreter is a library too, and lies elsewhere.
            if INTERPRETER.ends_with(&name) || found.contains_key(&name) {
                continue;
            }
            let path = place(&name);
            unread.extend(path.clone());
            found.insert(name, path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_brings_it() {
        let scratch = tempfile::tempdir().unwrap();
        let tools = scratch.path();
        let lacks = || Workshop::find(tools).err().unwrap().to_string();
        let put = |path: &str| {
            let to = tools.join(path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::write(to, "").unwrap();
        };
        assert!(
            lacks().starts_with("root zfs: boot/vmlinuz-VERSION is not below /"),
            "{}",
            lacks()
        );
        assert!(lacks().contains("dpkg -x") && lacks().contains("zfs-fuse"), "{}", lacks());
        put("boot/vmlinuz-2");
        put("boot/vmlinuz-1");
        put("lib/modules/1/kernel/x");
        // The newer kernel has no modules.
        let (kernel, _) = kernel(tools).unwrap();
        assert!(kernel.ends_with("boot/vmlinuz-1"));
        assert!(lacks().contains(": busybox is not below"), "{}", lacks());
        ["bin/busybox", "sbin/zfs-fuse", "usr/sbin/zpool", "sbin/zfs"].into_iter().for_each(put);
        assert!(lacks().contains("module virtio_ring.ko is not below"), "{}", lacks());
    }
}
