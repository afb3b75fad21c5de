//! licenses.rs - licences that come with packages: shown, and asked for where they must be accepted.

use ips_client::change::{Order, Planned, payload_text};
use ips_client::image::Image;
use ips_cmd::Failure;

const RULE: &str = "------------------------------------------------------------";

/// Those that must be shown, or all.
pub fn shown(
    image: &Image,
    order: &Order<'_>,
    planned: &Planned<'_>,
    all: bool,
    quiet: bool,
) -> Result<String, Failure> {
    let mut told = String::new();
    for license in &planned.licenses {
        let shown = all || (license.must_display() && !quiet);
        if !shown {
            continue;
        }
        let text =
            payload_text(image, order, license.fmri, license.action).map_err(Failure::new)?;
        let name = license.action.key().unwrap_or("");
        let package = license.fmri.without_build();
        told.push_str(&format!("{RULE}\nPackage: {package}\nLicense: {name}\n\n{text}\n\n"));
    }
    Ok(told)
}

/// Whether there are licences that must be accepted; tells which.
pub fn missing(planned: &Planned<'_>) -> bool {
    let open: Vec<_> = planned.licenses.iter().filter(|one| one.must_accept()).collect();
    if open.is_empty() {
        return false;
    }
    eprintln!(
        "The following packages require their licenses to be accepted before they can be\n\
         installed or updated:"
    );
    for license in open {
        let name = license.action.key().unwrap_or("");
        eprintln!("{RULE}\nPackage: {}\nLicense: {name}\n", license.fmri.without_build());
    }
    eprintln!(
        "To indicate that you agree to and accept the terms of the licenses of the\n\
         packages listed above, use the --accept option. To display all of the related\n\
         licenses, use the --licenses option."
    );
    true
}
