//! What a Graph request costs ("Microsoft Graph service-specific throttling limits", Identity and access).

/// The price of one request in resource units: the value of `x-ms-resource-unit`.
///
/// `path` are the decoded segments after the version.
pub(crate) fn resource_units(method: &str, path: &[&str], query: &str) -> u32 {
    let read = method.eq_ignore_ascii_case("GET");
    let mut units: i64 = match path {
        ["groups", _, "transitiveMembers", ..] if read => 5,
        [_, _, "isMemberOf" | "checkMemberGroups" | "checkMemberObjects"]
        | ["domains", _, "domainNameReferences"] => 4,
        ["subscribedSkus" | "contracts", ..] | ["groups", _, "members", ..] if read => 3,
        ["directoryObjects", "getByIds" | "microsoft.graph.getByIds"] | [_, _, "getObjectsById"] => 3,
        ["users" | "applications"]
        | [
            "users",
            _,
            "memberOf" | "transitiveMemberOf" | "ownedObjects" | "licenseDetails",
            ..,
        ]
        | ["servicePrincipals", _, "appRoleAssignments"]
        | ["applications", _, "extensionProperties"]
        | ["oauth2PermissionGrants", ..]
            if read =>
        {
            2
        }
        [_, _, "getMemberGroups" | "getMemberObjects"] => 2,
        _ => 1,
    };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
            "select" => units -= 1,
            "expand" => units += 1,
            "top" if value.parse::<u32>().is_ok_and(|top| top < 20) => units -= 1,
            _ => {}
        }
    }
    u32::try_from(units.max(1)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::resource_units;

    #[test]
    fn requests_have_their_price() {
        let check = |method: &str, path: &[&str], query: &str, expect: u32| {
            assert_eq!(
                resource_units(method, path, query),
                expect,
                "{method} {path:?} {query}"
            );
        };
        check("GET", &["users"], "", 2);
        check("GET", &["users"], "$select=id", 1);
        check("GET", &["users"], "%24select=id&$top=5", 1);
        check("GET", &["users"], "$expand=manager", 3);
        check("GET", &["users"], "$top=20", 2);
        check("GET", &["users", "1"], "", 1);
        check("GET", &["users", "1"], "$expand=manager", 2);
        check("POST", &["users"], "", 1);
        check("GET", &["groups", "1", "members"], "", 3);
        check("GET", &["groups", "1", "members"], "$select=id&$top=5", 1);
        check("POST", &["groups", "1", "members", "$ref"], "", 1);
        check("GET", &["groups", "1", "transitiveMembers"], "", 5);
        check("GET", &["users", "1", "memberOf"], "", 2);
        check("POST", &["users", "1", "checkMemberGroups"], "", 4);
        check("GET", &["subscribedSkus"], "", 3);
    }
}
