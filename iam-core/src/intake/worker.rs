//! One `Worker` of `Get_Workers`: what its elements say together.

use jiff::civil::Date;

use super::Item;
use super::element::Element;
use super::fields::Field;
use super::place::{Place, Steps};
use super::row::{Flaw, Judge};
use super::values::{self, Fault};
use super::workday_xml::WorkdayXmlIntake;

/// The types of `wd:ID` that are read. The rest, `WID` of most references included, is no use.
const TYPES: [&str; 11] = [
    "WID",
    "Employee_ID",
    "Contingent_Worker_ID",
    "Employee_Type_ID",
    "Contingent_Worker_Type_ID",
    "Location_ID",
    "ISO_3166-1_Alpha-2_Code",
    "ISO_3166-1_Alpha-3_Code",
    "ISO_3166-1_Numeric-3_Code",
    "Organization_Type_ID",
    "Communication_Usage_Type_ID",
];

/// What one element or attribute says.
#[derive(Debug, Clone)]
struct Said {
    place: Place,
    /// The type of an id, the name of an attribute, else empty.
    kind: &'static str,
    text: String,
    path: String,
}

/// What stands together in one element.
type Group = Vec<Said>;

fn find<'g>(group: &'g [Said], place: Place, kind: &str) -> Option<&'g Said> {
    group.iter().find(|said| said.place == place && said.kind == kind)
}

fn first<'g>(group: &'g [Said], wanted: &[(Place, &str)]) -> Option<&'g Said> {
    wanted.iter().find_map(|(place, kind)| find(group, *place, kind))
}

/// Collects what the elements of one worker say.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    intake: &'a WorkdayXmlIntake,
    /// The day that the answer describes.
    as_of: Option<Date>,
    /// The type of the id that is open.
    kind: &'static str,
    /// The open groups; the outermost is the worker.
    groups: Vec<Group>,
    jobs: Jobs,
    /// How good the usages of the open mail address are: the lowest rank counts.
    usage: u8,
    /// The best mail address so far, and its rank.
    email: Option<(u8, Said)>,
    /// The leave of absence that the worker is on.
    leave: Option<Group>,
    /// Managers of the chain, the highest first.
    chain: Vec<Said>,
    flaw: Option<Flaw>,
}

#[derive(Debug, Default)]
struct Jobs {
    primary: Option<Group>,
    unmarked: Option<Group>,
    seen: usize,
}

impl<'a> Worker<'a> {
    pub(super) fn new(intake: &'a WorkdayXmlIntake) -> Self {
        Self {
            intake,
            as_of: None,
            kind: "",
            groups: Vec::new(),
            jobs: Jobs::default(),
            usage: u8::MAX,
            email: None,
            leave: None,
            chain: Vec::new(),
            flaw: None,
        }
    }

    /// The next worker begins.
    pub(super) fn begin(&mut self) {
        let as_of = self.as_of;
        *self = Self::new(self.intake);
        self.as_of = as_of;
        self.groups.push(Group::new());
    }

    pub(super) fn open_group(&mut self) {
        self.groups.push(Group::new());
    }

    /// Takes the attribute that says something, or that it is missing.
    pub(super) fn attribute(
        &mut self,
        place: Place,
        name: &'static str,
        value: Option<String>,
        steps: &Steps,
    ) {
        if name == "type" {
            let known = TYPES.iter().find(|known| Some(**known) == value.as_deref());
            self.kind = known.copied().unwrap_or_default();
        } else if let Some(text) = value.filter(|text| !text.trim().is_empty()) {
            let path = format!("{}/@{name}", steps.path());
            self.put(Said {
                place,
                kind: name,
                text,
                path,
            });
        }
    }

    /// Takes an element's text.
    pub(super) fn text(&mut self, place: Place, text: &str, steps: &Steps) {
        if place == Place::AsOf {
            self.as_of = values::date(text.trim()).ok();
            return;
        }
        let typed = place.attribute() == Some("type");
        if text.trim().is_empty() || (typed && self.kind.is_empty()) {
            return;
        }
        self.put(Said {
            place,
            kind: if typed { self.kind } else { "" },
            text: text.to_owned(),
            path: steps.path(),
        });
    }

    /// An element that says something holds another one, so that its text is in doubt.
    pub(super) fn not_text(&mut self, steps: &Steps) {
        let fault = Fault::new("wrong_type", "expected text, found elements");
        self.blame(Flaw::named(steps.path(), fault));
    }

