//! Rules of Lifecycle Workflows (`department eq 'Sales' and …`) as conditions of a policy.
//!
//! Source: Microsoft Learn, "ruleBasedSubjectSet resource type"; Entra compares with case, and so does CEL.

use crate::person::Person;

/// Attributes of a user, and the field of a person that HR fills them from.
const FIELDS: [(&str, &str); 14] = [
    ("department", "department"),
    ("jobTitle", "job_title"),
    ("officeLocation", "location"),
    ("country", "country"),
    ("usageLocation", "country"),
    ("companyName", "company"),
    ("employeeType", "worker_type"),
    ("employeeId", "employee_id"),
    ("givenName", "given_name"),
    ("surname", "family_name"),
    ("employeeOrgData/costCenter", "cost_center"),
    ("mail", "email"),
    ("employeeHireDate", "hire_date"),
    ("employeeLeaveDateTime", "last_day"),
];

/// A condition that means the same as `rule`.
///
/// # Errors
/// What of it has no equivalent.
pub(super) fn condition(rule: &str) -> Result<String, String> {
    let mut words = Words::of(rule)?;
    let condition = words.either()?;
    match words.next() {
        None => Ok(condition),
        Some(word) => Err(format!("{word:?} was not expected")),
    }
}

#[derive(Debug)]
struct Words {
    /// Backwards: the next one is the last.
    rest: Vec<String>,
    depth: usize,
}

impl Words {
    fn of(rule: &str) -> Result<Self, String> {
        let mut words = Vec::new();
        let mut letters = rule.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '(' | ')' | ',' => words.push(letter.to_string()),
                '\'' => {
                    let mut text = String::from('\'');
                    loop {
                        match letters.next() {
                            None => return Err("a text without its end".to_owned()),
                            // Doubled, it stands for itself.
                            Some('\'') if letters.next_if_eq(&'\'').is_none() => break,
                            Some(letter) => text.push(letter),
                        }
                    }
                    words.push(text);
                }
                space if space.is_whitespace() => {}
                letter => {
                    let mut word = String::from(letter);
                    while let Some(letter) =
                        letters.next_if(|next| !next.is_whitespace() && !"(),'".contains(*next))
                    {
                        word.push(letter);
                    }
                    words.push(word);
                }
            }
        }
        words.reverse();
        Ok(Self {
            rest: words,
            depth: 0,
        })
    }

    fn next(&mut self) -> Option<String> {
        self.rest.pop()
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self
            .rest
            .last()
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        if there {
            self.rest.pop();
        }
        there
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) {
            return Ok(());
        }
        Err(match self.rest.last() {
            Some(next) => format!("{word:?} was expected where {next:?} stands"),
            None => format!("{word:?} was expected at the end"),
        })
    }

    fn either(&mut self) -> Result<String, String> {
        self.chain("or", " || ", Self::both)
    }

    fn both(&mut self) -> Result<String, String> {
        self.chain("and", " && ", Self::one)
    }

    fn chain(
        &mut self,
        word: &str,
        sign: &str,
        part: fn(&mut Self) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut parts = vec![part(self)?];
        while self.take(word) {
            parts.push(part(self)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => format!("({})", parts.join(sign)),
        })
    }

    fn one(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 16 {
            return Err("nested too deeply".to_owned());
        }
        let condition = self.one_inner();
        self.depth -= 1;
        condition
    }

    fn one_inner(&mut self) -> Result<String, String> {
        if self.take("not") {
            return Ok(format!("!{}", bracketed(&self.one()?)));
        }
        if self.take("(") {
            let inner = self.either()?;
            self.expect(")")?;
            return Ok(inner);
        }
        for (function, ours) in [
            ("startsWith", "startsWith"),
            ("endsWith", "endsWith"),
            ("contains", "contains"),
        ] {
            if self.take(function) {
                self.expect("(")?;
                let field = self.field()?;
                self.expect(",")?;
                let text = self.text()?;
                self.expect(")")?;
                return Ok(format!("({field} != null && {field}.{ours}({text}))"));
            }
        }
        let field = self.field()?;
        let operator = self.next().ok_or("an operator was expected at the end")?;
        match operator.to_ascii_lowercase().as_str() {
            "eq" => Ok(format!("{field} == {}", self.text()?)),
            "ne" => Ok(format!("{field} != {}", self.text()?)),
            "in" => {
                self.expect("(")?;
                let mut texts = vec![self.text()?];
                while self.take(",") {
                    texts.push(self.text()?);
                }
                self.expect(")")?;
                Ok(format!("{field} in [{}]", texts.join(", ")))
            }
            operator @ ("startswith" | "endswith" | "contains") => {
                let ours = match operator {
                    "startswith" => "startsWith",
                    "endswith" => "endsWith",
                    other => other,
                };
                Ok(format!("({field} != null && {field}.{ours}({}))", self.text()?))
            }
            _ => Err(format!("the operator {operator:?} has no equivalent")),
        }
    }

    fn field(&mut self) -> Result<String, String> {
        let word = self.next().ok_or("an attribute was expected at the end")?;
        let known = FIELDS
            .iter()
            .find(|(theirs, _)| theirs.eq_ignore_ascii_case(&word));
        known.map(|(_, field)| format!("person.{field}")).ok_or_else(|| {
            format!(
                "HR says nothing of the attribute {word:?} (fields: {})",
                Person::FIELDS.join(", ")
            )
        })
    }

    fn text(&mut self) -> Result<String, String> {
        let word = self.next().ok_or("a text was expected at the end")?;
        match word.strip_prefix('\'') {
            Some(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                if escaped.contains(char::is_control) {
                    return Err("a text with a control character".to_owned());
                }
                Ok(format!("\"{escaped}\""))
            }
            None if word.eq_ignore_ascii_case("null") => Ok("null".to_owned()),
            None => Err(format!("a text was expected where {word:?} stands")),
        }
    }
}

