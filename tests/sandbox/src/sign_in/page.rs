//! The pages: plain HTML with labels, no script but the one that posts a form back, nothing from elsewhere.

use jiff::Timestamp;

use crate::oauth::Refusal;

/// What a browser gets.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) html: String,
    /// The new value of the browser's cookie; empty takes it away.
    pub(crate) cookie: Option<String>,
    /// The one script that may run.
    pub(crate) nonce: Option<String>,
}

impl Reply {
    pub(super) fn redirect(to: String) -> Self {
        Self {
            status: 302,
            location: Some(to),
            ..Self::default()
        }
    }

    fn page(status: u16, title: &str, body: &str) -> Self {
        Self {
            status,
            html: document(title, body),
            ..Self::default()
        }
    }

    pub(super) fn with_cookie(mut self, cookie: String) -> Self {
        self.cookie = Some(cookie);
        self
    }

    pub(super) fn without_cookie(self) -> Self {
        self.with_cookie(String::new())
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f2f2f2;color:#1b1b1b}\
    main{max-width:26rem;margin:10vh auto;padding:2rem;background:#fff;border:1px solid #767676}\
    h1{font-size:1.4rem;margin:0 0 1rem}label{display:block;margin:1rem 0 .25rem}\
    input{box-sizing:border-box;width:100%;padding:.5rem;font:inherit;border:1px solid #595959}\
    button{font:inherit;padding:.5rem 1rem;margin:.75rem .5rem 0 0;border:1px solid #595959;background:#fff;color:#1b1b1b}\
    button.main{background:#0b57a4;border-color:#0b57a4;color:#fff}\
    button.account{display:block;width:100%;text-align:left;margin:.5rem 0 0}\
    :focus-visible{outline:3px solid #0b57a4;outline-offset:2px}.error{color:#a4000f;margin:0 0 1rem}\
    .name{margin:0 0 1rem}footer{margin-top:2rem;font-size:.85rem;color:#595959}\
    @media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#f2f2f2}main{background:#262626}\
    input,button{background:#1b1b1b;color:#f2f2f2;border-color:#a6a6a6}button.main{background:#9cc8ff;color:#111}\
    .error{color:#ff9aa2}footer{color:#bdbdbd}:focus-visible{outline-color:#9cc8ff}}";

fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head><body><main>{body}\
         <footer>Contoso Health, a tenant of the sandbox</footer></main></body></html>"
    )
}

/// Text as it may stand in HTML, in an attribute too.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

fn form(tenant: &str, flow: &str, inner: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/{}/login\"><input type=\"hidden\" name=\"flow\" value=\"{}\">{inner}</form>",
        escape(tenant),
        escape(flow)
    )
}

fn alert(error: Option<String>) -> String {
    error.map_or_else(String::new, |error| {
        format!(
            "<p class=\"error\" id=\"error\" role=\"alert\">{}</p>",
            escape(&error)
        )
    })
}

/// A field with its label. What was wrong is tied to it.
fn input(name: &str, label: &str, kind: &str, more: &str, wrong: bool) -> String {
    let wrong = if wrong {
        " aria-invalid=\"true\" aria-describedby=\"error\""
    } else {
        ""
    };
    format!(
        "<label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" type=\"{kind}\" required {more}{wrong}>"
    )
}

const CANCEL: &str = "<button name=\"cancel\" value=\"1\" formnovalidate>Cancel</button>";

/// Who it is: id, name and user principal name of those who are signed in, or a field.
pub(super) fn account(
    application: &str,
    tenant: &str,
    flow: &str,
    users: &[(String, String, String)],
    error: Option<String>,
    typed: &str,
) -> Reply {
    let to = format!("<p>to continue to {}</p>", escape(application));
    if !users.is_empty() {
        let rows: Vec<String> = users
            .iter()
            .map(|(id, name, address)| {
                format!(
                    "<button class=\"account\" name=\"account\" value=\"{}\">{}<br>{}</button>",
                    escape(id),
                    escape(name),
                    escape(address)
                )
            })
            .collect();
        let other = "<button class=\"account\" name=\"other\" value=\"1\">Use another account</button>";
        let inner = format!("{}{other}{CANCEL}", rows.concat());
        let body = format!("<h1>Pick an account</h1>{to}{}", form(tenant, flow, &inner));
        return Reply::page(200, "Pick an account", &body);
    }
    let more = format!("autocomplete=\"username\" autofocus value=\"{}\"", escape(typed));
    let field = input("username", "Email or user name", "text", &more, error.is_some());
    let inner = format!("{field}<button class=\"main\">Next</button>{CANCEL}");
    let body = format!(
        "<h1>Sign in</h1>{}{to}{}",
        alert(error),
        form(tenant, flow, &inner)
    );
    Reply::page(200, "Sign in to your account", &body)
}

/// The password.
pub(super) fn password(tenant: &str, flow: &str, name: &str, error: Option<String>) -> Reply {
    let field = input(
        "password",
        "Password",
        "password",
        "autocomplete=\"current-password\" autofocus",
        error.is_some(),
    );
    let other = "<button name=\"other\" value=\"1\" formnovalidate>Back</button>";
    let inner = format!("{field}<button class=\"main\">Sign in</button>{other}{CANCEL}");
    let body = format!(
        "<h1>Enter password</h1><p class=\"name\">{}</p>{}{}",
        escape(name),
        alert(error),
        form(tenant, flow, &inner)
    );
    Reply::page(200, "Sign in to your account", &body)
}

/// The first sign-in with a password that somebody else knows.
pub(super) fn new_password(tenant: &str, flow: &str, error: Option<String>) -> Reply {
    let wrong = error.is_some();
    let fresh = "autocomplete=\"new-password\"";
    let inner = [
        input(
            "password",
            "Current password",
            "password",
            "autocomplete=\"current-password\" autofocus",
            wrong,
        ),
        input("new_password", "New password", "password", fresh, wrong),
        input("confirm", "Confirm password", "password", fresh, wrong),
        "<button class=\"main\">Sign in</button>".to_owned(),
        CANCEL.to_owned(),
    ]
    .concat();
    let body = format!(
        "<h1>Update your password</h1><p>You need to update your password because this is the first time you are signing \
         in, or because your password has expired. (AADSTS50055)</p>{}{}",
        alert(error),
        form(tenant, flow, &inner)
    );
    Reply::page(200, "Update your password", &body)
}

/// The second factor.
pub(super) fn code(tenant: &str, flow: &str, error: Option<String>) -> Reply {
    let more = "autocomplete=\"one-time-code\" inputmode=\"numeric\" autofocus";
    let field = input("code", "Code", "text", more, error.is_some());
    let inner = format!("{field}<button class=\"main\">Verify</button>{CANCEL}");
    let body = format!(
        "<h1>Enter code</h1><p>Enter the code displayed in the authenticator app on your mobile device.</p>{}{}",
        alert(error),
        form(tenant, flow, &inner)
    );
    Reply::page(200, "Enter code", &body)
}

/// A request that nobody can be sent back from.
pub(super) fn failure(refusal: &Refusal, authority: &str, now: Timestamp) -> Reply {
    let body = refusal.body(authority, now);
    let text = body["error_description"].as_str().unwrap_or_default().to_owned();
    let body = format!(
        "<h1>Sorry, but we're having trouble signing you in.</h1>{}",
        alert(Some(text))
    );
    Reply::page(refusal.status, "Sign in to your account", &body)
}

/// A page that was left open too long, or comes a second time.
pub(super) fn timed_out() -> Reply {
    let text = "This sign-in is over. Go back to the application and start again.";
    let body = format!("<h1>Sign in</h1>{}", alert(Some(text.to_owned())));
    Reply::page(400, "Sign in to your account", &body)
}

/// After signing out, where no application is waiting.
pub(super) fn signed_out() -> Reply {
    let body = "<h1>You signed out of your account</h1><p>It's a good idea to close all browser windows.</p>";
    Reply::page(200, "Signed out", body)
}

/// `form_post`: the browser posts the answer to the application.
pub(super) fn post_back(to: &str, pairs: &[(&str, String)]) -> Reply {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let fields: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                escape(value)
            )
        })
        .collect();
    let body = format!(
        "<h1>Working</h1><form id=\"back\" method=\"post\" action=\"{}\">{}<button class=\"main\">Continue</button>\
         </form><script nonce=\"{nonce}\">document.getElementById('back').submit()</script>",
        escape(to),
        fields.concat()
    );
    let mut reply = Reply::page(200, "Working", &body);
    reply.nonce = Some(nonce);
    reply
}

#[cfg(test)]
mod tests {
    use super::{account, post_back};

    #[test]
    fn nothing_that_was_typed_becomes_markup() {
        let evil = "\"><script>alert(1)</script>'&";
        let user = [evil, evil, evil].map(str::to_owned);
        let [id, name, address] = user;
        for html in [
            account(evil, evil, evil, &[(id, name, address)], None, "").html,
            account(evil, evil, evil, &[], Some(evil.to_owned()), evil).html,
            post_back(evil, &[("state", evil.to_owned())]).html,
        ] {
            assert!(
                !html.contains("<script>alert") && !html.contains("\"><script"),
                "{html}"
            );
        }
    }
}
