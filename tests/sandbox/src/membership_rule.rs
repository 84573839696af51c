//! The rule language of dynamic groups ("Manage rules for dynamic membership groups"): `-eq -ne -in -notIn
//! -contains -notContains -startsWith -notStartsWith`, `-any -all` over texts, `-and -or -not`, parentheses, over user
//! properties and `extensionAttribute1` to `15`.

use serde_json::Value;

use crate::directory::Object;
use crate::lexer::{Language, Token, Tokens};
use crate::schema::{Edm, Kind};

/// A parsed rule.
#[derive(Debug, PartialEq)]
pub(crate) enum Rule {
    And(Box<Rule>, Box<Rule>),
    Or(Box<Rule>, Box<Rule>),
    Not(Box<Rule>),
    /// Property, operator in lower case, values.
    Test(String, String, Vec<Value>),
    /// A collection of texts of which any or all (then true) satisfy the inner rule about `_`.
    Each(String, bool, Box<Rule>),
}

impl Rule {
    /// Parses a rule.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: Tokens::read(text, &LANGUAGE)?,
        };
        let rule = parser.either()?;
        match parser.tokens.peek() {
            None => Ok(rule),
            Some(left) => Err(format!("unexpected {left:?}")),
        }
    }

    pub(crate) fn holds(&self, user: &Object) -> bool {
        self.holds_for(&|name| {
            if name.starts_with(EXTENSION) {
                user.props.get("onPremisesExtensionAttributes")?.get(name)
            } else {
                user.props.get(name)
            }
        })
    }

    fn holds_for<'v>(&self, get: &dyn Fn(&str) -> Option<&'v Value>) -> bool {
        match self {
            Self::And(left, right) => left.holds_for(get) && right.holds_for(get),
            Self::Or(left, right) => left.holds_for(get) || right.holds_for(get),
            Self::Not(inner) => !inner.holds_for(get),
            Self::Each(property, all, inner) => {
                let held = get(property).and_then(Value::as_array);
                let mut items = held.into_iter().flatten();
                if *all {
                    items.all(|item| inner.holds_for(&|_| Some(item)))
                } else {
                    items.any(|item| inner.holds_for(&|_| Some(item)))
                }
            }
            Self::Test(property, operator, values) => {
                let held = get(property).unwrap_or(&Value::Null);
                let first = values.first().unwrap_or(&Value::Null);
                match operator.as_str() {
                    "-eq" => same(held, first),
                    "-ne" => !same(held, first),
                    "-in" => values.iter().any(|value| same(held, value)),
                    "-notin" => !values.iter().any(|value| same(held, value)),
                    "-contains" => part(held, first, |text, part| text.contains(part)),
                    "-notcontains" => !part(held, first, |text, part| text.contains(part)),
                    "-startswith" => part(held, first, |text, part| text.starts_with(part)),
                    "-notstartswith" => !part(held, first, |text, part| text.starts_with(part)),
                    _ => false,
                }
            }
        }
    }
}

/// `user.extensionAttribute1` to `15`.
const EXTENSION: &str = "extensionAttribute";

/// The attribute's name in one spelling.
fn extension(name: &str) -> Option<String> {
    let (head, digits) = name.split_at_checked(EXTENSION.len())?;
    let number: u8 = digits.parse().ok()?;
    (head.eq_ignore_ascii_case(EXTENSION) && (1..=15).contains(&number))
        .then(|| format!("{EXTENSION}{number}"))
}

fn same(held: &Value, value: &Value) -> bool {
    match (held, value) {
        (Value::String(held), Value::String(value)) => held.to_lowercase() == value.to_lowercase(),
        (held, value) => held == value,
    }
}

fn part(held: &Value, value: &Value, test: impl Fn(&str, &str) -> bool) -> bool {
    match (held.as_str(), value.as_str()) {
        (Some(held), Some(value)) => test(&held.to_lowercase(), &value.to_lowercase()),
        _ => false,
    }
}

const LANGUAGE: Language = Language {
    marks: "()[],",
    quotes: "\"'",
    escape: Some('`'),
};

struct Parser {
    tokens: Tokens,
}

impl Parser {
    fn mark(&mut self, mark: char) -> Result<(), String> {
        match self.tokens.take()? {
            Token::Mark(found) if found == mark => Ok(()),
            other => Err(format!("'{mark}' is expected, not {other:?}")),
        }
    }

