//! im_mod.rs - the password of root, into the image's etc/shadow.
//!
//! The salt follows from the image, so two builds are equal.  Invariant: the password itself is in
//! no log.

use anyhow::Result;
use image_manifest::Image;
use image_rooted::password;

use super::Work;

pub(super) fn options(image: &Image) -> String {
    let password = &image.root_password;
    let known = stage::recipe::sha256(password.text.as_bytes());
    format!("{known} {}", password.plain)
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let wanted = &work.image.root_password;
    let entry = if wanted.plain {
        let algorithm = password::algorithm(&root)?;
        work.debug(&format!("root's password is encrypted by algorithm {algorithm}"));
        password::encrypted(&wanted.text, algorithm, &salt(work.id))?
    } else {
        wanted.text.clone()
    };
    password::put(&mut root, &entry)?;
    Ok(root.save()?)
}

/// Two characters of crypt's own alphabet; hexadecimal digits are in it.
fn salt(id: &str) -> String {
    id.chars().take(2).collect()
}
