//! tls.rs - the certificate and its key, read from PEM files.
//!
//! An enciphered key (PKCS #8) is opened with a passphrase, which `ssl_dialog` says where to get.
//! Both files are read again at every refresh, so a renewed certificate needs no restart.
//!
//! Not here: sessions (transport); starting the program that tells a passphrase (daemon).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::SecretDocument;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those that lead to a root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who tells the passphrase of an enciphered key.
    pub dialog: Dialog,
}

/// Who tells a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialog {
    /// Whoever sits at the terminal.
    Builtin,
    /// A program, by its standard output.
    Program(PathBuf),
    /// The property `pkg_secure/ssl_key_passphrase` of a service instance.
    Instance(String),
    /// It is this.
    Known(String),
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM file of the kind.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key does not go with the certificate, or is of an unknown kind.
    #[error("{}: {source}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The passphrase cannot be had.
    #[error("the passphrase of {}: {source}", path.display())]
    Passphrase {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads certificate and key; `ask` is asked for a passphrase if one is needed.
pub fn load(
    identity: &Identity,
    ask: impl FnOnce(&Dialog) -> io::Result<String>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificate, key) = (&identity.certificate, &identity.key);
    let wrong = |path: &Path, reason: String| TlsError::File { path: path.to_path_buf(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "no certificate in it".to_string()));
    }
    let text = std::fs::read_to_string(key).map_err(|error| wrong(key, error.to_string()))?;
    let private = if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        let passphrase = ask(&identity.dialog)
            .map_err(|source| TlsError::Passphrase { path: key.clone(), source })?;
        opened(&text, &passphrase).map_err(|reason| wrong(key, reason))?
    } else if text.contains("Proc-Type: 4,ENCRYPTED") {
        let reason = "this way of enciphering keys is not read; openssl pkcs8 -topk8 makes another";
        return Err(wrong(key, reason.to_string()));
    } else {
        PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|error| wrong(key, error.to_string()))?
    };
    let mismatch = |source| TlsError::Key { path: key.clone(), source };
    let mut configuration =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(mismatch)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(mismatch)?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}

fn opened(text: &str, passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    // Other text may stand before the key.
    let start = text.find("-----BEGIN ENCRYPTED").unwrap_or_default();
    let (_, document) =
        SecretDocument::from_pem(&text[start..]).map_err(|error| error.to_string())?;
    let enciphered = EncryptedPrivateKeyInfo::try_from(document.as_bytes());
    let enciphered = enciphered.map_err(|error| error.to_string())?;
    let key = enciphered
        .decrypt(passphrase)
        .map_err(|_| "the passphrase does not open it".to_string())?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
