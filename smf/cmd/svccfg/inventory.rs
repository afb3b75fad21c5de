//! inventory.rs - what a bundle would deliver, without a repository.

use std::path::Path;

use crate::arguments::one;
use crate::files;
use crate::session::{Outcome, Session};
use crate::verbs::{ANYWHERE, Verb};
use crate::voice::print;

pub const VERBS: &[Verb] = &[Verb {
    name: "inventory",
    usage: "inventory file",
    about: "Print the services and instances that a manifest describes.",
    at: ANYWHERE,
    run: |session, tokens| inventory(session, Path::new(one(tokens)?)),
}];

fn inventory(_session: &mut Session, path: &Path) -> Outcome {
    let bundle = files::read_stream(path)?;
    let mut text = String::new();
    for service in &bundle.services {
        for instance in &service.instances {
            text.push_str(&format!("svc:/{}:{}\n", service.name, instance.name));
        }
    }
    for service in &bundle.services {
        text.push_str(&format!("svc:/{}\n", service.name));
    }
    print(&text)
}
