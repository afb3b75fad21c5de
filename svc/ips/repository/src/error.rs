//! error.rs - what can go wrong, an enum for each kind of use; every variant names the thing.

use std::io;
use std::path::{Path, PathBuf};

use ips_model::check::{InvalidAction, InvalidPackage};
use ips_model::configuration::ConfigurationError;
use ips_model::fmri::FmriError;
use ips_model::json::SignedError;
use ips_model::manifest::{ManifestErrors, NameError};

/// A system call on a path that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct PathError {
    /// The path.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// For `map_err`: an I/O error with its path.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> PathError + '_ {
    move |source| PathError { path: path.to_path_buf(), source }
}

/// A repository that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Something is there already.
    #[error("{} exists and is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A repository that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No `pkg5.repository` there.
    #[error("The path '{}' does not contain a valid package repository.", .0.display())]
    Missing(PathBuf),
    /// Its configuration is refused.
    #[error("{}: {source}", path.display())]
    Configuration {
        /// The configuration file.
        path: PathBuf,
        /// Why.
        source: ConfigurationError,
    },
    /// A version 3 repository says whose packages it has, and this one does not.
    #[error("The repository at '{}' is version '3' and names no publisher (publisher/prefix).", .0.display())]
    NoPublisher(PathBuf),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Something in a repository that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The package is not there.
    #[error("package {0} is not in the repository")]
    NoPackage(String),
    /// The publisher is not there.
    #[error("publisher {0} is not in the repository")]
    NoPublisher(String),
    /// A catalog file is damaged.
    #[error("{}: {source}", path.display())]
    Catalog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SignedError,
    },
    /// The search index is damaged.
    #[error("search index {} is damaged; `pkgrepo rebuild` makes it anew", .0.display())]
    Index(PathBuf),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A change that was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The repository is of version 3.
    #[error("The repository at '{}' is version '3', which can be read only; pkgrecv(1) takes its packages into one that can be changed.", .0.display())]
    ReadOnly(PathBuf),
    /// A manifest does not parse.
    #[error("manifest of {fmri}: {source}")]
    Manifest {
        /// The package.
        fmri: String,
        /// What is wrong, line by line.
        source: ManifestErrors,
    },
    /// It names no package, or no legal one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name lacks a publisher or a full version.
    #[error("{0} has no publisher or no version with a time")]
    Incomplete(String),
    /// A version that may be read and not written.
    #[error("{0} has a component with a leading zero")]
    LeadingZero(String),
    /// The FMRI is taken by another manifest.
    #[error("The specified FMRI, '{0}', already exists or has been restricted.")]
    Exists(String),
    /// The FMRI is held, with other contents.
    #[error("{0} is in the repository with other contents")]
    Conflict(String),
    /// A manifest that is given under another package's name.
    #[error("the manifest of {0} names {1}")]
    Misnamed(String, String),
    /// The FMRI names no publisher and the repository has no default one.
    #[error(
        "This operation requires that a default publisher has been set or that a publisher be specified in the FMRI '{0}'."
    )]
    NoPublisher(String),
    /// The FMRI to publish has no version.
    #[error("'The specified FMRI, '{0}', has an invalid version.")]
    NoVersion(String),
    /// An action is refused.
    #[error(transparent)]
    Action(#[from] InvalidAction),
    /// The package is refused.
    #[error(transparent)]
    Package(#[from] InvalidPackage),
    /// A publisher prefix that is none.
    #[error("publisher prefix '{0}' is not valid")]
    Publisher(String),
    /// The publisher is there already.
    #[error("publisher {0} already exists")]
    PublisherExists(String),
    /// A hash that is no SHA-1 in a manifest of stored packages.
    #[error("{fmri}: {hash:?} is not a payload hash")]
    Hash {
        /// The package.
        fmri: String,
        /// What stands where a hash belongs.
        hash: String,
    },
    /// Payloads that are in none of the folders given.
    #[error("{} not found in any of the provided locations:\n{}", missing(.paths), .folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join("\n"))]
    PayloadMissing {
        /// What was looked for: all that was not found.
        paths: Vec<String>,
        /// Where.
        folders: Vec<PathBuf>,
    },
    /// A payload that cannot be had.
    #[error("{fmri}: payload {hash}: {source}")]
    Payload {
        /// The package.
        fmri: String,
        /// The payload.
        hash: String,
        /// Why.
        source: io::Error,
    },
    /// A batch of which something could not be written.
    #[error("part of the packages could not be written; none of them is published")]
    Broken,
    /// A stored payload whose gzip is damaged.
    #[error("{}: corrupted gzip file", .0.display())]
    Gzip(PathBuf),
    /// A property that may not be set so.
    #[error("property {0} may not be set to {1:?}")]
    Property(String, String),
    /// The configuration cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A transaction that is not there.
    #[error("No transaction matching '{0}' could be found.")]
    NoTransaction(String),
    /// Too many transactions of the same package were opened in the same second.
    #[error("too many transactions are open for {0}")]
    AlreadyOpen(String),
    /// What is to get a signature is not there.
    #[error("Need an existing instance of {0} to exist to append to it")]
    NothingToAppendTo(String),
    /// A package that is published may only be signed.
    #[error("Only a signature can be appended to an existing package")]
    NotASignature,
    /// A payload that is not what its name says.
    #[error("the file that was sent as {0} has other contents, or is no gzip file")]
    Misnomer(String),
    /// The lock is another's: of this process and host, where it is known.
    #[error("The repository cannot be modified as it is currently in use by another process{}", held(.0.as_ref()))]
    Locked(Option<(u32, String)>),
    /// What is stored cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// The end of a sentence that tells whose lock it is.
fn held(holder: Option<&(u32, String)>) -> String {
    holder.map_or_else(|| ".".to_string(), |(process, host)| format!(": pid {process} on {host}."))
}

fn missing(paths: &[String]) -> String {
    match paths {
        [path] => format!("Action payload '{path}' was"),
        paths => format!("Action payloads '{}' were", paths.join("', '")),
    }
}

impl From<FmriError> for WriteError {
    fn from(error: FmriError) -> WriteError {
        WriteError::Name(NameError::Illegal(error))
    }
}

impl WriteError {
    /// What the file system said, where the file system refused.
    pub fn io(&self) -> Option<&io::Error> {
        let mut error: &dyn std::error::Error = self;
        loop {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Some(io);
            }
            error = error.source()?;
        }
    }
}