fn bracketed(condition: &str) -> String {
    if condition.starts_with('(') {
        condition.to_owned()
    } else {
        format!("({condition})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_conditions_or_say_what_has_no_equivalent() {
        for (rule, expect) in [
            (
                "department eq 'Marketing'",
                Ok(r#"person.department == "Marketing""#),
            ),
            (
                "(department eq 'R&D' and (jobTitle ne 'Boss' or country EQ 'O''Land'))",
                Ok(
                    r#"(person.department == "R&D" && (person.job_title != "Boss" || person.country == "O'Land"))"#,
                ),
            ),
            (
                "not(startsWith(jobTitle, 'A \"x\"')) and employeeType in ('a', 'b')",
                Ok(
                    r#"(!(person.job_title != null && person.job_title.startsWith("A \"x\"")) && person.worker_type in ["a", "b"])"#,
                ),
            ),
            ("not department eq null", Ok("!(person.department == null)")),
            (
                "employeeOrgData/costCenter contains 'CC'",
                Ok(r#"(person.cost_center != null && person.cost_center.contains("CC"))"#),
            ),
            ("city eq 'Oslo'", Err("HR says nothing of the attribute \"city\"")),
            ("department gt 'a'", Err("the operator \"gt\" has no equivalent")),
            ("department eq 'a' xor", Err("\"xor\" was not expected")),
            ("department eq 'a", Err("a text without its end")),
            ("department", Err("an operator was expected at the end")),
            (
                "department eq true",
                Err("a text was expected where \"true\" stands"),
            ),
            ("", Err("an attribute was expected at the end")),
            ("(department eq 'a'", Err("\")\" was expected at the end")),
        ] {
            match (condition(rule), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{rule}"),
                (Err(found), Err(expect)) => assert!(found.starts_with(expect), "{rule}: {found}"),
                (found, expect) => panic!("{rule}: {found:?}, not {expect:?}"),
            }
        }
        assert!(condition(&"(".repeat(10_000)).is_err());
        assert!(condition(&"not ".repeat(10_000)).is_err());
    }
}
