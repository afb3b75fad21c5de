//! smf.rs - services: which bundle delivers them, and which other services their instances need.
//!
//! Only what `require_all` asks of services counts; what may be there, or is a file, is nobody's
//! dependency.  A need of a service is met by every bundle that delivers an instance of it.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::elf::Found;
use super::{DependError, Need, Payload};
use crate::paths::split;
use crate::variants::Template;

/// Where bundles are delivered that SMF imports.
pub const LOCATIONS: [&str; 2] = ["lib/svc/manifest", "var/svc/manifest"];
/// The document type of a bundle.
const DTD: &str = "/usr/share/lib/xml/dtd/service_bundle.dtd.1";

/// A bundle: every service and instance, in order, with the services that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// FMRI → FMRIs; instances need what their service needs.
    pub services: Vec<(String, Vec<String>)>,
}

/// The services of many bundles.
#[derive(Debug, Clone, Default)]
pub struct Services {
    files: BTreeMap<String, String>,
    needs: BTreeMap<String, Vec<String>>,
}

impl Services {
    /// Adds a bundle that is delivered at `path`; what it says takes the place of what was said.
    pub fn add(&mut self, bundle: &Bundle, path: &str) {
        for (fmri, needs) in &bundle.services {
            self.files.insert(fmri.clone(), path.to_string());
            self.needs.insert(fmri.clone(), needs.clone());
        }
    }
}

/// Whether SMF imports what is delivered there.
pub fn is_imported(path: &str) -> bool {
    LOCATIONS.iter().any(|location| path.starts_with(location))
}

/// Whether the bytes are a service bundle.
pub fn is_bundle(bytes: &[u8]) -> bool {
    parse(bytes).is_some()
}

