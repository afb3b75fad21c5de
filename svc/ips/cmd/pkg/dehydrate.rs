//! dehydrate.rs - `pkg dehydrate` and `rehydrate`: what can be fetched again is taken out of an image
//! that is to be stored or sent, and put back.

use std::collections::BTreeSet;

use ips_client::change::Want;
use ips_client::image::Image;
use ips_cmd::Failure;

use crate::call::{Call, Given};
use crate::change::{Change, NOTHING};

/// Takes out the files and hard links of publishers (`-p`; else of all that have repositories).
pub fn dehydrate(call: &Call) -> Result<u8, Failure> {
    run(call, "dehydrate", |now, named| now.union(named).cloned().collect())
}

/// Puts them back.
pub fn rehydrate(call: &Call) -> Result<u8, Failure> {
    run(call, "rehydrate", |now, named| now.difference(named).cloned().collect())
}

fn run(
    call: &Call,
    operation: &'static str,
    after: impl Fn(&BTreeSet<String>, &BTreeSet<String>) -> BTreeSet<String>,
) -> Result<u8, Failure> {
    let given = call.given(&["n*", "v*", "q*", "p=*"])?;
    call.no_operands(&given)?;
    let change = Change::of(call, &given, operation)?;
    let image = call.image()?;
    let named = named(call, &given, &image)?;
    let now: BTreeSet<String> =
        image.configuration().list("dehydrated").map_err(Failure::new)?.into_iter().collect();
    let wanted = after(&now, &named);
    if wanted == now {
        change.tell(change.nothing);
        return Ok(NOTHING);
    }
    drop(image);
    change.run(Want::Dehydrated(wanted))
}

/// The publishers that are meant; each has to have a repository that its files can come from.
fn named(call: &Call, given: &Given, image: &Image) -> Result<BTreeSet<String>, Failure> {
    let known = image.configuration().publishers();
    let supplied: BTreeSet<String> = known
        .iter()
        .filter(|one| !one.disabled && one.enabled_origins().next().is_some())
        .map(|one| one.prefix.clone())
        .collect();
    let asked: BTreeSet<String> = given.values("p").map(str::to_string).collect();
    let bare: Vec<String> = match (asked.is_empty(), supplied.is_empty()) {
        (true, false) => return Ok(supplied),
        (true, true) => known.iter().map(|one| one.prefix.clone()).collect(),
        (false, _) => asked.difference(&supplied).cloned().collect(),
    };
    if bare.is_empty() {
        return Ok(asked);
    }
    let lines: Vec<String> = bare.iter().map(|name| format!("\t{name}")).collect();
    Err(call.failed(format!(
        "\nThe following publishers do not have any configured package repositories and cannot be \
         used in package dehydration or rehydration operations:\n\n{}",
        lines.join("\n")
    )))
}
