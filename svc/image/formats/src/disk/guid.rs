//! guid.rs - GUIDs as partition tables hold them: the first three parts little endian.

use std::fmt;

use sha1::{Digest, Sha1};

/// A GUID, in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guid(u128);

impl Guid {
    /// EFI system partition.
    pub const EFI_SYSTEM: Self = Self(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b);
    /// What GRUB calls a BIOS boot partition: its core lies there.
    pub const BIOS_BOOT: Self = Self(0x2168_6148_6449_6e6f_744e_6565_6445_4649);
    /// illumos' V_BOOT: the loader's second stage.
    pub const BOOT: Self = Self(0x6a82_cb45_1dd2_11b2_99a6_0800_2073_6631);
    /// illumos' V_ROOT.
    pub const ROOT: Self = Self(0x6a85_cf4d_1dd2_11b2_99a6_0800_2073_6631);
    /// illumos' V_USR, which ZFS takes.
    pub const ZFS: Self = Self(0x6a89_8cc3_1dd2_11b2_99a6_0800_2073_6631);

    /// The GUID of that text: 8-4-4-4-12 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let digits = parts.concat();
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if lengths != [8, 4, 4, 4, 12] || !plain {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(Self)
    }

    /// A GUID that follows from this one and a name (RFC 9562, version 5).
    pub fn derived(self, name: &str) -> Self {
        let digest = Sha1::new().chain_update(self.0.to_be_bytes()).chain_update(name).finalize();
        let all = digest[..16].iter().fold(0u128, |all, &byte| all << 8 | u128::from(byte));
        let cleared = all & !(0xf << 76 | 0x3 << 62);
        Self(cleared | 0x5 << 76 | 0x2 << 62)
    }

    /// As a table holds it.
    pub fn bytes(self) -> [u8; 16] {
        let mut bytes = self.0.to_be_bytes();
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }

    /// Of what a table holds.
    pub fn of(mut bytes: [u8; 16]) -> Self {
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:032x}", self.0);
        let part = |from: usize, to: usize| &text[from..to];
        let (a, b, c) = (part(0, 8), part(8, 12), part(12, 16));
        write!(out, "{a}-{b}-{c}-{}-{}", part(16, 20), part(20, 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes() {
        let text = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        assert_eq!(Guid::parse(text), Some(Guid::EFI_SYSTEM));
        assert_eq!(Guid::EFI_SYSTEM.to_string(), text);
        let bytes = Guid::EFI_SYSTEM.bytes();
        assert_eq!(bytes[..8], [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11]);
        assert_eq!(Guid::of(bytes), Guid::EFI_SYSTEM);
        for bad in ["", "c12a7328f81f11d2ba4b00a0c93ec93b", "+12a7328-f81f-11d2-ba4b-00a0c93ec93b"]
        {
            assert_eq!(Guid::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn derived_ones_are_version_5() {
        let dns = Guid::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
        // The example of RFC 9562.
        let text = dns.derived("www.example.com").to_string();
        assert_eq!(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    }
}
