//! accounts.rs - group and user actions, as edits of an image's account files.
//!
//! ```text
//! etc/passwd          NAME:x:UID:GID:GCOS:HOME:SHELL
//! etc/shadow          NAME:PASSWORD:LASTCHG:MIN:MAX:WARN:INACTIVE:EXPIRE:FLAG
//! etc/group           NAME:PASSWORD:GID:MEMBER,MEMBER
//! etc/ftpd/ftpusers   NAME                       (users that may not use ftp)
//! ```
//!
//! Law: lines keep their order; a changed entry keeps its place, a new one is appended; lines that
//! are no entry (comments, `+`, `-`) stay as they are.  Owners of an image's files come from here
//! and never from the host.
//!
//! Not here: reading and writing the files.

/// The first and last number given to accounts whose action names none.
const FREE: std::ops::RangeInclusive<u32> = 100..=499;

/// Why an account cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AccountError {
    /// The user's primary or secondary group is in no group file.
    #[error("user {user}: the image has no group {group}")]
    NoGroup {
        /// The user.
        user: String,
        /// The missing group.
        group: String,
    },
    /// Numbers 100 to 499 are all taken.
    #[error("{name}: no free number from 100 to 499")]
    NoNumber {
        /// The user or group.
        name: String,
    },
    /// A field that would break the line it is written to.
    #[error("{name}: \"{text}\" does not fit into an account file")]
    Field {
        /// The user or group.
        name: String,
        /// The offending text.
        text: String,
    },
}

/// What a user action asks for; `None` is: as it is, else the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric id.
    pub uid: Option<u32>,
    /// Name of the primary group.
    pub group: String,
    /// The shadow password field.
    pub password: Option<String>,
    /// The gcos field.
    pub gcos: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Names of further groups.
    pub groups: Vec<String>,
    /// Whether the user may use ftp; false puts the name into ftpusers.
    pub ftp: bool,
    /// lastchg, min, max, warn, inactive, expire, flag.
    pub aging: [Option<String>; 7],
}

/// The account files of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    passwd: Vec<String>,
    shadow: Vec<String>,
    group: Vec<String>,
    ftpusers: Vec<String>,
}

impl Accounts {
    /// Reads the four files; one the image has not is empty.
    pub fn parse(passwd: &str, shadow: &str, group: &str, ftpusers: &str) -> Self {
        let lines = |text: &str| text.lines().map(str::to_string).collect();
        Self {
            passwd: lines(passwd),
            shadow: lines(shadow),
            group: lines(group),
            ftpusers: lines(ftpusers),
        }
    }

    /// The text of etc/passwd.
    pub fn passwd(&self) -> String {
        text(&self.passwd)
    }

    /// The text of etc/shadow.
    pub fn shadow(&self) -> String {
        text(&self.shadow)
    }

    /// The text of etc/group.
    pub fn group(&self) -> String {
        text(&self.group)
    }

    /// The text of etc/ftpd/ftpusers.
    pub fn ftpusers(&self) -> String {
        text(&self.ftpusers)
    }

    /// The number of a user.
    pub fn uid(&self, name: &str) -> Option<u32> {
        field(entry(&self.passwd, name)?, 2)?.parse().ok()
    }

    /// The number of a group.
    pub fn gid(&self, name: &str) -> Option<u32> {
        field(entry(&self.group, name)?, 2)?.parse().ok()
    }

    /// A group action.  A group that is there gets the number; its members stay.
    pub fn add_group(&mut self, name: &str, gid: Option<u32>) -> Result<(), AccountError> {
        check(name, name)?;
        let old = self.gid(name);
        let gid = match gid.or(old) {
            Some(gid) => gid,
            None => free(&self.group, name)?,
        };
        if let (Some(old), true) = (old, old != Some(gid)) {
            self.move_primary_group(old, gid);
        }
        let members = entry(&self.group, name).and_then(|line| field(line, 3)).unwrap_or("");
        let line = format!("{name}::{gid}:{members}");
        put(&mut self.group, name, line);
        Ok(())
    }

    /// Users whose primary group changes its number stay in it.
    fn move_primary_group(&mut self, old: u32, new: u32) {
        let old = old.to_string();
        for line in &mut self.passwd {
            let mut fields: Vec<String> = line.split(':').map(str::to_string).collect();
            if fields.len() == 7 && fields[3] == old {
                fields[3] = new.to_string();
                *line = fields.join(":");
            }
        }
    }

