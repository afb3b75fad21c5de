//! describe.rs - listprop with what the templates say beneath each line.

use smf_cmd::locale;
use smf_cmd::operand::{is_instance, matches, service_of};
use smf_cmd::svccfg_lex::Token;
use smf_model::group::Groups;
use smf_model::template::Templates;
use smf_model::template::describe::{Detail, Wish, entity, group, property, templates};

use crate::arguments::{options, texts};
use crate::list::{Line, aligned, lines};
use crate::session::{Complaint, Level, Outcome, Session};
use crate::template;
use crate::verbs::{READABLE, Verb};
use crate::voice::print;

pub const VERBS: &[Verb] = &[Verb {
    name: "describe",
    usage: "describe [-v] [-t] [propertygroup/property]",
    about: "Describe the properties of what is selected; with -v everything that is known of\n\
            them, with -t the templates instead.",
    at: READABLE,
    run: describe,
}];

fn describe(session: &mut Session, tokens: &[Token]) -> Outcome {
    let all = texts(tokens)?;
    let (flags, operands) = options(&all, "vt")?;
    let given = |letter| flags.iter().any(|(own, _)| *own == letter);
    let locale = locale::messages(|name| std::env::var_os(name));
    let detail = if given('v') { Detail::Full } else { Detail::Brief };
    let wish = Wish { detail, locale: &locale };
    let pattern = operands.first().copied();
    let groups = session.groups()?;
    let mut text = if pattern.is_none() { entity(&groups, wish) } else { String::new() };
    let known = patterns(session, &groups)?;
    if given('t') {
        let wanted = |name: &str| pattern.is_none_or(|pattern| matches(pattern, name));
        text.push_str(&templates(&known, &wanted, wish));
    } else {
        let lines = lines(&groups, pattern);
        for (line, shown) in lines.iter().zip(aligned(&lines)) {
            text.push_str(&shown);
            text.push_str(&beneath(line, &groups, &known, wish));
        }
    }
    print(&text)
}

/// The patterns for the selected entity, or for the selected level of a snapshot.
fn patterns(session: &mut Session, groups: &Groups) -> Result<Templates, Complaint> {
    let selected = session.entity()?;
    let looked = match session.snapshot.clone() {
        None if is_instance(&selected) => {
            let service = session.live(service_of(&selected))?;
            template::look(session, &selected, groups.clone(), service)?
        }
        None => template::look(session, &selected, Groups::new(), groups.clone())?,
        Some((_, Level::Service)) => {
            let service = service_of(&selected).to_owned();
            template::look(session, &service, Groups::new(), groups.clone())?
        }
        Some((name, Level::Instance)) => {
            let taken = session.repository()?.snapshot(&selected, &name)?.unwrap_or_default();
            template::look(session, &selected, taken.0, taken.1)?
        }
    };
    Ok(looked.templates())
}

fn beneath(line: &Line, groups: &Groups, known: &Templates, wish: Wish<'_>) -> String {
    let (name, inner) = match line.name.split_once('/') {
        Some((name, inner)) => (name, Some(inner)),
        None => (line.name.as_str(), None),
    };
    let Some(own) = groups.get(name) else { return String::new() };
    let pattern = known.group(name, &own.kind);
    let Some(inner) = inner else { return group(pattern, own, wish) };
    let found = pattern.and_then(|pattern| known.property(pattern, inner));
    match found.zip(own.properties.get(inner)) {
        Some((pattern, value)) => property(pattern, value, wish),
        None => String::new(),
    }
}
