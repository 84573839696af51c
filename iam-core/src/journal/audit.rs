//! The audit: what was accepted, planned, tried and decided, in order, so that nobody can change it unseen.
//!
//! Every entry holds the hash of the one before it, and is written in the same transaction as what it tells of. People
//! stand in it by pseudonym: an HMAC of the worker id under a salt of their own. Erasing somebody destroys the salt and
//! their personal data; the entries stay, the chain still verifies, and nobody can say any more whose they were.
//! A chain that was cut at its end is found by a [`Checkpoint`] that was kept elsewhere.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{DeliveryId, Lifecycle, Outcome, PersonState};
use crate::error::{Error, ErrorKind};
use crate::event::EventId;
use crate::person::{PersonKey, hex};
use crate::plan::StepId;

/// The hash before the first entry.
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is said of an event that waits for the guard.
pub(super) const ASKED: &str =
    "what is planned counts against a limit of the guard, and waits to be seen with the rest";

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deed {
    /// An event was accepted; the detail is its kind.
    Accepted,
    /// A plan was stored; the detail is the number of its steps.
    Planned,
    /// A step is about to be carried out; the detail is its kind.
    Intended,
    /// A step has ended; the detail is its kind and how.
    Settled,
    /// An event has been worked off.
    Completed,
    /// An event is tried again later.
    Postponed,
    /// An event was set aside for a person to look at.
    SetAside,
    /// What is planned counts against a limit of the guard, and needs an answer.
    Asked,
    /// It was answered; the detail is how.
    Answered,
    /// Somebody brought an event back to work.
    Requeued,
    /// Somebody let a lane go on without an event that was set aside.
    Skipped,
    /// Somebody said whether a step has happened of which nobody knew; the detail is its kind and what was said.
    Resolved,
    /// Somebody had a person's data destroyed.
    Erased,
    /// A message could not be understood, and is kept as a dead letter.
    Refused,
    /// Somebody corrected a dead letter, and it was accepted.
    Corrected,
    /// Somebody decided that a dead letter, or a held delivery, does not count.
    Discarded,
    /// Somebody decided to go on with a journal that was restored.
    Adopted,
    /// The guard refused a plan; the detail is its hash.
    Frozen,
    /// Somebody released a frozen plan or a held delivery; the detail says which.
    Released,
    /// The release of a plan was used; the detail is its hash.
    Spent,
    /// From now on work is done by this policy; the detail is its fingerprint.
    InForce,
}

impl Deed {
    /// The deed in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Planned => "planned",
            Self::Intended => "intended",
            Self::Settled => "settled",
            Self::Completed => "completed",
            Self::Postponed => "postponed",
            Self::SetAside => "set_aside",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Requeued => "requeued",
            Self::Skipped => "skipped",
            Self::Resolved => "resolved",
            Self::Erased => "erased",
            Self::Refused => "refused",
            Self::Corrected => "corrected",
            Self::Discarded => "discarded",
            Self::Adopted => "adopted",
            Self::Frozen => "frozen",
            Self::Released => "released",
            Self::Spent => "spent",
            Self::InForce => "in_force",
        }
    }

    #[cfg_attr(not(feature = "sqlite"), allow(dead_code))] // a journal in memory reads none
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Accepted,
            Self::Planned,
            Self::Intended,
            Self::Settled,
            Self::Completed,
            Self::Postponed,
            Self::SetAside,
            Self::Asked,
            Self::Answered,
            Self::Requeued,
            Self::Skipped,
            Self::Resolved,
            Self::Erased,
            Self::Refused,
            Self::Corrected,
            Self::Discarded,
            Self::Adopted,
            Self::Frozen,
            Self::Released,
            Self::Spent,
            Self::InForce,
        ];
        all.into_iter().find(|deed| deed.as_str() == name)
    }
}

/// One link of the chain. Holds no personal data but an actor's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// When it was written, by the machine's clock.
    pub at: Timestamp,
    /// What it tells of.
    pub deed: Deed,
    /// More of it, in a word or two.
    pub detail: String,
    /// The event that it belongs to.
    pub event: Option<EventId>,
    /// Whose: a pseudonym, 32 hexadecimal digits; that of nobody for what is about no one person.
    pub subject: String,
    /// Who did it, where a person did.
    pub actor: Option<String>,
    /// A keyed hash of the whole that the entry tells of (event, plan, outcome, state).
    pub digest: String,
    /// The hash of the entry before.
    pub previous: String,
    /// The hash of this one.
    pub hash: String,
}

impl AuditEntry {
    /// Gives it its place in the chain, behind `last`.
    pub(super) fn behind(mut self, last: &Checkpoint) -> Self {
        self.sequence = last.sequence + 1;
        self.previous.clone_from(&last.hash);
        self.hash = self.expected();
        self
    }

