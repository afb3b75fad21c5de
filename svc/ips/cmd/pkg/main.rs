//! pkg(1) - makes images, shows and changes what is in them.
//!
//! call.rs reads the arguments of a subcommand and opens its image, usage.rs tells what it takes;
//! then a file for each subcommand.

mod apply_hot_fix;
mod at_once;
mod attach_linked;
mod autoremove;
mod avoid;
mod call;
mod change;
mod change_facet;
mod change_variant;
mod children;
mod clean;
mod columns;
mod contents;
mod copy_publishers_from;
mod dehydrate;
mod described;
mod exact_install;
mod facet;
mod findings;
mod fix;
mod freeze;
mod history;
mod image_create;
mod info;
mod install;
mod inventory;
mod licenses;
mod link_properties;
mod linked;
mod list;
mod listing;
mod mediator;
mod packages;
mod parsable;
mod property;
mod publisher;
mod refresh;
mod search;
mod session;
mod set_mediator;
mod set_publisher;
mod summary;
mod uninstall;
mod unset_publisher;
mod update;
mod update_format;
mod usage;
mod variant;
mod verify;
mod version;
mod wrap;

use std::path::PathBuf;
use std::process::ExitCode;

use ips_cmd::Failure;

use crate::call::Call;
use crate::change::NOTHING;

/// A subcommand: does it and says its exit status.
type Run = fn(&Call) -> Result<u8, Failure>;

/// Every subcommand.
const RUNS: &[(&str, Run)] = &[
    ("add-property-value", property::add_property_value),
    ("apply-hot-fix", apply_hot_fix::apply_hot_fix),
    ("attach-linked", attach_linked::attach_linked),
    ("audit-linked", linked::audit_linked),
    ("authority", publisher::publisher),
    ("autoremove", autoremove::autoremove),
    ("avoid", avoid::avoid),
    ("change-facet", change_facet::change_facet),
    ("change-variant", change_variant::change_variant),
    ("clean", clean::clean),
    ("contents", contents::contents),
    ("copy-publishers-from", copy_publishers_from::copy_publishers_from),
    ("dehydrate", dehydrate::dehydrate),
    ("detach-linked", attach_linked::detach_linked),
    ("exact-install", exact_install::exact_install),
    ("facet", facet::facet),
    ("fix", fix::fix),
    ("flag", autoremove::flag),
    ("freeze", freeze::freeze),
    ("history", history::history),
    ("image-create", image_create::image_create),
    ("info", info::info),
    ("install", install::install),
    ("list", list::list),
    ("list-linked", linked::list_linked),
    ("list-uuids", publisher::list_uuids),
    ("mediator", mediator::mediator),
    ("property", property::property),
    ("property-linked", link_properties::property_linked),
    ("pubcheck-linked", linked::pubcheck_linked),
    ("publisher", publisher::publisher),
    ("purge-history", history::purge_history),
    ("rebuild-index", refresh::rebuild_index),
    ("refresh", refresh::refresh),
    ("rehydrate", dehydrate::rehydrate),
    ("remove-property-value", property::remove_property_value),
    ("revert", fix::revert),
    ("search", search::search),
    ("set-authority", set_publisher::set_publisher),
    ("set-mediator", set_mediator::set_mediator),
    ("set-property", property::set_property),
    ("set-property-linked", link_properties::set_property_linked),
    ("set-publisher", set_publisher::set_publisher),
    ("sync-linked", attach_linked::sync_linked),
    ("unavoid", avoid::unavoid),
    ("unfreeze", freeze::unfreeze),
    ("uninstall", uninstall::uninstall),
    ("unset-authority", unset_publisher::unset_publisher),
    ("unset-mediator", set_mediator::unset_mediator),
    ("unset-property", property::unset_property),
    ("unset-publisher", unset_publisher::unset_publisher),
    ("update", update::update),
    ("update-format", update_format::update_format),
    ("variant", variant::variant),
    ("verify", verify::verify),
    ("version", version::version),
];

/// Other words for subcommands.
const ALIASES: [(&str, &str); 3] =
    [("image-update", "update"), ("apply-hotfix", "apply-hot-fix"), ("cleanup", "clean")];

/// What stands before the subcommand.
#[derive(Default)]
struct Global {
    root: Option<PathBuf>,
    help: bool,
    debug: Vec<String>,
}

fn main() -> ExitCode {
    ips_cmd::watched(program)
}

