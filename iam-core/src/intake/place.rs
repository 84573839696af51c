//! Which elements of an answer of `Get_Workers` say something, and where they stand.

/// An element that is known. Whatever else stands in an answer is [`Other`](Self::Other), with all that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Other,
    Envelope,
    Body,
    Fault,
    FaultCodes,
    FaultCode,
    FaultReason,
    FaultText,
    FaultDetails,
    FaultDetail,
    Answer,
    Filter,
    AsOf,
    Results,
    TotalResults,
    TotalPages,
    PageResults,
    Page,
    Workers,
    Worker,
    WorkerReference,
    WorkerId,
    WorkerData,
    WorkerKey,
    Personal,
    Names,
    Legal,
    LegalName,
    First,
    Middle,
    Last,
    Preferred,
    PreferredName,
    PreferredFirst,
    PreferredMiddle,
    PreferredLast,
    Contact,
    Email,
    Address,
    Usage,
    UsageType,
    UsageReference,
    UsageId,
    Employment,
    Job,
    Position,
    /// Of version 21: not within a job.
    OldPosition,
    BusinessTitle,
    PositionTitle,
    WorkerType,
    WorkerTypeId,
    Site,
    SiteName,
    Location,
    LocationId,
    SiteAddress,
    Country,
    CountryId,
    Status,
    Active,
    HireDate,
    FirstDay,
    EndDate,
    LeaveStatus,
    OnLeave,
    LeaveStart,
    LeaveEnd,
    LeaveEstimate,
    TerminationStatus,
    Terminated,
    TerminationDate,
    LastDay,
    Contract,
    ContractEnd,
    Organizations,
    OrganizationEntry,
    Organization,
    OrganizationName,
    OrganizationCode,
    OrganizationType,
    OrganizationTypeId,
    Chain,
    SupervisoryChain,
    ChainEntry,
    ChainManager,
    Manager,
    ManagerId,
}

macro_rules! children {
    ($($parent:pat => { $($name:literal $child:ident),+ $(,)? })+) => {
        /// The known element of this name in this one, and the name.
        fn child(self, name: &str) -> (Self, &'static str) {
            match self {
                $($parent => match name {
                    $($name => (Self::$child, $name),)+
                    _ => (Self::Other, ""),
                },)+
                _ => (Self::Other, ""),
            }
        }
    };
}

impl Place {
    children! {
        Self::Root => { "Envelope" Envelope, "Get_Workers_Response" Answer }
        Self::Envelope => { "Body" Body }
        Self::Body => { "Get_Workers_Response" Answer, "Fault" Fault }
        Self::Fault => {
            "faultcode" FaultCode, "faultstring" FaultText, "Code" FaultCodes, "Reason" FaultReason,
            "detail" FaultDetails, "Detail" FaultDetails,
        }
        Self::FaultCodes => { "Value" FaultCode, "Subcode" FaultCodes }
        Self::FaultReason => { "Text" FaultText }
        Self::FaultDetails => {
            "Validation_Fault" FaultDetails, "Validation_Error" FaultDetails, "Processing_Fault" FaultDetails,
            "Message" FaultDetail, "Detail_Message" FaultDetail,
        }
        Self::Answer => { "Response_Filter" Filter, "Response_Results" Results, "Response_Data" Workers }
        Self::Filter => { "As_Of_Effective_Date" AsOf }
        Self::Results => {
            "Total_Results" TotalResults, "Total_Pages" TotalPages, "Page_Results" PageResults, "Page" Page,
        }
        Self::Workers => { "Worker" Worker }
        Self::Worker => { "Worker_Reference" WorkerReference, "Worker_Data" WorkerData }
        Self::WorkerReference => { "ID" WorkerId }
        Self::WorkerData => {
            "Worker_ID" WorkerKey, "Personal_Data" Personal, "Employment_Data" Employment,
            "Organization_Data" Organizations, "Management_Chain_Data" Chain,
        }
        Self::Personal => { "Name_Data" Names, "Contact_Data" Contact }
        Self::Names => { "Legal_Name_Data" Legal, "Preferred_Name_Data" Preferred }
        Self::Legal => { "Name_Detail_Data" LegalName }
        Self::LegalName => { "First_Name" First, "Middle_Name" Middle, "Last_Name" Last }
        Self::Preferred => { "Name_Detail_Data" PreferredName }
        Self::PreferredName => {
            "First_Name" PreferredFirst, "Middle_Name" PreferredMiddle, "Last_Name" PreferredLast,
        }
        Self::Contact => { "Email_Address_Data" Email }
        Self::Email => { "Email_Address" Address, "Usage_Data" Usage }
        Self::Usage => { "Type_Data" UsageType }
        Self::UsageType => { "Type_Reference" UsageReference }
        Self::UsageReference => { "ID" UsageId }
        Self::Employment => {
            "Worker_Job_Data" Job, "Position_Data" OldPosition, "Worker_Status_Data" Status,
            "Worker_Contract_Data" Contract,
        }
        Self::Job => { "Position_Data" Position, "Position_Organizations_Data" Organizations }
        Self::Position | Self::OldPosition => {
            "Business_Title" BusinessTitle, "Position_Title" PositionTitle, "Worker_Type_Reference" WorkerType,
            "Business_Site_Summary_Data" Site, "Manager_as_of_last_detected_manager_change_Reference" Manager,
        }
        Self::WorkerType => { "ID" WorkerTypeId }
        Self::Site => { "Name" SiteName, "Location_Reference" Location, "Address_Data" SiteAddress }
        Self::Location => { "ID" LocationId }
        Self::SiteAddress => { "Country_Reference" Country }
        Self::Country => { "ID" CountryId }
        Self::Status => {
            "Active" Active, "Hire_Date" HireDate, "First_Day_of_Work" FirstDay, "End_Employment_Date" EndDate,
            "Terminated" Terminated, "Termination_Date" TerminationDate, "Termination_Last_Day_of_Work" LastDay,
            "Termination_Status_Data" TerminationStatus, "Leave_Status_Data" LeaveStatus,
        }
        Self::LeaveStatus => {
            "On_Leave" OnLeave, "Leave_Start_Date" LeaveStart, "Leave_End_Date" LeaveEnd,
            "Estimated_Leave_End_Date" LeaveEstimate,
        }
        Self::TerminationStatus => {
            "Terminated" Terminated, "Termination_Date" TerminationDate, "Termination_Last_Day_of_Work" LastDay,
        }
        Self::Contract => { "Contract_End_Date" ContractEnd }
        Self::Organizations => {
            "Worker_Organization_Data" OrganizationEntry, "Position_Organization_Data" OrganizationEntry,
        }
        Self::OrganizationEntry => { "Organization_Data" Organization }
        Self::Organization => {
            "Organization_Name" OrganizationName, "Organization_Code" OrganizationCode,
            "Organization_Type_Reference" OrganizationType,
        }
        Self::OrganizationType => { "ID" OrganizationTypeId }
        Self::Chain => { "Worker_Supervisory_Management_Chain_Data" SupervisoryChain }
        Self::SupervisoryChain => { "Management_Chain_Data" ChainEntry }
        Self::ChainEntry => { "Manager_Reference" Manager, "Manager" ChainManager }
        Self::ChainManager => { "Worker_Reference" Manager }
        Self::Manager => { "ID" ManagerId }
    }