    /// The place that it is.
    pub(super) fn place(&self) -> Checkpoint {
        Checkpoint {
            sequence: self.sequence,
            hash: self.hash.clone(),
        }
    }

    /// The hash that the entry should have.
    fn expected(&self) -> String {
        let mut hash = Sha256::new();
        let at = self.at.as_nanosecond().to_string();
        let sequence = self.sequence.to_string();
        let parts = [
            sequence.as_str(),
            &at,
            self.deed.as_str(),
            &self.detail,
            self.event.as_ref().map_or("", EventId::as_str),
            &self.subject,
            self.actor.as_deref().unwrap_or_default(),
            &self.digest,
            &self.previous,
        ];
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex(&hash.finalize())
    }
}

/// Whether what an entry tells of is still there, and is what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It is.
    Unchanged,
    /// It is there, and differs.
    Changed,
    /// It is not kept, or was erased.
    NotKept,
}

/// A place in the chain, to be kept where nobody reaches it who reaches the journal: `<sequence>:<hash>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The sequence of an entry; 0 before the first.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            sequence: 0,
            hash: START.to_owned(),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.trim().split_once(':').and_then(|(sequence, hash)| {
            let whole = hash.len() == START.len() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            Some((sequence.parse().ok()?, hash)).filter(|_| whole)
        });
        let (sequence, hash) = parts.ok_or_else(|| {
            let message = "a checkpoint is <sequence>:<hash>, the hash of 64 hexadecimal digits";
            Error::new(ErrorKind::Invalid, message)
        })?;
        let hash = hash.to_ascii_lowercase();
        Ok(Self { sequence, hash })
    }
}

/// How a chain was found to be broken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach {
    /// An entry is not what was written.
    Changed {
        /// Which.
        sequence: u64,
    },
    /// Entries are missing, were put in or stand in another order.
    Missing {
        /// Which should have come.
        expected: u64,
        /// Which came.
        found: u64,
    },
    /// The chain ends before a place that it once had reached, or has another past than that place.
    Cut {
        /// That place.
        checkpoint: u64,
    },
    /// What an entry tells of was changed since.
    Payload {
        /// Which entry.
        sequence: u64,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { sequence } => write!(f, "entry {sequence} is not what was written"),
            Self::Missing { expected, found } => {
                write!(f, "entry {expected} should follow, and entry {found} does")
            }
            Self::Cut { checkpoint } => {
                write!(
                    f,
                    "the audit does not lead to the checkpoint at entry {checkpoint}"
                )
            }
            Self::Payload { sequence } => {
                write!(f, "what entry {sequence} tells of was changed afterwards")
            }
        }
    }
}

impl std::error::Error for Breach {}

/// Verifies a chain entry by entry; constant memory.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    reached: Checkpoint,
}

impl Verifier {
    /// Goes on behind `checkpoint`, which is believed.
    pub fn after(checkpoint: Checkpoint) -> Self {
        Self { reached: checkpoint }
    }

    /// The last entry that is in order.
    pub fn reached(&self) -> &Checkpoint {
        &self.reached
    }

    /// Looks at the next entry.
    ///
    /// # Errors
    /// The first thing that is wrong; the verifier stays where it was.
    pub fn next(&mut self, entry: &AuditEntry) -> Result<(), Breach> {
        let (expected, sequence) = (self.reached.sequence + 1, entry.sequence);
        if sequence != expected {
            let found = sequence;
            return Err(Breach::Missing { expected, found });
        }
        if entry.previous != self.reached.hash || entry.hash != entry.expected() {
            return Err(Breach::Changed { sequence });
        }
        self.reached = Checkpoint {
            sequence,
            hash: entry.hash.clone(),
        };
        Ok(())
    }
}

/// What a journal writes down, before it has a place in the chain.
#[derive(Debug)]
pub(super) struct Note<'a> {
    pub(super) deed: Deed,
    pub(super) detail: String,
    pub(super) event: Option<&'a EventId>,
    pub(super) person: &'a PersonKey,
    pub(super) actor: Option<&'a str>,
    pub(super) payload: &'a [u8],
}

impl<'a> Note<'a> {
    pub(super) fn new(deed: Deed, event: &'a EventId, person: &'a PersonKey, payload: &'a [u8]) -> Self {
        Self {
            deed,
            detail: String::new(),
            event: Some(event),
            person,
            actor: None,
            payload,
        }
    }

