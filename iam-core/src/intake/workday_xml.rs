//! [`WorkdayXmlIntake`]: the answer of Workday's `Get_Workers` (`Human_Resources` and `Staffing`), one worker a row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;

use quick_xml::XmlVersion;
use quick_xml::errors::{Error as XmlError, IllFormedError};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::encoding::{Bounded, Opened, Progress, SAVE_AS_UTF8, invalid, unreadable};
use super::place::{Place, Steps};
use super::row::Judge;
use super::worker::Worker;
use super::{Intake, Item, Paging, Summary};
use crate::error::{Error, ErrorKind, Result};

/// Longest worker, in bytes: photographs and documents may stand in it.
const LONGEST_WORKER: usize = 16 * 1024 * 1024;
/// Deepest nesting of elements. Workday's own is below 20.
const DEEPEST: usize = 64;
/// Longest text that is kept of one element, in bytes; what is longer is refused by the rules for values.
const LONGEST_KEPT: usize = 4096;

/// Reads the answer of `Get_Workers`, versions 21 to 45, worker by worker: in a SOAP envelope or bare, with any
/// namespace prefixes. Memory holds one worker (at most 16 MiB), and 17 bytes for each worker id.
///
/// | field | element below `Worker_Data` |
/// |---|---|
/// | key | `Worker_ID`, else the worker reference's `Employee_ID`, else its `Contingent_Worker_ID` |
/// | status | `Worker_Status_Data`: `Terminated`, `Active`; see below |
/// | names | `Legal_Name_Data`, else `Preferred_Name_Data`; the preferred first name where it differs |
/// | job | of the job with `Primary_Job="1"`, or `Position_Data` itself (version 21): `Business_Title`, else `Position_Title`; the worker type's descriptor, else its id; `Business_Site_Summary_Data` with `Name`, else `Location_ID`, and the country's ISO code |
/// | department, company, cost centre | the primary job's organisations, else the worker's: name of the `SUPERVISORY` one ([another type](Self::department_from) if wished), name of the `COMPANY`, code (else name) of the `COST_CENTER` |
/// | manager | last entry of the supervisory management chain that names somebody else, else the position's manager: `Employee_ID` or `Contingent_Worker_ID` |
/// | mail address | `HOME` before `WORK`, the primary one of either first |
/// | first day | `Hire_Date`, else `First_Day_of_Work` |
/// | last day | `Termination_Last_Day_of_Work`, else `Termination_Date`, else `End_Employment_Date`, else `Contract_End_Date` |
/// | time zone | [by location](Self::time_zone), since Workday does not tell |
///
/// `wd:ID`s are told by `wd:type`, never by position. Dates are civil: `2021-05-01-07:00` is the first of May.
/// Terminated is who is `Terminated`, active who is `Active`. Somebody who is neither is active only where the hire
/// date is after `As_Of_Effective_Date`; otherwise it may be a leave or a gap, and the row is refused.
///
/// `row` of an item is the worker's index in the answer, from 1; `field` is the path of elements below `Worker`.
/// `Response_Results` stands in [`Summary::pages`].
///
/// # Errors
/// Besides those of [`Intake::read`]: a SOAP fault ([`ErrorKind::Unauthenticated`], [`ErrorKind::Denied`],
/// [`ErrorKind::Unavailable`] or [`ErrorKind::Invalid`], by its code); a document type declaration or an entity that
/// XML does not define; elements more than 64 deep; a root element that is no answer, such as a sign-in page.
///
/// ```
/// use std::ops::ControlFlow;
/// use iam_core::intake::{Intake, Item, WorkdayXmlIntake};
///
/// let mut answer = r#"<wd:Get_Workers_Response xmlns:wd="urn:com.workday/bsvc" wd:version="v45.0">
///   <wd:Response_Results><wd:Total_Results>1</wd:Total_Results><wd:Page>1</wd:Page></wd:Response_Results>
///   <wd:Response_Data><wd:Worker><wd:Worker_Data>
///     <wd:Worker_ID>21001</wd:Worker_ID>
///     <wd:Personal_Data><wd:Name_Data><wd:Legal_Name_Data><wd:Name_Detail_Data>
///       <wd:First_Name>Ada</wd:First_Name><wd:Last_Name>Lovelace</wd:Last_Name>
///     </wd:Name_Detail_Data></wd:Legal_Name_Data></wd:Name_Data></wd:Personal_Data>
///     <wd:Employment_Data><wd:Worker_Status_Data>
///       <wd:Active>1</wd:Active><wd:Hire_Date>2021-05-01-07:00</wd:Hire_Date><wd:Terminated>0</wd:Terminated>
///     </wd:Worker_Status_Data></wd:Employment_Data>
///   </wd:Worker_Data></wd:Worker></wd:Response_Data>
/// </wd:Get_Workers_Response>"#.as_bytes();
/// let mut days = Vec::new();
/// let summary = WorkdayXmlIntake::new().read(&mut answer, &mut |item| {
///     if let Item::Record(record) = item {
///         days.push(record.person.hire_date.map(|day| day.to_string()));
///     }
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(days, [Some("2021-05-01".to_owned())]);
/// assert_eq!(summary.pages.and_then(|pages| pages.total_results), Some(1));
/// # Ok::<(), iam_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WorkdayXmlIntake {
    pub(super) department: String,
    pub(super) zones: BTreeMap<String, String>,
}

