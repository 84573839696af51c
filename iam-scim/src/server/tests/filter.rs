use super::user;
use crate::server::{Filter, Kind};

/// `yes`, `no`, or part of the refusal.
fn check(filter: &str, expect: &str) {
    let outcome = Filter::parse(filter).and_then(|filter| filter.matches(Kind::User, &user()));
    match outcome {
        Ok(passes) => assert_eq!(if passes { "yes" } else { "no" }, expect, "{filter}"),
        Err(problem) => {
            assert_eq!(problem.scim_type(), Some("invalidFilter"), "{filter}: {problem}");
            assert!(
                problem.detail().contains(expect),
                "{filter}: {problem}, expected {expect}"
            );
        }
    }
}

#[test]
fn operators() {
    check(r#"userName eq "bjensen@EXAMPLE.com""#, "yes");
    check(r#"userName ne "bjensen@example.com""#, "no");
    check(r#"userName ne "other""#, "yes");
    check(r#"userName co "JENSEN""#, "yes");
    check(r#"userName sw "bj""#, "yes");
    check(r#"userName ew ".COM""#, "yes");
    check(r#"userName gt "aaa""#, "yes");
    check(r#"userName ge "bjensen@example.com""#, "yes");
    check(r#"userName lt "bjensen@example.com""#, "no");
    check(r#"userName le "zzz""#, "yes");
    check("title pr", "yes");
    check("nickName pr", "no");
    check(r#"title eq "ÄRZTIN""#, "yes");
    check("nickName eq null", "yes");
    check("title ne null", "yes");
    check("title eq null", "no");
    check(r#"nickName ne "x""#, "yes");
}

#[test]
fn case_counts_where_the_schema_says_so() {
    check(r#"externalId eq "Ext-7""#, "yes");
    check(r#"externalId eq "ext-7""#, "no");
    check(r#"externalId co "ext""#, "no");
    check(r#"id eq "U1""#, "no");
    check(r#"USERNAME EQ "bjensen@example.com" AND Active Eq TRUE"#, "yes");
}

#[test]
fn joins_and_precedence() {
    check(r#"title pr and active eq false or id eq "u1""#, "yes");
    check(r#"id eq "u1" or title pr and active eq false"#, "yes");
    check(r#"(id eq "u1" or title pr) and active eq false"#, "no");
    check("not (active eq true)", "no");
    check("not(nickName pr) and active eq True", "yes");
    check("not (active eq false) and not (not (title pr))", "yes");
    check(r#"(((title pr)))and(id eq "u1")"#, "yes");
    check("  title   pr  ", "yes");
}

#[test]
fn lists_and_value_paths() {
    check(r#"emails eq "B@HOME.example""#, "yes");
    check(r#"emails.value ew "home.example""#, "yes");
    check(r#"emails[type eq "work" and value co "work"]"#, "yes");
    check(r#"emails[type eq "home" and primary eq true]"#, "no");
    check(
        r#"emails[not (type eq "home") and (primary eq true or value sw "x")]"#,
        "yes",
    );
    check(r#"emails[type eq "work"].value eq "b@work.example""#, "yes");
    check(r#"emails[type eq "work"].value eq "b@home.example""#, "no");
    check(r#"emails[type eq "home"].primary pr"#, "no");
    check(r#"emails[primary EQ "True"].type eq "work" and title pr"#, "yes");
    check(r#"emails[type eq "fax"]"#, "no");
    check("emails pr", "yes");
    check("phoneNumbers pr", "no");
    check(
        r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#,
        "yes",
    );
}

#[test]
fn dates_are_instants() {
    check(r#"meta.created eq "2026-01-31T09:00:00+01:00""#, "yes");
    check(r#"meta.lastModified gt "2026-01-31T23:59:59.999Z""#, "yes");
    check(r#"meta.lastModified lt "2026-01-31T23:59:59Z""#, "no");
    check(r#"meta.lastModified gt "yesterday""#, "an instant such as");
}

#[test]
fn names_behind_a_urn() {
    check(
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "b""#,
        "yes",
    );
    check(
        r#"URN:ietf:params:scim:schemas:extension:enterprise:2.0:user:employeeNumber eq "0042""#,
        "yes",
    );
    check(
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "m1""#,
        "yes",
    );
    check(
        r#"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value pr"#,
        "yes",
    );
    check(r#"urn:example:2.0:User:userName eq "x""#, "character 1");
}

#[test]
fn strings_are_json() {
    check(r#"name.familyName eq "Jensen \"Q\" \\ \u00df""#, "yes");
    check(r#"name.familyName co "\" \\""#, "yes");
    check(r#"title eq "a) or (b""#, "no");
    check(
        r#"title eq "open"#,
        "a string with an end, and one begins at character 10",
    );
    check(r#"title eq "a\q""#, "character 10");
}

#[test]
fn refusals_name_the_position() {
    check("", "expected an attribute name at character 1");
    check("title", "operator at character 6");
    check(
        "title is 3",
        "expected an operator (eq ne co sw ew gt ge lt le pr) at character 7",
    );
    check("title eq", "character 9");
    check("title eq work", "expected a value");
    check("title pr and", "character 13");
    check("title pr xor id pr", "`and`, `or` or the end at character 10");
    check("(title pr", "expected `)` at character 10");
    check("title pr)", "character 9");
    check("not title pr", "`(` after `not`");
    check("emails[type pr", "expected `]`");
    check("emails[type pr] x", "character 17");
    check("nonsense pr", "no attribute of the name at character 1");
    check(r#"name.nonsense eq "x""#, "character 1");
    check("name.given.name pr", "an attribute name at character 1");
    check("active gt true", "true or false");
    check(r#"active eq "maybe""#, "true or false");
    check(
        r#"name eq "x""#,
        "one of the sub-attributes for name at character 1",
    );
    check("title eq 3", "a string in double quotes");
    check("title gt null", "null takes eq or ne only at character 1");
    check(r#"title[type eq "x"]"#, "no sub-attributes");
    check("ä pr", "character 1");
    check(r#"title eq "ä" ; x"#, "character 14");
}

#[test]
fn bounds() {
    let deep = |levels| format!("{}title pr{}", "(".repeat(levels), ")".repeat(levels));
    check(&deep(40), "yes");
    check(
        &deep(200),
        "at most 50 levels, and one more begins at character 51",
    );
    check(&"not (".repeat(200), "at most 50 levels");
    check(&vec!["title pr"; 1000].join(" or "), "yes");
    check(
        &vec!["title pr"; 1001].join(" and "),
        "at most 1000 comparisons, and one more begins at character 13006",
    );
    check(
        &" ".repeat(20_000),
        "at most 16384 bytes, and more begin at character 16385",
    );
    check(
        &"ä".repeat(9000),
        "at most 16384 bytes, and more begin at character 8193",
    );
}
