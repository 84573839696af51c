use crate::server::Path;

/// An empty expectation is a path that can be read.
fn check(path: &str, expect: &str) {
    match Path::parse(path) {
        Ok(_) => assert_eq!(expect, "", "{path}"),
        Err(problem) => {
            assert_eq!(problem.scim_type(), Some("invalidPath"), "{path}");
            assert!(
                !expect.is_empty() && problem.detail().contains(expect),
                "{path}: {problem}, expected {expect}"
            );
        }
    }
}

#[test]
fn paths() {
    check("active", "");
    check("name.givenName", "");
    check("members.$ref", "");
    check(r#"emails[type eq "work"]"#, "");
    check(r#"roles[primary eq "True"].value"#, "");
    check(r#"members[value eq "a" or value eq "b"]"#, "");
    check(
        r#"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value"#,
        "",
    );
    check("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "");
    check("", "an attribute name at character 1");
    check("name.", "character 1");
    check("name..x", "character 1");
    check("emails[]", "an attribute name at character 8");
    check("emails[type eq]", "character 15");
    check(r#"emails[type eq "work""#, "`]` at character 22");
    check(
        r#"emails[type eq "work"]value"#,
        "end of the path at character 23",
    );
    check(r#"emails[type eq "work"].a.b"#, "one sub-attribute");
    check("emails.value[type pr]", "no sub-attribute before the brackets");
    check("a b", "end of the path at character 2");
}
