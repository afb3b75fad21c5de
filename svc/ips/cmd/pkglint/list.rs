//! list.rs - `-L`: the checks, and those that pkglintrc excludes.

use ips_publish::lint::{Check, Config, listed};

/// Prints them; with what pkglintrc calls them, or with what they look for.
pub fn print(config: &Config, methods: bool) {
    let (made, excluded) = listed(config);
    let column = if methods { "METHOD" } else { "DESCRIPTION" };
    println!("{:28} {column}", "NAME");
    rows(&made, methods);
    if !excluded.is_empty() {
        println!("\nExcluded checks:");
        rows(&excluded, methods);
    }
}

fn rows(checks: &[Check], methods: bool) {
    for check in checks {
        let what = if methods { check.method } else { check.description };
        println!("{:28} {what}", check.id);
    }
}
