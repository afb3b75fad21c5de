//! accounts.rs - users and groups of the image, from its own passwd and group files.

use std::collections::BTreeMap;

/// Names to numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Users.
    pub users: BTreeMap<String, u32>,
    /// Groups.
    pub groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads passwd(5) and group(5): name, password and number are their first fields.  Of a name
    /// that stands twice the first counts, as for the system itself.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Accounts {
        let read = |text: &str| {
            let mut numbers = BTreeMap::new();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let mut fields = line.split(':');
                let (Some(name), Some(id)) = (fields.next(), fields.nth(1)) else { continue };
                if let (false, Ok(id)) = (name.is_empty(), id.parse()) {
                    numbers.entry(name.to_owned()).or_insert(id);
                }
            }
            numbers
        };
        Accounts { users: read(passwd), groups: read(group) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_files_say() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\n# no\nbad\n:x:1:1::/:\nadm:x:4:4:::\nroot:x:9:9:::\n";
        let accounts = Accounts::parse(passwd, "root::0:\nsys::3:root\n");
        assert_eq!(accounts.users, [("root".into(), 0), ("adm".into(), 4)].into());
        assert_eq!(accounts.groups, [("root".into(), 0), ("sys".into(), 3)].into());
    }
}