    fn put(&mut self, said: Said) {
        let Some(group) = self.groups.last_mut() else {
            return;
        };
        match find(group, said.place, said.kind) {
            None => group.push(said),
            // Some positions have several managers; the first is as good as any.
            Some(earlier) if earlier.text.trim() == said.text.trim() || said.place == Place::ManagerId => {}
            Some(_) => {
                let fault = Fault::new("duplicate_field", "expected one value, found several");
                self.blame(Flaw::named(said.path, fault));
            }
        }
    }

    fn blame(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }

    fn flag(&mut self, said: Option<&Said>) -> Option<bool> {
        let said = said?;
        match values::flag(said.text.trim()) {
            Ok(yes) => Some(yes),
            Err(fault) => {
                self.blame(Flaw::named(said.path.clone(), fault));
                None
            }
        }
    }

    pub(super) fn close_group(&mut self, place: Place) {
        let Some(group) = self.groups.pop() else { return };
        match place {
            Place::UsageType => {
                let primary = self.flag(find(&group, Place::UsageType, "Primary")) == Some(true);
                let usage = find(&group, Place::UsageId, "Communication_Usage_Type_ID");
                let usage = match usage.map(|said| said.text.trim()) {
                    Some("HOME") => 0,
                    Some("WORK") => 2,
                    _ => 4,
                };
                self.usage = self.usage.min(usage + u8::from(!primary));
            }
            Place::Email => self.close_email(group),
            Place::Job | Place::OldPosition => {
                self.jobs.seen += 1;
                let said = find(&group, Place::Job, "Primary_Job");
                match (self.flag(said), said) {
                    (Some(true), Some(said)) if self.jobs.primary.is_some() => {
                        let fault = Fault::new("no_primary_job", "expected one primary job, found several");
                        self.blame(Flaw::named(said.path.clone(), fault));
                    }
                    (Some(true), _) => self.jobs.primary = Some(group),
                    (Some(false), _) => {}
                    (None, _) => drop(self.jobs.unmarked.get_or_insert(group)),
                }
            }
            Place::Organization => self.close_organization(&group),
            Place::ChainEntry => self.chain.extend(manager(&group).cloned()),
            // Leaves that are over, or are to come, stand here as well, and do not say that they are on.
            Place::LeaveStatus if self.flag(find(&group, Place::OnLeave, "")) == Some(true) => {
                self.leave.get_or_insert(group);
            }
            _ => {}
        }
    }

    fn close_email(&mut self, group: Group) {
        let rank = std::mem::replace(&mut self.usage, u8::MAX);
        if self.email.as_ref().is_none_or(|(best, _)| rank < *best) {
            let address = group.into_iter().find(|said| said.place == Place::Address);
            self.email = address.map(|address| (rank, address)).or(self.email.take());
        }
    }

    fn close_organization(&mut self, group: &Group) {
        let kinds = [
            (Place::OrganizationTypeId, "Organization_Type_ID"),
            (Place::OrganizationType, "Descriptor"),
        ];
        let Some(kind) = first(group, &kinds) else { return };
        let is = |wanted: &str| kind.text.trim().eq_ignore_ascii_case(wanted);
        let (name, code) = ((Place::OrganizationName, ""), (Place::OrganizationCode, ""));
        let mut found = Vec::new();
        if is(&self.intake.department) {
            found.push(("department", first(group, &[name, code])));
        }
        if is("COMPANY") {
            found.push(("company", first(group, &[name, code])));
        }
        if is("COST_CENTER") || is("Cost Center") {
            found.push(("cost center", first(group, &[code, name])));
        }
        for (kind, said) in found {
            let (Some(said), Some(outer)) = (said, self.groups.last_mut()) else {
                continue;
            };
            let place = Place::Organization;
            let mut others = outer
                .iter()
                .filter(|other| other.place == place && other.kind == kind);
            // Two that differ are in doubt already; there may be any number.
            if others.clone().count() < 2 && !others.any(|other| other.text.trim() == said.text.trim()) {
                outer.push(Said {
                    place,
                    kind,
                    ..said.clone()
                });
            }
        }
    }