    /// A user action.  `today` is the number of days since 1970 that a new entry says its
    /// password was changed on.
    pub fn add_user(&mut self, user: &User, today: u64) -> Result<(), AccountError> {
        let name = user.name.as_str();
        let given = [&user.password, &user.gcos, &user.home, &user.shell];
        let texts = given.into_iter().chain(&user.aging).flatten().map(String::as_str);
        for text in texts.chain([name]) {
            check(name, text)?;
        }
        let missing =
            |group: &str| AccountError::NoGroup { user: name.into(), group: group.into() };
        let gid = self.gid(&user.group).ok_or_else(|| missing(&user.group))?;
        if let Some(group) = user.groups.iter().find(|group| self.gid(group).is_none()) {
            return Err(missing(group));
        }
        let uid = match user.uid.or(self.uid(name)) {
            Some(uid) => uid,
            None => free(&self.passwd, name)?,
        };
        let line = passwd_line(entry(&self.passwd, name), user, uid, gid);
        put(&mut self.passwd, name, line);
        let line = shadow_line(entry(&self.shadow, name), user, today);
        put(&mut self.shadow, name, line);
        for group in &user.groups {
            self.add_member(group, name);
        }
        self.ftpusers.retain(|line| line != name);
        if !user.ftp {
            self.ftpusers.push(name.to_string());
        }
        Ok(())
    }

    /// Takes a user out of every file.
    pub fn remove_user(&mut self, name: &str) {
        let other = |line: &String| !(is_entry(line) && field(line, 0) == Some(name));
        self.passwd.retain(other);
        self.shadow.retain(other);
        self.ftpusers.retain(|line| line != name);
        let groups: Vec<String> =
            self.group.iter().filter_map(|line| field(line, 0)).map(str::to_string).collect();
        for group in groups {
            self.remove_member(&group, name);
        }
    }

    /// Takes a group out.
    pub fn remove_group(&mut self, name: &str) {
        self.group.retain(|line| !(is_entry(line) && field(line, 0) == Some(name)));
    }

    /// Takes a user out of a group.
    pub fn remove_member(&mut self, group: &str, name: &str) {
        let Some(line) = entry(&self.group, group) else { return };
        let mut fields: Vec<&str> = line.split(':').collect();
        fields.resize(4, "");
        let members: Vec<&str> =
            fields[3].split(',').filter(|one| !one.is_empty() && *one != name).collect();
        let members = members.join(",");
        fields[3] = &members;
        let line = fields.join(":");
        put(&mut self.group, group, line);
    }

    fn add_member(&mut self, group: &str, name: &str) {
        let Some(line) = entry(&self.group, group) else { return };
        let mut fields: Vec<&str> = line.split(':').collect();
        fields.resize(4, "");
        let mut members: Vec<&str> = fields[3].split(',').filter(|m| !m.is_empty()).collect();
        if !members.contains(&name) {
            members.push(name);
        }
        let members = members.join(",");
        fields[3] = &members;
        let line = fields.join(":");
        put(&mut self.group, group, line);
    }
}

fn passwd_line(old: Option<&str>, user: &User, uid: u32, gid: u32) -> String {
    let kept = |index: usize, default: &str| -> String {
        old.and_then(|line| field(line, index)).unwrap_or(default).to_string()
    };
    let said = |given: &Option<String>, index, default: &str| {
        given.clone().unwrap_or_else(|| kept(index, default))
    };
    let gcos = said(&user.gcos, 4, "& User");
    let home = said(&user.home, 5, "/");
    let shell = said(&user.shell, 6, "");
    format!("{}:{}:{uid}:{gid}:{gcos}:{home}:{shell}", user.name, kept(1, "x"))
}

fn shadow_line(old: Option<&str>, user: &User, today: u64) -> String {
    let today = today.to_string();
    let kept = |index: usize, default: &str| -> String {
        old.and_then(|line| field(line, index)).unwrap_or(default).to_string()
    };
    let mut fields = vec![user.name.clone()];
    fields.push(user.password.clone().unwrap_or_else(|| kept(1, "*LK*")));
    for (index, given) in user.aging.iter().enumerate() {
        let default = if index == 0 { today.as_str() } else { "" };
        fields.push(given.clone().unwrap_or_else(|| kept(index + 2, default)));
    }
    fields.join(":")
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn field(line: &str, index: usize) -> Option<&str> {
    line.split(':').nth(index)
}

fn is_entry(line: &str) -> bool {
    !line.starts_with(['#', '+', '-']) && line.contains(':')
}

fn entry<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    let mut entries = lines.iter().map(String::as_str).filter(|line| is_entry(line));
    entries.find(|line| field(line, 0) == Some(name))
}

fn put(lines: &mut Vec<String>, name: &str, line: String) {
    let there = lines.iter_mut().find(|old| is_entry(old) && field(old, 0) == Some(name));
    match there {
        Some(old) => *old = line,
        None => lines.push(line),
    }
}

