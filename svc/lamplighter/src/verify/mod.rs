//! verify - the same sources twice: are the bytes the same, and if not, where do they part?
//!
//! `roots.rs` makes two temporary roots with this root's configuration and builds in both, under
//! different paths, masks and time zones; `compare.rs` finds and explains differences.
//!
//! Exit status: 0 same, 1 different (or not built), 2 usage.

mod compare;
mod roots;

use anyhow::Result;
use serde_json::json;

use crate::smf::Smf;

/// Builds twice and compares; true when every byte is the same.
pub fn verify(smf: &Smf<'_>, is_json: bool) -> Result<bool> {
    let configuration = roots::configuration(smf)?;
    let folder = roots::Folder::new()?;
    let mut built = Vec::new();
    for how in &roots::HOW {
        if !is_json {
            println!("building in {} ({how})", folder.path().join(how.name).display());
        }
        built.push(roots::build(smf, &folder, how, &configuration)?);
    }
    let found = compare::differences(&built[0], &built[1])?;
    for one in &found {
        if is_json {
            println!("{}", one.json());
        } else {
            println!("{one}");
        }
    }
    let status = if found.is_empty() { "same" } else { "different" };
    if is_json {
        let count = found.len();
        println!("{}", json!({"event": "result", "status": status, "differences": count}));
    } else {
        println!("{status}");
    }
    Ok(found.is_empty())
}
