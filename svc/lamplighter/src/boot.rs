//! boot.rs - a medium under QEMU, its serial console on standard output.

use std::cell::RefCell;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use image_boot::{Accelerator, Boot, Drive, Emulator, Ended, Qemu, Verdict, Way};
use process::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::medium;
use crate::place::Place;

/// What a line of a guest with the right archive contains.
const CONFIRMED: &str = "boot_archive.hash: ok";

/// What is to be booted, and how.
#[derive(Debug)]
pub struct Asked {
    /// The medium; the newest when none is named.
    pub iso: Option<PathBuf>,
    /// By BIOS or UEFI, from a CD or a disk.
    pub way: Way,
    /// How QEMU runs the guest.
    pub accelerator: Accelerator,
    /// MiB.
    pub memory_mb: u32,
    /// How long it may take.
    pub time: Duration,
}

/// An emulator whose guest is heard by the user too, line by line and cleaned.
struct Aloud<'a> {
    emulator: &'a dyn Emulator,
    out: RefCell<&'a mut dyn Write>,
}

impl Emulator for Aloud<'_> {
    fn run(
        &self,
        arguments: &[String],
        time: Duration,
        hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> io::Result<Ended> {
        let mut line = Vec::new();
        let mut both = |bytes: &[u8]| {
            for byte in bytes {
                line.push(*byte);
                if *byte == b'\n' {
                    self.say(&line);
                    line.clear();
                }
            }
            hear(bytes)
        };
        let ended = self.emulator.run(arguments, time, &mut both);
        self.say(&line);
        ended
    }
}

impl Aloud<'_> {
    fn say(&self, line: &[u8]) {
        let mut out = self.out.borrow_mut();
        // A reader who left is no reason to stop the guest.
        let _reader_gone = write!(out, "{}", image_boot::clean(line)).and_then(|()| out.flush());
    }
}

/// Boots; true when the guest confirmed its boot archive.
pub fn boot(place: &Place, asked: &Asked) -> Result<bool> {
    let iso = match &asked.iso {
        Some(iso) => iso.clone(),
        None => medium::newest(place).context("there is no medium yet: lamplighter build")?,
    };
    let about = std::fs::metadata(&iso).with_context(|| iso.display().to_string())?;
    let drive = drive(&iso, about.is_dir(), asked.way.drive);
    let way = Way { drive, ..asked.way };
    let cancel = Cancel::new()?;
    end_by_signals(&cancel)?;
    let qemu = Qemu { cancel: &cancel };
    let mut out = io::stdout().lock();
    eprintln!("booting {}", iso.display());
    said(&boot_aloud(asked, way, &iso, &qemu, &mut out)?)
}

/// As what a medium is put in: what cannot be a CD is none.
fn drive(medium: &Path, is_folder: bool, asked: Drive) -> Drive {
    let extension = medium.extension().and_then(|extension| extension.to_str());
    match extension {
        _ if is_folder => Drive::Network,
        Some("usb" | "raw" | "qcow2" | "vmdk") => Drive::Disk,
        _ => asked,
    }
}

/// Who interrupts this command ends the guest with it.
fn end_by_signals(cancel: &Cancel) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("signals")?;
    let cancel = cancel.clone();
    // Ends with the process; a guest that ends by itself leaves it waiting.
    std::thread::spawn(move || signals.forever().for_each(|_| cancel.set()));
    Ok(())
}

fn boot_aloud(
    asked: &Asked,
    way: Way,
    iso: &Path,
    emulator: &dyn Emulator,
    out: &mut dyn Write,
) -> Result<image_boot::Booted> {
    let aloud = Aloud { emulator, out: RefCell::new(out) };
    let Asked { accelerator, memory_mb, time, .. } = *asked;
    let boot = Boot { iso, way, memory_mb, accelerator, time, pattern: CONFIRMED };
    Ok(image_boot::boot(&boot, &aloud)?)
}

fn said(booted: &image_boot::Booted) -> Result<bool> {
    match booted.verdict {
        Verdict::Seen => Ok(true),
        Verdict::Missed(ended) => {
            eprintln!("lamplighter: the guest did not say \"{CONFIRMED}\" (QEMU {ended})");
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Guest;

    impl Emulator for Guest {
        fn run(
            &self,
            _: &[String],
            _: Duration,
            hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
        ) -> io::Result<Ended> {
            for part in ["\x1b[2Junix: ", "hello\r\nboot_archive.hash: ok\r\nla", "st"] {
                let _ = hear(part.as_bytes());
            }
            Ok(Ended::Exited(33))
        }
    }

    #[test]
    fn the_guest_is_heard_in_whole_lines() {
        let asked = Asked {
            iso: None,
            way: Way::default(),
            accelerator: Accelerator::Tcg,
            memory_mb: 64,
            time: Duration::from_secs(1),
        };
        let mut out = Vec::new();
        let booted = boot_aloud(&asked, asked.way, Path::new("/x.iso"), &Guest, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "unix: hello\nboot_archive.hash: ok\nlast\n");
        assert!(said(&booted).unwrap());
    }

    #[test]
    fn what_cannot_be_a_cd_is_none() {
        for (name, is_folder, asked, wanted) in [
            ("x.iso", false, Drive::Cd, Drive::Cd),
            ("x.iso", false, Drive::Disk, Drive::Disk),
            ("x.usb", false, Drive::Cd, Drive::Disk),
            ("x.qcow2", false, Drive::Cd, Drive::Disk),
            ("x.netboot", true, Drive::Cd, Drive::Network),
        ] {
            assert_eq!(drive(Path::new(name), is_folder, asked), wanted, "{name}");
        }
    }
}
