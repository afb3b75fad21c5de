//! edit.rs - editprop: the selected entity as a script of svccfg, in an editor.
//!
//! Every command of the script is a comment; what the user uncomments is carried out.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use smf_cmd::svccfg_lex::Token;
use smf_scf::import::merge::{Groups, Property};

use crate::arguments::none;
use crate::engine::{self, After, Failed};
use crate::session::{Complaint, Outcome, Session, complain};
use crate::sys::editor;
use crate::verbs::{EDITABLE, Verb};
use crate::voice::{Voice, reason};

pub const VERBS: &[Verb] = &[Verb {
    name: "editprop",
    usage: "editprop",
    about: "Edit the properties of what is selected with $VISUAL or $EDITOR.",
    at: EDITABLE,
    run: editprop,
}];

fn editprop(session: &mut Session, tokens: &[Token]) -> Outcome {
    none(tokens)?;
    let entity = session.editable()?;
    let script = script(&entity, &session.live(&entity)?);
    let file = tempfile::Builder::new().prefix("svccfg_").tempfile();
    let mut file = file.or_else(|_| complain("Could not create temporary file."))?;
    if let Err(error) = file.write_all(script.as_bytes()).and_then(|()| file.flush()) {
        return complain(format!("Error writing temporary file: {}.", reason(&error)));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let program: OsString = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into());
    if let Err(error) = editor::run(&program, file.path()) {
        let program = program.to_string_lossy();
        return complain(format!("Could not launch editor {program}: {}", reason(&error)));
    }
    // On a terminal one mistake does not lose the rest of an edit.
    let after = if session.voice == Voice::Interactive { After::GoOn } else { After::Stop };
    match engine::file(session, file.path(), after) {
        Ok(()) => Ok(()),
        Err(Failed::Command) => Err(Complaint::Said),
        Err(Failed::Svccfg) => Err(Complaint::Fatal("Edited commands not completed.".into())),
    }
}

/// The form in which properties are edited.
fn script(entity: &str, groups: &Groups) -> String {
    let mut text = format!("select {entity}\n\n");
    for (name, group) in groups {
        let flags = if group.volatile { " P" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# Property group \"{name}\"\n# delprop {name}\n# addpg {name} {}{flags}",
            group.kind
        );
        for (property, value) in &group.properties {
            let _ =
                writeln!(text, "# setprop {name}/{property} = {}: {}", value.kind, values(value));
        }
        text.push('\n');
    }
    text
}

fn values(property: &Property) -> String {
    let textual =
        !matches!(property.kind.as_str(), "boolean" | "count" | "integer" | "time" | "opaque");
    let several = property.values.len() != 1;
    let value = |value: &String| {
        let always = (textual && several) || value.is_empty() || value.contains(['>', '=', '#']);
        // The lines of a long value stay comments.
        smf_cmd::svccfg_lex::quoted(value, always).replace('\n', "\n#")
    };
    let values: Vec<String> = property.values.iter().map(value).collect();
    if several { format!("({})", values.join(" ")) } else { values.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smf_scf::import::merge::Group;

    #[test]
    fn what_is_edited() {
        let property = |kind: &str, values: &[&str]| Property {
            kind: kind.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let group = Group {
            kind: "application".into(),
            volatile: false,
            properties: [
                ("n", property("count", &["1", "2"])),
                ("none", property("astring", &[])),
                ("one", property("astring", &["a=b"])),
                ("plain", property("astring", &["a"])),
                ("two", property("fmri", &["svc:/a", "svc:/b"])),
            ]
            .map(|(name, property)| (name.to_owned(), property))
            .into(),
        };
        let groups: Groups = [("x".to_owned(), group)].into();
        assert_eq!(
            script("svc:/s", &groups),
            "select svc:/s\n\n\
             # Property group \"x\"\n# delprop x\n# addpg x application\n\
             # setprop x/n = count: (1 2)\n\
             # setprop x/none = astring: ()\n\
             # setprop x/one = astring: \"a=b\"\n\
             # setprop x/plain = astring: a\n\
             # setprop x/two = fmri: (\"svc:/a\" \"svc:/b\")\n\n"
        );
    }
}
