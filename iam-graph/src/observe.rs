//! What accounts hold: four reads for each, many accounts at once; and one read of who is eligible for what.
//!
//! Only the account itself must be told. What is refused or down of one kind of entitlement is reported as unread: a
//! missing permission, or a service behind Graph that does not answer, must not keep a leaver's sign-in open.

use futures::FutureExt;
use iam_core::entitlement::{Actual, Class, Entitlement, Held, Kind, Unread, Via};
use iam_core::error::Retry;
use iam_core::target::PersonRef;
use iam_core::{ErrorKind, Result};

use crate::access_packages::Parcel;
use crate::account::account;
use crate::app_roles::{AppRoleAssignment, Holder};
use crate::catalog::{ELIGIBLE, Offer, app_role, class, eligible, is_refused, membership, scoped};
use crate::eligibility::ScheduledRole;
use crate::groups::Group;
use crate::roles::{RoleAssignment, TENANT};
use crate::target::{GraphTarget, parallel};
use crate::users::User;

/// What Graph says of one account.
struct Seen {
    user: User,
    groups: Vec<Group>,
    roles: Vec<RoleAssignment>,
    app_roles: Vec<AppRoleAssignment>,
    eligible: Vec<ScheduledRole>,
    parcel: Parcel,
    unread: Vec<Unread>,
}

/// What Graph says where the tenant has not bought Privileged Identity Management.
const NO_PIM: &str = "AadPremiumLicenseRequired";

impl GraphTarget {
    pub(crate) async fn observe_all(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        if who.is_empty() {
            return Ok(Vec::new());
        }
        let mut offer = self.offer().await?;
        let (mut seen, (eligible, no_eligible), (parcels, no_parcels)) = tokio::try_join!(
            parallel(who.iter().map(|person| self.see(&person.account)).collect()),
            self.eligible(who),
            self.parcels(who)
        )?;
        for ((person, seen), parcel) in who.iter().zip(&mut seen).zip(parcels) {
            let mine = eligible
                .iter()
                .filter(|role| role.principal_id.eq_ignore_ascii_case(&person.account));
            if let Some(seen) = seen {
                seen.eligible = mine.cloned().collect();
                seen.parcel = parcel;
                seen.unread.extend(no_eligible.iter().chain(&no_parcels).cloned());
            }
        }
        if seen.iter().flatten().any(|seen| has_strangers(seen, &offer)) {
            offer = self.newer_offer().await?;
        }
        let apps = seen.iter().flatten().flat_map(|seen| &seen.app_roles);
        let apps = apps.map(|role| role.resource_id.as_str()).collect();
        offer.meet_apps(&self.client, apps).await?;
        let actual = |(person, seen): (&PersonRef, Option<Seen>)| match seen {
            Some(mut seen) => Actual {
                person: person.person.clone(),
                account: Some(account(&seen.user)),
                held: self.held(&seen, &offer),
                unread: {
                    seen.unread.extend(nameless(&seen, &offer));
                    seen.unread
                },
            },
            None => Actual::none(person.person.clone()),
        };
        Ok(who.iter().zip(seen).map(actual).collect())
    }

    /// The roles that these accounts may activate, or why they are unread. There are few in a tenant, so for many
    /// accounts all are read.
    async fn eligible(&self, who: &[PersonRef]) -> Result<(Vec<ScheduledRole>, Option<Unread>)> {
        let read = match who {
            [one] => self.client.eligible_roles_of(&one.account).await,
            _ => self.client.list_eligible_roles().await,
        };
        match read {
            Ok(read) => Ok((read, None)),
            // Nobody can be eligible there.
            Err(error) if error.code() == Some(NO_PIM) => Ok((Vec::new(), None)),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(error),
            // A cloud without this service, a replica that lags: nobody knows.
            Err(error) => {
                tracing::warn!(%error, "eligible roles are not told");
                let unread = Unread::part_of(Kind::Role, ELIGIBLE, error.to_string());
                Ok((Vec::new(), Some(unread)))
            }
        }
    }

    async fn see(&self, id: &str) -> Result<Option<Seen>> {
        match self.fresh.settled(&[id], || self.look(id).boxed()).await {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if error.kind() == ErrorKind::NotFound && error.operation() == Some("get user") => {
                Ok(None)
            }
            // The account is there, what belongs to it is not: another replica, or a deletion just now.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error
                .with_kind(ErrorKind::NotYetReplicated)
                .with_retry(Retry::After(None))),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, id: &str) -> Result<Seen> {
        let client = &self.client;
        let (user, groups, roles, app_roles) = tokio::join!(
            client.user(id),
            client.groups_of(id),
            client.roles_of(id),
            client.app_roles_of(Holder::User(id))
        );
        let user = user?;
        let mut unread = Vec::new();
        Ok(Seen {
            user,
            // Groups give roles: who is in which decides who holds which.
            groups: known(groups, &[Kind::Group, Kind::Role], &mut unread)?,
            roles: known(roles, &[Kind::Role], &mut unread)?,
            app_roles: known(app_roles, &[Kind::App], &mut unread)?,
            eligible: Vec::new(),
            parcel: Parcel::default(),
            unread,
        })
    }

