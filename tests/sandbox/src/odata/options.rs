//! The query options of one request.

use super::filter::Expr;
use super::parse::parse;
use super::search;
use crate::errors::Fail;

/// What the query string asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) filter: Option<Expr>,
    pub(crate) select: Vec<String>,
    pub(crate) expand: Vec<Expand>,
    /// Property and whether descending.
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) top: Option<usize>,
    pub(crate) count: bool,
    pub(crate) skip_token: Option<String>,
    /// Where a delta query goes on.
    pub(crate) delta_token: Option<String>,
    /// `Prefer: return=minimal` was sent.
    pub(crate) minimal: bool,
    /// `ConsistencyLevel: eventual` was sent.
    pub(crate) eventual: bool,
    /// The options that a `nextLink` repeats.
    pub(crate) carried: Vec<(String, String)>,
}

/// One expanded relation and its inner `$select`.
#[derive(Debug, Clone)]
pub(crate) struct Expand {
    pub(crate) relation: String,
    pub(crate) select: Vec<String>,
    /// Relations inside, where that is allowed.
    pub(crate) inner: Vec<String>,
    /// How far up the managers are followed.
    pub(crate) levels: usize,
}

impl Options {
    /// Reads a query string. Names may be written `%24filter`; the dollar sign may be left out.
    ///
    /// # Errors
    /// 400 for an option that is unknown, twice there, or whose value is not one.
    pub(crate) fn read(query: &str, eventual: bool) -> Result<Self, Fail> {
        let mut out = Self {
            eventual,
            ..Self::default()
        };
        let mut seen = Vec::new();
        let mut search = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let name = name.trim_start_matches('$').to_ascii_lowercase();
            let value = value.into_owned();
            if seen.contains(&name) {
                return Err(Fail::syntax(format!(
                    "Query option '${name}' was specified more than once."
                )));
            }
            seen.push(name.clone());
            match name.as_str() {
                "filter" => out.filter = Some(parse(&value)?),
                "select" => out.select = names(&value),
                "expand" => out.expand = expands(&value)?,
                "orderby" => out.order = order(&value)?,
                "top" => out.top = Some(top(&value)?),
                "count" => out.count = truth(&value)?,
                "skiptoken" => {
                    out.skip_token = Some(value);
                    continue;
                }
                "deltatoken" => {
                    out.delta_token = Some(value);
                    continue;
                }
                "search" if !eventual => {
                    return Err(Fail::unsupported(
                        "Request with $search query parameter only works through MSGraph with a special request \
                         header: 'ConsistencyLevel: eventual'",
                    ));
                }
                "search" => search = Some(search::parse(&value)?),
                "skip" | "format" | "apply" => {
                    return Err(Fail::unsupported(format!(
                        "'${name}' is not supported by this resource."
                    )));
                }
                _ => {
                    return Err(Fail::syntax(format!(
                        "The query parameter '{name}' is not supported."
                    )));
                }
            }
            out.carried.push((format!("${name}"), value));
        }
        if let Some(search) = search {
            // "$search and $filter together": both must hold.
            out.filter = Some(match out.filter.take() {
                None => search,
                Some(filter) => Expr::And(Box::new(filter), Box::new(search)),
            });
        }
        Ok(out)
    }

    /// Whether this is an advanced query: header and `$count` together.
    pub(crate) fn advanced(&self) -> bool {
        self.eventual && self.count
    }
}

fn names(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn truth(value: &str) -> Result<bool, Fail> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fail::syntax(format!(
            "Invalid value '{value}' for $count query option found."
        ))),
    }
}

fn top(value: &str) -> Result<usize, Fail> {
    value.parse().map_err(|_| {
        Fail::syntax(format!(
            "Invalid value '{value}' for $top query option found. The $top query option requires a \
             non-negative integer value."
        ))
    })
}

fn order(value: &str) -> Result<Vec<(String, bool)>, Fail> {
    let mut out = Vec::new();
    for part in value.split(',') {
        let mut words = part.split_whitespace();
        let property = words
            .next()
            .ok_or_else(|| Fail::syntax("Invalid $orderby clause."))?;
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Fail::syntax("Invalid $orderby clause.")),
        };
        out.push((property.to_owned(), descending));
    }
    Ok(out)
}

fn expands(value: &str) -> Result<Vec<Expand>, Fail> {
    let mut out = Vec::new();
    for part in outside_parentheses(value) {
        let (relation, inner) = match part.split_once('(') {
            None => (part, ""),
            Some((relation, inner)) => {
                let inner = inner.trim_end().strip_suffix(')');
                (
                    relation,
                    inner.ok_or_else(|| Fail::syntax("Invalid $expand clause."))?,
                )
            }
        };
        let mut expand = Expand {
            relation: relation.trim().to_owned(),
            select: Vec::new(),
            inner: Vec::new(),
            levels: 1,
        };
        for option in inner
            .split(';')
            .map(str::trim)
            .filter(|option| !option.is_empty())
        {
            match option.trim_start_matches('$').split_once('=') {
                Some(("select", value)) => expand.select = names(value),
                Some(("count", "true" | "false")) => {}
                Some(("expand", value)) if expand.relation == "resourceRoleScopes" => {
                    expand.inner = names(value);
                }
                Some(("levels", "max")) if expand.relation == "manager" => expand.levels = usize::MAX,
                Some(("levels", value)) if expand.relation == "manager" => {
                    expand.levels = value
                        .parse()
                        .map_err(|_| Fail::syntax("Invalid $levels value."))?;
                }
                _ => {
                    return Err(Fail::unsupported(format!(
                        "'{option}' is not supported inside $expand."
                    )));
                }
            }
        }
        out.push(expand);
    }
    Ok(out)
}

fn outside_parentheses(value: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (index, letter) in value.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                out.push(&value[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    out.push(&value[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_are_read() {
        let query = "%24select=id,displayName&$top=5&$expand=manager($select=id,mail),memberOf&$orderby=displayName%20desc";
        let options = Options::read(query, false).unwrap();
        assert_eq!(options.select, ["id", "displayName"]);
        assert_eq!(options.top, Some(5));
        assert_eq!(options.expand[0].relation, "manager");
        assert_eq!(options.expand[0].select, ["id", "mail"]);
        assert_eq!(options.expand[1].relation, "memberOf");
        assert_eq!(options.order, [("displayName".to_owned(), true)]);
        for refused in [
            "$top=x",
            "$top=-1",
            "$count=yes",
            "$top=1&$top=2",
            "$nope=1",
            "$filter=a",
            "$search=a",
        ] {
            assert!(Options::read(refused, false).is_err(), "{refused}");
        }
    }
}
