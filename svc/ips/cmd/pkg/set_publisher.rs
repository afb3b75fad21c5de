//! set_publisher.rs - `pkg set-publisher`: adds and changes publishers.
//!
//! A publisher that gets an origin is asked for its catalog before anything is stored, so a typing
//! error leaves the image as it was.

use ips_client::Origin;
use ips_client::image::{
    Configuration, DEFAULT, Image, Outcome, POLICIES, Publisher, PublisherUri, Refresh, Value,
    approvable,
};
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_model::fmri::is_publisher;

use crate::call::{Call, Given, refused};
use crate::change::Change;
use crate::children::PARTLY;
use crate::described::{automatic, new_uuid};
use crate::linked::{self, open_child};
use crate::refresh::failure;
use crate::session::Session;

const OPTIONS: [&str; 30] = [
    "k=",
    "c=",
    "O|origin-uri=",
    "g|add-origin=*",
    "G|remove-origin=*",
    "m|add-mirror=*",
    "M|remove-mirror=*",
    "p=",
    "e|enable",
    "d|disable",
    "P|search-first",
    "search-before=",
    "search-after=",
    "sticky",
    "non-sticky",
    "reset-uuid",
    "no-refresh",
    "approve-ca-cert=*",
    "revoke-ca-cert=*",
    "unset-ca-cert=*",
    "set-property=*",
    "add-property-value=*",
    "remove-property-value=*",
    "unset-property=*",
    "proxy=",
    "v*",
    "r|recurse",
    "R|norecurse",
    "z=*",
    "Z=*",
];

/// Adds or changes publishers, with `-r` those of children, too.
pub fn set_publisher(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&OPTIONS)?;
    check(call, &given)?;
    let change = Change::of(call, &given, "set-publisher")?;
    let image = call.image()?;
    let recursed = change.recursed(&image)?;
    let mut children = image.children().map_err(|error| linked::refused(call, &error))?;
    children.retain(|child| recursed.contains(&child.name));
    let mut status = set_in(call, &given, image, Told::Yes)?;
    for child in children {
        if given.has("v") {
            println!("Updating publisher on {}", child.name);
        }
        let image = open_child(&child.path).map_err(|error| linked::refused(call, &error));
        if let Err(failure) = image.and_then(|image| set_in(call, &given, image, Told::No)) {
            failure.tell("pkg");
            status = PARTLY;
        }
    }
    Ok(status)
}

/// Whether it is told which publishers were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is.
    Yes,
    /// It is not, of children.
    No,
}

fn set_in(call: &Call, given: &Given, image: Image, told: Told) -> Result<u8, Failure> {
    if let Some(uri) = given.value("p") {
        return automatic(call, given, image, (&uri_of(uri)?, told));
    }
    let name = given.operands[0].clone();
    let known = image.configuration().publisher(&name).is_some();
    let operation = if known { "update-publisher" } else { "add-publisher" };
    let mut session = Session::of(call, image, operation)?;
    let before = session.image.configuration().clone();
    let mut after = before.clone();
    let prefix = match change(call, given, &mut after, &name) {
        Ok(prefix) => prefix,
        Err(failure) => return Err(session.fail(Outcome::BAD_REQUEST, failure)),
    };
    keep_approved(call, given, &session, std::slice::from_ref(&prefix))?;
    session.configure(after)?;
    settle(session, before, &[prefix], !given.has("no-refresh"))
}

