//! publisher.rs - `pkg publisher`: the publishers of an image, as a table or one by one.

use ips_client::image::{Image, Publisher, PublisherUri, Value};
use ips_cmd::Failure;
use jiff::Timestamp;

use crate::call::Call;
use crate::listing::Form;

/// Lists them.
pub fn publisher(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H", "P", "n", "a", "F|output-format="])?;
    let form = Form::of(call, &given, &["default", "tsv"])?;
    let image = call.image()?;
    if !given.operands.is_empty() {
        for name in &given.operands {
            let found = image.configuration().publisher(name);
            let publisher =
                found.ok_or_else(|| Failure::new(format!("Unknown publisher '{name}'.")))?;
            details(&image, publisher);
        }
        return Ok(0);
    }
    let all = image.configuration().publishers().iter();
    let shown = all.filter(|one| !one.disabled || !given.has("n"));
    let shown: Vec<&Publisher> = match given.has("P") {
        true => shown.take(1).collect(),
        false => shown.collect(),
    };
    if !given.has("H") {
        match form {
            Form::Tabs => println!("PUBLISHER\tSTICKY\tSYSPUB\tENABLED\tTYPE\tSTATUS\tURI\tPROXY"),
            _ => println!("{:14} {:12} {:8} STATUS P LOCATION", "PUBLISHER", "", "TYPE"),
        }
    }
    for publisher in shown {
        rows(publisher, form);
    }
    Ok(0)
}

fn rows(publisher: &Publisher, form: Form) {
    let mut origins: Vec<&PublisherUri> = publisher.origins.iter().collect();
    origins.sort_by(|one, other| one.uri.cmp(&other.uri));
    let places = origins.into_iter().map(|uri| ("origin", Some(uri)));
    let mut places: Vec<_> =
        places.chain(publisher.mirrors.iter().map(|uri| ("mirror", Some(uri)))).collect();
    if places.is_empty() {
        places.push(("", None));
    }
    let mut attributes = Vec::new();
    attributes.extend((!publisher.sticky).then_some("non-sticky"));
    attributes.extend(publisher.disabled.then_some("disabled"));
    let attributes = match attributes.as_slice() {
        [] => String::new(),
        some => format!("({})", some.join(", ")),
    };
    for (kind, uri) in places {
        let status = match uri {
            None => "",
            Some(uri) if uri.disabled => "disabled",
            Some(_) => "online",
        };
        let enabled = !publisher.disabled && uri.is_none_or(|uri| !uri.disabled);
        let proxy = uri.map(|uri| uri.proxy.as_deref());
        let location = uri.map_or("", |uri| uri.uri.as_str());
        let prefix = &publisher.prefix;
        if form == Form::Tabs {
            let proxy = proxy.map_or("", |proxy| proxy.unwrap_or("-"));
            let sticky = publisher.sticky;
            println!("{prefix}\t{sticky}\tfalse\t{enabled}\t{kind}\t{status}\t{location}\t{proxy}");
        } else {
            let proxied = proxy.map_or("", |proxy| if proxy.is_some() { "T" } else { "F" });
            println!("{prefix:14} {attributes:12} {kind:8} {status:2} {proxied} {location}");
        }
    }
}

fn details(image: &Image, publisher: &Publisher) {
    let or_none = |text: &str| if text.is_empty() { "None" } else { text }.to_string();
    println!("\n            Publisher: {}", publisher.prefix);
    println!("                Alias: {}", publisher.alias.as_deref().unwrap_or("None"));
    for (label, status, uris) in [
        ("           Origin URI:", "        Origin Status:", &publisher.origins),
        ("           Mirror URI:", "        Mirror Status:", &publisher.mirrors),
    ] {
        for uri in uris {
            println!("{label} {}", uri.uri);
            println!("{status} {}", if uri.disabled { "Disabled" } else { "Online" });
            if let Some(proxy) = &uri.proxy {
                println!("                Proxy: {proxy}");
            }
            println!("              SSL Key: {}", or_none(&publisher.ssl_key));
            println!("             SSL Cert: {}", or_none(&publisher.ssl_cert));
        }
    }
    println!("          Client UUID: {}", or_none(&publisher.uuid));
    let updated = image.last_refreshed(&publisher.prefix);
    let updated = updated.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let updated = updated.map(|time| time.strftime("%a %d %b %Y %I:%M:%S %p").to_string());
    println!("      Catalog Updated: {}", updated.as_deref().unwrap_or("None"));
    for (label, certificates) in [
        ("         Approved CAs:", &publisher.approved_ca_certs),
        ("          Revoked CAs:", &publisher.revoked_ca_certs),
    ] {
        for (at, hash) in certificates.iter().enumerate() {
            println!("{} {hash}", if at == 0 { label } else { "                     :" });
        }
    }
    println!("              Enabled: {}", if publisher.disabled { "No" } else { "Yes" });
    println!("               Sticky: {}", if publisher.sticky { "Yes" } else { "No" });
    let mut first = true;
    for (name, value) in &publisher.properties {
        let value = match value {
            Value::Text(text) => text.clone(),
            Value::List(list) => {
                let mut list = list.clone();
                list.sort();
                list.join(", ")
            }
        };
        if value.is_empty() || value == "DEFAULT" {
            continue;
        }
        if first {
            println!("           Properties:");
            first = false;
        }
        println!("                       {name} = {value}");
    }
}

/// `pkg list-uuids`: what each publisher knows this image by.
pub fn list_uuids(call: &Call) -> Result<u8, Failure> {
    call.given(&[])?;
    let image = call.image()?;
    for publisher in image.configuration().publishers() {
        println!("{:18} {} {}", publisher.prefix, publisher.uuid, publisher.last_uuid);
    }
    Ok(0)
}
