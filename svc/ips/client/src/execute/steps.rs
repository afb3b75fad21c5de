//! steps.rs - what is done to a root, as data.
//!
//! Every step can be done again, in its phase, after it was done or begun: what it takes away may be
//! gone already, what it puts may be there.  Nothing is decided here: a step names the bytes, the
//! owner and the place.

use serde::{Deserialize, Serialize};

/// Owner and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Permission and set-id bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A file's further name, if its content is still the one meant.
    Save {
        /// The file.
        path: String,
        /// Its further name.
        to: String,
        /// SHA-1 of the content.
        sha1: String,
    },
    /// A file goes elsewhere.
    Move {
        /// From here.
        from: String,
        /// To there.
        to: String,
    },
    /// Whatever lies here is nobody's and goes to lost+found.
    Salvage {
        /// Here.
        path: String,
        /// Where to.
        to: String,
    },
    /// A file or link goes.
    Unlink {
        /// Its path.
        path: String,
    },
    /// A directory goes; what is left in it is salvaged, or keeps it when there is nowhere to go.
    Rmdir {
        /// Its path.
        path: String,
        /// Where what is left goes.
        to: String,
    },
    /// A directory is there.
    Directory {
        /// Its path.
        path: String,
        /// Its attributes.
        owned: Owned,
    },
    /// A staged directory is there, with all that lies below it.
    Whole {
        /// Its path.
        path: String,
        /// Its name in the stage.
        staged: String,
    },
    /// What was salvaged lies in a directory, but for names that are taken there.
    Recover {
        /// The directory.
        path: String,
        /// Where it was taken to.
        from: String,
    },
    /// A staged file is there.
    Put {
        /// Its path.
        path: String,
        /// Its name in the stage.
        staged: String,
        /// Its attributes.
        owned: Owned,
        /// Its time, unless it is now.
        mtime: Option<i64>,
        /// Its length.
        size: u64,
    },
    /// A symbolic link is there.
    Link {
        /// Its path.
        path: String,
        /// What it says.
        target: String,
    },
    /// A further name of a file is there.
    HardLink {
        /// Its path.
        path: String,
        /// The file's path.
        target: String,
    },
    /// A file's attributes are these.
    Attributes {
        /// Its path.
        path: String,
        /// They.
        owned: Owned,
        /// Its time.
        mtime: Option<i64>,
        /// Its length, which its editor has changed perhaps.
        size: u64,
    },
}

impl Step {
    /// The path it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Save { path, .. }
            | Self::Salvage { path, .. }
            | Self::Unlink { path }
            | Self::Rmdir { path, .. }
            | Self::Directory { path, .. }
            | Self::Whole { path, .. }
            | Self::Recover { path, .. }
            | Self::Put { path, .. }
            | Self::Link { path, .. }
            | Self::HardLink { path, .. }
            | Self::Attributes { path, .. } => path,
            Self::Move { from, .. } => from,
        }
    }
}

/// The steps of a change, in two phases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// What goes, or is moved out of the way; in order.
    pub clear: Vec<Step>,
    /// What comes: whole directories, directories, then files and links, then further names, then
    /// what is recovered.
    pub make: Vec<Step>,
}

impl Steps {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.clear.len() + self.make.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One step a line, the phases parted by an empty line.
    pub fn print(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        for (number, phase) in [&self.clear, &self.make].into_iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            for step in phase {
                text.push_str(&serde_json::to_string(step)?);
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Reads what `print` has written.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut steps = Self::default();
        let mut making = false;
        for line in text.lines() {
            if line.is_empty() {
                making = true;
                continue;
            }
            let phase = if making { &mut steps.make } else { &mut steps.clear };
            phase.push(serde_json::from_str(line)?);
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_they_were_written() {
        let owned = Owned { mode: 0o4755, uid: 0, gid: 2 };
        let text = |text: &str| text.to_string();
        let steps = Steps {
            clear: vec![
                Step::Rmdir { path: text("a b"), to: text("x\n\"") },
                Step::Unlink { path: text("é") },
            ],
            make: vec![Step::Put {
                path: text("p"),
                staged: text("0.1"),
                owned,
                mtime: Some(-1),
                size: 7,
            }],
        };
        assert_eq!(Steps::parse(&steps.print().unwrap()).unwrap(), steps);
        assert_eq!(Steps::parse("\n").unwrap(), Steps::default());
        assert!(Steps::parse("{\"Unlink\":").is_err());
    }
}