impl Default for WorkdayXmlIntake {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkdayXmlIntake {
    /// The table above.
    pub fn new() -> Self {
        Self {
            department: "SUPERVISORY".to_owned(),
            zones: BTreeMap::new(),
        }
    }

    /// The organisation type (`Organization_Type_ID`, any letter case) whose name is the department.
    #[must_use]
    pub fn department_from(mut self, organization_type: impl Into<String>) -> Self {
        self.department = organization_type.into();
        self
    }

    /// The IANA time zone of everybody who works at this location, by its name or `Location_ID`. May be repeated.
    #[must_use]
    pub fn time_zone(mut self, location: impl Into<String>, zone: impl Into<String>) -> Self {
        self.zones.insert(location.into(), zone.into());
        self
    }

    /// As [`Intake::read`], of an input that was opened.
    pub(super) fn read_opened(
        &self,
        input: Opened<'_>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let progress = Progress::up_to(LONGEST_WORKER);
        let bytes = BufReader::new(Bounded::new(input.into_reader(), &progress));
        let mut xml = quick_xml::Reader::from_reader(bytes);
        xml.config_mut().expand_empty_elements = true;
        let mut answer = Answer {
            xml,
            progress: &progress,
            steps: Steps::default(),
            text: String::new(),
            worker: Worker::new(self),
            judge: Judge::default(),
            rows: 0,
            pages: Paging::default(),
            fault: Fault::default(),
            rooted: false,
            whole: false,
        };
        answer.read(sink)?;
        let pages = (answer.pages != Paging::default()).then_some(answer.pages);
        answer.judge.of_whole(pages, None);
        Ok(answer.judge.summary())
    }
}

impl Intake for WorkdayXmlIntake {
    fn read(
        &self,
        input: &mut dyn BufRead,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Summary> {
        self.read_opened(Opened::new(input)?, sink)
    }
}

/// The reading of one answer.
struct Answer<'a, R> {
    xml: quick_xml::Reader<R>,
    progress: &'a Progress,
    /// The open elements.
    steps: Steps,
    /// The text of the innermost element, where that is one that says something.
    text: String,
    worker: Worker<'a>,
    judge: Judge,
    rows: u64,
    pages: Paging,
    fault: Fault,
    /// Whether the root element began, and whether the answer did.
    rooted: bool,
    whole: bool,
}

/// What a SOAP fault says.
#[derive(Debug, Default)]
struct Fault {
    code: String,
    text: String,
    detail: String,
}

impl<R: BufRead> Answer<'_, R> {
    fn read(&mut self, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<()> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let event = self.xml.read_event_into(&mut buffer);
            match event {
                Ok(Event::Start(element)) => self.open(&element)?,
                Ok(Event::End(_)) => {
                    if self.close(sink)?.is_break() {
                        return Ok(());
                    }
                }
                Ok(Event::Text(text)) => self.keep(&text.xml10_content()),
                Ok(Event::CData(text)) => self.keep(&text.xml10_content()),
                Ok(Event::GeneralRef(entity)) => self.entity(&entity)?,
                Ok(Event::Comment(_) | Event::PI(_) | Event::Empty(_)) => {}
                Ok(Event::Decl(declaration)) => {
                    let encoding = declaration.encoding().and_then(std::result::Result::ok);
                    if let Some(encoding) = encoding
                        && !["utf-8", "utf8", "us-ascii"]
                            .iter()
                            .any(|known| encoding.eq_ignore_ascii_case(known))
                    {
                        return Err(self.wrong("the XML declares an encoding other than UTF-8"));
                    }
                }
                Ok(Event::DocType(_)) => {
                    return Err(self.wrong(
                        "the XML has a document type declaration, which no answer of Workday has: it is not read, \
                         since its entities could name files or grow without end",
                    ));
                }
                Ok(Event::Eof) => return self.end(),
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    fn open(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let local = element.local_name();
        let name: &str = local.as_ref();
        if self.steps.depth() == DEEPEST {
            return Err(self.wrong(format!("elements stand more than {DEEPEST} deep in one another")));
        }
        if self.steps.place().has_text() {
            self.worker.not_text(&self.steps);
        }
        let place = self.steps.open(name);
        self.text.clear();
        if self.steps.depth() == 1 {
            if place == Place::Other {
                return Err(self.no_answer(name));
            }
            if std::mem::replace(&mut self.rooted, true) {
                return Err(self.wrong("a second answer begins: read each page by itself"));
            }
        }
        match place {
            Place::Other => return Ok(()),
            Place::Answer => self.whole = true,
            Place::Worker => {
                self.rows += 1;
                self.progress.next_record();
                self.worker.begin();
            }
            _ if place.is_group() => self.worker.open_group(),
            _ => {}
        }
        if let Some(wanted) = place.attribute() {
            let value = self.attribute(element, wanted)?;
            self.worker.attribute(place, wanted, value, &self.steps);
        }
        Ok(())
    }

    /// An attribute's value, whatever prefix its name has. Names are not compared with one another, which would take
    /// quadratic time.
    fn attribute(&self, element: &BytesStart<'_>, wanted: &str) -> Result<Option<String>> {
        for attribute in element.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                return Err(self.wrong("an attribute is not written as name=\"value\""));
            };
            if attribute.key.local_name().as_ref() == wanted {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                let value =
                    value.map_err(|_| self.wrong("an attribute holds an entity that XML does not define"))?;
                return Ok(Some(value.into_owned()));
            }
        }
        Ok(None)
    }

