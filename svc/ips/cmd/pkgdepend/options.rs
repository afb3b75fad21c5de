//! options.rs - the arguments of pkgdepend.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use ips_cmd::Failure;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `--help`.
    Help,
    /// No command.
    Nothing,
    /// `generate`.
    Generate(Generate),
    /// `resolve`.
    Resolve(Resolve),
}

/// The arguments of `generate`.
#[derive(Debug, Default)]
pub struct Generate {
    /// `-I`: also what the package meets itself.
    pub internal: bool,
    /// `-M`: also the kinds of file that were not looked into.
    pub passed_over: bool,
    /// `-m`: the manifest goes before its dependencies.
    pub echo: bool,
    /// `-d` and the second operand: where files are, absolute.
    pub protos: Vec<PathBuf>,
    /// `-D`: the values of tokens in run paths.
    pub tokens: BTreeMap<String, Vec<String>>,
    /// `-k`: where modules are looked for.
    pub run_paths: Vec<String>,
    /// The manifest.
    pub manifest: PathBuf,
}

/// The arguments of `resolve`.
#[derive(Debug, Default)]
pub struct Resolve {
    /// `-R`: an image, or a repository in its place.
    pub root: Option<PathBuf>,
    /// `-g`: repositories whose newest packages are there.
    pub repositories: Vec<String>,
    /// `-S`: no package is there.
    pub alone: bool,
    /// `-E`: tell which packages were used.
    pub external: bool,
    /// `-e`: files of patterns; only such packages are there.
    pub patterns: Vec<PathBuf>,
    /// `-m`: the manifest goes before its dependencies.
    pub echo: bool,
    /// `-o`: to standard output.
    pub screen: bool,
    /// `-d`: to files here, absolute.
    pub folder: Option<PathBuf>,
    /// `-s`: what is added to the manifest's name.
    pub suffix: Option<String>,
    /// `-v`: with what tells where dependencies came from.
    pub verbose: bool,
    /// The manifests, absolute.
    pub manifests: Vec<PathBuf>,
}

fn unexpected(argument: lexopt::Arg<'_>) -> Failure {
    let message = Failure::from(argument.unexpected()).message;
    Failure::usage(message.replace("illegal option", "illegal global option"))
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut root = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('R') => root = Some(PathBuf::from(parser.value()?)),
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(command) if command == "help" => return Ok(Request::Help),
            Value(command) if command == "generate" => {
                if root.is_some() {
                    return Err(Failure::usage("generate subcommand doesn't use -R"));
                }
                return generate(parser);
            }
            Value(command) if command == "resolve" => {
                return resolve(parser, root).map(Request::Resolve);
            }
            Value(command) => {
                let command = command.to_string_lossy();
                return Err(Failure::usage(format!("unknown subcommand '{command}'")));
            }
            other => return Err(unexpected(other)),
        }
    }
    Ok(Request::Nothing)
}

fn proto(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        let message = format!("The proto directory {} could not be found.", path.display());
        return Err(Failure::usage(message));
    }
    absolute(path)
}

/// Absolute, and without `..`: taken as text, as messages and run paths are.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

fn manifest(path: &Path) -> Result<(), Failure> {
    if path.is_file() {
        return Ok(());
    }
    let message = format!("The manifest file {} could not be found.", path.display());
    Err(Failure::usage(message))
}

fn generate(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let mut options = Generate::default();
    let mut operands = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('d') => options.protos.push(proto(Path::new(&parser.value()?))?),
            Short('D') => {
                let text = parser.value()?.string()?;
                let form = || Failure::usage("-D arguments must be of the form 'name=value'.");
                let (name, value) = text.split_once('=').ok_or_else(form)?;
                let name = format!("${}", name.strip_prefix('$').unwrap_or(name));
                options.tokens.entry(name).or_default().push(value.to_string());
            }
            Short('I') => options.internal = true,
            Short('k') => options.run_paths.push(parser.value()?.string()?),
            Short('M') => options.passed_over = true,
            Short('m') => options.echo = true,
            Short('?') | Long("help") => return Ok(Request::Help),
            Value(path) => operands.push(PathBuf::from(path)),
            other => return Err(unexpected(other)),
        }
    }
    let (path, last) = match operands.as_slice() {
        [path] => (path, None),
        [path, last] => (path, Some(last)),
        _ => return Err(Failure::usage("Generate only accepts one or two arguments.")),
    };
    if options.tokens.contains_key("$ORIGIN") {
        return Err(Failure::usage(
            "ORIGIN may not be specified using -D. It will be inferred from the\ninstall paths of the files.",
        ));
    }
    manifest(path)?;
    if let Some(last) = last {
        options.protos.insert(0, proto(last)?);
    }
    if options.protos.is_empty() {
        return Err(Failure::usage("At least one proto directory must be provided."));
    }
    options.manifest.clone_from(path);
    Ok(Request::Generate(options))
}

fn resolve(mut parser: lexopt::Parser, root: Option<PathBuf>) -> Result<Resolve, Failure> {
    let mut options = Resolve { root, ..Resolve::default() };
    while let Some(argument) = parser.next()? {
        match argument {
            Short('d') => options.folder = Some(PathBuf::from(parser.value()?)),
            Short('e') => options.patterns.push(PathBuf::from(parser.value()?)),
            Short('E') => options.external = true,
            Short('g') => options.repositories.push(parser.value()?.string()?),
            Short('m') => options.echo = true,
            Short('o') => options.screen = true,
            Short('s') => options.suffix = Some(parser.value()?.string()?),
            Short('S') => options.alone = true,
            Short('v') => options.verbose = true,
            Value(path) => options.manifests.push(absolute(Path::new(&path))?),
            other => return Err(unexpected(other)),
        }
    }
    if (options.folder.is_some() || options.suffix.is_some()) && options.screen {
        return Err(Failure::usage("-o cannot be used with -d or -s"));
    }
    for path in &options.manifests {
        manifest(path)?;
    }
    if let Some(folder) = &options.folder {
        let folder = absolute(folder)?;
        if !folder.is_dir() {
            return Err(Failure::usage(format!(
                "The output directory {} is not a directory.",
                folder.display()
            )));
        }
        options.folder = Some(folder);
    }
    Ok(options)
}
