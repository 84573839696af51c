//! `/users/{id}/sponsors` and `/sponsorOf` ("List sponsors", "Add sponsor", "Remove sponsor"): who answers for a guest.

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::relations;
use crate::schema::Kind;

/// Answers below the sponsors of an object: `rest` is what follows `sponsors`.
pub(crate) fn route(directory: &mut Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    match (rest, call.method.as_str()) {
        (["$ref"], "POST") => {
            let sponsor = directory.seen(call, None, &call.reference()?)?;
            // "Sponsors are users and groups that are responsible for this guest user's privileges in the tenant".
            if !matches!(sponsor.kind, Kind::User | Kind::Group) {
                return Err(Fail::bad("Sponsors are users and groups."));
            }
            let sponsor = sponsor.id.clone();
            if !directory.sponsors.add(id, &sponsor) {
                return Err(Fail::linked("sponsors"));
            }
            Ok(Answer::done())
        }
        ([sponsor, "$ref"], "DELETE") => {
            if !directory.sponsors.remove(id, sponsor) {
                return Err(Fail::not_found(sponsor));
            }
            Ok(Answer::done())
        }
        (rest, _) => {
            let sponsors = directory.objects_of(directory.sponsors.targets(id));
            relations::answer(directory, call, sponsors, rest)
        }
    }
}

/// Answers `sponsorOf`: whom a user or a group is a sponsor of.
pub(crate) fn sponsored(directory: &Directory, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let sponsored = directory.objects_of(directory.sponsors.sources(id));
    relations::answer(directory, call, sponsored, rest)
}
