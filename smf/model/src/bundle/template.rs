//! template.rs - the template elements become property groups of the template types.
//!
//! tm_common_name, tm_description: one ustring per locale.  tm_man_*, tm_doc_*: documentation.
//! tm_pgpat*: one group per pg_pattern.  tm_proppat_*: one group per prop_pattern, which names the
//! group of its pg_pattern.

use super::elements::{group, one, property};
use super::value::PropertyType;
use super::xml::Element;
use super::{BundleError, Group, Property};

/// The groups of one template element.
pub(super) fn groups(element: &Element) -> Result<Vec<Group>, BundleError> {
    let mut groups = Vec::new();
    for child in &element.children {
        match child.name.as_str() {
            "common_name" | "description" => {
                let name = format!("tm_{}", child.name);
                groups.push(group(child.at, &name, Some("template"), localised(child, "")?));
            }
            "documentation" => {
                for page in &child.children {
                    groups.push(documentation(page)?);
                }
            }
            "pg_pattern" => pg_pattern(child, &mut groups)?,
            _ => {}
        }
    }
    Ok(groups)
}

fn attribute<'a>(element: &'a Element, name: &str) -> &'a str {
    element.attribute(name).unwrap_or_default()
}

/// Characters that a name may not have become `_`.
fn sanitised(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

/// One ustring per locale, named by prefix and locale.
fn localised(element: &Element, prefix: &str) -> Result<Vec<Property>, BundleError> {
    let texts = element.children("loctext");
    texts
        .map(|loctext| {
            let locale = attribute(loctext, "xml:lang");
            let locale: String =
                locale.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let name = format!("{prefix}{locale}");
            one(loctext.at, &name, PropertyType::Ustring, loctext.text.trim())
        })
        .collect()
}

fn astring(element: &Element, name: &str, value: &str) -> Result<Property, BundleError> {
    one(element.at, name, PropertyType::Astring, value)
}

fn documentation(page: &Element) -> Result<Group, BundleError> {
    if page.name == "manpage" {
        let (title, section) = (attribute(page, "title"), attribute(page, "section"));
        let name = manpage_group(title, section);
        let properties = vec![
            astring(page, "title", title)?,
            astring(page, "section", section)?,
            astring(page, "manpath", attribute(page, "manpath"))?,
        ];
        return Ok(group(page.at, &name, Some("template"), properties));
    }
    let name = attribute(page, "name");
    let properties = vec![
        astring(page, "name", name)?,
        one(page.at, "uri", PropertyType::Uri, attribute(page, "uri"))?,
    ];
    Ok(group(page.at, &doc_link_group(name), Some("template"), properties))
}

/// The name of the group that a manpage element becomes.
pub(super) fn manpage_group(title: &str, section: &str) -> String {
    format!("tm_man_{}", sanitised(&format!("{title}{section}")))
}

/// The name of the group that a doc_link element becomes.
pub(super) fn doc_link_group(name: &str) -> String {
    format!("tm_doc_{}", sanitised(name))
}

fn pg_pattern(element: &Element, groups: &mut Vec<Group>) -> Result<(), BundleError> {
    let (name, kind) = (attribute(element, "name"), attribute(element, "type"));
    let (own, short) = match (name.is_empty(), kind.is_empty()) {
        (true, true) => ("tm_pgpat_".to_owned(), String::new()),
        (false, true) => (format!("tm_pgpatn_{name}"), format!("n_{name}_")),
        (true, false) => (format!("tm_pgpatt_{kind}"), format!("t_{kind}_")),
        (false, false) => (format!("tm_pgpatnt_{name}"), format!("nt_{name}_")),
    };
    let mut properties = Vec::new();
    if !name.is_empty() {
        properties.push(astring(element, "name", name)?);
    }
    if !kind.is_empty() {
        properties.push(astring(element, "type", kind)?);
    }
    let required = attribute(element, "required");
    properties.push(one(element.at, "required", PropertyType::Boolean, required)?);
    properties.push(astring(element, "target", attribute(element, "target"))?);
    properties.extend(texts(element)?);
    groups.push(group(element.at, &own, Some("template_pg_pattern"), properties));
    for child in element.children("prop_pattern") {
        let name = format!("tm_proppat_{short}{}", attribute(child, "name"));
        let properties = prop_pattern(child, &own)?;
        groups.push(group(child.at, &name, Some("template_prop_pattern"), properties));
    }
    Ok(())
}

/// common_name_*, description_* and units_*, as far as they are there.
fn texts(element: &Element) -> Result<Vec<Property>, BundleError> {
    let mut properties = Vec::new();
    for name in ["common_name", "description", "units"] {
        if let Some(child) = element.child(name) {
            properties.extend(localised(child, &format!("{name}_"))?);
        }
    }
    Ok(properties)
}

fn prop_pattern(element: &Element, pattern: &str) -> Result<Vec<Property>, BundleError> {
    let at = element.at;
    let mut properties = vec![
        astring(element, "name", attribute(element, "name"))?,
        astring(element, "pg_pattern", pattern)?,
    ];
    if let Some(kind) = element.attribute("type") {
        properties.push(astring(element, "type", kind)?);
    }
    let required = attribute(element, "required");
    properties.push(one(at, "required", PropertyType::Boolean, required)?);
    properties.extend(texts(element)?);
    if let Some(visibility) = element.child("visibility") {
        properties.push(astring(visibility, "visibility", attribute(visibility, "value"))?);
    }
    if let Some(child) = element.child("cardinality") {
        for side in ["min", "max"] {
            let name = format!("cardinality_{side}");
            properties.push(one(child.at, &name, PropertyType::Count, attribute(child, side))?);
        }
    }
    if let Some(child) = element.child("internal_separators") {
        let characters: Vec<_> = child.text.chars().map(String::from).collect();
        let values = characters.iter().map(String::as_str);
        let kind = PropertyType::Astring;
        properties.push(property(child.at, "internal_separators", kind, values)?);
    }
    if let Some(child) = element.child("values") {
        properties.extend(values(child, "values_name", None)?);
    }
    if let Some(child) = element.child("constraints") {
        properties.extend(values(child, "constraint_name", Some("constraint_range"))?);
    }
    if let Some(child) = element.child("choices") {
        properties.extend(values(child, "choices_name", Some("choices_range"))?);
        let included: Vec<_> =
            child.children("include_values").map(|e| attribute(e, "type")).collect();
        if !included.is_empty() {
            let name = "choices_include_values";
            properties.push(property(child.at, name, PropertyType::Astring, included)?);
        }
    }
    // A value described twice (as value and as choice) keeps its first description.
    let mut seen = std::collections::HashSet::new();
    properties.retain(|property| seen.insert(property.name.clone()));
    Ok(properties)
}

/// The names, ranges and descriptions of values, constraints or choices.
fn values(
    element: &Element,
    names: &str,
    ranges: Option<&str>,
) -> Result<Vec<Property>, BundleError> {
    let mut properties = Vec::new();
    let listed: Vec<_> = element.children("value").map(|e| attribute(e, "name")).collect();
    if !listed.is_empty() {
        properties.push(property(element.at, names, PropertyType::Astring, listed)?);
    }
    let limits = element.children("range");
    let limits: Vec<_> =
        limits.map(|e| format!("{},{}", attribute(e, "min"), attribute(e, "max"))).collect();
    if let (Some(ranges), false) = (ranges, limits.is_empty()) {
        let limits = limits.iter().map(String::as_str);
        properties.push(property(element.at, ranges, PropertyType::Astring, limits)?);
    }
    for value in element.children("value") {
        let encoded = base32(attribute(value, "name").as_bytes());
        for name in ["common_name", "description"] {
            if let Some(child) = value.child(name) {
                properties.extend(localised(child, &format!("value_{encoded}_{name}_"))?);
            }
        }
    }
    Ok(properties)
}

/// RFC 4648 base 32 with `-` as padding: a property name may hold it, but not `=`.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for digit in 0..8 {
            let index = (bits >> (35 - 5 * digit)) & 31;
            let symbol = if digit < digits { char::from(ALPHABET[index as usize]) } else { '-' };
            text.push(symbol);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_rfc_but_for_the_padding() {
        for (plain, encoded) in
            [("f", "MY------"), ("fo", "MZXQ----"), ("foobar", "MZXW6YTBOI------")]
        {
            assert_eq!(base32(plain.as_bytes()), encoded);
        }
    }
}