fn free(lines: &[String], name: &str) -> Result<u32, AccountError> {
    let taken: Vec<&str> = lines.iter().filter_map(|line| field(line, 2)).collect();
    let mut numbers = FREE;
    let number = numbers.find(|number| !taken.contains(&number.to_string().as_str()));
    number.ok_or_else(|| AccountError::NoNumber { name: name.to_string() })
}

/// A colon or line break in an attribute would forge fields or whole accounts.
fn check(name: &str, text: &str) -> Result<(), AccountError> {
    if text.contains([':', '\n', '\r']) || name.is_empty() {
        return Err(AccountError::Field { name: name.to_string(), text: text.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Accounts {
        Accounts::parse(
            "root:x:0:0:Super-User:/root:/bin/bash\n# a comment: kept\nold:x:9:4::/:\n",
            "root:*LK*:6445::::::\nold:NP:6445::::::\n",
            "root::0:\nadm::4:root,daemon\n+:::\n",
            "root\n",
        )
    }

    #[test]
    fn new_accounts_are_appended() {
        let mut accounts = base();
        accounts.add_group("picker", Some(77)).unwrap();
        accounts.add_group("grower", None).unwrap();
        let picker = User {
            name: "picker".into(),
            uid: Some(77),
            group: "picker".into(),
            password: Some("NP".into()),
            gcos: Some("Fruit Picker".into()),
            home: Some("/var/spool".into()),
            shell: Some("/usr/bin/bash".into()),
            groups: vec!["adm".into()],
            ftp: false,
            ..User::default()
        };
        accounts.add_user(&picker, 20779).unwrap();
        let aging = ["19000", "1", "90", "7", "30", "20000"].map(|text| Some(text.to_string()));
        let [lastchg, min, max, warn, inactive, expire] = aging;
        let sower = User {
            name: "sower".into(),
            group: "grower".into(),
            ftp: true,
            aging: [lastchg, min, max, warn, inactive, expire, None],
            ..User::default()
        };
        accounts.add_user(&sower, 20779).unwrap();
        let tail = |text: String| text.lines().rev().take(2).collect::<Vec<_>>().join("|");
        assert_eq!(
            tail(accounts.passwd()),
            "sower:x:100:100:& User:/:|picker:x:77:77:Fruit Picker:/var/spool:/usr/bin/bash"
        );
        assert_eq!(
            tail(accounts.shadow()),
            "sower:*LK*:19000:1:90:7:30:20000:|picker:NP:20779::::::"
        );
        let group = "root::0:\nadm::4:root,daemon,picker\n+:::\npicker::77:\ngrower::100:\n";
        assert_eq!(accounts.group(), group);
        assert_eq!(accounts.ftpusers(), "root\npicker\n");
        assert_eq!((accounts.uid("sower"), accounts.gid("grower")), (Some(100), Some(100)));
    }

    #[test]
    fn what_is_there_keeps_its_place_and_what_is_not_said() {
        let mut accounts = base();
        accounts.add_group("adm", Some(5)).unwrap();
        let user = User {
            name: "old".into(),
            group: "adm".into(),
            home: Some("/h".into()),
            ftp: true,
            ..User::default()
        };
        accounts.add_user(&user, 1).unwrap();
        let passwd = "root:x:0:0:Super-User:/root:/bin/bash\n# a comment: kept\nold:x:9:5::/h:\n";
        assert_eq!(accounts.passwd(), passwd);
        assert_eq!(accounts.shadow(), "root:*LK*:6445::::::\nold:NP:6445::::::\n");
    }

    #[test]
    fn who_goes_leaves_nothing_behind() {
        let mut accounts = base();
        let user = User {
            name: "picker".into(),
            group: "adm".into(),
            groups: vec!["adm".into()],
            ..User::default()
        };
        accounts.add_group("picker", None).unwrap();
        accounts.add_user(&user, 1).unwrap();
        assert_ne!(accounts, base());
        accounts.remove_user("picker");
        accounts.remove_group("picker");
        assert_eq!(accounts, base());
        accounts.remove_group("+");
        assert_eq!(accounts, base());
    }

    #[test]
    fn forged_fields_and_missing_groups_are_refused() {
        let mut accounts = base();
        for (name, gcos, group) in
            [("a:b", "", "adm"), ("a", "x\nroot2:x:0", "adm"), ("a", "", "none"), ("", "", "adm")]
        {
            let (name, gcos, group) = (name.to_string(), Some(gcos.to_string()), group.to_string());
            let user = User { name, gcos, group, ..User::default() };
            assert!(accounts.add_user(&user, 1).is_err(), "{user:?}");
        }
        assert_eq!(accounts, base());
    }
}
