//! remove_publisher.rs - `pkgrepo remove-publisher`.

use ips_cmd::Failure;
use ips_model::fmri::is_publisher;

use crate::options::Options;

/// Removes publishers and all their packages; all of them have to be there.
pub fn remove_publisher(options: &Options) -> Result<(), Failure> {
    let refused = |message: String| Err(Failure::new(message).of(options.name));
    let place = options.local_place()?;
    if options.operands.is_empty() {
        return Err(Failure::usage("At least one publisher must be specified").of(options.name));
    }
    let listed =
        |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join("\n ");
    let bad: Vec<&String> = options.operands.iter().filter(|name| !is_publisher(name)).collect();
    if !bad.is_empty() {
        return refused(format!("Invalid publisher prefix(es):\n {}", listed(bad)));
    }
    let repository = place.open()?;
    let known = repository.publishers()?;
    let unknown: Vec<&String> =
        options.operands.iter().filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() {
        let told = listed(unknown);
        return refused(format!("The following publisher(s) could not be found:\n {told}"));
    }
    println!("Removing publisher(s)");
    let mut names = options.operands.clone();
    names.sort();
    names.dedup();
    for name in &names {
        println!("'{name}'\t({} package(s))", repository.info(name)?.packages);
    }
    if options.dry_run {
        return Ok(());
    }
    let default = repository.default_publisher()?;
    let now = repository.remove_publishers(&names)?;
    match (default.is_some_and(|default| names.contains(&default)), now) {
        (false, _) => {}
        (true, Some(now)) => println!(
            "The default publisher was removed. Setting 'publisher/prefix' to '{now}', the only publisher left"
        ),
        (true, None) => println!(
            "The default publisher was removed. The 'publisher/prefix' property has been unset"
        ),
    }
    Ok(())
}
