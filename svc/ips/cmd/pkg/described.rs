//! described.rs - `pkg set-publisher -p`: publishers as their repository describes them.
//!
//! The repository is asked first; all its publishers, or the one that is named, are added or
//! brought up to what it says.

use ips_client::Source;
use ips_client::image::{Configuration, Image, Publisher, PublisherUri};
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_model::p5i;

use crate::call::{Call, Given};
use crate::session::Session;
use crate::set_publisher::{Told, flags, keep_approved, properties, rank, security, settle};

/// What a repository says of its publishers; what it does not say of origins, it is itself.
pub fn described(uri: &str) -> Result<Vec<p5i::Publisher>, Failure> {
    let place = Place::parse(uri)?;
    let source: Source = place.source().map_err(|error| {
        let details = error.message;
        Failure::new(format!(
            "\nThe specified URI does not appear to point to a valid pkg repository.\nPlease check the URI and the client's network configuration.\nAdditional details:\n\n{details}"
        ))
    })?;
    source.publishers().map_err(Failure::new)
}

/// `-p`: as the repository says.
pub fn automatic(
    call: &Call,
    given: &Given,
    image: Image,
    (uri, told): (&str, Told),
) -> Result<u8, Failure> {
    let described = described(uri)?;
    if described.is_empty() {
        return Err(call.failed(
            "\nThe specified repository did not contain any publisher configuration\ninformation.  This is likely the result of a repository configuration\nerror.  Please contact the repository administrator for further\nassistance.",
        ));
    }
    let wanted = given.operands.first();
    if let Some(name) = wanted.filter(|name| described.iter().all(|one| one.name != **name)) {
        let known: Vec<&str> = described.iter().map(|one| one.name.as_str()).collect();
        return Err(Failure::new(unknown_in(uri, name, &known)));
    }
    let mut session = Session::of(call, image, "set-publisher")?;
    let before = session.image.configuration().clone();
    let mut after = before.clone();
    let (mut added, mut updated) = (Vec::new(), Vec::new());
    let mut last: Option<String> = None;
    let mut sorted = described;
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    for one in sorted.iter().filter(|one| wanted.is_none_or(|name| one.name == *name)) {
        let known = after.publisher(&one.name).is_some();
        let mut publisher = merge_described(&after, one, uri, given.value("proxy"));
        flags(given, &mut publisher);
        security(call, given, &mut publisher)?;
        properties(call, given, &mut publisher)?;
        after.set_publisher(publisher);
        if known {
            updated.push(one.name.clone());
            continue;
        }
        match &last {
            // Several new ones stay together, in their order.
            Some(before) => {
                let others = after.publishers().iter().filter(|other| other.prefix != one.name);
                let at = others.into_iter().position(|other| other.prefix == *before);
                after.move_publisher(&one.name, at.map_or(usize::MAX, |at| at + 1));
            }
            None => rank(given, &mut after, &one.name)?,
        }
        last = Some(one.name.clone());
        added.push(one.name.clone());
    }
    let all: Vec<String> = added.iter().chain(&updated).cloned().collect();
    keep_approved(call, given, &session, &all)?;
    session.configure(after)?;
    let status = settle(session, before, &all, true)?;
    if told == Told::No {
        return Ok(status);
    }
    println!("pkg set-publisher:");
    if !added.is_empty() {
        println!("  Added publisher(s): {}", added.join(", "));
    }
    if !updated.is_empty() {
        println!("  Updated publisher(s): {}", updated.join(", "));
    }
    Ok(status)
}

fn unknown_in(uri: &str, unknown: &str, known: &[&str]) -> String {
    let known = known.join(", ");
    format!(
        "The repository at {uri} does not contain package data for {unknown}; only {known}.\n\nThis is either a result of invalid origin information being provided for publisher {unknown}, or because the wrong publisher name was provided when this publisher was added.\n"
    )
}

/// A publisher as its repository describes it, put into what is known of it.
pub fn merge_described(
    configuration: &Configuration,
    described: &p5i::Publisher,
    uri: &str,
    proxy: Option<&str>,
) -> Publisher {
    let mut publisher = configuration.publisher(&described.name).cloned().unwrap_or_else(|| {
        let mut publisher = Publisher::new(&described.name);
        publisher.uuid = new_uuid();
        publisher
    });
    if publisher.alias.is_none() {
        publisher.alias = described.alias.clone();
    }
    let place = |text: &str| PublisherUri {
        proxy: proxy.map(str::to_string),
        ..PublisherUri::new(&with_slash(text))
    };
    let add = |list: &mut Vec<PublisherUri>, text: &str| {
        let one = place(text);
        if !list.iter().any(|other| other.uri == one.uri) {
            list.push(one);
        }
    };
    let repository = described.repositories.first();
    let origins = repository.map(|one| one.origins.as_slice()).unwrap_or_default();
    for origin in origins {
        add(&mut publisher.origins, origin);
    }
    if origins.is_empty() {
        add(&mut publisher.origins, uri);
    }
    if let Some(repository) = repository {
        for mirror in &repository.mirrors {
            add(&mut publisher.mirrors, mirror);
        }
        let list = |texts: &[String]| ips_client::image::print_list(texts);
        let mut say = |name: &str, value: String| {
            publisher.repository.insert(name.to_string(), value);
        };
        say("name", repository.name.clone());
        say("description", repository.description.clone());
        say("legal_uris", list(&repository.legal_uris));
        say("related_uris", list(&repository.related_uris));
        say("registration_uri", repository.registration_uri.clone());
        if let Some(seconds) = repository.refresh_seconds {
            say("refresh_seconds", seconds.to_string());
        }
    }
    publisher
}

fn with_slash(uri: &str) -> String {
    if uri.ends_with('/') || uri.ends_with(".p5p") { uri.to_string() } else { format!("{uri}/") }
}

/// A random UUID; publishers see only that it stays the same.
pub fn new_uuid() -> String {
    let mut bytes = [0u8; 16];
    let read = std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    if read.is_err() {
        // Without it the image is anonymous, which harms nobody.
        return String::new();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = ips_model::digest::hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
