//! The certificate that resource data is encrypted for ("Set up change notifications that include resource data").

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use x509_parser::parse_x509_certificate;

/// A subscriber's certificate: its own id for it, and the public key.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) id: String,
    thumbprint: String,
    /// SubjectPublicKeyInfo.
    key: Vec<u8>,
}

impl Certificate {
    /// Reads a base64-encoded X.509 certificate, with or without the lines of PEM.
    ///
    /// # Errors
    /// What is wrong: no certificate, no RSA key, a key below 2,048 or above 4,096 bits.
    pub(crate) fn read(text: &str, id: &str) -> Result<Self, &'static str> {
        let wrong = "The property 'encryptionCertificate' is no base64-encoded X.509 certificate.";
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        let bare: String = lines
            .flat_map(|line| line.chars().filter(|letter| !letter.is_whitespace()))
            .collect();
        let der = STANDARD.decode(bare).map_err(|_| wrong)?;
        let (_, parsed) = parse_x509_certificate(&der).map_err(|_| wrong)?;
        let key = parsed.public_key().raw.to_vec();
        let public = PublicEncryptingKey::from_der(&key)
            .map_err(|_| "The key of 'encryptionCertificate' must be an RSA key of 2,048 to 4,096 bits.")?;
        if !(2_048..=4_096).contains(&public.key_size_bits()) {
            return Err("The key of 'encryptionCertificate' must have 2,048 to 4,096 bits.");
        }
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
        Ok(Self {
            id: id.to_owned(),
            thumbprint: hex(digest.as_ref()),
            key,
        })
    }

    /// `encryptedContent`: a key for this one item, wrapped with RSA-OAEP; the data under AES-256-CBC with the key's
    /// first sixteen bytes as initialization vector; HMAC-SHA256 of the encrypted data under the same key.
    pub(crate) fn encrypt(&self, resource: &Value) -> Option<Value> {
        let mut key = [0_u8; 32];
        rand::fill(&mut key).ok()?;
        let mut data = resource.to_string().into_bytes();
        let vector: [u8; 16] = key[..16].try_into().ok()?;
        let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).ok()?).ok()?;
        let context = EncryptionContext::Iv128(FixedLength::from(vector));
        cipher.less_safe_encrypt(&mut data, context).ok()?;
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data);
        let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&self.key).ok()?).ok()?;
        let mut wrapped = vec![0_u8; public.ciphertext_size()];
        let wrapped = public
            .encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut wrapped, None)
            .ok()?;
        Some(json!({
            "data": STANDARD.encode(&data),
            "dataSignature": STANDARD.encode(signature.as_ref()),
            "dataKey": STANDARD.encode(wrapped),
            "encryptionCertificateId": self.id,
            "encryptionCertificateThumbprint": self.thumbprint,
        }))
    }
}

/// Upper-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}