    fn either(&mut self) -> Result<Rule, String> {
        let mut left = self.both()?;
        while self.tokens.keyword(&["-or", "or"]) {
            left = Rule::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Rule, String> {
        let mut left = self.one()?;
        while self.tokens.keyword(&["-and", "and"]) {
            left = Rule::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Rule, String> {
        if self.tokens.keyword(&["-not", "not"]) {
            return Ok(Rule::Not(Box::new(self.one()?)));
        }
        if self.tokens.mark('(') {
            let inner = self.either()?;
            self.mark(')')?;
            return Ok(inner);
        }
        let Token::Word(subject) = self.tokens.take()? else {
            return Err("a property is expected".to_owned());
        };
        let name = subject
            .strip_prefix("user.")
            .ok_or_else(|| format!("'{subject}' is not a user property"))?;
        let (name, edm) = match (extension(name), Kind::User.property(name)) {
            (Some(name), _) => (name, Edm::Text(1024)),
            (None, Some(property)) => (property.name.to_owned(), property.edm),
            (None, None) => return Err(format!("unknown property '{name}'")),
        };
        if edm == Edm::Texts
            && let Some(all) = self.quantifier()
        {
            self.mark('(')?;
            let Token::Word(subject) = self.tokens.take()? else {
                return Err("'_' is expected".to_owned());
            };
            if subject != "_" {
                return Err(format!("'_' is expected, not '{subject}'"));
            }
            let inner = self.test(subject, Edm::Text(1024))?;
            self.mark(')')?;
            return Ok(Rule::Each(name, all, Box::new(inner)));
        }
        self.test(name, edm)
    }

    /// `-any` is false, `-all` is true.
    fn quantifier(&mut self) -> Option<bool> {
        if self.tokens.keyword(&["-any"]) {
            return Some(false);
        }
        self.tokens.keyword(&["-all"]).then_some(true)
    }

    /// An operator and its values.
    fn test(&mut self, name: String, edm: Edm) -> Result<Rule, String> {
        let Token::Word(operator) = self.tokens.take()? else {
            return Err("an operator is expected".to_owned());
        };
        let operator = format!("-{}", operator.trim_start_matches('-').to_ascii_lowercase());
        let values = match operator.as_str() {
            "-in" | "-notin" => self.list()?,
            "-contains" | "-notcontains" | "-startswith" | "-notstartswith" => {
                if !matches!(edm, Edm::Text(_)) {
                    return Err(format!("'{operator}' needs a text property, not '{name}'"));
                }
                vec![self.value()?]
            }
            "-eq" | "-ne" => vec![self.value()?],
            other => return Err(format!("operator '{other}' is not supported")),
        };
        Ok(Rule::Test(name, operator, values))
    }

    fn list(&mut self) -> Result<Vec<Value>, String> {
        self.mark('[')?;
        let mut values = vec![self.value()?];
        loop {
            match self.tokens.take()? {
                Token::Mark(',') => values.push(self.value()?),
                Token::Mark(']') => return Ok(values),
                other => return Err(format!("']' is expected, not {other:?}")),
            }
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.tokens.take()? {
            Token::Text(text) => Ok(Value::String(text)),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            Token::Word(word) if word.trim_start_matches('$').eq_ignore_ascii_case("null") => Ok(Value::Null),
            other => Err(format!("a value is expected, not {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::Rule;
    use crate::directory::Object;
    use crate::schema::Kind;

    #[test]
    fn rules_hold_or_not() {
        let Value::Object(props) = json!({
            "officeLocation": "Sydney", "department": "Security", "accountEnabled": true, "country": "AU",
            "otherMails": ["a@x.example", "b@y.example"],
            "onPremisesExtensionAttributes": { "extensionAttribute7": "Ward" },
        }) else {
            unreachable!()
        };
        let user = Object::new("1".to_owned(), Kind::User, 1, Timestamp::UNIX_EPOCH, props);
        let check = |rule: &str, expect: bool| {
            assert_eq!(Rule::parse(rule).unwrap().holds(&user), expect, "{rule}");
        };
        check("user.officeLocation -eq \"Sydney\"", true);
        check("user.officeLocation -eq \"sydney\"", true);
        check("user.officeLocation -ne \"Sydney\"", false);
        check(
            "(user.department -in [\"Security\", \"IT\"]) -and (user.country -eq \"AU\")",
            true,
        );
        check("user.department -notIn [\"Security\"]", false);
        check("user.department -contains \"cur\"", true);
        check(
            "user.department -startsWith \"Sec\" -and -not (user.country -eq \"NZ\")",
            true,
        );
        check("user.jobTitle -eq null", true);
        check("user.jobTitle -ne null -or user.accountEnabled -eq true", true);
        check("user.jobTitle -contains \"x\"", false);
        check("user.extensionAttribute7 -eq \"ward\"", true);
        check("user.extensionAttribute8 -ne null", false);
        check("user.otherMails -any (_ -contains \"@y.\")", true);
        check("user.otherMails -all (_ -contains \"@y.\")", false);
        check("user.otherMails -all (_ -ne null)", true);
        check("user.proxyAddresses -any (_ -ne null)", false);
    }

    #[test]
    fn what_is_not_a_rule_is_refused() {
        for rule in [
            "",
            "user.x -eq \"a\"",
            "device.os -eq \"a\"",
            "user.city -eq",
            "user.extensionAttribute16 -eq \"a\"",
            "user.otherMails -any (x -eq \"a\")",
            "user.city -any (_ -eq \"a\")",
            "user.city -like \"a\"",
            "(user.city -eq \"a\"",
            "user.city -eq \"a",
        ] {
            assert!(Rule::parse(rule).is_err(), "{rule}");
        }
    }
}
