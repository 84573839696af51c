//! Changes of users.
//!
//! Source: Microsoft Learn, "Update user", "employeeOrgData resource type", "onPremisesExtensionAttributes resource type".

use crate::field::{Field, patch};

patch! {
    /// Property values of a user to keep, clear or set; what is not named is left as it is. `Debug` prints names only.
    ///
    /// ```
    /// use iam_graph::Field;
    /// use iam_graph::users::UserPatch;
    ///
    /// let mut patch = UserPatch::new();
    /// patch.job_title = "Midwife".into();
    /// patch.mobile_phone = Field::Clear;
    /// let sent = serde_json::to_value(&patch)?;
    /// assert_eq!(sent, serde_json::json!({ "jobTitle": "Midwife", "mobilePhone": null }));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// The password is changed by [`reset_password`](crate::GraphClient::reset_password). `aboutMe`, `birthday`,
    /// `hireDate`, `interests`, `mySite`, `pastProjects`, `preferredName`, `responsibilities`, `schools` and `skills` are
    /// kept outside the directory: set them by name, in a change of their own, and not at the creation.
    UserPatch {
        /// Whether sign-in is allowed.
        account_enabled: bool = "accountEnabled",
        /// `Minor`, `NotAdult` or `Adult`.
        age_group: String = "ageGroup",
        /// One number at most.
        business_phones: Vec<String> = "businessPhones",
        /// Up to 128 characters.
        city: String = "city",
        /// Up to 64 characters.
        company_name: String = "companyName",
        /// `Granted`, `Denied` or `NotRequired`.
        consent_provided_for_minor: String = "consentProvidedForMinor",
        /// Up to 128 characters.
        country: String = "country",
        /// Up to 64 characters.
        department: String = "department",
        /// Up to 256 characters; cannot be cleared.
        display_name: String = "displayName",
        /// RFC 3339, for example `2026-12-01T00:00:00Z`.
        employee_hire_date: String = "employeeHireDate",
        /// The worker id; up to 16 characters.
        employee_id: String = "employeeId",
        /// RFC 3339.
        employee_leave_date_time: String = "employeeLeaveDateTime",
        /// Cost centre and division: what is kept within it is kept.
        employee_org_data: EmployeeOrgPatch = "employeeOrgData",
        /// Free text, for example `Employee` or `Contractor`.
        employee_type: String = "employeeType",
        /// The fax number.
        fax_number: String = "faxNumber",
        /// Up to 64 characters.
        given_name: String = "givenName",
        /// Up to 128 characters.
        job_title: String = "jobTitle",
        /// The primary mail address.
        mail: String = "mail",
        /// The mail alias: see [`mail_nickname`](crate::users::mail_nickname); cannot be cleared.
        mail_nickname: String = "mailNickname",
        /// Up to 64 characters.
        mobile_phone: String = "mobilePhone",
        /// Up to 128 characters.
        office_location: String = "officeLocation",
        /// `extensionAttribute1` to `15`; read-only where Active Directory owns the account.
        on_premises_extension_attributes: ExtensionAttributesPatch = "onPremisesExtensionAttributes",
        /// Ties the account to one of Active Directory; needed for federated domains.
        on_premises_immutable_id: String = "onPremisesImmutableId",
        /// Further mail addresses.
        other_mails: Vec<String> = "otherMails",
        /// `DisablePasswordExpiration`, `DisableStrongPassword`, or both joined by a comma.
        password_policies: String = "passwordPolicies",
        /// Up to 40 characters.
        postal_code: String = "postalCode",
        /// Where data rests in a multi-geo tenant.
        preferred_data_location: String = "preferredDataLocation",
        /// ISO 639-1, or with a country: `en-AU`.
        preferred_language: String = "preferredLanguage",
        /// Whether the account stands in the address list.
        show_in_address_list: bool = "showInAddressList",
        /// State or province.
        state: String = "state",
        /// Up to 1,024 characters.
        street_address: String = "streetAddress",
        /// The family name; up to 64 characters.
        surname: String = "surname",
        /// ISO 3166-1 alpha-2; needed before a licence can be assigned.
        usage_location: String = "usageLocation",
        /// The sign-in name, in a verified domain; cannot be cleared.
        user_principal_name: String = "userPrincipalName",
        /// `Member` or `Guest`.
        user_type: String = "userType",
    }
}

patch! {
    /// Where a user stands in the organisation, to keep, clear or set.
    EmployeeOrgPatch {
        /// The cost centre.
        cost_center: String = "costCenter",
        /// The division.
        division: String = "division",
    }
}

patch! {
    /// The extension attributes, each to keep, clear or set.
    ExtensionAttributesPatch {}
}

impl ExtensionAttributesPatch {
    /// The attribute of that number, from 1 to 15. Another number is sent as it is, and Graph refuses it.
    #[must_use]
    pub fn with(self, number: u8, value: impl Into<Field<String>>) -> Self {
        let name = format!("extensionAttribute{number}");
        match value.into() {
            Field::Keep => self,
            Field::Clear => self.clear(&name),
            Field::Set(text) => self.set(&name, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_values_are_patched_one_by_one() {
        let mut patch = UserPatch::new();
        let mut org = EmployeeOrgPatch::new();
        org.division = "North".into();
        patch.employee_org_data = org.into();
        patch.on_premises_extension_attributes = ExtensionAttributesPatch::new()
            .with(1, "blue")
            .with(2, Field::Clear)
            .with(3, Field::Keep)
            .into();
        let body = json!({
            "employeeOrgData": { "division": "North" },
            "onPremisesExtensionAttributes": { "extensionAttribute1": "blue", "extensionAttribute2": null },
        });
        assert_eq!(serde_json::to_value(&patch).unwrap(), body);
    }
}
