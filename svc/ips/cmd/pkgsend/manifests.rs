//! manifests.rs - reads source manifests; what is wrong is told by file and line.

use std::io::Read;
use std::path::Path;

use ips_cmd::Failure;
use ips_model::Manifest;

/// The manifests as packages: each its own, or all of them one.
pub fn read<P: AsRef<Path>>(paths: &[P], each_its_own: bool) -> Result<Vec<Manifest>, Failure> {
    let mut packages = Vec::new();
    let mut errors = Vec::new();
    if paths.is_empty() {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        parse("<stdin>", bytes, &mut packages, &mut errors)?;
    }
    for path in paths {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        parse(&path.display().to_string(), bytes, &mut packages, &mut errors)?;
    }
    if !errors.is_empty() {
        return Err(Failure::new(errors.join("\n")).of("publish"));
    }
    if each_its_own {
        return Ok(packages);
    }
    let actions = packages.into_iter().flat_map(|manifest| manifest.actions).collect();
    Ok(vec![Manifest { actions }])
}

fn parse(
    name: &str,
    bytes: Vec<u8>,
    packages: &mut Vec<Manifest>,
    errors: &mut Vec<String>,
) -> Result<(), Failure> {
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::new(format!("{name}: {error}")).of("publish"))?;
    match Manifest::parse(&text) {
        Ok(manifest) => packages.push(manifest),
        Err(refused) => errors.extend(
            refused
                .0
                .iter()
                .map(|error| format!("File {name} line {}: {}", error.line, error.source)),
        ),
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let number = error.raw_os_error().unwrap_or(0);
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    Failure::new(format!("[Errno {number}] {text}: '{}'", path.display())).of("publish")
}