/// Reads a bundle; nothing where the bytes are none.
pub fn parse(bytes: &[u8]) -> Option<Bundle> {
    let mut reader = Reader::from_reader(bytes);
    let mut reading = Reading::default();
    let mut depth = 0_usize;
    let mut declared = false;
    loop {
        match reader.read_event().ok()? {
            Event::DocType(text) => declared = system_id(&String::from_utf8_lossy(&text))? == DTD,
            Event::Start(element) => {
                depth += 1;
                reading.open(&element, depth)?;
            }
            Event::Empty(element) => {
                reading.open(&element, depth + 1)?;
                reading.close(depth + 1);
            }
            Event::End(_) => {
                reading.close(depth);
                depth = depth.checked_sub(1)?;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    (declared && depth == 0 && reading.any).then_some(reading.bundle)
}

/// The last quoted word of a document type.
fn system_id(text: &str) -> Option<&str> {
    let text = text.split('[').next()?.trim_end();
    let quote = text.chars().last().filter(|last| matches!(last, '"' | '\''))?;
    let text = text.strip_suffix(quote)?;
    Some(&text[text.rfind(quote)? + 1..])
}

/// A service while its element is open.
#[derive(Debug, Default)]
struct Service {
    depth: usize,
    name: String,
    needs: Vec<String>,
    default: bool,
    instances: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Default)]
struct Reading {
    bundle: Bundle,
    any: bool,
    service: Option<Service>,
    /// The depth of the open instance.
    instance: Option<usize>,
    /// The depth of the open dependency that counts.
    dependency: Option<usize>,
}

impl Reading {
    fn open(&mut self, element: &BytesStart<'_>, depth: usize) -> Option<()> {
        self.any = true;
        let mut attributes = BTreeMap::new();
        for attribute in element.attributes() {
            let attribute = attribute.ok()?;
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            attributes.insert(name, attribute.unescape_value().ok()?.into_owned());
        }
        let get = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
        let Some(service) = &mut self.service else {
            let name = get("name");
            if element.name().as_ref() == b"service" && !name.is_empty() && !name.starts_with('/') {
                let name = format!("svc:/{name}");
                self.service = Some(Service { depth, name, ..Service::default() });
            }
            return Some(());
        };
        match element.name().as_ref() {
            b"create_default_instance" => service.default = true,
            b"instance" if !get("name").is_empty() => {
                let name = format!("{}:{}", service.name, get("name"));
                service.instances.push((name, Vec::new()));
                self.instance = Some(depth);
            }
            b"dependency" => {
                let counts = get("type") == "service"
                    && get("grouping") == "require_all"
                    && get("delete") != "true";
                let own = self.instance.is_some() || depth == service.depth + 1;
                self.dependency = Some(depth).filter(|_| counts && own);
            }
            b"service_fmri" if self.dependency.is_some() && !get("value").is_empty() => {
                let value = get("value").to_string();
                match service.instances.last_mut().filter(|_| self.instance.is_some()) {
                    Some((_, needs)) => needs.push(value),
                    None => service.needs.push(value),
                }
            }
            _ => {}
        }
        Some(())
    }

    fn close(&mut self, depth: usize) {
        for open in [&mut self.instance, &mut self.dependency] {
            if *open == Some(depth) {
                *open = None;
            }
        }
        let Some(service) = self.service.take_if(|service| service.depth == depth) else { return };
        let default = format!("{}:default", service.name);
        let named = service.instances.iter().any(|(name, _)| *name == default);
        let services = &mut self.bundle.services;
        services.push((service.name, service.needs.clone()));
        for (name, needs) in service.instances {
            services.push((name, [service.needs.clone(), needs].concat()));
        }
        if service.default && !named {
            services.push((default, service.needs));
        }
    }
}

/// The service and the instance of an FMRI.
fn parts(fmri: &str) -> Option<(&str, Option<&str>)> {
    match fmri.split(':').collect::<Vec<_>>().as_slice() {
        ["svc", service] => Some((service, None)),
        ["svc", service, instance] => Some((service, Some(instance))),
        _ => None,
    }
}

/// What is known of the instance, or of all instances of the service.
fn found<'a, V>(fmri: &str, known: impl Iterator<Item = (&'a String, &'a V)>) -> Vec<&'a V> {
    let Some((service, instance)) = parts(fmri) else { return Vec::new() };
    let head = format!("svc:{service}:");
    let wanted = |name: &str| match instance {
        Some(_) => name == fmri,
        None => name.starts_with(&head),
    };
    known.filter(|(name, _)| wanted(name)).map(|(_, value)| value).collect()
}

/// The needs of a delivered bundle, and the services that it delivers.
pub(super) fn needs(
    payload: Payload<'_>,
    package: &Template,
    services: &Services,
) -> (Found, Vec<String>) {
    let (mut needs, mut errors) = Found::default();
    if !is_imported(payload.path()) {
        return ((needs, errors), Vec::new());
    }
    let Some(bundle) = parse(payload.bytes) else {
        errors.push(DependError::Bundle(payload.local.to_string()));
        return ((needs, errors), Vec::new());
    };
    let own = payload.path().to_string();
    let mut wanted: BTreeSet<Vec<String>> = BTreeSet::new();
    for (fmri, needed) in &bundle.services {
        match parts(fmri) {
            Some((_, Some(_))) => {}
            // Only instances need anything.
            Some((_, None)) => continue,
            None => {
                errors.push(DependError::ServiceName { service: fmri.clone() });
                continue;
            }
        }
        for one in needed.iter().collect::<BTreeSet<_>>() {
            let here = bundle.services.iter().map(|(name, _)| (name, &own));
            let mut files: Vec<String> =
                found(one, here.chain(&services.files)).into_iter().cloned().collect();
            files.sort();
            files.dedup();
            if files.is_empty() {
                let reason = match parts(one) {
                    Some(_) => "cannot resolve FMRI to a delivered file",
                    None => "FMRI does not appear to be valid",
                };
                errors.push(DependError::Service {
                    wanted: one.clone(),
                    file: payload.local.to_string(),
                    service: fmri.clone(),
                    reason,
                });
            } else {
                wanted.insert(files);
            }
        }
    }
    for files in wanted {
        let (mut names, mut folders) = (Vec::new(), Vec::new());
        if let [file] = files.as_slice() {
            let (folder, name) = split(file);
            names.push(name.to_string());
            folders.push(folder.to_string());
        }
        let mut need = Need::new("smf_manifest", payload.action, package, names, folders);
        if files.len() > 1 {
            need.full_paths = files;
        }
        needs.push(need);
    }
    let delivered = bundle.services.into_iter().map(|(fmri, _)| fmri).collect();
    ((needs, errors), delivered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"<?xml version='1.0'?>
<!DOCTYPE service_bundle SYSTEM '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>
<service_bundle type='manifest' name='pear'>
<service name='site/pear' type='service' version='1'>
  <create_default_instance enabled='false'/>
  <dependency name='fs' grouping='require_all' restart_on='none' type='service'>
    <service_fmri value='svc:/system/filesystem/local'/></dependency>
  <dependency name='opt' grouping='optional_all' restart_on='none' type='service'>
    <service_fmri value='svc:/system/opt'/></dependency>
  <dependency name='f' grouping='require_all' restart_on='none' type='path'>
    <service_fmri value='file://localhost/etc/pear'/></dependency>
  <dependency name='gone' grouping='require_all' delete='true' type='service'>
    <service_fmri value='svc:/gone'/></dependency>
  <instance name='red' enabled='false'>
    <dependency name='n' grouping='require_all' restart_on='none' type='service'>
      <service_fmri value='svc:/network/loopback:default'/></dependency>
  </instance>
</service>
</service_bundle>"#;

    #[test]
    fn services_and_their_needs() {
        let bundle = parse(TEXT.as_bytes()).unwrap();
        let local = "svc:/system/filesystem/local".to_string();
        let expected = [
            ("svc:/site/pear", vec![local.clone()]),
            ("svc:/site/pear:red", vec![local.clone(), "svc:/network/loopback:default".into()]),
            ("svc:/site/pear:default", vec![local]),
        ];
        assert_eq!(bundle.services, expected.map(|(name, needs)| (name.to_string(), needs)));
    }

    #[test]
    fn what_is_no_bundle() {
        for text in [
            "".to_string(),
            "<service_bundle/>".to_string(),
            TEXT.replace("service_bundle.dtd.1", "other.dtd"),
            TEXT.replace("</service>", ""),
            TEXT.replace("'svc:/gone'", "'&unknown;'"),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
