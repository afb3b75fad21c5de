//! live.rs - a platform of 22,000 files, 500 MB: built, built again, built with one file changed; the
//! boot archive against tar of the same files.
//!
//! Run: `cargo bench -p tests --bench live`
//! Prints figure and goal; asserts nothing of time.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use image_boot::Qemu;
use image_rooted::host::Contained;
use live::archive::Form;
use live::build::{Built, Request, World, build};
use live::media::Media;
use live::places::Place;
use process::Cancel;
use tests::sample::sample;

const FILES: usize = 22_000;
const BYTES: usize = 500_000_000;
const ROUNDS: usize = 3;

/// A workspace: proto area, overlay and manifest.
fn workspace(top: &Path) {
    let bytes = sample(128 << 20);
    let proto = top.join("proto");
    let mut manifest = String::new();
    let mut put = |path: &str, bytes: &[u8]| {
        fs::write(proto.join(path), bytes).expect("a new file");
        let _done = writeln!(manifest, "f {path} 0444 root bin");
    };
    for folder in ["etc", "var", "var/log", "platform/i86pc/kernel/amd64", "usr"] {
        fs::create_dir_all(proto.join(folder)).expect("a new folder");
    }
    put("etc/passwd", b"root:x:0:0:::\n");
    put("etc/group", b"root::0:\nbin::2:\nsys::3:\n");
    let mut kernel = b"\x7fELF\x02\x01".to_vec();
    kernel.resize(4096, 0);
    kernel[18] = 0x3e;
    put("platform/i86pc/kernel/amd64/unix", &kernel);
    let (mut at, mut left) = (0, BYTES);
    for index in 0..FILES {
        let folder = format!("usr/d{:03}", index / 100);
        if index % 100 == 0 {
            fs::create_dir(proto.join(&folder)).expect("a new folder");
        }
        let size = match index % 30 {
            0 => BYTES / (FILES / 30) - 29 * 5_000,
            odd => odd * 333,
        };
        let size = size.min(left).min(bytes.len());
        left -= size;
        at = if at + size > bytes.len() { 0 } else { at };
        put(&format!("{folder}/f{index:05}"), &bytes[at..at + size]);
        at += size;
    }
    let folders = (0..FILES.div_ceil(100)).map(|number| format!("usr/d{number:03}"));
    let above = ["etc", "var", "var/log", "usr", "platform", "platform/i86pc"];
    let above = above.map(str::to_owned).into_iter();
    let kernel = ["platform/i86pc/kernel", "platform/i86pc/kernel/amd64"].map(str::to_owned);
    for folder in above.chain(kernel).chain(folders) {
        let _done = writeln!(manifest, "d {folder} 0755 root sys");
    }
    fs::write(top.join("manifest"), manifest).expect("a manifest");
}

fn request(top: &Path, form: Form) -> Request {
    let proto = fs::canonicalize(top.join("proto")).expect("a proto area");
    Request {
        top: top.to_owned(),
        manifests: vec![top.join("manifest")],
        places: vec![Place { letter: 'P', dir: proto, is_man: false, is_host: false }],
        header: Vec::new(),
        output: top.join("output"),
        logs: top.join("log"),
        stamp: "20110308T012345Z".parse().expect("a stamp"),
        version: None,
        time: 1_299_547_425,
        password: None,
        scripts: top.join("tools"),
        second: String::new(),
        form,
        pad_mb: 32,
        media: Media::default(),
    }
}

/// One build: its seconds, and the seconds after which each phase began.
fn timed(request: &Request) -> (f64, Vec<(String, f64)>, Built) {
    let cancel = Cancel::new().expect("descriptors");
    let phases = RefCell::new(Vec::new());
    let start = Instant::now();
    let world = World {
        cancel: &cancel,
        hear: &|line| {
            let head = ["Writing", "boot archive:", "creating"];
            if head.iter().any(|head| line.starts_with(head)) {
                let name = line.split(' ').next().unwrap_or("").to_owned();
                phases.borrow_mut().push((name, start.elapsed().as_secs_f64()));
            }
        },
        progress: &|phase, _, _, _| {
            phases.borrow_mut().push((phase.to_owned(), start.elapsed().as_secs_f64()));
        },
        tools: &Contained { cancel: &cancel },
        emulator: &Qemu { cancel: &cancel },
    };
    let built = build(request, &world).expect("a platform");
    let seconds = start.elapsed().as_secs_f64();
    (seconds, phases.into_inner(), built)
}

fn told(what: &str, goal: &str, (seconds, phases, built): &(f64, Vec<(String, f64)>, Built)) {
    println!("{what:<34} {seconds:>6.2} s   {goal}   ({} files read)", built.read);
    for (phase, at) in phases {
        println!("      {at:>6.2} s {phase}");
    }
}

fn main() {
    let scratch = tempfile::tempdir().expect("a place");
    let top = scratch.path();
    fs::create_dir(top.join("proto")).expect("a new folder");
    workspace(top);
    let tar = (0..ROUNDS).map(|_| {
        let out = top.join("out.tar");
        drop(fs::remove_file(&out));
        let start = Instant::now();
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&out).arg("-C").arg(top.join("proto")).arg(".");
        assert!(tar.status().is_ok_and(|status| status.success()));
        start.elapsed().as_secs_f64()
    });
    let tar = tar.fold(f64::INFINITY, f64::min);
    println!("tar cf, {FILES} files, {} MB: {tar:.2} s", BYTES / 1_000_000);
    let text = fs::read_to_string(top.join("manifest")).expect("a manifest");
    let start = Instant::now();
    let (manifest, problems) = live_manifest::Manifest::parse("manifest", &text);
    let wrong = live_manifest::check(&manifest, None);
    assert!(problems.is_empty() && wrong.is_empty());
    println!("manifest read and checked: {:.1} ms, goal 50", start.elapsed().as_secs_f64() * 1e3);
    for (form, byte) in [(Form::Ufs, b'x'), (Form::UsrLofi, b'y')] {
        println!("{form:?}");
        let request = request(top, form);
        let plain = |(seconds, phases, _): &(f64, Vec<(String, f64)>, Built)| {
            let packing = phases.iter().find(|(phase, _)| phase == "compression");
            packing.map_or(*seconds, |(_, at)| *at)
        };
        // As of tar, the best of a few.
        let full = (0..ROUNDS).map(|_| {
            drop(fs::remove_dir_all(top.join("output")));
            timed(&request)
        });
        let full = full.min_by(|one, other| plain(one).total_cmp(&plain(other))).expect("a round");
        let plain = plain(&full);
        let ratio = plain / tar;
        told("everything", "to the archive: 6 s", &full);
        println!("    to the file system {plain:.2} s: {ratio:.2} x tar, goal 1.5");
        told("again", "goal 1 s", &timed(&request));
        let changed = top.join("proto/usr/d110/f11001");
        let length = fs::metadata(&changed).expect("a file").len() as usize;
        fs::write(&changed, vec![byte; length]).expect("another file");
        let one = timed(&request);
        told("one file changed", "goal 40 %", &one);
        println!("    {:.0} % of everything", one.0 / full.0 * 100.0);
    }
}
