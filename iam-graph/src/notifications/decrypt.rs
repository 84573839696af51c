//! Resource data: a key for the one item, wrapped with RSA-OAEP; the data under AES-256-CBC with the key's first sixteen
//! bytes as initialization vector; HMAC-SHA256 of the encrypted data under the same key.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iam_core::{Error, ErrorKind, Result, Secret};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;

use super::EncryptedContent;

const KEY: usize = 32;
const VECTOR: usize = 16;

/// The private key of a certificate that subscriptions name. `Debug` prints the certificate's id alone.
pub struct DecryptionKey {
    id: String,
    key: OaepPrivateDecryptingKey,
}

impl DecryptionKey {
    /// Reads an RSA key of 2,048 to 4,096 bits in PEM (PKCS #8 or PKCS #1, not encrypted). `id` is the
    /// `encryptionCertificateId` of the subscriptions.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for anything else. The key stands in no message.
    pub fn from_pem(id: &str, pem: &Secret) -> Result<Self> {
        let wrong =
            |what: &'static str| Error::new(ErrorKind::Invalid, what).with_operation("read private key");
        let unread = "the private key is no RSA key in PEM (PKCS #8 or PKCS #1, not encrypted)";
        let read = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| wrong(unread))?;
        let private = match &read {
            PrivateKeyDer::Pkcs8(der) => PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => {
                let pair = KeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| wrong(unread))?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| wrong(unread))?;
                let der = PrivatePkcs8KeyDer::from(der.as_ref());
                PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der())
            }
            _ => return Err(wrong(unread)),
        };
        let private = private.map_err(|_| wrong(unread))?;
        if !(2_048..=4_096).contains(&private.key_size_bits()) {
            return Err(wrong("the private key has not 2,048 to 4,096 bits"));
        }
        let key = OaepPrivateDecryptingKey::new(private).map_err(|_| wrong(unread))?;
        Ok(Self {
            id: id.to_owned(),
            key,
        })
    }

    /// The certificate's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn open(&self, content: &EncryptedContent) -> Result<Value> {
        let fail = |kind, what: &'static str| Error::new(kind, what).with_operation("decrypt notification");
        let invalid = |what| fail(ErrorKind::Invalid, what);
        let bytes = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|_| invalid("a part of the encrypted content is not base64"))
        };
        let wrapped = bytes(&content.data_key)?;
        let mut data = bytes(&content.data)?;
        let signature = bytes(&content.data_signature)?;
        let mut room = vec![0_u8; self.key.min_output_size()];
        let unwrapped = self
            .key
            .decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut room, None)
            .map_err(|_| {
                fail(
                    ErrorKind::Denied,
                    "the data key was not made for this private key",
                )
            })?;
        let key: [u8; KEY] = (&*unwrapped)
            .try_into()
            .map_err(|_| invalid("the data key has not 256 bits"))?;
        room.fill(0);
        let signed = hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data, &signature);
        signed.map_err(|_| fail(ErrorKind::Denied, "the signature of the encrypted data is wrong"))?;
        let plain =
            decrypted(&key, &mut data).map_err(|_| invalid("the encrypted data cannot be decrypted"))?;
        serde_json::from_slice(plain).map_err(|_| invalid("the decrypted data is not JSON"))
    }
}

fn decrypted<'a>(key: &[u8; KEY], data: &'a mut [u8]) -> Result<&'a [u8], Unspecified> {
    let mut vector = [0_u8; VECTOR];
    vector.copy_from_slice(&key[..VECTOR]);
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key)?)?;
    let plain = cipher.decrypt(data, DecryptionContext::Iv128(FixedLength::from(vector)))?;
    Ok(plain)
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({})", self.id)
    }
}
