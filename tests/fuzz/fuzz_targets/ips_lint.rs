//! pkglintrc, the file of classifications, and every check on any packages; `%%` parts them.
#![no_main]

use ips_model::Manifest;
use ips_publish::lint::{Classification, Config, Level, Package, Setup, World, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.split("%%");
    let first = parts.next().unwrap_or_default();
    let config = Config::of_file(first).unwrap_or_default();
    let classification = Classification::of_file("/sections", Some(first));
    let mut world = World::default();
    for (at, part) in parts.take(6).enumerate() {
        let Ok(manifest) = Manifest::parse(part) else { continue };
        // Combinations of variants are as many as the packager makes them.
        let tags = manifest.actions.iter().flat_map(|action| &action.attributes);
        if tags.filter(|(name, _)| name.starts_with("variant.")).any(|(_, all)| all.len() > 4) {
            continue;
        }
        let Ok(package) = Package::new(manifest, at) else { continue };
        match at % 3 {
            0 => world.local.push(package),
            1 => world.lint.push(package),
            _ => world.reference.push(package),
        }
    }
    let setup = Setup { config: &config, least: Level::Debug, classification };
    run(&world, &setup, &mut |line| assert!(line.contains(' '), "{line}"));
});
