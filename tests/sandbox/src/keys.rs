//! The tenant's signing key: RSA-2048, made when the process first needs it, never written anywhere.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

/// A signing key with what the JWKS says of it.
pub(crate) struct Keys {
    private: EncodingKey,
    public: DecodingKey,
    kid: String,
    n: String,
    e: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// The process's key: sandboxes of one process share it, because making one takes a while. What keeps
    /// their tokens apart is the nonce in `uti`.
    pub(crate) fn shared() -> std::io::Result<&'static Self> {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        if let Some(keys) = KEYS.get() {
            return Ok(keys);
        }
        let made = Self::generate()?;
        Ok(KEYS.get_or_init(|| made))
    }

    fn generate() -> std::io::Result<Self> {
        let failed = |what: &str| std::io::Error::other(format!("cannot make the signing key: {what}"));
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| failed("RSA generation"))?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed("PKCS #8"))?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            wrapped(&STANDARD.encode(der.as_ref()))
        );
        let private = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| failed("encoding key"))?;
        let public = pair.public_key();
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, n.as_bytes());
        Ok(Self {
            private,
            public: DecodingKey::from_rsa_components(&n, &e).map_err(|_| failed("decoding key"))?,
            kid: URL_SAFE_NO_PAD.encode(digest.as_ref()),
            n,
            e,
        })
    }

    /// A signed token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        header.x5t = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.private).ok()
    }

    /// The claims of a token that this key signed. Times are not checked here.
    pub(crate) fn verify(&self, token: &str) -> Option<Value> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        jsonwebtoken::decode::<Value>(token, &self.public, &rules)
            .ok()
            .map(|data| data.claims)
    }

    /// The key set. As with Entra there is no `alg`: clients pin RS256 themselves.
    pub(crate) fn jwks(&self, issuer: &str) -> Value {
        json!({ "keys": [{
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": self.n, "e": self.e, "issuer": issuer,
        }] })
    }
}

fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 1);
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out
}
