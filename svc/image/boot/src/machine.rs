//! machine.rs - QEMU's arguments.
//!
//! A PC with the serial line on standard output, a screen that nobody sees, no network but the one
//! it starts from, and the device isa-debug-exit at port 0xf4: a guest that writes N there ends QEMU
//! with status 2N + 1.

use std::path::{Path, PathBuf};
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

/// What the machine has instead of a BIOS, as two files: OVMF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uefi {
    /// The firmware itself.
    pub code: PathBuf,
    /// The variables it starts with; they are read only, what the guest changes is forgotten.
    pub variables: PathBuf,
}

/// Where distributions of Linux keep OVMF: the firmware, and its variables.
const UEFI: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
];

impl Uefi {
    /// The one that is installed.
    pub fn find() -> Option<Self> {
        let both = |(code, variables): &&(&str, &str)| {
            Path::new(code).exists() && Path::new(variables).exists()
        };
        let (code, variables) = UEFI.iter().find(both)?;
        Some(Self { code: code.into(), variables: variables.into() })
    }
}

/// As what the medium is put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drive {
    /// A CD.
    #[default]
    Cd,
    /// A disk, as a USB stick is one; of the form that its file's name ends in: qcow2, vmdk, else
    /// raw.
    Disk,
    /// The network: the folder is what a server offers by TFTP, `boot.ipxe` what it starts from.
    Network,
}

/// QEMU's ROM with iPXE for the network card it starts from.
pub(crate) const NETWORK_ROM: &str = "/usr/lib/ipxe/qemu/efi-e1000.rom";

/// The form of a disk, as QEMU calls it.
fn format(disk: &Path) -> &'static str {
    match disk.extension().and_then(|extension| extension.to_str()) {
        Some("qcow2") => "qcow2",
        Some("vmdk") => "vmdk",
        _ => "raw",
    }
}

/// The machine to boot.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The medium: a file, or of a network a folder.
    pub iso: &'a Path,
    /// As what it is put in.
    pub drive: Drive,
    /// The firmware; `None`: QEMU's own BIOS.
    pub uefi: Option<&'a Uefi>,
    /// MiB of memory for the guest; UEFI has its own beside.
    pub memory_mb: u32,
    /// Whether KVM is used.
    pub kvm: bool,
    /// Where QEMU listens for questions about itself.
    pub questions: Option<&'a Path>,
}

/// MiB that OVMF takes for itself.
const UEFI_MB: u32 = 128;

impl Machine<'_> {
    /// The arguments; the program is qemu-system-x86_64.
    pub fn arguments(&self) -> Vec<String> {
        let iso = value(self.iso);
        let (board, own_mb) = if self.uefi.is_some() { ("q35", UEFI_MB) } else { ("pc", 0) };
        let mut arguments = [
            "-machine",
            board,
            "-accel",
            if self.kvm { "kvm" } else { "tcg" },
            "-cpu",
            "max",
            "-m",
            &(self.memory_mb + own_mb).to_string(),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-device",
            "VGA",
            "-monitor",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]
        .map(str::to_string)
        .to_vec();
        let mut drive = |text: String| arguments.extend(["-drive".to_string(), text]);
        if let Some(uefi) = self.uefi {
            let code = value(&uefi.code);
            drive(format!("file={code},if=pflash,unit=0,format=raw,readonly=on"));
            // QEMU takes what the firmware writes into a file that has no name.
            let variables = value(&uefi.variables);
            drive(format!("file={variables},if=pflash,unit=1,format=raw,snapshot=on"));
        }
        let form = format(self.iso);
        match self.drive {
            Drive::Cd => drive(format!("file={iso},format=raw,if=ide,media=cdrom,readonly=on")),
            Drive::Disk => {
                drive(format!("file={iso},format={form},if=ide,media=disk,snapshot=on"));
            }
            Drive::Network => {
                let net = format!("user,id=net,tftp={iso},bootfile=boot.ipxe");
                let card = "e1000,netdev=net".to_string();
                arguments.extend(["-netdev".to_string(), net, "-device".to_string(), card]);
            }
        }
        let boot = match self.drive {
            Drive::Cd => "d",
            Drive::Disk => "c",
            Drive::Network => "n",
        };
        arguments.extend(["-boot".to_string(), boot.to_string()]);
        if let Some(socket) = self.questions {
            let socket = format!("unix:{},server=on,wait=off", value(socket));
            arguments.extend(["-qmp".to_string(), socket]);
        }
        arguments
    }
}

/// QEMU parses commas in values; a doubled one stands for itself.
fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_path_is_no_option() {
        let drive = Drive::Cd;
        let iso = Path::new("/a,b.iso");
        let machine =
            Machine { iso, drive, uefi: None, memory_mb: 256, kvm: false, questions: None };
        let arguments = machine.arguments();
        assert!(arguments.iter().any(|word| word.starts_with("file=/a,,b.iso,format=raw,")));
        assert!(arguments.windows(2).any(|pair| pair == ["-accel", "tcg"]));
        assert!(!arguments.iter().any(|word| word == "kvm"));
    }

    #[test]
    fn firmware_and_medium_stay_as_they_are() {
        let uefi = Uefi { code: "/code".into(), variables: "/variables".into() };
        for drive in [Drive::Cd, Drive::Disk] {
            let iso = Path::new("/x.iso");
            let machine = Machine {
                iso,
                drive,
                uefi: Some(&uefi),
                memory_mb: 256,
                kvm: false,
                questions: None,
            };
            let arguments = machine.arguments();
            let drives: Vec<&String> =
                arguments.iter().filter(|word| word.starts_with("file=")).collect();
            assert_eq!(drives.len(), 3);
            for text in drives {
                assert!(text.ends_with("readonly=on") || text.ends_with("snapshot=on"), "{text}");
            }
            assert!(arguments.windows(2).any(|pair| pair == ["-m", "384"]));
        }
    }

    #[test]
    fn forms_and_ways() {
        for (name, drive, wanted) in [
            ("/x.iso", Drive::Cd, "file=/x.iso,format=raw,if=ide,media=cdrom,readonly=on -boot d"),
            ("/x.raw", Drive::Disk, "file=/x.raw,format=raw,if=ide,media=disk,snapshot=on -boot c"),
            ("/x.qcow2", Drive::Disk, "format=qcow2,if=ide,media=disk,snapshot=on -boot c"),
            ("/x.vmdk", Drive::Disk, "format=vmdk,if=ide,media=disk,snapshot=on -boot c"),
            (
                "/x.netboot",
                Drive::Network,
                "-netdev user,id=net,tftp=/x.netboot,bootfile=boot.ipxe -device e1000,netdev=net \
                 -boot n",
            ),
        ] {
            let (iso, socket) = (Path::new(name), Path::new("/q"));
            let mut machine =
                Machine { iso, drive, uefi: None, memory_mb: 256, kvm: false, questions: None };
            let text = machine.arguments().join(" ");
            assert!(text.ends_with(wanted), "{text}");
            machine.questions = Some(socket);
            let text = machine.arguments().join(" ");
            assert!(text.ends_with(" -qmp unix:/q,server=on,wait=off"), "{text}");
        }
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
