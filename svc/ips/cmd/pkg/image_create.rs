//! image_create.rs - `pkg image-create`: a new image, with its first publisher.

use std::collections::BTreeMap;
use std::path::Path;

use ips_client::image::{
    Configuration, CreateError, CreateOptions, Image, ImageKind, Outcome, PublisherUri, Refresh,
};
use ips_cmd::transport::surroundings;
use ips_cmd::{Failure, clock};
use nix::unistd::Uid;

use crate::call::{Call, Given, refused};
use crate::described::{described, merge_described, new_uuid};
use crate::refresh::failure;
use crate::session::Session;
use crate::set_publisher::uri_of;

const OPTIONS: [&str; 14] = [
    "f|force*",
    "F|full*",
    "P|partial*",
    "U|user*",
    "z|zone*",
    "g|origin=*",
    "m|mirror=*",
    "p|publisher=*",
    "k=*",
    "c=*",
    "facet=*",
    "variant=*",
    "no-refresh*",
    "set-property=*",
];

/// Makes it.
pub fn image_create(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&OPTIONS)?;
    let root = match given.operands.as_slice() {
        [] => return Err(call.usage("an image directory path must be specified")),
        [root] => Call::absolute(root)?,
        _ => return Err(call.usage("only one image directory path may be specified")),
    };
    if given.values("p").count() > 1 {
        return Err(call.usage("The -p option can be specified only once."));
    }
    let (name, uri) = match given.value("p").map(|text| text.split_once('=').unwrap_or(("", text)))
    {
        None => (None, None),
        Some((name, uri)) => (Some(name).filter(|name| !name.is_empty()), Some(uri_of(uri)?)),
    };
    let refresh = !given.has("no-refresh");
    if uri.is_some() && name.is_none() && !refresh {
        return Err(call
            .usage("--no-refresh cannot be used with -p unless a publisher prefix is provided."));
    }
    if uri.is_none() && (given.has("g") || given.has("m")) {
        return Err(call.usage("A publisher must be specified if -g or -m are used."));
    }
    let mut configuration = configured(call, &given)?;
    // What the repository says is heard before anything is made.
    if let Some(uri) = &uri {
        publishers(call, &given, &mut configuration, (name, uri), refresh)?;
    }
    let kind = kind(&given);
    let options = CreateOptions {
        kind,
        configuration,
        force: given.has("f"),
        rootless: !Uid::effective().is_root(),
        lasting: true,
        time: clock::publication()?,
    };
    let image = Image::create(&root, "pkg", &options)
        .map_err(|error| told(call, &root, error))?
        .within(surroundings);
    let mut session = Session::of(call, image, "image-create")?;
    if uri.is_some() && refresh {
        let refreshed = session.image.refresh(&session.lock, &[], Refresh::Now, session.start);
        if let Some(bad) = failure(&refreshed.map_err(refused)?) {
            return Err(session.fail(Outcome::TRANSPORT, bad.of("image-create")));
        }
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// The last one of these options counts.
fn kind(given: &Given) -> ImageKind {
    let chosen = given.names().filter_map(|name| match name {
        "F" | "z" => Some(ImageKind::Full),
        "P" => Some(ImageKind::Partial),
        "U" => Some(ImageKind::User),
        _ => None,
    });
    chosen.last().unwrap_or(ImageKind::User)
}

/// Variants, facets and properties.
fn configured(call: &Call, given: &Given) -> Result<Configuration, Failure> {
    let zone = if given.has("z") { "nonglobal" } else { "global" };
    let mut variants: BTreeMap<String, String> = [
        ("variant.arch", machine()),
        ("variant.opensolaris.imagetype", kind(given).as_str()),
        ("variant.opensolaris.zone", zone),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    for text in given.values("variant") {
        let form = || call.usage("variant arguments must be of the form '<name>=<value>'.");
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        let name =
            if name.starts_with("variant.") { name.to_string() } else { format!("variant.{name}") };
        if [&name, value].iter().any(|text| text.contains(['\n', '\r'])) {
            return Err(form());
        }
        variants.insert(name, value.to_string());
    }
    let mut configuration = Configuration::new(&variants);
    for text in given.values("facet") {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let value = match value.to_ascii_uppercase().as_str() {
            "TRUE" => true,
            "FALSE" => false,
            _ => {
                return Err(call.usage("Facet arguments must be of the form '<name>=(True|False)'"));
            }
        };
        let name =
            if name.starts_with("facet.") { name.to_string() } else { format!("facet.{name}") };
        configuration.set_facet(&name, Some(value));
    }
    let mut seen: Vec<&str> = Vec::new();
    for text in given.values("set-property") {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            call.usage(format!(
                "properties to be set must be of the form '<name>=<value>'. This is what was given: {text}"
            ))
        })?;
        if seen.contains(&name) {
            return Err(call.usage(format!(
                "a property may only be set once in a command. {name} was set twice"
            )));
        }
        seen.push(name);
        crate::property::set(&mut configuration, name, &[value.to_string()])
            .map_err(|message| call.failed(message))?;
    }
    Ok(configuration)
}

