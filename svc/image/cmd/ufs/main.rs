//! ufs(1) - UFS images made, listed, read, and checked, without a kernel that knows UFS.
//!
//! In reading order: options.rs, show.rs (ls, cat, stat, verify), scan.rs (a directory on disk as a
//! table), create.rs, extract.rs.  Exit status: 1 failed, or an image is not in order; 2 usage.

mod create;
mod extract;
mod options;
mod scan;
mod show;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use image_formats::ufs::Image;

use crate::options::{Command, Options};

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if is_closed_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ufs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Ls(options) => show::ls(&options),
        Command::Cat { image, paths } => show::cat(&image, &paths),
        Command::Stat { image, paths } => show::stat(&image, &paths),
        Command::Verify { images } => show::verify(&images),
        Command::Extract(options) => extract::extract(&options),
        Command::Create(options) => create::create(&options),
    }
}

fn open(path: &Path) -> Result<Image<File>> {
    let named = || path.display().to_string();
    Image::open(File::open(path).with_context(named)?).with_context(named)
}

/// Whether the reader of our output is gone, who needs no message.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let errors = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    errors.into_iter().any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