fn program() -> ExitCode {
    let line: Vec<String> =
        std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect();
    match run(&line) {
        // Scripts may have it that nothing to do is no failure.
        Ok(NOTHING) if std::env::var_os("PKG_SUCCESS_ON_NOP").is_some() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            let status = failure.tell("pkg");
            match failure.subcommand {
                Some(name) if failure.is_usage() => eprint!("{}", usage::of(name)),
                Some(_) | None => {}
            }
            status
        }
    }
}

fn run(line: &[String]) -> Result<u8, Failure> {
    let (global, rest) = global(line.get(1..).unwrap_or_default())?;
    let Some((word, arguments)) = rest.split_first() else {
        if global.help {
            eprint!("{}", usage::SHORT);
            return Ok(0);
        }
        Failure::new("no subcommand specified").tell("pkg");
        eprint!("{}", usage::SHORT);
        return Ok(2);
    };
    let alias = ALIASES.iter().find(|(alias, _)| alias == word);
    let word = alias.map_or(word.as_str(), |(_, word)| *word);
    if word == "help" {
        return help(arguments);
    }
    let Some((name, run)) = RUNS.iter().find(|(name, _)| *name == word) else {
        return unknown(word);
    };
    if global.help || arguments.iter().any(|word| matches!(word.as_str(), "--help" | "-?")) {
        eprint!("{}", usage::of(name));
        return Ok(0);
    }
    if global.root.is_some() && matches!(*name, "version" | "image-create") {
        let message = format!("-R not allowed for {name} subcommand");
        return Err(Failure::usage(message).of(name));
    }
    let (root, arguments, line) = (global.root, arguments.to_vec(), line.to_vec());
    run(&Call { name, root, arguments, line, debug: global.debug })
}

fn global(arguments: &[String]) -> Result<(Global, &[String]), Failure> {
    let mut global = Global::default();
    let mut rest = arguments;
    while let Some((option, after)) = rest.split_first() {
        let illegal = |option: &str| {
            let message = format!("illegal global option -- {option}");
            Failure::argument(format!("{message}\nFor a full list of subcommands, run: pkg help"))
        };
        let mut value = |attached: &str, name: &str| -> Result<String, Failure> {
            rest = after;
            if !attached.is_empty() {
                return Ok(attached.to_string());
            }
            let (value, after) = after.split_first().ok_or_else(|| illegal(name))?;
            rest = after;
            Ok(value.clone())
        };
        match option.as_str() {
            "--help" | "-?" => {
                global.help = true;
                rest = after;
            }
            // What they are for in pkg5 (caches of the network, log entries) is not here.
            "--no-network-cache" | "--notes" => rest = after,
            "--" => return Ok((global, after)),
            long if long.starts_with("--") => match long.split_once('=') {
                Some(("--runid", _)) => rest = after,
                Some(("--debug", switch)) => {
                    global.debug.push(switch.to_string());
                    rest = after;
                }
                None if long == "--runid" => drop(value("", "runid")?),
                None if long == "--debug" => global.debug.push(value("", "debug")?),
                _ => return Err(illegal(&long[2..])),
            },
            short if short.starts_with("-R") => {
                global.root = Some(PathBuf::from(value(&short[2..], "R")?));
            }
            short if short.starts_with("-D") => global.debug.push(value(&short[2..], "D")?),
            short if short.starts_with('-') && short.len() > 1 => {
                return Err(illegal(&short[1..2]));
            }
            _ => return Ok((global, rest)),
        }
    }
    Ok((global, rest))
}

fn help(arguments: &[String]) -> Result<u8, Failure> {
    match arguments.first().map(String::as_str) {
        None | Some("help" | "-?" | "--help") => eprint!("{}", usage::SHORT),
        Some("-v") => eprint!("{}", usage::verbose()),
        Some(word) if usage::SUBCOMMANDS.iter().any(|(name, _)| *name == word) => {
            eprint!("{}", usage::of(word));
        }
        Some(word) => return unknown(word),
    }
    Ok(0)
}

fn unknown(word: &str) -> Result<u8, Failure> {
    Failure::new(format!("unknown subcommand '{word}'")).tell("pkg");
    let similar = usage::similar(word);
    if !similar.is_empty() {
        eprintln!("Did you mean:\n    {}\n", similar.join(", "));
    }
    eprintln!("For a full list of subcommands, run: pkg help");
    Ok(2)
}