    fn keep(&mut self, text: &str) {
        if !self.steps.place().has_text() {
            return;
        }
        if self.text.len() + text.len() <= LONGEST_KEPT {
            self.text.push_str(text);
        } else {
            // Cut behind what every rule takes for too long.
            let room = LONGEST_KEPT.saturating_sub(self.text.len());
            self.text.extend(text.chars().take(room));
        }
    }

    fn entity(&mut self, entity: &BytesRef<'_>) -> Result<()> {
        let name: &str = entity;
        let text = match (
            entity.resolve_char_ref(),
            quick_xml::escape::resolve_predefined_entity(name),
        ) {
            (Ok(Some(one)), _) => Cow::Owned(one.to_string()),
            (Ok(None), Some(text)) => Cow::Borrowed(text),
            _ => return Err(self.wrong("the text holds an entity that XML does not define")),
        };
        self.keep(&text);
        Ok(())
    }

    fn close(&mut self, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let place = self.steps.place();
        let text = self.text.as_str();
        match place {
            Place::TotalResults => self.pages.total_results = number(text),
            Place::TotalPages => self.pages.total_pages = number(text),
            Place::PageResults => self.pages.page_results = number(text),
            Place::Page => self.pages.page = number(text),
            Place::FaultCode => self.fault.code = short(text),
            Place::FaultText => self.fault.text = short(text),
            Place::FaultDetail if self.fault.detail.is_empty() => self.fault.detail = short(text),
            Place::FaultDetail => {}
            _ if place.has_text() => self.worker.text(place, text, &self.steps),
            _ => {}
        }
        self.text.clear();
        if place.is_group() {
            self.worker.close_group(place);
        }
        let mut flow = ControlFlow::Continue(());
        if place == Place::Worker {
            flow = sink(self.worker.end(self.rows, &mut self.judge));
        }
        if place == Place::Fault {
            return Err(self.fault.error());
        }
        self.steps.close();
        Ok(flow)
    }

