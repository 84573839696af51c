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
    check(
        "emails.value[type pr]",
        "no brackets behind a sub-attribute at character 13",
    );
    check("a b", "end of the path at character 2");
}

#[test]
fn bounds() {
    let deep = |levels: usize| format!("emails[{}type pr{}]", "(".repeat(levels), ")".repeat(levels));
    check(&deep(49), "");
    check(
        &deep(50),
        "at most 50 levels, and one more begins at character 58",
    );
    check(&format!("emails[{}]", vec!["type pr"; 1000].join(" or ")), "");
    check(
        &format!("emails[{}]", vec!["type pr"; 1001].join(" or ")),
        "at most 1000 comparisons, and one more begins at character 11012",
    );
    check(
        &"a".repeat(20_000),
        "at most 16384 bytes, and more begin at character 16385",
    );
}