    /// Of a decision that somebody made, for a reason.
    pub(super) fn decided(
        deed: Deed,
        event: Option<&'a EventId>,
        person: &'a PersonKey,
        by: &'a str,
        reason: &'a str,
    ) -> Self {
        Self {
            deed,
            detail: String::new(),
            event,
            person,
            actor: Some(by),
            payload: reason.as_bytes(),
        }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The entry behind `last`.
    pub(super) fn entry(self, last: &Checkpoint, salt: &str, at: Timestamp) -> AuditEntry {
        self.sealed(salt, at).behind(last)
    }

    /// The entry, before it has a place in the chain.
    pub(super) fn sealed(self, salt: &str, at: Timestamp) -> AuditEntry {
        AuditEntry {
            sequence: 0,
            at,
            deed: self.deed,
            detail: self.detail,
            event: self.event.cloned(),
            subject: pseudonym(salt, self.person),
            actor: self.actor.map(str::to_owned),
            digest: digest(salt, self.payload),
            previous: String::new(),
            hash: String::new(),
        }
    }
}

/// Who a note is about that is about no one person: they share a salt of their own.
pub(crate) fn nobody() -> PersonKey {
    PersonKey::new("")
}

/// How a delivery is called in the audit.
pub(super) fn delivery(id: DeliveryId) -> String {
    format!("delivery {id}")
}

/// A new salt: 244 random bits.
pub(super) fn salt() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    half() + &half()
}

/// Under which name somebody stands in the audit.
pub(super) fn pseudonym(salt: &str, person: &PersonKey) -> String {
    keyed(salt, b"subject", person.as_str().as_bytes())[..32].to_owned()
}

pub(super) fn digest(salt: &str, payload: &[u8]) -> String {
    keyed(salt, b"payload", payload)
}

fn keyed(salt: &str, purpose: &[u8], text: &[u8]) -> String {
    // An HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else {
        return START.to_owned();
    };
    mac.update(purpose);
    mac.update(text);
    hex(&mac.finalize().into_bytes())
}

/// The kind of a step, which its id begins with; the rest may name somebody.
pub(crate) fn kind_of(step: &StepId) -> &str {
    let kind = step.as_str().split(':').next().unwrap_or_default();
    kind.rsplit('/').next().unwrap_or_default()
}

/// What was answered, in one word.
pub(super) fn standing_of(standing: &super::Standing) -> &'static str {
    match standing {
        super::Standing::Asked => "asked",
        super::Standing::Granted => "granted",
        super::Standing::Refused { .. } => "refused",
    }
}

/// What somebody said of a step of which nobody knew.
pub(super) fn said_of(step: &StepId, happened: bool) -> String {
    let said = if happened { "happened" } else { "did not happen" };
    format!("{} {said}", kind_of(step))
}

/// How a step ended, without the words of the service.
pub(crate) fn ending_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "done".to_owned(),
        Outcome::AlreadySo { .. } => "already so".to_owned(),
        Outcome::NotApplicable { .. } => "not applicable".to_owned(),
        Outcome::Failed { kind, .. } => format!("failed: {kind}"),
        Outcome::Unknown => "unknown".to_owned(),
    }
}