    /// The worker ends.
    pub(super) fn end(&mut self, row: u64, judge: &mut Judge) -> Item {
        let worker = self.groups.pop().unwrap_or_default();
        self.groups.clear();
        let mut element = Element::default();
        let terminated = self.status(&worker, &mut element);
        let job = self.job(terminated);
        self.describe(&worker, &job, &mut element);
        if let Some(flaw) = self.flaw.take() {
            element.blame(flaw);
        }
        element.judge(row, judge)
    }

    /// Whether they are terminated. Who is neither that nor active is active only where they are yet to come.
    fn status(&mut self, worker: &Group, element: &mut Element) -> bool {
        let (terminated, active) = (
            find(worker, Place::Terminated, ""),
            find(worker, Place::Active, ""),
        );
        let (is_terminated, is_active) = (self.flag(terminated), self.flag(active));
        let path = "Worker_Data/Employment_Data/Worker_Status_Data";
        element.spelling.learn(
            Field::Status,
            terminated.or(active).map_or(path, |said| &said.path),
        );
        let status = match (is_terminated, is_active) {
            (Some(true), Some(true)) => {
                let fault = Fault::new("contradiction", "expected Active or Terminated, found both");
                self.blame(Flaw::named(path, fault));
                None
            }
            (Some(true), _) => Some("Terminated"),
            _ if self.leave.is_some() => Some("On Leave"),
            (_, Some(true)) => Some("Active"),
            (_, Some(false)) if self.is_to_come(worker) => Some("Active"),
            (_, Some(false)) => {
                let fault = Fault::new(
                    "unknown_status",
                    "expected Terminated, or a hire date after As_Of_Effective_Date: not active may mean on leave",
                );
                self.blame(Flaw::named(active.map_or(path, |said| &said.path), fault));
                None
            }
            _ => None,
        };
        if let Some(status) = status {
            element.texts.push((Field::Status, status.to_owned()));
        }
        status == Some("Terminated")
    }

    fn is_to_come(&self, worker: &Group) -> bool {
        let hired = find(worker, Place::HireDate, "").and_then(|said| values::date(said.text.trim()).ok());
        matches!((hired, self.as_of), (Some(hired), Some(as_of)) if hired > as_of)
    }

    /// The primary job, or the only one where none says which it is. Who has left may have none.
    fn job(&mut self, terminated: bool) -> Group {
        let Jobs {
            primary,
            unmarked,
            seen,
        } = std::mem::take(&mut self.jobs);
        match (primary, unmarked) {
            (Some(job), _) => job,
            (None, Some(job)) if seen == 1 => job,
            _ => {
                if seen > 0 && !terminated {
                    let message = format!("expected one job with Primary_Job=\"1\", found none among {seen}");
                    self.blame(Flaw::named(
                        "Worker_Data/Employment_Data/Worker_Job_Data",
                        Fault::new("no_primary_job", message),
                    ));
                }
                Group::new()
            }
        }
    }