/// Refreshes publishers whose origins are new; where that fails, what was before is back.
pub fn settle(
    mut session: Session,
    before: Configuration,
    prefixes: &[String],
    refresh: bool,
) -> Result<u8, Failure> {
    let places = |configuration: &Configuration, prefix: &str| {
        let publisher = configuration.publisher(prefix).filter(|one| !one.disabled);
        publisher.map(|one| one.enabled_origins().map(|uri| uri.uri.clone()).collect::<Vec<_>>())
    };
    let now = session.image.configuration().clone();
    let moved: Vec<String> = prefixes
        .iter()
        .filter(|prefix| places(&before, prefix) != places(&now, prefix))
        .cloned()
        .collect();
    if moved.is_empty() {
        session.end(Outcome::SUCCEEDED)?;
        return Ok(0);
    }
    if !refresh {
        session.image.rebuild(&session.lock, session.start).map_err(refused)?;
        session.end(Outcome::SUCCEEDED)?;
        return Ok(0);
    }
    // A publisher that is disabled now has nothing to be asked for, but is known no more.
    let asked: Vec<String> =
        moved.iter().filter(|prefix| places(&now, prefix).is_some()).cloned().collect();
    let refreshed = match asked.is_empty() {
        true => None,
        false => {
            let refreshed =
                session.image.refresh(&session.lock, &asked, Refresh::Now, session.start);
            Some(refreshed.map_err(refused)?)
        }
    };
    let bad = refreshed.as_ref().and_then(failure);
    if let Some(mut bad) = bad {
        session.configure(before)?;
        session.image.rebuild(&session.lock, session.start).map_err(refused)?;
        bad.status = 1;
        bad.message = format!("\n{}", bad.message.trim_end());
        return Err(session.fail(Outcome::TRANSPORT, bad));
    }
    if refreshed.is_none_or(|refreshed| !refreshed.changed) {
        session.image.rebuild(&session.lock, session.start).map_err(refused)?;
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

fn check(call: &Call, given: &Given) -> Result<(), Failure> {
    if given.operands.is_empty() && !given.has("p") {
        return Err(call.usage("requires a publisher name"));
    }
    if given.operands.len() > 1 {
        return Err(call.usage("only one publisher name may be specified"));
    }
    for (one, other) in [
        ("d", "e"),
        ("sticky", "non-sticky"),
        ("search-before", "search-after"),
        ("search-before", "P"),
        ("search-after", "P"),
        ("O", "g"),
        ("O", "G"),
    ] {
        call.apart(given, one, other)?;
    }
    if given.has("p") {
        for other in ["O", "g", "G", "m", "M", "e", "d", "no-refresh", "reset-uuid"] {
            call.apart(given, "p", other)?;
        }
    }
    if given.has("proxy") && !["g", "m", "G", "M", "p"].iter().any(|name| given.has(name)) {
        return Err(call.usage(
            "'--proxy' may only be used with '-g/--add-origin', '-m/--add-mirror', \
             '-G/--remove-origin', '-M/--remove-mirror' or '-p'.",
        ));
    }
    if given.values("g").any(|text| text == "*") && !given.has("e") && !given.has("d") {
        return Err(call.usage("Either '--enable' or '--disable' must be specified"));
    }
    let mut set = std::collections::BTreeSet::new();
    for text in given.values("set-property") {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if !set.insert(name) {
            return Err(call.usage(format!(
                "a property may only be set once in a command. {name} was set twice"
            )));
        }
    }
    Ok(())
}

/// A path or URI as it is stored: a URI with a slash at its end.
pub fn uri_of(text: &str) -> Result<String, Failure> {
    let place = Place::parse(text)?;
    let archive = matches!(place, Place::Archive(_));
    let uri = match &place {
        Place::Directory(path) | Place::Archive(path) => {
            let quoted = path.to_string_lossy();
            let quoted: Vec<String> = quoted.split('/').map(ips_model::quote::quote).collect();
            format!("file://{}", quoted.join("/"))
        }
        Place::Url(url) => {
            Origin::parse(url).map_err(Failure::new)?;
            url.clone()
        }
    };
    Ok(if archive || uri.ends_with('/') { uri } else { format!("{uri}/") })
}

/// Applies the options to a publisher; its prefix.
fn change(
    call: &Call,
    given: &Given,
    configuration: &mut Configuration,
    name: &str,
) -> Result<String, Failure> {
    let known = configuration.publisher(name).cloned();
    let new = known.is_none();
    if new && !is_publisher(name) {
        return Err(Failure::new(format!(
            "\nPublisher name '{name}' contains invalid characters."
        )));
    }
    let removes = ["G", "M", "remove-property-value", "m"];
    if new && !given.has("O") && !given.has("g") && removes.iter().any(|name| given.has(name)) {
        return Err(Failure::new(format!("\nUnknown publisher '{name}'.")));
    }
    let mut publisher = known.unwrap_or_else(|| {
        let mut publisher = Publisher::new(name);
        publisher.uuid = new_uuid();
        publisher
    });
    if given.has("reset-uuid") {
        publisher.uuid = new_uuid();
    }
    places(given, &mut publisher)?;
    match given.has("g") && (given.has("e") || given.has("d")) {
        true => enable_origins(given, &mut publisher)?,
        false => enable(given, &mut publisher),
    }
    flags(given, &mut publisher);
    security(call, given, &mut publisher)?;
    identity_is_of_use(call, given, &publisher)?;
    properties(call, given, &mut publisher)?;
    let prefix = publisher.prefix.clone();
    configuration.set_publisher(publisher);
    rank(given, configuration, &prefix)?;
    Ok(prefix)
}

pub fn rank(given: &Given, configuration: &mut Configuration, prefix: &str) -> Result<(), Failure> {
    if given.has("P") {
        configuration.move_publisher(prefix, 0);
    }
    for (option, step) in [("search-before", 0), ("search-after", 1)] {
        let Some(other) = given.value(option) else { continue };
        if other == prefix {
            return Err(Failure::new(format!(
                "\nPublisher '{prefix}' cannot be searched before or after itself."
            )));
        }
        let others = configuration.publishers().iter().filter(|one| one.prefix != prefix);
        let at = others.into_iter().position(|one| one.prefix == other);
        let at = at.ok_or_else(|| Failure::new(format!("\nUnknown publisher '{other}'.")))?;
        configuration.move_publisher(prefix, at + step);
    }
    Ok(())
}

fn places(given: &Given, publisher: &mut Publisher) -> Result<(), Failure> {
    let proxy = given.value("proxy").map(str::to_string);
    let place = |text: &str| -> Result<PublisherUri, Failure> {
        Ok(PublisherUri { proxy: proxy.clone(), ..PublisherUri::new(&uri_of(text)?) })
    };
    if let Some(text) = given.value("O") {
        publisher.origins = vec![place(text)?];
    }
    for (add, remove, what) in [("m", "M", "mirror"), ("g", "G", "origin")] {
        let list = if what == "mirror" { &mut publisher.mirrors } else { &mut publisher.origins };
        // What goes, goes first: `-G '*' -g URI` means this one alone.
        for text in given.values(remove) {
            if text == "*" {
                list.clear();
                continue;
            }
            let uri = uri_of(text)?;
            let before = list.len();
            list.retain(|other| other.uri != uri);
            if list.len() == before {
                return Err(Failure::new(format!("\nUnknown repository {what} '{uri}'")));
            }
        }
        let known = list.clone();
        for text in given.values(add).filter(|text| *text != "*" || what == "mirror") {
            let one = place(text)?;
            // Together with -e or -d it is no new one that is meant.
            let meant = given.has("e") || given.has("d");
            if meant && known.iter().any(|other| other.uri == one.uri) {
                continue;
            }
            if list.iter().any(|other| other.uri == one.uri && other.proxy == one.proxy) {
                let kind = if what == "mirror" { "Mirror" } else { "Origin" };
                return Err(Failure::new(format!(
                    "\n{kind} '{}' already exists for the specified publisher.",
                    one.uri
                )));
            }
            list.retain(|other| other.uri != one.uri);
            list.push(one);
        }
    }
    Ok(())
}

/// `-e` and `-d` beside `-g` mean these origins, and not the publisher.
fn enable_origins(given: &Given, publisher: &mut Publisher) -> Result<(), Failure> {
    let named: Vec<&str> = given.values("g").collect();
    let all = named.contains(&"*");
    let uris: Vec<String> =
        named.into_iter().filter(|text| *text != "*").map(uri_of).collect::<Result<_, _>>()?;
    for one in publisher.origins.iter_mut().filter(|one| all || uris.contains(&one.uri)) {
        one.disabled = given.has("d");
    }
    Ok(())
}

fn enable(given: &Given, publisher: &mut Publisher) {
    if given.has("e") {
        publisher.disabled = false;
    }
    if given.has("d") {
        publisher.disabled = true;
    }
}

/// Key and certificate are kept for origins and mirrors that ask for them.
fn identity_is_of_use(call: &Call, given: &Given, publisher: &Publisher) -> Result<(), Failure> {
    let shown =
        ["k", "c"].iter().any(|name| given.value(name).is_some_and(|path| !path.is_empty()));
    let mut uris = publisher.origins.iter().chain(&publisher.mirrors);
    if !shown || uris.any(|uri| uri.uri.starts_with("https:")) {
        return Ok(());
    }
    let prefix = &publisher.prefix;
    let mut failure = call
        .failed(format!("Publisher '{prefix}' does not have any SSL-based origins or mirrors."));
    failure.status = 2;
    Err(failure)
}

pub fn flags(given: &Given, publisher: &mut Publisher) {
    if given.has("sticky") {
        publisher.sticky = true;
    }
    if given.has("non-sticky") {
        publisher.sticky = false;
    }
}

pub fn security(call: &Call, given: &Given, publisher: &mut Publisher) -> Result<(), Failure> {
    for (option, place) in [("k", &mut publisher.ssl_key), ("c", &mut publisher.ssl_cert)] {
        let Some(text) = given.value(option) else { continue };
        if text.is_empty() {
            place.clear();
            continue;
        }
        let path = Call::absolute(text)?;
        if !path.is_file() {
            let what = if option == "k" { "key" } else { "certificate" };
            return Err(call.failed(format!(
                "The specified SSL {what} '{}' does not exist or cannot be read.",
                path.display()
            )));
        }
        *place = path.to_string_lossy().into_owned();
    }
    for (hash, _) in approved(call, given)? {
        publisher.revoked_ca_certs.retain(|other| *other != hash);
        if !publisher.approved_ca_certs.contains(&hash) {
            publisher.approved_ca_certs.push(hash);
        }
    }
    for hash in given.values("revoke-ca-cert").map(str::to_string) {
        publisher.approved_ca_certs.retain(|other| *other != hash);
        if !publisher.revoked_ca_certs.contains(&hash) {
            publisher.revoked_ca_certs.push(hash);
        }
    }
    for hash in given.values("unset-ca-cert") {
        publisher.approved_ca_certs.retain(|other| other != hash);
        publisher.revoked_ca_certs.retain(|other| other != hash);
    }
    Ok(())
}

/// The certificates that are approved: SHA-1 and PEM file.
fn approved(call: &Call, given: &Given) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let one = |text: &str| {
        let path = Call::absolute(text)?;
        let bytes = std::fs::read(&path).map_err(|error| {
            call.failed(format!("Unable to read the CA certificate '{}': {error}", path.display()))
        })?;
        approvable(&bytes).map_err(|_| {
            call.failed(format!(
                "The file '{}' was expected to be a PEM certificate but it could not be read.",
                path.display()
            ))
        })
    };
    given.values("approve-ca-cert").map(one).collect()
}

/// Keeps what is approved for publishers, before they say so.
pub fn keep_approved(
    call: &Call,
    given: &Given,
    session: &Session,
    prefixes: &[String],
) -> Result<(), Failure> {
    let mut certificates = std::collections::BTreeMap::new();
    for (hash, pem) in approved(call, given)? {
        for prefix in prefixes {
            certificates.insert((prefix.clone(), hash.clone()), pem.clone());
        }
    }
    session.image.keep_certificates(&session.lock, &certificates).map_err(refused)
}

pub fn properties(call: &Call, given: &Given, publisher: &mut Publisher) -> Result<(), Failure> {
    let pair = |text: &str, what: &str| -> Result<(String, String), Failure> {
        let pair = text.split_once('=');
        let (name, value) = pair.ok_or_else(|| {
            call.usage(format!(
                "{what} must be of the form '<name>=<value>'. This is what was given: {text}"
            ))
        })?;
        Ok((name.to_string(), value.to_string()))
    };
    for text in given.values("set-property") {
        let (name, value) = pair(text, "properties to be set")?;
        match name.as_str() {
            "signature-policy" => {
                let mut words = value.split_whitespace().map(str::to_string);
                let policy = words.next().unwrap_or_default();
                if !POLICIES.contains(&policy.as_str()) && policy != DEFAULT {
                    return Err(call.failed(format!("Invalid value '{policy}' for {name}.")));
                }
                let names: Vec<String> = words.collect();
                if policy == "require-names" && names.is_empty() && !has_names(publisher) {
                    return Err(call.failed("At least one name must be provided for the signature-policy require-names."));
                }
                if !names.is_empty() {
                    publisher
                        .properties
                        .insert("signature-required-names".into(), Value::List(names));
                }
                publisher.properties.insert(name, Value::Text(policy));
            }
            "signature-required-names" => {
                let names = value.split_whitespace().map(str::to_string).collect();
                publisher.properties.insert(name, Value::List(names));
            }
            _ => drop(publisher.properties.insert(name, Value::Text(value))),
        }
    }
    for text in given.values("add-property-value") {
        let (name, value) = pair(text, "property values to be added")?;
        match publisher.properties.entry(name.clone()).or_insert_with(|| Value::List(Vec::new())) {
            Value::List(list) => list.push(value),
            Value::Text(_) => {
                return Err(call.failed(format!("Property {name} doesn't allow multiple values.")));
            }
        }
    }
    for text in given.values("remove-property-value") {
        let (name, value) = pair(text, "property values to be removed")?;
        let missing = || {
            call.failed(format!(
                "Cannot remove the value {value} from the property {name} because the value is not in the property's list."
            ))
        };
        let Some(Value::List(list)) = publisher.properties.get_mut(&name) else {
            return Err(missing());
        };
        let at = list.iter().position(|other| *other == value).ok_or_else(missing)?;
        list.remove(at);
    }
    for name in given.values("unset-property") {
        if publisher.properties.remove(name).is_none() {
            return Err(call.failed(format!("Unknown property {name}")));
        }
        if name == "signature-required-names" {
            publisher.properties.insert(name.to_string(), Value::List(Vec::new()));
        }
    }
    Ok(())
}

fn has_names(publisher: &Publisher) -> bool {
    let names = publisher.properties.get("signature-required-names");
    matches!(names, Some(Value::List(list)) if !list.is_empty())
}