/// What `uname -p` says on illumos.
fn machine() -> &'static str {
    if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) { "sparc" } else { "i386" }
}

/// The publishers that the repository describes, or the one that is named.
fn publishers(
    call: &Call,
    given: &Given,
    configuration: &mut Configuration,
    (name, uri): (Option<&str>, &str),
    refresh: bool,
) -> Result<(), Failure> {
    let described = match refresh {
        true => described(uri).map_err(|failure| {
            let details = failure.message;
            call.failed(details.trim_start())
        })?,
        false => Vec::new(),
    };
    let known: Vec<&str> = described.iter().map(|one| one.name.as_str()).collect();
    let mut chosen = Vec::new();
    if let Some(name) = name {
        if refresh && !known.contains(&name) {
            return Err(call.failed(format!(
                "The repository at {uri} does not contain package data for {name}; only {}.\n\nThis is either a result of invalid origin information being provided for publisher {name}, or because the wrong publisher name was provided when this publisher was added.\n",
                known.join(", ")
            )));
        }
        let found = described.iter().find(|one| one.name == name).cloned();
        let own = ips_model::p5i::Publisher { name: name.to_string(), ..Default::default() };
        chosen.push(found.unwrap_or(own));
    } else {
        chosen.clone_from(&described);
    }
    if chosen.iter().any(|one| !ips_model::fmri::is_publisher(&one.name)) {
        return Err(
            call.failed(format!("'{}' is not a publisher prefix", name.unwrap_or_default()))
        );
    }
    for one in &chosen {
        let mut publisher = merge_described(configuration, one, uri, None);
        publisher.uuid = new_uuid();
        for (option, list) in [("g", &mut publisher.origins), ("m", &mut publisher.mirrors)] {
            for text in given.values(option) {
                let place = PublisherUri::new(&uri_of(text)?);
                if !list.iter().any(|other| other.uri == place.uri) {
                    list.push(place);
                }
            }
        }
        for (option, place) in [("k", &mut publisher.ssl_key), ("c", &mut publisher.ssl_cert)] {
            if let Some(text) = given.value(option) {
                *place = Call::absolute(text)?.to_string_lossy().into_owned();
            }
        }
        configuration.set_publisher(publisher);
    }
    Ok(())
}

fn told(call: &Call, root: &Path, error: CreateError) -> Failure {
    match error {
        CreateError::Exists(_) => call.failed(format!(
            "there is already an image at: {}.\nTo override, use the -f (force) option.",
            root.display()
        )),
        CreateError::NotEmpty(_) => call.failed(format!(
            "the specified image path is not empty: {}.\nTo override, use the -f (force) option.",
            root.display()
        )),
        CreateError::Record(error) => refused(error),
        other => call.failed(other),
    }
}