    fn held(&self, seen: &Seen, offer: &Offer) -> Vec<Held> {
        let mut held = Vec::new();
        for group in &seen.groups {
            let via = match class(group) {
                Class::Dynamic => Via::Dynamic,
                // Mail-enabled groups are mastered in Exchange: Graph cannot change them either.
                Class::Synced | Class::MailEnabled => Via::Synced,
                _ => match seen.parcel.bringing(&group.id, offer) {
                    Some(package) => Via::Inherited {
                        from: package.to_owned(),
                    },
                    None => Via::Direct,
                },
            };
            held.push(Held {
                entitlement: membership(&self.id, group),
                via,
                assignment: None,
            });
            for role in offer.through_groups.get(&group.id).into_iter().flatten() {
                let via = Via::Inherited {
                    from: group.id.clone(),
                };
                held.push(Held {
                    entitlement: self.role_in(&role.role_definition_id, role.scope(), offer),
                    via,
                    assignment: None,
                });
            }
        }
        for (sku, group) in seen.user.licenses() {
            let via = group.map_or(Via::Direct, |from| Via::Inherited {
                from: from.to_owned(),
            });
            let name = offer.name_of(Kind::License, sku).unwrap_or(sku).to_owned();
            let id = sku.to_owned();
            let entitlement = Entitlement {
                target: self.id.clone(),
                kind: Kind::License,
                id,
                name,
            };
            held.push(Held {
                entitlement,
                via,
                assignment: None,
            });
        }
        for role in &seen.roles {
            let assignment = Some(role.id.clone());
            held.push(Held {
                entitlement: self.role_in(&role.role_definition_id, role.scope(), offer),
                via: Via::Direct,
                assignment,
            });
        }
        for role in &seen.app_roles {
            let own = role.is_own();
            let via = if own {
                Via::Direct
            } else {
                Via::Inherited {
                    from: role.principal_id.clone(),
                }
            };
            let entitlement = Entitlement {
                target: self.id.clone(),
                kind: Kind::App,
                id: app_role(role),
                name: offer.app_role_name(role),
            };
            held.push(Held {
                entitlement,
                via,
                assignment: own.then(|| role.id.clone()),
            });
        }
        held.extend(self.unpacked(&seen.parcel));
        for role in &seen.eligible {
            let mut entitlement = self.role_in(&role.role_definition_id, role.scope(), offer);
            entitlement.id = eligible(&entitlement.id);
            entitlement.name = format!("{} ({ELIGIBLE})", entitlement.name);
            held.push(Held {
                entitlement,
                via: Via::Direct,
                // What takes it away names the definition.
                assignment: Some(role.role_definition_id.clone()),
            });
        }
        held
    }

    fn role_in(&self, definition: &str, scope: &str, offer: &Offer) -> Entitlement {
        let role = offer.template(definition);
        let name = offer.name_of(Kind::Role, role).unwrap_or(role);
        Entitlement {
            target: self.id.clone(),
            kind: Kind::Role,
            id: scoped(role, scope),
            name: if scope == TENANT {
                name.to_owned()
            } else {
                format!("{name} ({scope})")
            },
        }
    }
}

/// What was read, or nothing: then `kinds` are noted as unread.
fn known<T>(read: Result<Vec<T>>, kinds: &[Kind], unread: &mut Vec<Unread>) -> Result<Vec<T>> {
    match read {
        Err(error) if is_refused(&error) => {
            tracing::warn!(%error, ?kinds, "what an account holds is not told");
            let of = |kind: &Kind| Unread::all_of(*kind, error.to_string());
            unread.extend(kinds.iter().map(of));
            Ok(Vec::new())
        }
        read => read,
    }
}

/// Roles that nobody can put a name to, or of whose group nobody knows what it carries: what protects by role, and what
/// policy asks for, goes by names.
fn nameless(seen: &Seen, offer: &Offer) -> Option<Unread> {
    let carries = |group: &&Group| {
        group.is_assignable_to_role == Some(true) && !offer.through_groups.contains_key(&group.id)
    };
    if let Some(group) = seen.groups.iter().find(carries) {
        let why = format!("what roles group {} carries is not known", group.id);
        return Some(Unread::all_of(Kind::Role, why));
    }
    let why = offer.unread(Kind::Role)?;
    let through = seen
        .groups
        .iter()
        .filter_map(|group| offer.through_groups.get(&group.id))
        .flatten();
    let mut roles = seen.roles.iter().chain(through);
    let stranger = |role: &RoleAssignment| {
        let role = offer.template(&role.role_definition_id);
        offer.name_of(Kind::Role, role).is_none()
    };
    let held = roles.any(stranger) || !seen.eligible.is_empty();
    held.then(|| Unread::all_of(Kind::Role, why))
}

/// Whether something is held that the catalogue does not name, though it could.
fn has_strangers(seen: &Seen, offer: &Offer) -> bool {
    let mut skus = seen
        .user
        .licenses()
        .into_iter()
        .map(|(sku, _)| (Kind::License, sku));
    let assigned = seen.roles.iter().map(|role| &role.role_definition_id);
    let definitions = assigned.chain(seen.eligible.iter().map(|role| &role.role_definition_id));
    let mut roles = definitions.map(|definition| (Kind::Role, offer.template(definition)));
    let unknown = |(kind, id)| offer.unread(kind).is_none() && offer.name_of(kind, id).is_none();
    skus.any(unknown) || roles.any(unknown)
}
