//! write.rs - where resolved dependencies go: beside the manifests, to a folder, to the screen.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ips_cmd::output;
use ips_publish::resolve::Resolved;
use ips_publish::source;

use crate::options::Resolve;

/// Writes all; whether all could be written.
pub fn all(options: &Resolve, texts: &[String], resolved: &Resolved) -> bool {
    let mut fine = true;
    let manifests = options.manifests.iter().zip(texts).zip(&resolved.dependencies);
    for (at, ((path, text), actions)) in manifests.enumerate() {
        let mut whole = String::new();
        if options.echo {
            for line in source::without_dependencies(text) {
                whole.push_str(if options.screen { line.trim_end() } else { &line });
                if !whole.ends_with('\n') || options.screen {
                    whole.push('\n');
                }
            }
        }
        for action in actions {
            let _ = writeln!(whole, "{action}");
        }
        if options.screen {
            let apart = if at > 0 { "\n\n\n" } else { "" };
            print!("{apart}# {}\n{whole}", path.display());
            continue;
        }
        let target = target(options, path);
        if let Err(error) = output::replace(&target, &whole) {
            eprintln!("Could not open output file {} for writing: {error}", target.display());
            fine = false;
        }
    }
    fine
}

fn target(options: &Resolve, manifest: &Path) -> PathBuf {
    let suffix = options.suffix.as_deref().filter(|suffix| !suffix.is_empty());
    let suffix = match (suffix, &options.folder) {
        (Some(suffix), _) => format!(".{}", suffix.strip_prefix('.').unwrap_or(suffix)),
        (None, Some(_)) => String::new(),
        (None, None) => ".res".to_string(),
    };
    let place = match &options.folder {
        Some(folder) => folder.join(manifest.file_name().unwrap_or_default()),
        None => manifest.to_path_buf(),
    };
    let mut place = place.into_os_string();
    place.push(suffix);
    PathBuf::from(place)
}
