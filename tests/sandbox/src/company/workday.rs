//! Answers of Workday's `Get_Workers` ("Human Resources (v45.0): Get Workers", Workday web services directory).

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::civil::Date;

use super::worker::{Status, Worker};

/// Longest chain of managers that is written.
const CHAIN: usize = 12;

/// The answers, so many workers a page.
pub(super) fn pages(workers: &[Worker], day: Date, size: usize) -> Vec<String> {
    let by_id: HashMap<&str, &Worker> = workers
        .iter()
        .map(|worker| (worker.worker_id.as_str(), worker))
        .collect();
    let chunks: Vec<&[Worker]> = if workers.is_empty() {
        vec![&[]]
    } else {
        workers.chunks(size).collect()
    };
    let pages = chunks.iter().enumerate().map(|(at, chunk)| {
        let mut page = Xml::default();
        page.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        page.open("env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"");
        page.open("env:Body");
        page.open("wd:Get_Workers_Response xmlns:wd=\"urn:com.workday/bsvc\" wd:version=\"v45.0\"");
        page.open("wd:Response_Filter");
        page.leaf("As_Of_Effective_Date", &day.to_string());
        page.leaf("Page", &(at + 1).to_string());
        page.leaf("Count", &size.to_string());
        page.close();
        page.open("wd:Response_Results");
        page.leaf("Total_Results", &workers.len().to_string());
        page.leaf("Total_Pages", &chunks.len().to_string());
        page.leaf("Page_Results", &chunk.len().to_string());
        page.leaf("Page", &(at + 1).to_string());
        page.close();
        page.open("wd:Response_Data");
        for worker in *chunk {
            page.worker(worker, &by_id, day);
        }
        page.end()
    });
    pages.collect()
}

/// XML as it is written.
#[derive(Default)]
struct Xml {
    text: String,
    open: Vec<String>,
}

impl Xml {
    /// An element by its name, with attributes.
    fn open(&mut self, element: &str) {
        let name = element.split(' ').next().unwrap_or_default();
        let _ = writeln!(self.text, "<{element}>");
        self.open.push(name.to_owned());
    }

    fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            let _ = writeln!(self.text, "</{name}>");
        }
    }

    fn end(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    /// An element with text; none without.
    fn leaf(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(self.text, "<wd:{name}>{}</wd:{name}>", escaped(text));
        }
    }

    fn id(&mut self, kind: &str, id: &str) {
        let _ = writeln!(self.text, "<wd:ID wd:type=\"{kind}\">{}</wd:ID>", escaped(id));
    }

    fn worker(&mut self, worker: &Worker, by_id: &HashMap<&str, &Worker>, day: Date) {
        self.open("wd:Worker");
        self.open("wd:Worker_Reference");
        self.id(id_type(worker), &worker.worker_id);
        self.close();
        self.open("wd:Worker_Data");
        self.leaf("Worker_ID", &worker.worker_id);
        self.personal(worker);
        self.open("wd:Employment_Data");
        self.job(worker);
        self.status(worker, day);
        self.close();
        self.organizations(worker);
        self.chain(worker, by_id);
        self.close();
        self.close();
    }

    fn personal(&mut self, worker: &Worker) {
        self.open("wd:Personal_Data");
        self.open("wd:Name_Data");
        self.open("wd:Legal_Name_Data");
        self.open("wd:Name_Detail_Data");
        self.leaf("First_Name", &worker.given_name);
        self.leaf("Middle_Name", &worker.middle_name);
        self.leaf("Last_Name", &worker.family_name);
        self.close();
        self.close();
        if !worker.preferred_name.is_empty() {
            self.open("wd:Preferred_Name_Data");
            self.open("wd:Name_Detail_Data");
            self.leaf("First_Name", &worker.preferred_name);
            self.leaf("Last_Name", &worker.family_name);
            self.close();
            self.close();
        }
        self.close();
        if !worker.email.is_empty() {
            self.open("wd:Contact_Data");
            self.open("wd:Email_Address_Data");
            self.leaf("Email_Address", &worker.email);
            self.open("wd:Usage_Data wd:Public=\"0\"");
            self.open("wd:Type_Data wd:Primary=\"1\"");
            self.open("wd:Type_Reference");
            self.id("Communication_Usage_Type_ID", "HOME");
            (0..5).for_each(|_| self.close());
        }
        self.close();
    }

    fn job(&mut self, worker: &Worker) {
        self.open("wd:Worker_Job_Data wd:Primary_Job=\"1\"");
        self.open("wd:Position_Data");
        self.leaf("Business_Title", &worker.job_title);
        self.leaf("Start_Date", &worker.hire_date.to_string());
        self.open("wd:Worker_Type_Reference");
        let kind = if worker.worker_type == "Contractor" {
            "Contingent_Worker_Type_ID"
        } else {
            "Employee_Type_ID"
        };
        self.id(kind, &worker.worker_type);
        self.close();
        self.open("wd:Business_Site_Summary_Data");
        self.leaf("Name", &worker.location);
        self.open("wd:Address_Data");
        self.open("wd:Country_Reference");
        self.id("ISO_3166-1_Alpha-2_Code", &worker.country);
        (0..5).for_each(|_| self.close());
    }

    fn status(&mut self, worker: &Worker, day: Date) {
        let flag = |yes: bool| if yes { "1" } else { "0" };
        let gone = worker.status == Status::Terminated;
        self.open("wd:Worker_Status_Data");
        self.leaf("Active", flag(!gone && worker.hire_date <= day));
        self.leaf("Hire_Date", &worker.hire_date.to_string());
        self.leaf("Terminated", flag(gone));
        if let Some(last) = worker.last_day {
            self.leaf("Termination_Date", &last.to_string());
            self.leaf("Termination_Last_Day_of_Work", &last.to_string());
        }
        self.open("wd:Leave_Status_Data");
        self.leaf("On_Leave", flag(worker.status == Status::OnLeave));
        self.close();
        self.close();
    }

    fn organizations(&mut self, worker: &Worker) {
        self.open("wd:Organization_Data");
        let organizations = [
            ("SUPERVISORY", "", worker.department.as_str()),
            ("COMPANY", "", worker.company.as_str()),
            (
                "COST_CENTER",
                worker.cost_center.as_str(),
                worker.cost_center.as_str(),
            ),
        ];
        for (kind, code, name) in organizations {
            self.open("wd:Worker_Organization_Data");
            self.open("wd:Organization_Data");
            self.leaf("Organization_Code", code);
            self.leaf("Organization_Name", name);
            self.open("wd:Organization_Type_Reference");
            self.id("Organization_Type_ID", kind);
            (0..3).for_each(|_| self.close());
        }
        self.close();
    }

    /// From the head of the company down, as Workday has it.
    fn chain(&mut self, worker: &Worker, by_id: &HashMap<&str, &Worker>) {
        let mut chain: Vec<(&str, &str)> = Vec::new();
        let mut next = worker.manager.as_deref();
        while let Some(id) = next.filter(|_| chain.len() < CHAIN) {
            if chain.iter().any(|(_, known)| *known == id) {
                break;
            }
            let manager = by_id.get(id);
            chain.push((manager.map_or("Employee_ID", |worker| id_type(worker)), id));
            next = manager.and_then(|manager| manager.manager.as_deref());
        }
        if chain.is_empty() {
            return;
        }
        self.open("wd:Management_Chain_Data");
        self.open("wd:Worker_Supervisory_Management_Chain_Data");
        for (kind, id) in chain.into_iter().rev() {
            self.open("wd:Management_Chain_Data");
            self.open("wd:Manager_Reference");
            self.id(kind, id);
            self.close();
            self.close();
        }
        self.close();
        self.close();
    }
}

fn id_type(worker: &Worker) -> &'static str {
    if worker.worker_type == "Contractor" {
        "Contingent_Worker_ID"
    } else {
        "Employee_ID"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
