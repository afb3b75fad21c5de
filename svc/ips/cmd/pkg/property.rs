//! property.rs - `pkg property`, `set-property`, `add-property-value`, `remove-property-value` and
//! `unset-property`: an image's properties.

use ips_client::image::{Configuration, DEFAULT, Outcome, POLICIES, PROPERTIES, Sort};
use ips_cmd::Failure;

use crate::call::Call;
use crate::session::Session;

/// Lists them.
pub fn property(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H*"])?;
    let image = call.image()?;
    let all = image.configuration().properties();
    if let Some(absent) = given.operands.iter().find(|name| !all.contains_key(*name)) {
        return Err(call.failed(format!("no such property: {absent}")));
    }
    let names: Vec<&String> = if given.operands.is_empty() {
        all.keys().collect()
    } else {
        given.operands.iter().collect()
    };
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0).max(8);
    if !given.has("H") {
        println!("{:width$} VALUE", "PROPERTY");
    }
    for name in names {
        println!("{name:width$} {}", all[name]);
    }
    Ok(0)
}

/// Sets one.
pub fn set_property(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    let Some((name, values)) =
        given.operands.split_first().filter(|(_, values)| !values.is_empty())
    else {
        return Err(call.usage("requires a property name and at least one value"));
    };
    let mut changes = vec![(name.as_str(), values.to_vec())];
    if name == "signature-policy" {
        let (policy, names) = (values[0].as_str(), values[1..].to_vec());
        if policy != "require-names" && !names.is_empty() {
            let message = format!("Signature-policy {policy} doesn't allow additional parameters.");
            return Err(call.usage(message));
        }
        changes = vec![(name.as_str(), vec![policy.to_string()])];
        if policy == "require-names" {
            changes.push(("signature-required-names", names));
        }
    }
    change(call, "set-property", |configuration| {
        changes.iter().try_for_each(|(name, values)| set(configuration, name, values))?;
        check_policy(configuration)
    })
}

/// Adds a value to a list.
pub fn add_property_value(call: &Call) -> Result<u8, Failure> {
    let (name, value) = name_and_value(call)?;
    change(call, "add-property-value", |configuration| {
        if name == "publisher-search-order" {
            return Err(search_order());
        }
        let mut list = list_of(configuration, &name)?;
        list.push(value.clone());
        set(configuration, &name, &list)
    })
}

/// Takes a value out of a list.
pub fn remove_property_value(call: &Call) -> Result<u8, Failure> {
    let (name, value) = name_and_value(call)?;
    change(call, "remove-property-value", |configuration| {
        if name == "publisher-search-order" {
            return Err(search_order());
        }
        let mut list = list_of(configuration, &name)?;
        let Some(at) = list.iter().position(|other| *other == value) else {
            return Err(format!(
                "Value '{value}' not found in the list of values for property '{name}' in section 'property'."
            ));
        };
        list.remove(at);
        set(configuration, &name, &list)?;
        check_policy(configuration)
    })
}

/// Gives them their defaults.
pub fn unset_property(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    if given.operands.is_empty() {
        return Err(call.usage("requires at least one property name"));
    }
    change(call, "unset-property", |configuration| {
        for name in &given.operands {
            if name == "publisher-search-order" {
                return Err(search_order());
            }
            if !configuration.unset_property(name) {
                return Err(format!("Unknown property '{name}' in section 'property'."));
            }
        }
        Ok(())
    })
}

fn name_and_value(call: &Call) -> Result<(String, String), Failure> {
    let given = call.given(&[])?;
    match given.operands.as_slice() {
        [name, value] => Ok((name.clone(), value.clone())),
        _ => Err(call.usage("requires a property name and value")),
    }
}

fn search_order() -> String {
    "publisher-search-order cannot be changed directly; use 'pkg set-publisher' with --search-first, \
     --search-before or --search-after"
        .to_string()
}

