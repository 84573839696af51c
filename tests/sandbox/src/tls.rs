//! A certificate authority for one run, and the server's certificate. Both private keys stay in memory.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use uuid::Uuid;

/// What https needs. The file with the authority's certificate goes away with the value.
pub(crate) struct Certificates {
    pem: String,
    file: PathBuf,
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

impl Certificates {
    /// Makes authority and certificate for the loopback names.
    pub(crate) fn make() -> io::Result<Self> {
        let failed =
            |error: &dyn std::fmt::Display| io::Error::other(format!("cannot make the certificate: {error}"));
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut authority = dated(CertificateParams::default(), "iam-sandbox throw-away authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = authority.self_signed(&key).map_err(|error| failed(&error))?.pem();
        let issuer = Issuer::new(authority, key);

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let server = CertificateParams::new(names).map_err(|error| failed(&error))?;
        let mut server = dated(server, "localhost");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python's strict mode wants it.
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = server.signed_by(&key, &issuer).map_err(|error| failed(&error))?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate.der().clone()], private)
            })
            .map_err(|error| failed(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];

        let file = std::env::temp_dir().join(format!("iam-sandbox-ca-{}.pem", Uuid::new_v4().simple()));
        fs::File::create_new(&file)?.write_all(pem.as_bytes())?;
        Ok(Self {
            pem,
            file,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

/// Valid whatever the sandbox's clock says, within reason.
fn dated(mut params: CertificateParams, name: &str) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
