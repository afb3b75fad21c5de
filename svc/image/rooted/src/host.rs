//! host.rs - the seam to the host's tools, on this host.
//!
//! Everything that runs is contained and ends when the work is no longer wanted.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use process::{Cancel, Limits, ProcessError, Program};

use crate::medium::Tools;

/// Lines of a tool that are kept in case it fails.
const KEPT: usize = 20;

/// Programs of the host.
pub struct Contained<'a> {
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

/// A tool that is absent is named with what brings it.
fn absent(program: &str, error: ProcessError) -> anyhow::Error {
    let package = match program {
        "grub-mkimage" => "grub-common",
        other => other,
    };
    match error {
        ProcessError::Absent { .. } => {
            anyhow::anyhow!("{program} is absent: apt-get install {package}")
        }
        ProcessError::Interpreter { .. }
        | ProcessError::Start { .. }
        | ProcessError::Wait { .. }
        | ProcessError::Contract { .. } => error.into(),
    }
}

impl Tools for Contained<'_> {
    fn run(
        &self,
        program: &str,
        arguments: &[String],
        environment: &[(&str, String)],
    ) -> Result<()> {
        let mut tool = Program::new(program).args(arguments);
        for (name, value) in environment {
            tool = tool.env(name, value);
        }
        let mut last = VecDeque::new();
        let mut keep = |line: &str| {
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(line.to_owned());
        };
        let ended = tool.run_lines(&Limits::until(self.cancel), &mut keep);
        let ended = ended.map_err(|error| absent(program, error))?;
        if !ended.success() {
            // The cause stands in the last line, for whoever reads only that.
            let said = Vec::from(last);
            let cause = said.last().map_or("", String::as_str);
            bail!("{}\n{program}: {cause} ({ended})", said.join("\n"));
        }
        Ok(())
    }

    fn version(&self, program: &str) -> Result<String> {
        let limits = Limits::until(self.cancel);
        let said = Program::new(program).arg("--version").uncontained().output(&limits);
        let said = said.map_err(|error| absent(program, error))?;
        let text = said.text();
        let line = text.lines().find(|line| !line.trim().is_empty());
        line.map(|line| line.trim().to_owned()).with_context(|| format!("{program} --version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_tool_that_fails_is_named_last() {
        let cancel = Cancel::new().unwrap();
        let host = Contained { cancel: &cancel };
        let script = "echo out of $WHAT >&2; exit 3";
        let environment = [("WHAT", "space".to_owned())];
        let failed = Tools::run(&host, "sh", &words(&["-c", script]), &environment).unwrap_err();
        let text = failed.to_string();
        assert!(
            text.starts_with("out of space\nsh: out of space (") && text.contains('3'),
            "{text}"
        );
        Tools::run(&host, "sh", &words(&["-c", "true"]), &[]).unwrap();
    }

    #[test]
    fn what_is_absent_is_named_with_its_package() {
        let cancel = Cancel::new().unwrap();
        let host = Contained { cancel: &cancel };
        let text = host.version("no-such-tool-here").unwrap_err().to_string();
        assert_eq!(text, "no-such-tool-here is absent: apt-get install no-such-tool-here");
        assert!(!host.version("sh").is_ok_and(|version| version.is_empty()));
    }
}
