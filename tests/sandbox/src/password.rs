//! What counts as a password ("Password policies and restrictions in Microsoft Entra ID"), and whose it is: digests alone
//! are kept.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use crate::directory::Object;
use crate::errors::Fail;

/// The password of everybody who is there at the start.
pub(crate) const SEEDED: &str = "Blue-Heron-Wharf-7";

/// Gives a user that password.
pub(crate) fn set(user: &mut Object, password: &str, must_change: bool) {
    user.password_digest = Some(digest_of(user, password));
    user.password_version += 1;
    user.must_change_password = must_change;
}

/// Whether that is the user's password. A blocked account has one too.
pub(crate) fn is(user: &Object, password: &str) -> bool {
    match &user.password_digest {
        Some(digest) => *digest == digest_of(user, password),
        None => user.password_version > 0 && password == SEEDED,
    }
}

fn digest_of(user: &Object, password: &str) -> Vec<u8> {
    let salted = [user.id.as_bytes(), b" ", password.as_bytes()].concat();
    digest(&SHA256, &salted).as_ref().to_vec()
}

/// Checks a `passwordProfile`. Gives whether it sets a password.
///
/// # Errors
/// 400 when the password is missing on create, too short, too long, of fewer than three kinds of letters, or
/// an obvious one.
pub(crate) fn check(profile: Option<&Value>, create: bool) -> Result<bool, Fail> {
    let Some(profile) = profile.filter(|profile| !profile.is_null()) else {
        return Ok(false);
    };
    for (name, value) in profile.as_object().into_iter().flatten() {
        let fits = match name.as_str() {
            "password" => value.is_string() || value.is_null(),
            "forceChangePasswordNextSignIn" | "forceChangePasswordNextSignInWithMfa" => value.is_boolean(),
            _ => false,
        };
        if !fits {
            let message =
                format!("The property '{name}' does not fit type 'microsoft.graph.passwordProfile'.");
            return Err(Fail::new(400, "RequestBodyRead", message));
        }
    }
    match profile.get("password").and_then(Value::as_str) {
        Some(password) if strong(password) => Ok(true),
        Some(_) => {
            let message = "The specified password does not comply with password complexity requirements. Please \
                           provide a different password.";
            Err(Fail::bad(message).detail("InvalidValue", "passwordProfile", message))
        }
        None if create => Err(Fail::bad(
            "A value is required for property 'password' of resource 'User'.",
        )),
        None => Ok(false),
    }
}

/// Whether it is hard enough to guess.
pub(crate) fn strong(password: &str) -> bool {
    let kinds = [
        password.chars().any(char::is_lowercase),
        password.chars().any(char::is_uppercase),
        password.chars().any(|letter| letter.is_ascii_digit()),
        password.chars().any(|letter| !letter.is_alphanumeric()),
    ];
    let banned = ["password", "p@ssw0rd", "12345678", "qwerty", "contoso"];
    let plain = password.to_lowercase();
    (8..=256).contains(&password.chars().count())
        && kinds.iter().filter(|kind| **kind).count() >= 3
        && !banned
            .iter()
            .any(|word| plain.starts_with(word) && plain.len() < word.len() + 5)
}

#[cfg(test)]
mod tests {
    use super::strong;

    #[test]
    fn passwords_are_strong_or_not() {
        let check = |password: &str, expect: bool| assert_eq!(strong(password), expect, "{password}");
        check("xK9-fw2p!Q", true);
        check("Aa1!aa", false);
        check("alllowercaseletters", false);
        check("nodigits-no-caps", false);
        check("Password1!", false);
        check("Contoso123!", false);
        check("Contoso-Health-2026-Kestrel", true);
    }
}
