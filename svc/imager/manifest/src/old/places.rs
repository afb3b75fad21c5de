//! places.rs - the elements that moved from one generation of `distribution` to the next.
//!
//! | element | 2009 | 2010 on |
//! |---|---|---|
//! | `build_area`, `output_image` | img_params | distro_constr_params |
//! | the four of repositories | distro_constr_params | img_params |
//! | `bootroot`, `bootroot_contents` | until 11/2009 | `boot_archive`, `boot_archive_contents` |
//!
//! All of them are looked for in both places and under both names, whichever generation a
//! manifest is of.

use crate::tree::{Node, ROOT, Tree};

pub(super) const CONSTRUCTOR: &str = "distro_constr_params";
pub(super) const IMAGE: &str = "img_params";
pub(super) const VIRTUAL: &str = "vmimg_params";

pub(super) const REPOSITORY: &str = "pkg_repo_default_authority";
pub(super) const MORE_REPOSITORIES: &str = "pkg_repo_addl_authority";
pub(super) const INSTALLED: &str = "post_install_repo_default_authority";
pub(super) const MORE_INSTALLED: &str = "post_install_repo_addl_authority";

/// Elements that are below img_params in 2009 and below distro_constr_params later.
const AREA: [&str; 2] = ["build_area", "output_image"];

/// Whether a manifest is of the generation of 2009.
pub(crate) fn is_of_2009(tree: &Tree) -> bool {
    let below = |parent: &str, name: &str| !tree.all(&format!("{parent}/{name}")).is_empty();
    AREA.iter().any(|name| below(IMAGE, name))
        || (below(CONSTRUCTOR, REPOSITORY) && !AREA.iter().any(|name| below(CONSTRUCTOR, name)))
}

/// Where an element of the first generation's is: the place in which it stands, else the one of
/// the manifest's generation.
pub(super) fn place(tree: &Tree, name: &str, is_of_2009: bool) -> &'static str {
    let (older, later) =
        if AREA.contains(&name) { (IMAGE, CONSTRUCTOR) } else { (CONSTRUCTOR, IMAGE) };
    let (usual, other) = if is_of_2009 { (older, later) } else { (later, older) };
    let stands = |parent: &str| !tree.all(&format!("{parent}/{name}")).is_empty();
    if stands(other) && !stands(usual) { other } else { usual }
}

/// The elements of a name that moved, in whichever place.
pub(super) fn moved(tree: &Tree, name: &str) -> Vec<Node> {
    let mut found = tree.all(&format!("{CONSTRUCTOR}/{name}"));
    found.extend(tree.all(&format!("{IMAGE}/{name}")));
    found
}

/// The boot archive's elements below the media.
pub(super) fn boot_archives(tree: &Tree) -> Vec<Node> {
    let media = moved(tree, "output_image");
    let named = |name| media.iter().flat_map(move |image| tree.named(*image, name));
    let mut found: Vec<Node> = named("boot_archive").collect();
    found.extend(named("bootroot"));
    found
}

/// The list of what goes into the boot archive.
pub(super) fn contents(tree: &Tree) -> Vec<Node> {
    let mut found = tree.all("img_params/boot_archive_contents");
    found.extend(tree.all("img_params/bootroot_contents"));
    found
}

/// Whether the root has a child of a name.
pub(super) fn has(tree: &Tree, name: &str) -> bool {
    tree.named(ROOT, name).next().is_some()
}
