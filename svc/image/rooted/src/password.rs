//! password.rs - the password of root, into an image's etc/shadow.
//!
//! How it is encrypted is the image's business: CRYPT_DEFAULT of its etc/security/policy.conf where
//! its crypt.conf knows that, else the first of CRYPT_ALGORITHMS_ALLOW.  Of these we know 5 and 6
//! (SHA-256, SHA-512); where neither is allowed, 5, which every illumos has.

use anyhow::{Context, Result, bail};
use sha_crypt::{Sha256Params, Sha512Params};

use crate::root::{Owned, Rooted};

const SHADOW: &str = "etc/shadow";
/// As many rounds as crypt_sha256(7) and crypt_sha512(7) make when no number is named.
const ROUNDS: usize = 5000;

/// Puts an encrypted password into root's line.
pub fn put(root: &mut Rooted, entry: &str) -> Result<()> {
    if entry.contains([':', '\n']) {
        bail!("the encrypted password of root holds a colon or the end of a line");
    }
    let shadow = root.text(SHADOW)?;
    let shadow = shadow.with_context(|| format!("{SHADOW} is not in the image"))?;
    let shadow = with_password(&shadow, entry)?;
    Ok(root.put(SHADOW, shadow.as_bytes(), Owned::sys(0o400))?)
}

/// `$ALG$` of crypt(3C).
pub fn algorithm(root: &Rooted) -> Result<&'static str> {
    let policy = root.text("etc/security/policy.conf")?.unwrap_or_default();
    let known = root.text("etc/security/crypt.conf")?;
    let value = |name: &str| {
        policy.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let is_known = |algorithm: &str| {
        let first = |line: &str| line.split_whitespace().next() == Some(algorithm);
        known.as_ref().is_none_or(|text| text.lines().any(first))
    };
    let default = value("CRYPT_DEFAULT").map(str::trim).filter(|one| is_known(one));
    let allowed = value("CRYPT_ALGORITHMS_ALLOW").unwrap_or("").split(',').map(str::trim);
    let ours = default.into_iter().chain(allowed).find_map(|one| match one {
        "5" => Some("5"),
        "6" => Some("6"),
        _ => None,
    });
    Ok(ours.unwrap_or("5"))
}

/// A password as crypt(3C) encrypts it.
pub fn encrypted(password: &str, algorithm: &str, salt: &str) -> Result<String> {
    let told = |error| anyhow::anyhow!("the password of root cannot be encrypted: {error:?}");
    let (word, salt) = (password.as_bytes(), salt.as_bytes());
    let digest = match algorithm {
        "6" => {
            let rounds = Sha512Params::new(ROUNDS).map_err(told)?;
            sha_crypt::sha512_crypt_b64(word, salt, &rounds).map_err(told)?
        }
        _ => {
            let rounds = Sha256Params::new(ROUNDS).map_err(told)?;
            sha_crypt::sha256_crypt_b64(word, salt, &rounds).map_err(told)?
        }
    };
    Ok(format!("${algorithm}${}${digest}", String::from_utf8_lossy(salt)))
}

/// The file with root's password; everybody else's line stays.
fn with_password(shadow: &str, entry: &str) -> Result<String> {
    let mut found = false;
    let mut lines: Vec<String> = Vec::new();
    for line in shadow.lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        if fields.first() == Some(&"root") && fields.len() > 1 {
            (found, fields[1]) = (true, entry);
        }
        lines.push(fields.join(":"));
    }
    if !found {
        bail!("{SHADOW} has no line for root");
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_of_crypt() {
        // As openssl passwd and crypt(3) make them.
        let (word, salt) = ("Hello world!", "saltstring");
        assert_eq!(
            encrypted(word, "5", salt).unwrap(),
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
        );
        assert_eq!(
            encrypted(word, "6", salt).unwrap(),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
    }

    #[test]
    fn only_roots_line_changes() {
        let shadow = "root:NP:6445::::::\ndaemon:NP:6445::::::\n";
        assert_eq!(
            with_password(shadow, "$5$x").unwrap(),
            "root:$5$x:6445::::::\ndaemon:NP:6445::::::\n"
        );
        assert!(with_password("daemon:NP:\n", "x").is_err());
    }

    #[test]
    fn the_image_says_how() {
        let scratch = tempfile::tempdir().unwrap();
        let (dir, table) = (scratch.path().join("r"), scratch.path().join("t"));
        let mut root = Rooted::create(&dir, &table, 0).unwrap();
        assert_eq!(algorithm(&root).unwrap(), "5");
        for (policy, crypt, wanted) in [
            ("CRYPT_ALGORITHMS_ALLOW=1,2a,md5,5,6\nCRYPT_DEFAULT=6\n", "5 x\n6 y\n", "6"),
            ("CRYPT_ALGORITHMS_ALLOW=1,2a,md5,5,6\nCRYPT_DEFAULT=6\n", "5 x\n", "5"),
            ("CRYPT_ALGORITHMS_ALLOW=6\nCRYPT_DEFAULT=__unix__\n", "6 x\n", "6"),
            ("# CRYPT_DEFAULT=6\n", "6 x\n", "5"),
        ] {
            root.put("etc/security/policy.conf", policy.as_bytes(), Owned::sys(0o644)).unwrap();
            root.put("etc/security/crypt.conf", crypt.as_bytes(), Owned::sys(0o644)).unwrap();
            assert_eq!(algorithm(&root).unwrap(), wanted, "{policy}");
        }
    }
}
