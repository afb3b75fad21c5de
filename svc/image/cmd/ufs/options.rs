//! options.rs - the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Make, list, read, and check UFS images as illumos on x86 uses them.
#[derive(Debug, Parser)]
#[command(name = "ufs")]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the names in a directory of an image
    Ls(Ls),
    /// Write files of an image to standard output
    Cat {
        image: PathBuf,
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
    },
    /// Tell what is known of files of an image, or of the image
    Stat {
        image: PathBuf,
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
    },
    /// Check images: every field, bitmap, counter, name, and link count
    Verify {
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<PathBuf>,
    },
    /// Write everything in an image below a directory
    Extract(Extract),
    /// Make an image of a directory
    Create(Create),
}

#[derive(Debug, Args)]
pub struct Ls {
    /// One line of the metadata table for each name: type, mode, owner, group, time, size, path
    #[arg(short)]
    pub long: bool,
    /// Everything below, with whole paths
    #[arg(short = 'R')]
    pub recursive: bool,
    pub image: PathBuf,
    /// A directory of the image, or a file
    #[arg(default_value = "")]
    pub path: String,
}

#[derive(Debug, Args)]
pub struct Extract {
    /// Write the metadata table to this file
    #[arg(short, value_name = "FILE")]
    pub table: Option<PathBuf>,
    pub image: PathBuf,
    /// Must be empty, or not there
    pub directory: PathBuf,
}

#[derive(Debug, Args)]
pub struct Create {
    /// Types, modes, owners, times from this metadata table instead of from the directory
    #[arg(short, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Size of the image in bytes, or with k, m, g behind it; otherwise the content decides
    #[arg(short, value_name = "SIZE", value_parser = size)]
    pub size: Option<u64>,
    /// With a size by content: MiB to leave free beyond it
    #[arg(short, value_name = "MIB", default_value_t = 0, conflicts_with = "size")]
    pub pad: u64,
    /// One inode for so many bytes; otherwise the content decides
    #[arg(short = 'i', value_name = "NBPI", value_parser = clap::value_parser!(u32).range(1..))]
    pub nbpi: Option<u32>,
    /// So many inodes more than there are files
    #[arg(short = 'f', value_name = "COUNT", conflicts_with = "nbpi")]
    pub spare: Option<u32>,
    /// The time the file system says it was written, in seconds since 1970
    #[arg(short = 'T', value_name = "SECONDS", default_value_t = 0)]
    pub time: u32,
    /// Leave blocks of NULs out
    #[arg(short = 'H')]
    pub holes: bool,
    pub directory: PathBuf,
    pub image: PathBuf,
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.trim_end_matches(['k', 'm', 'g']) {
        digits if digits.len() == text.len() => (digits, 0),
        digits if digits.len() + 1 == text.len() => (
            digits,
            if text.ends_with('k') {
                10
            } else if text.ends_with('m') {
                20
            } else {
                30
            },
        ),
        _ => return Err("a number, and at most one of k, m, g".to_string()),
    };
    let number: u64 = digits.parse().map_err(|_| format!("\"{digits}\" is no number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, value) in [("0", 0), ("12", 12), ("3k", 3072), ("2m", 2 << 20), ("1g", 1 << 30)]
        {
            assert_eq!(size(text), Ok(value));
        }
        for text in ["", "k", "3kk", "3x", "-1", "99999999999999999999", "18446744073709551615k"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_well_made() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
