//! Signatures of packages: made as pkgsign(1) makes them, and verified as pkg(1) does.
//!
//! In reading order: `certificate` (a certificate and what it may be used for), `anchors` (whom the
//! image trusts), `revocation` (the issuers' lists),
//! `chain` (from a signing certificate to an anchor), `policy` (what is asked of a
//! package), `verify`, and `sign`.
//!
//! Certificates travel as payloads: the signature's own hash names the signer's certificate, its
//! `chain` those between that one and an anchor.  Nothing here fetches them; the caller does.
//!
//! Lists of revoked certificates are asked only where they are given to the anchors.

mod anchors;
mod certificate;
mod chain;
mod policy;
mod revocation;
mod sign;
mod verify;

pub use anchors::{AnchorError, Anchors};
pub use certificate::{Certificate, CertificateError};
pub use chain::ChainError;
pub use policy::{Policy, PolicyError};
pub use revocation::Lists;
pub use sign::{Key, SignError, Signed, Signer};
pub use verify::{SignatureError, Signatures, verify};
