//! generate.rs - `pkgdepend generate`: dependencies on files, from the files of a manifest.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ips_cmd::Failure;
use ips_model::{Kind, Manifest, check};
use ips_publish::depend::smf::Services;
use ips_publish::depend::{Generated, Generator, Payload, smf};
use ips_publish::source;

use crate::options::Generate;
use crate::proto;

/// Does it.
pub fn run(options: &Generate) -> Result<ExitCode, Failure> {
    let text = fs::read_to_string(&options.manifest)
        .map_err(|error| Failure::new(format!("{}: {error}", options.manifest.display())))?;
    let (actions, refused) = source::actions(&text);
    let mut manifest = Manifest::default();
    let (mut missing, mut faults) = (Vec::new(), Vec::new());
    faults.extend(refused.iter().map(ToString::to_string));
    for action in actions {
        if action.kind == Kind::File && proto::find(&action, &options.protos).is_none() {
            missing.push(proto::missing(&action, &options.protos));
        } else if let Err(error) = check::action(&action) {
            faults.push(error.to_string());
        } else {
            manifest.actions.push(action);
        }
    }
    let services = services(options, &manifest)?;
    let generated = generate(options, &manifest, &services)?;
    tell(options, &text, &generated);
    let errors = generated.errors.iter().map(ToString::to_string);
    let all: Vec<String> = missing.into_iter().chain(faults).chain(errors).collect();
    for error in &all {
        eprintln!("{error}");
    }
    Ok(if all.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Bundles are looked for only where one has to be understood.
fn services(options: &Generate, manifest: &Manifest) -> Result<Services, Failure> {
    let mut files = manifest.of_kind(Kind::File).filter_map(|action| action.get("path"));
    if !files.any(smf::is_imported) {
        return Ok(Services::default());
    }
    let image = std::env::var_os("PKG_IMAGE").filter(|path| !path.is_empty());
    let root = image.as_deref().map_or(Path::new("/"), Path::new);
    proto::services(root, &options.protos)
}

fn generate(
    options: &Generate,
    manifest: &Manifest,
    services: &Services,
) -> Result<Generated, Failure> {
    let run_paths = options.run_paths.clone();
    let mut generator =
        Generator::new(manifest, &options.tokens, run_paths, services).map_err(Failure::new)?;
    for action in manifest.of_kind(Kind::File) {
        if !generator.wants(action) {
            generator.skip(action);
            continue;
        }
        let Some(found) = proto::find(action, &options.protos) else { continue };
        let regular = Path::new(&found.local).is_file();
        let bytes = match regular {
            true => fs::read(&found.local)
                .map_err(|error| Failure::new(format!("{}: {error}", found.local)))?,
            false => Vec::new(),
        };
        let (local, proto) = (found.local.as_str(), found.proto.as_str());
        let payload = Payload { action, local, proto, bytes: &bytes };
        generator.file(payload, regular).map_err(Failure::new)?;
    }
    Ok(generator.finish(options.internal))
}

fn tell(options: &Generate, manifest: &str, generated: &Generated) {
    let mut text = String::new();
    if options.echo {
        for line in manifest.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    for action in generated.dependencies.iter().chain(&generated.attributes) {
        let _ = writeln!(text, "{action}");
    }
    print!("{text}");
    if options.passed_over {
        for kind in &generated.passed_over {
            eprintln!("{}", kind.name());
        }
    }
    for warning in &generated.warnings {
        eprintln!("{warning}");
    }
}