    fn end(&self) -> Result<()> {
        if self.steps.depth() > 0 {
            return Err(self.wrong("the XML ends in the middle: is the file complete?"));
        }
        if !self.whole {
            return Err(self.wrong("expected a Get_Workers_Response, in a SOAP envelope or bare, found none"));
        }
        Ok(())
    }

    /// A root that is no answer. Its name is shown where it is a plain one.
    fn no_answer(&self, name: &str) -> Error {
        let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let found = if plain {
            format!(", found {name}")
        } else {
            String::new()
        };
        let hint = if name.eq_ignore_ascii_case("html") {
            ": a sign-in or error page instead of an answer?"
        } else {
            ""
        };
        self.wrong(format!(
            "expected a Get_Workers_Response, in a SOAP envelope or bare{found}{hint}"
        ))
    }

    /// What makes the rest unusable, and where it was found.
    fn wrong(&self, what: impl std::fmt::Display) -> Error {
        let path = self.steps.path_from_root();
        let place = if path.is_empty() {
            String::new()
        } else {
            format!(" in {path}")
        };
        invalid(format!(
            "byte {}{place}: {what}; {} workers before it were read",
            self.xml.buffer_position(),
            self.judge.summary().rows
        ))
    }

    /// The parser's own words are kept only where they hold nothing of the input.
    fn broken(&self, error: &XmlError) -> Error {
        match error {
            XmlError::Io(_) if self.progress.too_long() => self.wrong(format!(
                "worker {} is longer than 16 MiB, so its end is not looked for",
                self.rows
            )),
            XmlError::Io(error) => unreadable(std::io::Error::new(error.kind(), error.to_string())),
            XmlError::Syntax(error) => self.wrong(format!("not XML ({error}): is the file complete?")),
            XmlError::IllFormed(
                IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_),
            ) => self.wrong("not XML (an end tag that does not match the element that is open)"),
            XmlError::IllFormed(IllFormedError::UnclosedReference) => {
                self.wrong("not XML (a & that begins no entity; it is written &amp;)")
            }
            XmlError::Encoding(_) => self.wrong(format!("not UTF-8: {SAVE_AS_UTF8}")),
            _ => self.wrong("not XML"),
        }
    }
}

impl Fault {
    fn error(&self) -> Error {
        let text = [&self.text, &self.detail]
            .map(|text| text.to_ascii_lowercase())
            .concat();
        let code = self.code.to_ascii_lowercase();
        let kind = if text.contains("not authorized") || text.contains("not authorised") {
            ErrorKind::Denied
        } else if code.contains("authentication") || code.contains("security") {
            ErrorKind::Unauthenticated
        } else if code.contains("server") || code.contains("receiver") {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Invalid
        };
        let mut said = self.text.clone();
        if !self.detail.is_empty() && self.detail != self.text {
            said = [said, self.detail.clone()].join(": ");
        }
        let error = invalid(format!(
            "Workday answered with a fault instead of workers: {said}"
        ))
        .with_kind(kind);
        if self.code.is_empty() {
            error
        } else {
            error.with_code(self.code.clone())
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A service's own words, cut to a readable length.
fn short(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(300).collect()
}
