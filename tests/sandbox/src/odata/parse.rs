//! Text of a `$filter` to an [`Expr`]: recursive descent over tokens.

use jiff::Timestamp;
use jiff::civil::Date;

use super::filter::{Expr, Function, Literal, Operator, Path};
use crate::errors::Fail;
use crate::lexer::{Language, Token, Tokens};

const LANGUAGE: Language = Language {
    marks: "(),:",
    quotes: "'",
    escape: None,
};

/// Parses a filter.
///
/// # Errors
/// 400 `BadRequest` for what is not a filter, 400 `Request_UnsupportedQuery` for what the directory lacks.
pub(crate) fn parse(text: &str) -> Result<Expr, Fail> {
    let mut parser = Parser {
        tokens: Tokens::read(text, &LANGUAGE).map_err(syntax)?,
    };
    let filter = parser.either(None)?;
    if parser.tokens.peek().is_some() {
        return Err(syntax("there is text after the end"));
    }
    Ok(filter)
}

fn syntax(what: &str) -> Fail {
    Fail::syntax(format!("Invalid filter clause: {what}."))
}

struct Parser {
    tokens: Tokens,
}

impl Parser {
    fn next(&mut self) -> Result<Token, Fail> {
        self.tokens.take().map_err(syntax)
    }

    fn take(&mut self, mark: char, what: &str) -> Result<(), Fail> {
        if self.next()? == Token::Mark(mark) {
            Ok(())
        } else {
            Err(syntax(&format!("{what} is expected")))
        }
    }

    fn either(&mut self, variable: Option<&str>) -> Result<Expr, Fail> {
        let mut left = self.both(variable)?;
        while self.tokens.keyword(&["or"]) {
            left = Expr::Or(Box::new(left), Box::new(self.both(variable)?));
        }
        Ok(left)
    }

    fn both(&mut self, variable: Option<&str>) -> Result<Expr, Fail> {
        let mut left = self.one(variable)?;
        while self.tokens.keyword(&["and"]) {
            left = Expr::And(Box::new(left), Box::new(self.one(variable)?));
        }
        Ok(left)
    }

    fn one(&mut self, variable: Option<&str>) -> Result<Expr, Fail> {
        if self.tokens.keyword(&["not"]) {
            return Ok(Expr::Not(Box::new(self.one(variable)?)));
        }
        if self.tokens.mark('(') {
            let inner = self.either(variable)?;
            self.take(')', "a closing parenthesis")?;
            return Ok(inner);
        }
        let Token::Word(word) = self.next()? else {
            return Err(syntax("a property is expected"));
        };
        if self.tokens.peek() == Some(&Token::Mark('(')) {
            return self.applied(&word, variable);
        }
        let path = path(&word, variable)?;
        if self.tokens.keyword(&["in"]) {
            return self.list(path);
        }
        let Token::Word(operator) = self.next()? else {
            return Err(syntax("an operator is expected"));
        };
        let operator = match operator.to_ascii_lowercase().as_str() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            other => return Err(syntax(&format!("'{other}' is not an operator"))),
        };
        Ok(Expr::Compare(path, operator, self.literal()?))
    }

    fn list(&mut self, path: Path) -> Result<Expr, Fail> {
        self.take('(', "an opening parenthesis")?;
        let mut literals = vec![self.literal()?];
        while self.tokens.mark(',') {
            literals.push(self.literal()?);
        }
        self.take(')', "a closing parenthesis")?;
        Ok(Expr::In(path, literals))
    }

    /// A function or a lambda: the word is already read.
    fn applied(&mut self, word: &str, variable: Option<&str>) -> Result<Expr, Fail> {
        self.take('(', "an opening parenthesis")?;
        if let Some(collection) = word.strip_suffix("/any") {
            return self.lambda(path(collection, variable)?);
        }
        let function = match word.to_ascii_lowercase().as_str() {
            "startswith" => Function::StartsWith,
            "endswith" => Function::EndsWith,
            "contains" => Function::Contains,
            other => {
                return Err(Fail::unsupported(format!(
                    "Unsupported filter function '{other}'."
                )));
            }
        };
        let Token::Word(subject) = self.next()? else {
            return Err(syntax("a property is expected"));
        };
        self.take(',', "a comma")?;
        let Token::Text(text) = self.next()? else {
            return Err(syntax("a quoted text is expected"));
        };
        self.take(')', "a closing parenthesis")?;
        Ok(Expr::Call(function, path(&subject, variable)?, text))
    }

    fn lambda(&mut self, collection: Path) -> Result<Expr, Fail> {
        if self.tokens.mark(')') {
            return Ok(Expr::Any(collection, None));
        }
        let Token::Word(variable) = self.next()? else {
            return Err(syntax("a variable is expected"));
        };
        self.take(':', "a colon")?;
        let inner = self.either(Some(&variable))?;
        self.take(')', "a closing parenthesis")?;
        Ok(Expr::Any(collection, Some(Box::new(inner))))
    }

    fn literal(&mut self) -> Result<Literal, Fail> {
        let word = match self.next()? {
            Token::Text(text) => return Ok(Literal::Text(text)),
            Token::Word(word) => word,
            Token::Mark(_) => return Err(syntax("a value is expected")),
        };
        if let Ok(instant) = word.parse::<Timestamp>() {
            return Ok(Literal::Instant(instant));
        }
        if let Some(Ok(midnight)) = word
            .parse::<Date>()
            .ok()
            .map(|day| day.in_tz("UTC").map(|day| day.timestamp()))
        {
            return Ok(Literal::Instant(midnight));
        }
        if uuid::Uuid::try_parse(&word).is_ok() {
            return Ok(Literal::Text(word));
        }
        match word.as_str() {
            "null" => Ok(Literal::Null),
            "true" => Ok(Literal::Bool(true)),
            "false" => Ok(Literal::Bool(false)),
            number => number
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .map(Literal::Number)
                .ok_or_else(|| syntax(&format!("'{number}' is not a value"))),
        }
    }
}

fn path(word: &str, variable: Option<&str>) -> Result<Path, Fail> {
    let names: Vec<String> = word.split('/').map(str::to_owned).collect();
    let fine = names.iter().all(|name| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "_$.@".contains(letter))
    });
    if !fine {
        return Err(syntax(&format!("'{word}' is not a property")));
    }
    match variable {
        None => Ok(names),
        Some(variable) if names[0] == variable && names.len() == 1 => Ok(vec![String::new()]),
        Some(variable) if names[0] == variable => Ok(names[1..].to_vec()),
        Some(variable) => Err(syntax(&format!("'{word}' does not begin with '{variable}'"))),
    }
}
