//! machine.rs - QEMU's arguments.
//!
//! A PC with the serial line on standard output, no network, no display, and the device
//! isa-debug-exit at port 0xf4: a guest that writes N there ends QEMU with status 2N + 1.

use std::path::Path;
use std::str::FromStr;

/// QEMU's status when the sample kernel is content: 2 * 16 + 1.
pub const DEBUG_EXIT_OK: i32 = 33;

/// How QEMU runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// In software: works everywhere.
    Tcg,
    /// With the host's kernel.
    Kvm,
    /// KVM where a five-second test boot works, else software.
    Auto,
}

/// A word that names no accelerator.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is no accelerator: tcg, kvm or auto")]
pub struct AcceleratorError(String);

impl FromStr for Accelerator {
    type Err = AcceleratorError;

    fn from_str(text: &str) -> Result<Self, AcceleratorError> {
        match text {
            "tcg" => Ok(Self::Tcg),
            "kvm" => Ok(Self::Kvm),
            "auto" => Ok(Self::Auto),
            _ => Err(AcceleratorError(text.to_string())),
        }
    }
}

/// The machine to boot.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The medium, put in as a CD.
    pub iso: &'a Path,
    /// MiB of memory.
    pub memory_mb: u32,
    /// Whether KVM is used.
    pub kvm: bool,
}

impl Machine<'_> {
    /// The arguments; the program is qemu-system-x86_64.
    pub fn arguments(&self) -> Vec<String> {
        // QEMU parses commas in values; a doubled one stands for itself.
        let iso = self.iso.display().to_string().replace(',', ",,");
        [
            "-machine",
            "pc",
            "-accel",
            if self.kvm { "kvm" } else { "tcg" },
            "-cpu",
            "max",
            "-m",
            &self.memory_mb.to_string(),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=0x04",
            "-drive",
            &format!("file={iso},format=raw,if=ide,media=cdrom,readonly=on"),
            "-boot",
            "d",
        ]
        .map(str::to_string)
        .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_path_is_no_option() {
        let machine = Machine { iso: Path::new("/a,b.iso"), memory_mb: 256, kvm: false };
        let arguments = machine.arguments();
        assert!(arguments.iter().any(|word| word.starts_with("file=/a,,b.iso,format=raw,")));
        assert!(arguments.windows(2).any(|pair| pair == ["-accel", "tcg"]));
        assert!(!arguments.iter().any(|word| word == "kvm"));
    }

    #[test]
    fn accelerators() {
        for (text, want) in
            [("tcg", Accelerator::Tcg), ("kvm", Accelerator::Kvm), ("auto", Accelerator::Auto)]
        {
            assert_eq!(text.parse(), Ok(want));
        }
        assert!("hax".parse::<Accelerator>().is_err());
    }
}
