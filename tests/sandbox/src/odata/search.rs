//! Text of a `$search` to an [`Expr`]: `"displayName:ann" AND ("mail:a" OR "description:b")`
//! ("Use the $search query parameter", directory object collections).

use super::filter::{Expr, Function};
use crate::errors::Fail;
use crate::lexer::{Language, Token, Tokens};

const LANGUAGE: Language = Language {
    marks: "()",
    quotes: "\"",
    escape: Some('\\'),
};

/// Parses a search.
///
/// # Errors
/// 400 `Request_BadRequest` for what is not one.
pub(crate) fn parse(text: &str) -> Result<Expr, Fail> {
    let mut tokens = Tokens::read(text, &LANGUAGE).map_err(syntax)?;
    let search = either(&mut tokens)?;
    if tokens.peek().is_some() {
        return Err(syntax("there is text after the end"));
    }
    Ok(search)
}

fn syntax(what: &str) -> Fail {
    Fail::bad(format!("Invalid $search clause: {what}."))
}

fn either(tokens: &mut Tokens) -> Result<Expr, Fail> {
    let mut left = both(tokens)?;
    while upper(tokens, "OR") {
        left = Expr::Or(Box::new(left), Box::new(both(tokens)?));
    }
    Ok(left)
}

fn both(tokens: &mut Tokens) -> Result<Expr, Fail> {
    let mut left = one(tokens)?;
    while upper(tokens, "AND") {
        left = Expr::And(Box::new(left), Box::new(one(tokens)?));
    }
    Ok(left)
}

/// "The operators AND and OR must be in uppercase."
fn upper(tokens: &mut Tokens, word: &str) -> bool {
    matches!(tokens.peek(), Some(Token::Word(found)) if found == word) && tokens.keyword(&[word])
}

fn one(tokens: &mut Tokens) -> Result<Expr, Fail> {
    if tokens.mark('(') {
        let inner = either(tokens)?;
        if !tokens.mark(')') {
            return Err(syntax("a closing parenthesis is expected"));
        }
        return Ok(inner);
    }
    let Token::Text(clause) = tokens.take().map_err(syntax)? else {
        return Err(syntax(
            "each clause must stand in double quotes, as in \"displayName:ann\"",
        ));
    };
    let (property, text) = clause
        .split_once(':')
        .filter(|(property, text)| !property.is_empty() && !text.trim().is_empty())
        .ok_or_else(|| syntax("a clause must be \"property:text\""))?;
    // "displayName and description are searched by words; everything else is a startsWith."
    let function = match property {
        "displayName" | "description" => Function::Words,
        _ => Function::StartsWith,
    };
    Ok(Expr::Call(
        function,
        vec![property.to_owned()],
        text.trim().to_owned(),
    ))
}