fn change(
    call: &Call,
    operation: &'static str,
    work: impl FnOnce(&mut Configuration) -> Result<(), String>,
) -> Result<u8, Failure> {
    let mut session = Session::begin(call, operation)?;
    let mut configuration = session.image.configuration().clone();
    if let Err(message) = work(&mut configuration) {
        return Err(session.fail(Outcome::BAD_REQUEST, call.failed(message)));
    }
    session.configure(configuration)?;
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// What a property holds; one of the administrator's own is text.
fn sort_of(name: &str) -> Sort {
    let known = PROPERTIES.iter().find(|(other, _, _)| *other == name);
    known.map_or(Sort::Text, |(_, sort, _)| *sort)
}

fn list_of(configuration: &Configuration, name: &str) -> Result<Vec<String>, String> {
    if configuration.property(name).is_none() {
        return Err(format!("Unknown property '{name}' in section 'property'."));
    }
    match sort_of(name) {
        Sort::List => configuration.list(name).map_err(|error| error.to_string()),
        Sort::Text | Sort::Truth | Sort::Number | Sort::OneOf(_) => Err(multiple(name)),
    }
}

fn multiple(name: &str) -> String {
    format!("Property '{name}' in section 'property' doesn't allow multiple values.")
}

/// Sets a property to values that its sort allows.
pub fn set(configuration: &mut Configuration, name: &str, values: &[String]) -> Result<(), String> {
    let odd = |next: char| matches!(next, '\t' | '\n' | '\r' | '\x0b' | '\x0c' | '\\' | '/');
    if name.is_empty()
        || name.contains(odd)
        || !name.is_ascii()
        || name.contains(['=', ':', '[', '#', ';'])
    {
        return Err(format!(
            "Property name '{name}' is not valid.  Section names may not contain: tabs, newlines, carriage returns, form feeds, vertical tabs, slashes, backslashes, or non-ASCII characters."
        ));
    }
    if name == "publisher-search-order" {
        return order(configuration, values);
    }
    let sort = sort_of(name);
    if sort == Sort::List {
        let stored = ips_client::image::print_list(values);
        configuration.set_property(name, &stored);
        return Ok(());
    }
    let [value] = values else { return Err(multiple(name)) };
    let invalid =
        || format!("Invalid value '{value}' for property '{name}' in section 'property'.");
    let value = match sort {
        Sort::Truth if value.eq_ignore_ascii_case("true") => "True",
        Sort::Truth if value.is_empty() || value.eq_ignore_ascii_case("false") => "False",
        Sort::Truth => return Err(invalid()),
        Sort::Number => match value.parse::<i64>() {
            Ok(0..) => value,
            Ok(_) => {
                return Err(format!(
                    "'{value}' is less than the minimum of '0' permitted for property '{name}' in section 'property'."
                ));
            }
            Err(_) => return Err(invalid()),
        },
        Sort::OneOf(allowed) if value != DEFAULT && !allowed.contains(&value.as_str()) => {
            return Err(invalid());
        }
        Sort::OneOf(_) | Sort::Text | Sort::List => value,
    };
    configuration.set_property(name, value);
    Ok(())
}

/// The search order may be given as a whole, of the publishers that are there.
fn order(configuration: &mut Configuration, values: &[String]) -> Result<(), String> {
    let mut known: Vec<String> =
        configuration.publishers().iter().map(|one| one.prefix.clone()).collect();
    let mut wanted = values.to_vec();
    known.sort();
    wanted.sort();
    if known != wanted {
        return Err(search_order());
    }
    for (at, prefix) in values.iter().enumerate() {
        configuration.move_publisher(prefix, at);
    }
    Ok(())
}

/// Names without the policy that asks for them would be meaningless, and the other way round.
fn check_policy(configuration: &Configuration) -> Result<(), String> {
    let policy = configuration.property("signature-policy").unwrap_or(POLICIES[3]);
    let names =
        configuration.list("signature-required-names").map_err(|error| error.to_string())?;
    if policy == "require-names" && names.is_empty() {
        return Err("At least one name must be provided for the signature-required-names policy."
            .to_string());
    }
    Ok(())
}
