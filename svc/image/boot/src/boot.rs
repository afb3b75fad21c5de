//! boot.rs - one boot from start to verdict; the choice of an accelerator.
//!
//! The emulator is behind a seam ([`Emulator`]): the real one runs QEMU contained, a test's
//! plays a guest.  Invariant: a verdict is only `Seen` when the pattern came as a whole line's
//! part, however QEMU ended.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use process::Ended;

use crate::console::Console;
use crate::machine::{Accelerator, Drive, Machine, NETWORK_ROM, Uefi};
use crate::screen::Watch;

/// The program.
pub const QEMU: &str = "qemu-system-x86_64";

/// How long the test boot of `auto` may take.
const PROBE: Duration = Duration::from_secs(5);

/// The seam to the world: runs an emulator, hands over its output as it comes.
pub trait Emulator {
    /// Runs [`QEMU`] until it ends, `hear` breaks or the time is up; then it and all it started
    /// are gone.
    fn run(
        &self,
        arguments: &[String],
        time: Duration,
        hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> io::Result<Ended>;
}

/// The firmware that starts a medium.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's own BIOS.
    #[default]
    Bios,
    /// OVMF, as the host has it installed.
    Uefi,
}

/// How a medium is started; by itself BIOS and CD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// By what.
    pub firmware: Firmware,
    /// From what.
    pub drive: Drive,
}

impl Way {
    /// All four of a hybrid medium.
    pub const ALL: [Self; 4] = [
        Self { firmware: Firmware::Bios, drive: Drive::Cd },
        Self { firmware: Firmware::Bios, drive: Drive::Disk },
        Self { firmware: Firmware::Uefi, drive: Drive::Cd },
        Self { firmware: Firmware::Uefi, drive: Drive::Disk },
    ];
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let firmware = match self.firmware {
            Firmware::Bios => "BIOS",
            Firmware::Uefi => "UEFI",
        };
        let drive = match self.drive {
            Drive::Cd => "CD",
            Drive::Disk => "disk",
            Drive::Network => "network",
        };
        write!(out, "{firmware}, {drive}")
    }
}

/// What to boot and what to wait for.
#[derive(Debug, Clone, Copy)]
pub struct Boot<'a> {
    /// The medium.
    pub iso: &'a Path,
    /// MiB of memory.
    pub memory_mb: u32,
    /// How the medium is started.
    pub way: Way,
    /// How to run the guest.
    pub accelerator: Accelerator,
    /// How long it may take.
    pub time: Duration,
    /// What a line of a good guest contains.
    pub pattern: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The guest said the pattern.
    Seen,
    /// The emulator ended without it.
    Missed(Ended),
}

/// A boot that took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booted {
    /// What came of it.
    pub verdict: Verdict,
    /// How the emulator ended.
    pub ended: Ended,
    /// What the guest said, cleaned.
    pub text: String,
    /// Whether KVM was used.
    pub kvm: bool,
    /// The last that was seen of its screen, as PNG.
    pub screen: Option<Vec<u8>>,
}

/// Why no boot took place.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// QEMU is not installed.
    #[error("{QEMU} is absent: apt-get install qemu-system-x86")]
    Absent,
    /// OVMF is not installed.
    #[error("there is no UEFI firmware for {QEMU}: apt-get install ovmf")]
    NoUefi,
    /// No card to start from the network by.
    #[error("{} is absent: apt-get install ipxe-qemu", NETWORK_ROM)]
    NoNetwork,
    /// It cannot be started or heard.
    #[error("{QEMU}")]
    Emulator(#[source] io::Error),
}

/// Boots a medium and listens until the emulator ends or its time is up.
///
/// A guest that has said the pattern is not stopped at once: it may have more to say and leaves
/// by itself; when it stays, it is stopped at the end of the time, and the verdict stands.
pub fn boot(boot: &Boot<'_>, emulator: &dyn Emulator) -> Result<Booted, BootError> {
    let uefi = firmware(boot.way.firmware)?;
    if boot.way.drive == Drive::Network && !Path::new(NETWORK_ROM).exists() {
        return Err(BootError::NoNetwork);
    }
    let kvm = match boot.accelerator {
        Accelerator::Tcg => false,
        Accelerator::Kvm => true,
        Accelerator::Auto => probe(&machine(boot, uefi.as_ref(), true), emulator)?,
    };
    run(boot, &machine(boot, uefi.as_ref(), kvm), emulator)
}

