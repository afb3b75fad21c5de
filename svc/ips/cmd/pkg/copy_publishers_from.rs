//! copy_publishers_from.rs - `pkg copy-publishers-from`: the publishers of another image; what
//! attaches a zone gives it those of the global zone.

use std::collections::BTreeMap;

use ips_client::image::{Image, Refresh};
use ips_cmd::Failure;

use crate::call::{Call, refused};
use crate::described::new_uuid;
use crate::refresh;
use crate::session::Session;

/// Takes them over, the first of them before all that are here, and refreshes all.
pub fn copy_publishers_from(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    let [from] = given.operands.as_slice() else {
        return Err(call.usage("directory to copy from must be specified"));
    };
    let source = Image::open(&Call::absolute(from)?, "pkg").map_err(Failure::new)?;
    let mut session = Session::begin(call, "add-publisher")?;
    let mut after = session.image.configuration().clone();
    let mut certificates = BTreeMap::new();
    for (at, publisher) in source.configuration().publishers().iter().enumerate() {
        let mut publisher = publisher.clone();
        let prefix = publisher.prefix.clone();
        for hash in &publisher.approved_ca_certs {
            let kept = source.kept_certificate(&prefix, hash);
            let pem = kept.map_err(|error| {
                call.failed(format!("CA certificate {hash} of '{prefix}': {error}"))
            })?;
            certificates.insert((prefix.clone(), hash.clone()), pem);
        }
        publisher.uuid = new_uuid();
        after.remove_publisher(&prefix);
        after.set_publisher(publisher);
        if at == 0 {
            after.move_publisher(&prefix, 0);
        }
    }
    session.image.keep_certificates(&session.lock, &certificates).map_err(refused)?;
    session.configure(after)?;
    session.image.rebuild(&session.lock, session.start).map_err(refused)?;
    refresh::finish(session, &[], Refresh::Now)
}