/// Why somebody's data is still needed.
pub(super) fn keeps(state: Option<&PersonState>, open: bool) -> Option<&'static str> {
    let account = |state: &PersonState| !state.accounts.is_empty() && state.lifecycle != Lifecycle::Deleted;
    if state.is_some_and(account) {
        return Some(
            "there is an account, and what is known is needed to take it away: wait until it is deleted",
        );
    }
    open.then_some("an event of theirs is not over yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: u64) -> Vec<AuditEntry> {
        let (event, person) = (EventId::new("e-1"), PersonKey::new("W-1"));
        let mut last = Checkpoint::default();
        let entry = |at: u64| {
            let payload = format!("payload {at}");
            let note = Note::new(Deed::Settled, &event, &person, payload.as_bytes());
            let entry = note
                .detail("grant done")
                .entry(&last, "salt", Timestamp::UNIX_EPOCH);
            last = Checkpoint {
                sequence: entry.sequence,
                hash: entry.hash.clone(),
            };
            entry
        };
        (0..length).map(entry).collect()
    }

    fn verify(entries: &[AuditEntry]) -> Result<Checkpoint, Breach> {
        let mut verifier = Verifier::default();
        entries.iter().try_for_each(|entry| verifier.next(entry))?;
        Ok(verifier.reached().clone())
    }

    #[test]
    fn whatever_is_changed_taken_out_or_moved_is_found() {
        let whole = chain(5);
        assert_eq!(verify(&whole).unwrap().sequence, 5);
        let tamperings: [fn(&mut AuditEntry); 8] = [
            |entry| entry.at = Timestamp::MAX,
            |entry| entry.deed = Deed::Planned,
            |entry| entry.detail.push('!'),
            |entry| entry.event = None,
            |entry| entry.subject = "0".repeat(32),
            |entry| entry.actor = Some("somebody".to_owned()),
            |entry| entry.digest = START.to_owned(),
            |entry| entry.previous = START.to_owned(),
        ];
        for tamper in tamperings {
            let mut changed = whole.clone();
            tamper(&mut changed[2]);
            assert_eq!(verify(&changed), Err(Breach::Changed { sequence: 3 }));
            // Whoever computes the hash anew breaks the link to the next one.
            changed[2].hash = changed[2].expected();
            assert!(verify(&changed).is_err());
        }
        let mut without = whole.clone();
        without.remove(1);
        assert_eq!(
            verify(&without),
            Err(Breach::Missing {
                expected: 2,
                found: 3
            })
        );
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(
            verify(&swapped),
            Err(Breach::Missing {
                expected: 2,
                found: 3
            })
        );
        assert_ne!(
            verify(&whole[..4]),
            verify(&whole),
            "a checkpoint tells that the end is missing"
        );
    }

    /// Entries as the versions before 0.2 wrote them, hashed by another program.
    const OLD: &str = r#"{"sequence":1,"at":"1970-01-01T00:00:00Z","deed":"accepted","detail":"join","event":"e-1","subject":"add0b180a68bef831da4355ac724c365","actor":null,"digest":"2690dd5ab9acfb311763ed4aa54430708027ce9e2deb556f17f0f04762e062ea","previous":"0000000000000000000000000000000000000000000000000000000000000000","hash":"52be4c9563e0f47039c031979d15b08a1632362e0ddad979331cc38596160521"}
{"sequence":2,"at":"1970-01-01T00:00:01.000000001Z","deed":"settled","detail":"grant done","event":"e-1","subject":"add0b180a68bef831da4355ac724c365","actor":null,"digest":"f3dab2cee53ca334a7fc7ddd0d52505bca9673e449a51c17213563f1452730df","previous":"52be4c9563e0f47039c031979d15b08a1632362e0ddad979331cc38596160521","hash":"5060993460b40aa077fbf970fec5c41e64b167dd4c21b635e2155446871a3798"}
{"sequence":3,"at":"1970-01-01T00:00:02Z","deed":"requeued","detail":"","event":"e-1","subject":"add0b180a68bef831da4355ac724c365","actor":"operator","digest":"128d4cb012fd6fa34da3236c39234f1c5cc6593a6ec62ade333472f563bf0793","previous":"5060993460b40aa077fbf970fec5c41e64b167dd4c21b635e2155446871a3798","hash":"52a166174966edd816772fd9b7e0e3c57dc83943bc49aa3ec63d2d68a9d5a505"}
{"sequence":4,"at":"1970-01-01T00:00:03Z","deed":"erased","detail":"","event":null,"subject":"add0b180a68bef831da4355ac724c365","actor":"officer","digest":"0e4973ba2e8676fd82587e9aa36173ae0a36b2d96e40e67a2757aa49f8e6d904","previous":"52a166174966edd816772fd9b7e0e3c57dc83943bc49aa3ec63d2d68a9d5a505","hash":"0c03219495ec96582b166ad5da19dc610571258da23dc196a382aaaf363c85fd"}"#;

    #[test]
    fn a_chain_of_an_earlier_version_verifies_and_goes_on() {
        let mut entries: Vec<AuditEntry> = OLD
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let reached = verify(&entries).unwrap();
        let nobody = nobody();
        let decided = Note::decided(Deed::Released, None, &nobody, "bob", "a site closes");
        entries.push(
            decided
                .detail("a1")
                .entry(&reached, "other salt", Timestamp::UNIX_EPOCH),
        );
        assert_eq!(verify(&entries).unwrap().sequence, 5);
        entries[4].actor = None;
        assert_eq!(verify(&entries), Err(Breach::Changed { sequence: 5 }));
        entries[2].actor = Some("somebody else".to_owned());
        assert_eq!(verify(&entries), Err(Breach::Changed { sequence: 3 }));
    }

    #[test]
    fn a_checkpoint_is_read_as_it_is_shown() {
        let reached = verify(&chain(3)).unwrap();
        assert_eq!(reached.to_string().parse::<Checkpoint>().unwrap(), reached);
        for wrong in ["", "3", "3:abc", ":", "x:0000"] {
            assert_eq!(
                wrong.parse::<Checkpoint>().unwrap_err().kind(),
                ErrorKind::Invalid,
                "{wrong}"
            );
        }
    }

    #[test]
    fn steps_are_told_by_their_kind_alone() {
        for (step, kind) in [
            ("create_account:mei.tanaka@contoso.example", "create_account"),
            ("azure/grant:azure role:/subscriptions/1/x", "grant"),
            ("block_sign_in", "block_sign_in"),
        ] {
            assert_eq!(kind_of(&StepId::from(step)), kind);
        }
    }
}
