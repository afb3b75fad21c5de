//! privilege - privilege sets (privileges(7)) and what stands for them here: capabilities.
//!
//! ```text
//! basic,!proc_info,net_privaddr      names and sets, added from left to right; ! or - takes away
//! ```
//!
//! A privilege without a capability behind it is one that every process has here (the basic ones)
//! or nobody can be given; it is accepted, and the log says that nothing came of it.

use std::collections::BTreeSet;

/// What every process has.
const BASIC: [&str; 9] = [
    "file_link_any",
    "file_read",
    "file_write",
    "net_access",
    "proc_exec",
    "proc_fork",
    "proc_info",
    "proc_secflags",
    "proc_session",
];

/// The others, with the numbers of the capabilities (capabilities(7)) that stand for each.
const OTHERS: [(&str, &[u8]); 75] = [
    ("contract_event", &[]),
    ("contract_identity", &[]),
    ("contract_observer", &[]),
    ("cpc_cpu", &[38]),
    ("dtrace_kernel", &[39]),
    ("dtrace_proc", &[]),
    ("dtrace_user", &[]),
    ("file_chown", &[0]),
    ("file_chown_self", &[]),
    ("file_dac_execute", &[1]),
    ("file_dac_read", &[2]),
    ("file_dac_search", &[2]),
    ("file_dac_write", &[1]),
    ("file_downgrade_sl", &[33]),
    ("file_flag_set", &[9]),
    ("file_owner", &[3]),
    ("file_setid", &[4]),
    ("file_upgrade_sl", &[32]),
    ("graphics_access", &[]),
    ("graphics_map", &[]),
    ("ipc_dac_read", &[15]),
    ("ipc_dac_write", &[15]),
    ("ipc_owner", &[15]),
    ("net_bindmlp", &[]),
    ("net_icmpaccess", &[13]),
    ("net_mac_aware", &[]),
    ("net_mac_implicit", &[]),
    ("net_observability", &[13]),
    ("net_privaddr", &[10]),
    ("net_rawaccess", &[13]),
    ("proc_audit", &[29]),
    ("proc_chroot", &[18]),
    ("proc_clock_highres", &[]),
    ("proc_lock_memory", &[14]),
    ("proc_owner", &[5, 19]),
    ("proc_prioup", &[23]),
    ("proc_priocntl", &[23]),
    ("proc_setid", &[6, 7]),
    ("proc_taskid", &[]),
    ("proc_zone", &[5]),
    ("sys_acct", &[20]),
    ("sys_admin", &[21]),
    ("sys_audit", &[30, 37]),
    ("sys_config", &[16, 22]),
    ("sys_devices", &[17, 27]),
    ("sys_dl_config", &[12]),
    ("sys_flow_config", &[12]),
    ("sys_fs_import", &[21]),
    ("sys_ib_config", &[]),
    ("sys_ip_config", &[12]),
    ("sys_ipc_config", &[24]),
    ("sys_iptun_config", &[12]),
    ("sys_linkdir", &[]),
    ("sys_mount", &[21]),
    ("sys_net_config", &[12]),
    ("sys_nfs", &[]),
    ("sys_ppp_config", &[12]),
    ("sys_res_bind", &[23]),
    ("sys_res_config", &[24]),
    ("sys_resource", &[24]),
    ("sys_share", &[]),
    ("sys_smb", &[]),
    ("sys_suser_compat", &[]),
    ("sys_time", &[25]),
    ("sys_trans_label", &[]),
    ("virt_manage", &[21]),
    ("win_colormap", &[]),
    ("win_config", &[]),
    ("win_dac_read", &[]),
    ("win_dac_write", &[]),
    ("win_devices", &[]),
    ("win_dga", &[]),
    ("win_fontpath", &[]),
    ("win_mac_read", &[]),
    ("xvm_control", &[]),
];

/// A set of privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    held: BTreeSet<&'static str>,
    /// Words that ask for what cannot be done here.
    pub unmet: Vec<String>,
}

impl Privileges {
    /// Reads a list.
    ///
    /// # Errors
    /// The word that is neither a privilege nor a set.
    pub fn parse(text: &str) -> Result<Privileges, String> {
        let mut privileges = Privileges { held: BTreeSet::new(), unmet: Vec::new() };
        let every = || BASIC.into_iter().chain(OTHERS.iter().map(|(name, _)| *name));
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let bare = word.trim_start_matches(['!', '-']);
            let gives = bare == word;
            let named: Vec<&'static str> = match bare {
                "all" | "zone" => every().collect(),
                "basic" | "default" => BASIC.to_vec(),
                "none" => Vec::new(),
                one => every().filter(|name| *name == one).collect(),
            };
            if named.is_empty() && bare != "none" {
                return Err(bare.to_owned());
            }
            if let [one] = named[..] {
                let basic = BASIC.contains(&one);
                if basic != gives && (basic || mask_of(one) == 0) {
                    privileges.unmet.push(word.to_owned());
                }
            }
            if gives {
                privileges.held.extend(named);
            } else {
                privileges.held.retain(|name| !named.contains(name));
            }
        }
        Ok(privileges)
    }

    /// Capabilities, a bit each.  Whoever has every privilege has every capability, those that no
    /// privilege stands for included.
    #[must_use]
    pub fn capabilities(&self) -> u64 {
        if self.held.len() == BASIC.len() + OTHERS.len() {
            return u64::MAX;
        }
        self.held.iter().fold(0, |mask, name| mask | mask_of(name))
    }
}

fn mask_of(privilege: &str) -> u64 {
    let numbers = OTHERS.iter().find(|(name, _)| *name == privilege).map_or(&[][..], |(_, n)| *n);
    numbers.iter().fold(0, |mask, number| mask | 1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        for (text, mask, unmet) in [
            ("all", u64::MAX, &[][..]),
            ("zone", u64::MAX, &[]),
            ("none", 0, &[]),
            ("basic", 0, &[]),
            ("basic,net_privaddr", 1 << 10, &[]),
            (
                "basic,!proc_info, !file_link_any,net_privaddr",
                1 << 10,
                &["!proc_info", "!file_link_any"],
            ),
            ("proc_owner,proc_setid", 1 << 5 | 1 << 19 | 1 << 6 | 1 << 7, &[]),
            ("basic,sys_nfs", 0, &["sys_nfs"]),
            ("file_chown,-file_chown", 0, &[]),
        ] {
            let found = Privileges::parse(text).unwrap();
            let unmet: Vec<String> = unmet.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!((mask, unmet), (found.capabilities(), found.unmet), "{text}");
        }
        let most = Privileges::parse("all,!sys_time").unwrap().capabilities();
        assert_eq!((0, 1 << 0), (most & 1 << 25, most & 1 << 0));
        assert_eq!(Err("everything".to_owned()), Privileges::parse("basic,everything"));
    }
}
