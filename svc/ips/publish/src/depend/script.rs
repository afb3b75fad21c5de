//! script.rs - the interpreter of a file that begins with `#!`.
//!
//! Only what is delivered executable is run by it.  /bin is a link to usr/bin and dependencies are
//! on files, so the interpreter is named where it is delivered.

use super::elf::Found;
use super::file::below;
use super::{DependError, Need, Payload, python};
use crate::paths::split;
use crate::variants::Template;

/// The needs of a script.
pub(super) fn needs(payload: Payload<'_>, package: &Template, run_paths: &[String]) -> Found {
    let line = payload.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(command) = line.strip_prefix("#!") else { return Found::default() };
    let mode = payload.action.get("mode").unwrap_or("0");
    let executable = u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o111 != 0);
    let (mut needs, mut errors) = Found::default();
    let mut run_by = None;
    if let Some(interpreter) = command.split_whitespace().next().filter(|_| executable) {
        if interpreter.starts_with('/') {
            let (folder, file) = split(interpreter);
            let folder = match folder.strip_prefix("/bin") {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/usr{folder}"),
                _ => folder.to_string(),
            };
            let folder = below(&folder, payload.proto);
            needs.push(Need::new(
                "script",
                payload.action,
                package,
                vec![file.to_string()],
                vec![folder],
            ));
            run_by = Some(&*line);
        } else {
            let (file, interpreter) = (payload.local.to_string(), interpreter.to_string());
            errors.push(DependError::RelativeInterpreter { file, interpreter });
        }
    }
    if line.contains("python") {
        let (more, faults) = python::needs(payload, package, run_by, run_paths);
        needs.extend(more);
        errors.extend(faults);
    }
    (needs, errors)
}