    fn describe(&mut self, worker: &Group, job: &Group, element: &mut Element) {
        use Place::{
            BusinessTitle, ContractEnd, CountryId, EndDate, First, FirstDay, HireDate, Last, LastDay,
            Location, LocationId, Middle, PositionTitle, PreferredFirst, PreferredLast, PreferredMiddle,
            SiteName, TerminationDate, WorkerId, WorkerKey, WorkerType, WorkerTypeId,
        };
        let key = [
            (WorkerKey, ""),
            (WorkerId, "Employee_ID"),
            (WorkerId, "Contingent_Worker_ID"),
        ];
        let key = first(worker, &key);
        self.check_key(worker);
        tell(element, Field::EmployeeId, key);
        let legal = find(worker, First, "").is_some() || find(worker, Last, "").is_some();
        let names = if legal {
            [First, Middle, Last]
        } else {
            [PreferredFirst, PreferredMiddle, PreferredLast]
        };
        for (field, place) in [Field::FirstName, Field::MiddleName, Field::LastName]
            .into_iter()
            .zip(names)
        {
            tell(element, field, find(worker, place, ""));
        }
        let given = find(worker, First, "").map(|said| said.text.trim());
        let preferred =
            find(worker, PreferredFirst, "").filter(|said| legal && Some(said.text.trim()) != given);
        tell(element, Field::PreferredName, preferred);

        tell(
            element,
            Field::JobTitle,
            first(job, &[(BusinessTitle, ""), (PositionTitle, "")]),
        );
        let kinds = [
            (WorkerType, "Descriptor"),
            (WorkerTypeId, "Employee_Type_ID"),
            (WorkerTypeId, "Contingent_Worker_Type_ID"),
        ];
        tell(element, Field::WorkerType, first(job, &kinds));
        let id = find(job, LocationId, "Location_ID");
        let location = find(job, SiteName, "")
            .or(id)
            .or(find(job, Location, "Descriptor"));
        tell(element, Field::Location, location);
        let zone = [location, id].into_iter().flatten().find_map(|said| {
            let zone = self.intake.zones.get(said.text.trim())?;
            Some(Said {
                text: zone.clone(),
                ..said.clone()
            })
        });
        tell(element, Field::TimeZone, zone.as_ref());
        let codes = [
            (CountryId, "ISO_3166-1_Alpha-2_Code"),
            (CountryId, "ISO_3166-1_Alpha-3_Code"),
            (CountryId, "ISO_3166-1_Numeric-3_Code"),
        ];
        tell(element, Field::Country, first(job, &codes));
        for (field, kind) in [
            (Field::Department, "department"),
            (Field::Company, "company"),
            (Field::CostCenter, "cost center"),
        ] {
            let said = self
                .organization(job, kind)
                .or_else(|| self.organization(worker, kind));
            tell(element, field, said.as_ref());
        }
        tell(element, Field::Email, self.email.as_ref().map(|(_, said)| said));
        if let Some(leave) = &self.leave {
            tell(element, Field::LeaveFrom, find(leave, Place::LeaveStart, ""));
            let end = first(leave, &[(Place::LeaveEnd, ""), (Place::LeaveEstimate, "")]);
            tell(element, Field::LeaveUntil, end);
        }

        let own = key.map(|said| said.text.trim());
        let chain = self.chain.iter().rev().find(|said| Some(said.text.trim()) != own);
        let manager = chain.or(manager(job)).cloned();
        if let Some(said) = manager.as_ref().filter(|said| said.kind == "WID") {
            let fault = Fault::new(
                "unresolved_reference",
                "expected the manager's Employee_ID or Contingent_Worker_ID, found a WID alone",
            );
            self.blame(Flaw::named(said.path.clone(), fault));
        }
        tell(element, Field::ManagerId, manager.as_ref());

        tell(
            element,
            Field::HireDate,
            first(worker, &[(HireDate, ""), (FirstDay, "")]),
        );
        let ends = [
            (LastDay, ""),
            (TerminationDate, ""),
            (EndDate, ""),
            (ContractEnd, ""),
        ];
        tell(element, Field::LastDay, first(worker, &ends));
    }

    /// The worker id is one of those in the reference, where it has any.
    fn check_key(&mut self, worker: &Group) {
        let Some(key) = find(worker, Place::WorkerKey, "") else {
            return;
        };
        let ids = ["Employee_ID", "Contingent_Worker_ID"];
        let ids: Vec<&Said> = ids
            .iter()
            .filter_map(|kind| find(worker, Place::WorkerId, kind))
            .collect();
        if !ids.is_empty() && !ids.iter().any(|id| id.text.trim() == key.text.trim()) {
            let message =
                "expected the Employee_ID or Contingent_Worker_ID of the reference, found another id";
            self.blame(Flaw::named(
                key.path.clone(),
                Fault::new("contradiction", message),
            ));
        }
    }

    fn organization(&mut self, group: &Group, kind: &str) -> Option<Said> {
        let mut of_kind = group
            .iter()
            .filter(|said| said.place == Place::Organization && said.kind == kind);
        let one = of_kind.next()?;
        if let Some(other) = of_kind.find(|said| said.text.trim() != one.text.trim()) {
            let message = format!("expected one {kind}, found several");
            self.blame(Flaw::named(
                other.path.clone(),
                Fault::new("duplicate_field", message),
            ));
        }
        Some(one.clone())
    }
}

/// The manager that a position or an entry of the chain names.
fn manager(group: &[Said]) -> Option<&Said> {
    let ids = ["Employee_ID", "Contingent_Worker_ID", "WID"];
    ids.iter().find_map(|kind| find(group, Place::ManagerId, kind))
}

fn tell(element: &mut Element, field: Field, said: Option<&Said>) {
    if let Some(said) = said {
        element.spelling.learn(field, &said.path);
        element.texts.push((field, said.text.clone()));
    }
}
