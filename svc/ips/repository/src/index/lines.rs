//! lines.rs - the lines of manifests that an index points at.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

use ips_model::Fmri;

use crate::error::{PathError, at};

/// How much is read first; most lines are shorter.
const CHUNK: usize = 1024;
/// The longest line there is; a damaged offset must not fill the memory.
const LONGEST: usize = 1 << 20;

/// Where manifests are.
#[derive(Debug)]
pub(crate) enum Manifests {
    /// In a publisher's `pkg` folder.
    Stored(PathBuf),
    /// Here, by package number.
    Given(Vec<String>),
}

impl Manifests {
    /// The lines of a package's manifest that begin at these offsets.  Of a package that is no
    /// longer there, and past the end, there are none.
    pub(crate) fn lines(
        &self,
        package: u32,
        fmri: &Fmri,
        offsets: &[u64],
    ) -> Result<Vec<String>, PathError> {
        match self {
            Manifests::Stored(folder) => {
                let Some(path) = fmri.path() else { return Ok(Vec::new()) };
                let path = folder.join(path);
                let mut file = match File::open(&path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                    Err(error) => return Err(at(&path)(error)),
                };
                let lines = offsets.iter().map(|offset| line_of(&mut file, *offset));
                lines.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(at(&path))
            }
            Manifests::Given(texts) => {
                let text = texts.get(package as usize).map_or("", String::as_str);
                let line = |offset: &u64| {
                    let rest = text.get(usize::try_from(*offset).ok()?..)?;
                    rest.lines().next().map(str::to_string)
                };
                Ok(offsets.iter().filter_map(line).collect())
            }
        }
    }
}

fn line_of(file: &mut File, offset: u64) -> std::io::Result<Option<String>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(CHUNK);
    loop {
        let before = bytes.len();
        let read = file.take(CHUNK as u64).read_to_end(&mut bytes)?;
        if let Some(end) = bytes[before..].iter().position(|byte| *byte == b'\n') {
            bytes.truncate(before + end);
            break;
        }
        if read == 0 || bytes.len() > LONGEST {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((!text.is_empty()).then_some(text))
}
