//! What counts as a password ("Password policies and restrictions in Microsoft Entra ID").

use serde_json::Value;

use crate::errors::Fail;

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

fn strong(password: &str) -> bool {
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
