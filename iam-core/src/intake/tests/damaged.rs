//! Real documents, damaged: cut anywhere, with bytes and pieces changed; and documents made to be slow.

use proptest::prelude::*;

use super::*;

const DOCUMENTS: [&str; 5] = [
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/get_workers.xml"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/bulk_upload.json"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/workday_events.json"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/raas_report.json"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/data/new_hires.csv"
    )),
];

/// What is done to a document.
#[derive(Debug, Clone)]
enum Damage {
    /// It ends here.
    Cut(prop::sample::Index),
    /// This byte becomes another.
    Byte(prop::sample::Index, u8),
    /// So many bytes are lost.
    Lost(prop::sample::Index, usize),
    /// A piece of it comes again, somewhere else.
    Again(prop::sample::Index, prop::sample::Index, usize),
    /// Something that means something is put in.
    Put(prop::sample::Index, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    let put = prop::sample::select(vec![
        "<",
        ">",
        "/>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<!DOCTYPE x>",
        "&amp;",
        "&x;",
        "&#0;",
        "&#x1F600;",
        "<?x?>",
        "\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1e999",
        "\\ud800",
        "\u{0}",
        "\u{feff}",
        "\u{202e}",
        "é",
        "\r\n",
        "\n",
        "<wd:Worker>",
        "</wd:Worker>",
        "wd:Primary_Job=\"1\"",
        "\"active\": false,",
        "\"method\": \"DELETE\",",
        "\"Operations\": [],",
        "\"urn:x:y:User\": {\"HireDate\": 7},",
        "\"eventId\": \"E\",",
    ]);
    prop_oneof![
        index().prop_map(Damage::Cut),
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (index(), 1_usize..60).prop_map(|(at, length)| Damage::Lost(at, length)),
        (index(), index(), 1_usize..400).prop_map(|(from, to, length)| Damage::Again(from, to, length)),
        (index(), put).prop_map(|(at, piece)| Damage::Put(at, piece)),
    ]
}

fn damaged(document: &str, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = document.as_bytes().to_vec();
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Lost(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Damage::Again(from, to, length) => {
                let from = from.index(bytes.len());
                let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
                let to = to.index(bytes.len());
                bytes.splice(to..to, piece);
            }
            Damage::Put(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

/// Every item names its row and, where one is at fault, the field; rows come in order; totals add up; an input that
/// cannot be used says where.
fn holds(intake: &dyn Intake, input: &[u8]) -> std::result::Result<(), TestCaseError> {
    let (mut records, mut rejects, mut last) = (0, 0, 0);
    let mut problems = Vec::new();
    let end = intake.read(&mut &*input, &mut |item| {
        let row = match item {
            Item::Record(record) => {
                records += 1;
                let key = record.person.key.as_str();
                if key.is_empty() || key.trim() != key {
                    problems.push(format!("row {} has no key", record.row));
                }
                record.row
            }
            Item::Notice(notice) => {
                records += 1;
                notice.row
            }
            Item::Reject(reject) => {
                rejects += 1;
                // Only what is wrong with the row as a whole has no field.
                let whole = [
                    "field_count",
                    "stray_quote",
                    "wrong_type",
                    "duplicate_row",
                    "duplicate_key",
                ];
                if reject.field.is_empty() && !whole.contains(&reject.code) {
                    problems.push(format!("{reject} has no field"));
                }
                if !reject.message.starts_with("expected ") {
                    problems.push(format!("{reject} does not say what was expected"));
                }
                reject.row
            }
        };
        if row <= last {
            problems.push(format!("row {row} after {last}"));
        }
        last = row;
        ControlFlow::Continue(())
    });
    prop_assert!(problems.is_empty(), "{:?}", problems);
    match end {
        Ok(end) => prop_assert_eq!(totals(&end), (records + rejects, records, rejects)),
        Err(error) => prop_assert!(!error.message().is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(500))]
    #[test]
    fn a_damaged_document_is_read_as_far_as_it_goes(
        which in 0..DOCUMENTS.len(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let input = damaged(DOCUMENTS[which], &damages);
        let intakes: [&dyn Intake; 5] = [
            &FlatIntake::new(),
            &FlatIntake::new().ignore_unknown(true),
            &WorkdayXmlIntake::new(),
            &ScimIntake::new(),
            &WorkdayEventIntake::new(),
        ];
        for intake in intakes {
            holds(intake, &input)?;
        }
    }

    /// A document that is cut is never taken for a whole one.
    #[test]
    fn a_cut_document_is_an_error(which in 0..3_usize, at: prop::sample::Index) {
        let document = DOCUMENTS[which].trim_end();
        let cut = at.index(document.len());
        prop_assume!(document.is_char_boundary(cut));
        let (_, end) = words(&FlatIntake::new(), &document.as_bytes()[..cut]);
        prop_assert!(end.is_err(), "cut at {cut}: {end:?}");
    }

    /// Whatever the texts of workers are, as long as they are written as XML: every worker comes back.
    #[test]
    fn well_written_answers_lose_no_worker(
        workers in prop::collection::vec(prop::collection::vec("[ -~é\n]{0,8}", 4), 0..12),
    ) {
        let element = |name: &str, text: &str| {
            format!("<w:{name}>{}</w:{name}>", quick_xml::escape::escape(text))
        };
        let workers_xml: Vec<String> = workers
            .iter()
            .map(|texts| {
                let status = element("Active", &texts[2]) + &element("Hire_Date", &texts[3]);
                let name = element("First_Name", &texts[1]);
                format!(
                    "<w:Worker><w:Worker_Data>{}<w:Personal_Data><w:Name_Data><w:Legal_Name_Data>\
                     <w:Name_Detail_Data>{name}</w:Name_Detail_Data></w:Legal_Name_Data></w:Name_Data>\
                     </w:Personal_Data><w:Employment_Data><w:Worker_Status_Data>{status}</w:Worker_Status_Data>\
                     </w:Employment_Data></w:Worker_Data></w:Worker>",
                    element("Worker_ID", &texts[0]),
                )
            })
            .collect();
        let answer = format!(
            "<w:Get_Workers_Response xmlns:w='urn:com.workday/bsvc'><w:Response_Data>{}\
             </w:Response_Data></w:Get_Workers_Response>",
            workers_xml.concat()
        );
        let (found, end) = words(&FlatIntake::new(), answer.as_bytes());
        prop_assert_eq!(found.len(), workers.len());
        prop_assert_eq!(end.map(|end| end.rows).ok(), Some(workers.len() as u64));
    }
}

/// Each is about a megabyte of one thing again and again: read in time that grows with it, it takes a moment, and
/// many minutes where each is compared with all before it.
#[test]
fn no_document_is_slow() {
    let many = |piece: &str| piece.repeat(900_000 / piece.len());
    let numbered = |piece: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for n in 0.. {
            if text.len() > 900_000 {
                break;
            }
            text += &piece(n);
        }
        text
    };
    let worker = |data: &str| {
        format!(
            "<Get_Workers_Response><Response_Data><Worker><Worker_Data>{data}</Worker_Data></Worker></Response_Data></Get_Workers_Response>"
        )
    };
    let organisation = |n: usize| {
        format!(
            "<Worker_Organization_Data><Organization_Data><Organization_Name>{n}</Organization_Name>\
             <Organization_Type_Reference Descriptor='Company'/></Organization_Data></Worker_Organization_Data>"
        )
    };
    let user =
        |more: &str| format!("{{\"schemas\": [\"urn:ietf:params:scim:schemas:core:2.0:User\"]{more}}}");
    for (what, input) in [
        (
            "attributes",
            format!("<Get_Workers_Response {}/>", numbered(&|n| format!("a{n}='' "))),
        ),
        (
            "attributes of an id",
            worker(&format!(
                "<Employment_Data><Worker_Job_Data {}/></Employment_Data>",
                numbered(&|n| format!("a{n}='' "))
            )),
        ),
        (
            "entities",
            worker(&format!("<Worker_ID>{}</Worker_ID>", many("&amp;"))),
        ),
        (
            "comments",
            worker(&format!("<Worker_ID>{}</Worker_ID>", many("<!---->"))),
        ),
        (
            "ids",
            worker(&many("<Worker_ID>1</Worker_ID><Worker_ID>2</Worker_ID>")),
        ),
        (
            "organisations",
            worker(&format!(
                "<Organization_Data>{}</Organization_Data>{}",
                numbered(&organisation),
                many("<Worker_ID>1</Worker_ID>")
            )),
        ),
        (
            "usages",
            worker(&format!(
                "<Personal_Data><Contact_Data><Email_Address_Data><Usage_Data>{}</Usage_Data>{}</Email_Address_Data></Contact_Data></Personal_Data>",
                many("<Type_Data Primary='1'/>"),
                many("<Email_Address>a</Email_Address>")
            )),
        ),
        (
            "jobs",
            worker(&format!(
                "<Employment_Data>{}</Employment_Data>",
                many("<Worker_Job_Data Primary_Job='1'/>")
            )),
        ),
        (
            "workers",
            format!(
                "<Get_Workers_Response><Response_Data>{}</Response_Data></Get_Workers_Response>",
                many("<Worker/>")
            ),
        ),
        (
            "extensions",
            user(&numbered(&|n| format!(",\"urn:{n}\":{{\"HireDate\":1}}"))),
        ),
        ("names", user(&numbered(&|n| format!(",\"n{n}\":1")))),
        (
            "addresses",
            user(&format!(",\"addresses\":[{}{{}}]", many("{},"))),
        ),
        (
            "operations",
            format!(
                "{{\"Operations\":[{}{{}}],\"x\":\"urn:ietf:params:scim:\"}}",
                many("{\"method\":\"POST\"},")
            ),
        ),
        (
            "nested events",
            format!(
                "[{{\"eventName\":\"x\",\"workerId\":\"1\",\"x\":{}{}}}]",
                "{\"a\":".repeat(100) + "1",
                "}".repeat(100)
            ),
        ),
        (
            "events",
            format!(
                "[{}{{\"eventName\":1}}]",
                many("{\"eventName\":\"x\",\"workerId\":\"1\"},")
            ),
        ),
        (
            "columns of a report",
            format!("Employee_ID,{}\n", many("Legal_Name,")),
        ),
        (
            "columns",
            format!("Employee_ID,{}\n", numbered(&|n| format!("c{n},"))),
        ),
        ("rows", format!("Employee_ID,Status\n{}", many("1,A\n"))),
    ] {
        let (found, end) = words(&FlatIntake::new(), input.as_bytes());
        assert!(
            end.is_err() || !found.is_empty() || what == "attributes",
            "{what}: {end:?}"
        );
    }
}
