//! depend - what delivered files need: `pkgdepend generate` without the files.
//!
//! `file` (what kind of file it is, and a need found in one), the kinds (`elf`, `script` with
//! `python`, `smf`, hard links here), `bypass` (needs that the manifest waves aside), `internal`
//! (needs that the package meets itself), `generate` (all of it for one manifest).

pub mod bypass;
pub mod elf;
mod file;
mod generate;
mod internal;
pub mod python;
pub mod script;
pub mod smf;

pub use file::{FileType, Need, Payload, file_type};
pub use generate::{Generated, Generator};

/// What stands in a dependency's FMRI until it is resolved.
pub const TO_BE_DONE: &str = "__TBD";
/// The token for the paths that would be searched by themselves.
pub const DEFAULT_RUNPATH: &str = "$PKGDEPEND_RUNPATH";

/// The names of the attributes of a file dependency.
pub mod attribute {
    /// What they begin with.
    pub const PREFIX: &str = "pkg.debug.depend.";
    /// File names.
    pub const FILE: &str = "pkg.debug.depend.file";
    /// Folders that are searched for them.
    pub const PATH: &str = "pkg.debug.depend.path";
    /// Whole paths, instead of the two.
    pub const FULL_PATH: &str = "pkg.debug.depend.fullpath";
    /// The file that has the need.
    pub const REASON: &str = "pkg.debug.depend.reason";
    /// What kind of need it is.
    pub const TYPE: &str = "pkg.debug.depend.type";
    /// `warning`: the file is delivered, though where nobody looks.
    pub const SEVERITY: &str = "pkg.debug.depend.severity";
    /// Paths for which no dependency was made.
    pub const BYPASSED: &str = "pkg.debug.depend.bypassed";
    /// The links that lead to the file.
    pub const VIA_LINKS: &str = "pkg.debug.depend.via-links";
    /// The paths that were asked for, as the name of the need.
    pub const PATH_ID: &str = "pkg.debug.depend.path-id";
    /// Of a manifest or file: where modules are searched.
    pub const RUNPATH: &str = "pkg.depend.runpath";
    /// Of a manifest or file: needs that are waved aside.
    pub const BYPASS: &str = "pkg.depend.bypass-generate";
}

/// What went wrong with a manifest or a file of it; the texts are pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependError {
    /// The linker's part of a file cannot be read.
    #[error("{path} had this elf error:{source}")]
    BadElf {
        /// The file.
        path: String,
        /// Why.
        source: ips_model::elf::ElfError,
    },
    /// A run path has a token nobody gave a value.
    #[error(
        "{file} (which will be installed at {installed}) had this token, {token}, in its run path: {path}.  It is not currently possible to automatically expand this token. Please specify its value on the command line."
    )]
    Token {
        /// The file.
        file: String,
        /// Where it is delivered.
        installed: String,
        /// The token.
        token: String,
        /// The run path.
        path: String,
    },
    /// Two tokens for the default in one run path.
    #[error("More than one $PKGDEPEND_RUNPATH token was set on the same action in this manifest.")]
    TwoDefaults,
    /// A run path in several values.
    #[error(
        "Manifest specified multiple values for pkg.depend.runpath rather than a single colon-separated string."
    )]
    RunpathList,
    /// A run path without a path.
    #[error(
        "Manifest did not specify any entries for pkg.depend.runpath, expecting a colon-separated string."
    )]
    RunpathEmpty,
    /// No regular expression.
    #[error("Invalid pkg.depend.bypass-generate value {value}: {reason}")]
    Bypass {
        /// The value.
        value: String,
        /// Why.
        reason: String,
    },
    /// `#!` and no absolute path.
    #[error("{file} says it should be run with '{interpreter}' which is a relative path.")]
    RelativeInterpreter {
        /// The file.
        file: String,
        /// The interpreter.
        interpreter: String,
    },
    /// Two versions of Python for one file.
    #[error(
        "The file to be installed at {installed} declares a python version of {declared}.  However, the path suggests that the version should be {suggested}.  The text of the file can be found at {file}"
    )]
    PythonMismatch {
        /// Where it is delivered.
        installed: String,
        /// By `#!`.
        declared: String,
        /// By the path.
        suggested: String,
        /// The file.
        file: String,
    },
    /// No version of Python for an executable file.
    #[error(
        "The file to be installed in {installed} does not specify a specific version of python either in its installed path nor in its text.  Such a file cannot be analyzed for dependencies since the version of python it will be used with is unknown.  The text of the file is here: {file}."
    )]
    PythonUnspecified {
        /// Where it is delivered.
        installed: String,
        /// The file.
        file: String,
    },
    /// The text is no Python.
    #[error(
        "The file to be installed at {installed} appears to be a python file but contains a syntax error that prevents it from being analyzed.  The text of the file can be found at {file}.  The error happened on line {line} at offset {column}. The problem was:\n{reason}"
    )]
    PythonSyntax {
        /// Where it is delivered.
        installed: String,
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// The problem.
        reason: String,
    },
    /// An import from a package above the top.
    #[error("Could not find the file for {name} imported in {file}")]
    PythonMissing {
        /// The module.
        name: String,
        /// The file.
        file: String,
    },
    /// A service bundle that does not parse.
    #[error("Unable to parse SMF manifest {0}")]
    Bundle(String),
    /// A service that nothing here delivers.
    #[error(
        "Unable to generate SMF dependency on {wanted} declared in {file} by {service}: {reason}"
    )]
    Service {
        /// The service that is needed.
        wanted: String,
        /// The bundle.
        file: String,
        /// The instance that needs it.
        service: String,
        /// Why.
        reason: &'static str,
    },
    /// A dependency that names no service.
    #[error("Problem resolving {service}: FMRI does not appear to be valid")]
    ServiceName {
        /// The name.
        service: String,
    },
}

/// What ends the work on a manifest at once, as pkg5 ends; the texts are pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FatalError {
    /// A kernel module with a run path.
    #[error("RUNPATH set for kernel module ({path}): [{}]", .runpath.iter().map(|one| format!("'{one}'")).collect::<Vec<_>>().join(", "))]
    KernelRunpath {
        /// Where it is delivered.
        path: String,
        /// Its run path.
        runpath: Vec<String>,
    },
    /// A 64-bit kernel module of a machine without a folder for those.
    #[error("Unknown arch:{0}")]
    KernelMachine(&'static str),
    /// More variants than can be put together.
    #[error("the variants have too many combinations")]
    Variants,
}
