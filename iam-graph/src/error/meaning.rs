//! [`Meaning`]: what exactly Graph refused.

use iam_core::{Error, ErrorKind};

macro_rules! meanings {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $kind:ident,)*) => {
        /// What exactly was refused. Its [`kind`](Meaning::kind) says what a caller can do about it; its name
        /// ([`as_str`](Meaning::as_str)) is stable, and is the error's [`reason`](Error::reason).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Meaning {
            $($(#[$doc])* $name,)*
        }

        impl Meaning {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable name, in lower case.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What a caller can do about it.
            pub fn kind(self) -> ErrorKind {
                match self {
                    $(Self::$name => ErrorKind::$kind,)*
                }
            }
        }
    };
}

meanings! {
    /// Another object has the same value of a property that must be unique: see [`Error::property`].
    Conflict = "conflict" => AlreadyExists,
    /// The object is a member already.
    AlreadyMember = "already_member" => AlreadyExists,
    /// The link or assignment exists already.
    AlreadyLinked = "already_linked" => AlreadyExists,
    /// The object is no member; Graph says the same where there is no such group.
    NotMember = "not_member" => NotFound,
    /// There is no such object, or it is soft-deleted.
    NotFound = "not_found" => NotFound,
    /// The object was created moments ago, and is not everywhere yet.
    NotYetReplicated = "not_yet_replicated" => NotYetReplicated,
    /// The account has no mailbox in Exchange Online.
    MailboxMissing = "mailbox_missing" => NotFound,
    /// No seat of the licence is free.
    LicenseExhausted = "license_exhausted" => LicenseExhausted,
    /// The licence to take is not held directly.
    LicenseNotHeld = "license_not_held" => NotFound,
    /// The licence comes from a group, and cannot be taken from the account.
    LicenseInherited = "license_inherited" => Invalid,
    /// A plan of the licence excludes one that the account holds.
    LicenseClash = "license_clash" => Invalid,
    /// A plan of the licence needs one that the account does not hold.
    LicenseIncomplete = "license_incomplete" => Invalid,
    /// The account has no usage location, or one that the licence may not be used in.
    UsageLocationMissing = "usage_location_missing" => Invalid,
    /// The password breaks the tenant's rules.
    PasswordRefused = "password_refused" => Invalid,
    /// The tenant, the application or the object can hold no more.
    QuotaExceeded = "quota_exceeded" => Denied,
    /// The application lacks a permission or a directory role: the message names it where it is known.
    PrivilegeMissing = "privilege_missing" => Denied,
    /// The token was refused.
    TokenRefused = "token_refused" => Unauthenticated,
    /// The object is mastered on premises or in Exchange.
    MasteredElsewhere = "mastered_elsewhere" => Invalid,
    /// Somebody else changed the object at the same moment.
    ChangedMeanwhile = "changed_meanwhile" => Conflict,
    /// A delta or page link is too old: everything must be read anew.
    ResyncNeeded = "resync_needed" => ResyncNeeded,
    /// The request that this one depends on failed (in a batch).
    DependencyFailed = "dependency_failed" => DependencyFailed,
    /// Graph asks to slow down.
    Throttled = "throttled" => Throttled,
    /// Graph could not be reached, or failed.
    Unavailable = "unavailable" => Unavailable,
    /// The answer was lost: whether the request took effect is unknown.
    OutcomeUnknown = "outcome_unknown" => OutcomeUnknown,
    /// Graph does not answer such a query.
    UnsupportedQuery = "unsupported_query" => Invalid,
    /// The answer cannot be understood.
    Unreadable = "unreadable" => Protocol,
    /// The request is wrong in another way.
    Invalid = "invalid" => Invalid,
    /// Anything else.
    Other = "other" => Other,
}

/// What exactly an error of this crate means.
pub fn meaning(error: &Error) -> Meaning {
    let kind = error.kind();
    let named = |meaning: &&Meaning| error.reason() == Some(meaning.as_str());
    // Whoever gave the error another kind knew more than the answer said.
    let exact = Meaning::ALL
        .iter()
        .find(named)
        .filter(|meaning| meaning.kind() == kind);
    let of_kind = |meaning: &&Meaning| meaning.as_str() == kind.as_str();
    match kind {
        ErrorKind::AlreadyExists => *exact.unwrap_or(&Meaning::Conflict),
        ErrorKind::Conflict => Meaning::ChangedMeanwhile,
        ErrorKind::Denied => *exact.unwrap_or(&Meaning::PrivilegeMissing),
        ErrorKind::Unauthenticated => Meaning::TokenRefused,
        ErrorKind::Protocol => Meaning::Unreadable,
        _ => *exact
            .or_else(|| Meaning::ALL.iter().find(of_kind))
            .unwrap_or(&Meaning::Other),
    }
}