/// The accelerator that [`boot`] would use here: whether a guest says anything at all in five
/// seconds of KVM.  `/dev/kvm` that opens proves nothing: it may hang.
pub fn accelerator(boot: &Boot<'_>, emulator: &dyn Emulator) -> Result<Accelerator, BootError> {
    let uefi = firmware(boot.way.firmware)?;
    let kvm = probe(&machine(boot, uefi.as_ref(), true), emulator)?;
    Ok(if kvm { Accelerator::Kvm } else { Accelerator::Tcg })
}

fn firmware(firmware: Firmware) -> Result<Option<Uefi>, BootError> {
    match firmware {
        Firmware::Bios => Ok(None),
        Firmware::Uefi => Uefi::find().map(Some).ok_or(BootError::NoUefi),
    }
}

fn machine<'a>(boot: &Boot<'a>, uefi: Option<&'a Uefi>, kvm: bool) -> Machine<'a> {
    let Boot { iso, memory_mb, way, .. } = *boot;
    Machine { iso, drive: way.drive, uefi, memory_mb, kvm, questions: None }
}

fn probe(machine: &Machine<'_>, emulator: &dyn Emulator) -> Result<bool, BootError> {
    let mut heard = false;
    let mut hear = |bytes: &[u8]| {
        heard |= bytes.contains(&b'\n');
        if heard { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    emulator.run(&machine.arguments(), PROBE, &mut hear).map_err(failed)?;
    Ok(heard)
}

fn run(
    boot: &Boot<'_>,
    machine: &Machine<'_>,
    emulator: &dyn Emulator,
) -> Result<Booted, BootError> {
    let mut console = Console::new(boot.pattern);
    let watch = Watch::new().map_err(BootError::Emulator)?;
    let socket = watch.socket();
    let machine = Machine { questions: Some(&socket), ..*machine };
    let mut hear = |bytes: &[u8]| {
        let before = console.seen();
        if console.take(bytes) && !before {
            watch.look();
        }
        ControlFlow::Continue(())
    };
    let ended = emulator.run(&machine.arguments(), boot.time, &mut hear).map_err(failed)?;
    let verdict = if console.seen() { Verdict::Seen } else { Verdict::Missed(ended) };
    let screen = watch.last();
    Ok(Booted { verdict, ended, text: console.text(), kvm: machine.kvm, screen })
}

fn failed(error: io::Error) -> BootError {
    match error.kind() {
        io::ErrorKind::NotFound => BootError::Absent,
        _ => BootError::Emulator(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guest that says one text under TCG and another under KVM.
    struct Played {
        tcg: &'static str,
        kvm: &'static str,
        ended: Ended,
    }

    impl Emulator for Played {
        fn run(
            &self,
            arguments: &[String],
            _: Duration,
            hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
        ) -> io::Result<Ended> {
            let kvm = arguments.iter().any(|word| word == "kvm");
            for byte in if kvm { self.kvm } else { self.tcg }.bytes() {
                if hear(&[byte]).is_break() {
                    return Ok(Ended::Stopped);
                }
            }
            Ok(self.ended)
        }
    }

    fn asked(accelerator: Accelerator) -> Boot<'static> {
        let time = Duration::from_secs(1);
        let iso = Path::new("/x.iso");
        let way = Way::default();
        Boot { iso, way, memory_mb: 64, accelerator, time, pattern: "hash: ok" }
    }

    #[test]
    fn verdicts() {
        let ended = Ended::Exited(33);
        for (text, verdict) in [
            ("a\r\nhash: ok\r\n", Verdict::Seen),
            ("hash: WRONG\r\n", Verdict::Missed(ended)),
            ("hash: ok", Verdict::Missed(ended)),
        ] {
            let played = Played { tcg: text, kvm: "", ended };
            let booted = boot(&asked(Accelerator::Tcg), &played).unwrap();
            assert_eq!((booted.verdict, booted.kvm), (verdict, false), "{text:?}");
        }
    }

    #[test]
    fn auto_falls_back_when_kvm_says_nothing() {
        for (kvm, used) in [("", false), ("boot\r\nhash: ok\r\n", true)] {
            let played = Played { tcg: "hash: ok\n", kvm, ended: Ended::TimedOut };
            let booted = boot(&asked(Accelerator::Auto), &played).unwrap();
            assert_eq!((booted.verdict, booted.kvm), (Verdict::Seen, used));
        }
    }
}