    /// Whether its own text says something.
    pub(super) fn has_text(self) -> bool {
        matches!(
            self,
            Self::FaultCode
                | Self::FaultText
                | Self::FaultDetail
                | Self::AsOf
                | Self::TotalResults
                | Self::TotalPages
                | Self::PageResults
                | Self::Page
                | Self::WorkerId
                | Self::WorkerKey
                | Self::First
                | Self::Middle
                | Self::Last
                | Self::PreferredFirst
                | Self::PreferredMiddle
                | Self::PreferredLast
                | Self::Address
                | Self::UsageId
                | Self::BusinessTitle
                | Self::PositionTitle
                | Self::WorkerTypeId
                | Self::SiteName
                | Self::LocationId
                | Self::CountryId
                | Self::Active
                | Self::OnLeave
                | Self::LeaveStart
                | Self::LeaveEnd
                | Self::LeaveEstimate
                | Self::HireDate
                | Self::FirstDay
                | Self::EndDate
                | Self::Terminated
                | Self::TerminationDate
                | Self::LastDay
                | Self::ContractEnd
                | Self::OrganizationName
                | Self::OrganizationCode
                | Self::OrganizationTypeId
                | Self::ManagerId
        )
    }

    /// The attribute that says something.
    pub(super) fn attribute(self) -> Option<&'static str> {
        match self {
            Self::WorkerId
            | Self::UsageId
            | Self::WorkerTypeId
            | Self::LocationId
            | Self::CountryId
            | Self::OrganizationTypeId
            | Self::ManagerId => Some("type"),
            Self::WorkerType | Self::Location | Self::OrganizationType => Some("Descriptor"),
            Self::Job => Some("Primary_Job"),
            Self::UsageType => Some("Primary"),
            _ => None,
        }
    }

    /// Whether it may stand several times, so that what is in one belongs together.
    pub(super) fn is_group(self) -> bool {
        matches!(
            self,
            Self::Email
                | Self::UsageType
                | Self::Job
                | Self::OldPosition
                | Self::Organization
                | Self::ChainEntry
                | Self::LeaveStatus
        )
    }
}

/// The open elements, outermost first.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<(Place, &'static str)>);

impl Steps {
    pub(super) fn open(&mut self, name: &str) -> Place {
        let step = self.place().child(name);
        self.0.push(step);
        step.0
    }

    pub(super) fn close(&mut self) {
        self.0.pop();
    }

    /// The innermost one.
    pub(super) fn place(&self) -> Place {
        self.0.last().map_or(Place::Root, |(place, _)| *place)
    }

    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// `Get_Workers_Response/…`, as far as the elements are known.
    pub(super) fn path_from_root(&self) -> String {
        let known = self.0.iter().take_while(|(place, _)| *place != Place::Other);
        known.map(|(_, name)| *name).collect::<Vec<_>>().join("/")
    }

    /// The same below `Worker`.
    pub(super) fn path(&self) -> String {
        let worker = self.0.iter().position(|(place, _)| *place == Place::Worker);
        let below = self.0.iter().skip(worker.map_or(0, |at| at + 1));
        below.map(|(_, name)| *name).collect::<Vec<_>>().join("/")
    }
}
