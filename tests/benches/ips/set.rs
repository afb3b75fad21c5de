//! set.rs - what the packages of the bench are made of: the same bytes wherever they are made.
//!
//! Sizes are log-normal with a median of 4 KB and a tail of megabytes, scaled to the total; content is
//! half words, a third numbers, the rest noise, which compresses about as programs and texts do.

use dice::Dice;
use std::fs;
use std::path::Path;

pub const PACKAGES: usize = 301;
pub const FILES: usize = 30_000;
pub const BYTES: f64 = 596.0 * 1024.0 * 1024.0;
/// Of the logarithms of sizes; the mean of the sizes is then five times their median.
const SIGMA: f64 = 1.816;

/// Normally distributed (Box and Muller).
fn normal(numbers: &mut Dice) -> f64 {
    let radius = (-2.0 * numbers.fraction().ln()).sqrt();
    radius * (std::f64::consts::TAU * numbers.fraction()).cos()
}

/// The sizes of all files; their sum is the set's to the byte.
fn sizes() -> Vec<usize> {
    let mut numbers = Dice(596);
    let raw: Vec<f64> = (0..FILES).map(|_| (SIGMA * normal(&mut numbers)).exp()).collect();
    let scale = BYTES / raw.iter().sum::<f64>();
    let mut sizes: Vec<usize> = raw.iter().map(|size| (size * scale) as usize).collect();
    let missing = BYTES as usize - sizes.iter().sum::<usize>();
    sizes[0] += missing;
    sizes
}

/// Content of this size; equal salts give equal content.
fn content(size: usize, salt: u64) -> Vec<u8> {
    let mut numbers = Dice(salt);
    let mut content = Vec::with_capacity(size + 64);
    while content.len() < size {
        match numbers.roll() % 6 {
            0..=2 => {
                for _ in 0..8 {
                    let word = numbers.roll() % 4_096;
                    content.extend(
                        format!("w{word:x}{} ", ["ing", "er", "", "tion"][word as usize % 4])
                            .bytes(),
                    );
                }
            }
            3 | 4 => {
                let base = (numbers.roll() % 100_000) as u32;
                content.extend((0..8u32).flat_map(|step| (base + step * 16).to_le_bytes()));
            }
            _ => content.extend((0..3).flat_map(|_| numbers.roll().to_le_bytes())),
        }
    }
    content.truncate(size);
    content
}

/// Makes an architecture's part of the set, unless it is there: what [`write`] does, and a repository
/// of it, by a shell's line.
pub fn make(place: &Path, arch: &str, run: impl FnOnce(&str)) {
    let done = place.join(format!("done.{arch}"));
    if done.exists() {
        return;
    }
    write(place, arch, &sizes());
    run(&format!(
        "pkgrepo create {arch}; \
         pkgsend -s {arch} publish --fmri-in-manifest -d proto.{arch} m.{arch}/*"
    ));
    fs::write(done, "").unwrap();
}

/// Writes proto area and manifests for an architecture; a fifth of the files are its own.
fn write(place: &Path, arch: &str, sizes: &[usize]) {
    let (proto, manifests) = (place.join(format!("proto.{arch}")), place.join(format!("m.{arch}")));
    fs::create_dir_all(&manifests).unwrap();
    let own = u64::from(arch == "sparc");
    for package in 0..PACKAGES {
        let folder = format!("usr/lib/p{package}");
        fs::create_dir_all(proto.join(&folder)).unwrap();
        let mut text = format!(
            "set name=pkg.fmri value=pkg://bench.example/bench/p{package}@1.0-{package}\n\
             set name=pkg.summary value=\"package {package} of the bench set\"\n\
             set name=variant.arch value={arch}\n\
             dir path={folder} mode=0755 owner=root group=bin\n"
        );
        for file in (package..FILES).step_by(PACKAGES) {
            let path = format!("{folder}/f{file}");
            let salt = (file as u64) << 1 | if file % 5 == 0 { own } else { 0 };
            fs::write(proto.join(&path), content(sizes[file], salt)).unwrap();
            text.push_str(&format!("file path={path} mode=0644 owner=root group=bin\n"));
        }
        fs::write(manifests.join(format!("p{package}.p5m")), text).unwrap();
    }
}
