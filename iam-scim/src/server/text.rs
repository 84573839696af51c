//! Reading the text of filters and paths: words, literals and attribute names, each with its position. Length,
//! nesting and the number of comparisons are bounded, and every byte is looked at a bounded number of times.

use super::problem::Problem;

/// The longest filter or path, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;
/// The deepest nesting of parentheses and brackets.
pub(crate) const DEEPEST: usize = 50;
/// The most comparisons in one filter.
pub(crate) const MOST: usize = 1000;

/// `[urn:]attribute[.sub]` (RFC 7644 section 3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) urn: Option<String>,
    pub(crate) attribute: String,
    pub(crate) sub: Option<String>,
    /// Where it stood, in characters from 1.
    pub(crate) at: usize,
}

impl Name {
    /// The text as written, for a URN that names an extension as a whole.
    pub(crate) fn whole(&self) -> String {
        let urn = self.urn.as_ref().map(|urn| format!("{urn}:"));
        let sub = self.sub.as_ref().map(|sub| format!(".{sub}"));
        [urn.as_deref(), Some(&self.attribute), sub.as_deref()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Notes that so many bytes were looked at. The tests hold the sum against the length of the text; nothing else
/// counts.
#[cfg(not(test))]
fn look(_bytes: usize) {}

#[cfg(test)]
pub(crate) use looked::look;

#[cfg(test)]
pub(crate) mod looked {
    use std::cell::Cell;

    thread_local! {
        static BYTES: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn look(bytes: usize) {
        BYTES.with(|all| all.set(all.get() + bytes));
    }

    /// How many bytes were looked at while this ran.
    pub(crate) fn during(run: impl FnOnce()) -> usize {
        BYTES.with(|all| all.set(0));
        run();
        BYTES.with(Cell::get)
    }
}

#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    /// The byte that comes next.
    at: usize,
    depth: usize,
    terms: usize,
    /// A position in bytes and what it is in characters, so that each is counted once.
    counted: (usize, usize),
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, Problem> {
        if text.len() > LONGEST {
            let within = text.char_indices().take_while(|(at, _)| *at < LONGEST);
            let longer = format!("expected at most {LONGEST} bytes, and more begin");
            return Err(Problem::filter(longer).at(within.count() + 1));
        }
        Ok(Self {
            text,
            at: 0,
            depth: 0,
            terms: 0,
            counted: (0, 0),
        })
    }

    /// The position in characters from 1.
    pub(crate) fn position(&mut self) -> usize {
        let (from, before) = if self.counted.0 <= self.at {
            self.counted
        } else {
            (0, 0)
        };
        let between = self.text.get(from..self.at).unwrap_or_default();
        look(between.len());
        self.counted = (self.at, before + between.chars().count());
        self.counted.1 + 1
    }

    pub(crate) fn expected(&mut self, what: &str) -> Problem {
        Problem::filter(format!("expected {what}")).at(self.position())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Skips spaces; whether there was one.
    pub(crate) fn space(&mut self) -> bool {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t']);
        self.at += rest.len() - trimmed.len();
        look(rest.len() - trimmed.len() + 1);
        rest.len() != trimmed.len()
    }

    pub(crate) fn done(&self) -> bool {
        self.rest().is_empty()
    }

    pub(crate) fn next_is(&self, sign: char) -> bool {
        self.rest().starts_with(sign)
    }

    /// Takes the sign if it is next.
    pub(crate) fn sign(&mut self, sign: char) -> bool {
        let found = self.next_is(sign);
        if found {
            self.at += sign.len_utf8();
        }
        found
    }

    pub(crate) fn need(&mut self, sign: char) -> Result<(), Problem> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{sign}`")))
        }
    }

    /// The word that is next: letters, digits and `-_.:$+`.
    fn peek(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.:$+".contains(c)));
        let end = end.unwrap_or(rest.len());
        look(end + 1);
        rest.get(..end).unwrap_or_default()
    }

    /// Takes the keyword, whatever its case, if it is the next word.
    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub(crate) fn word(&mut self) -> &'a str {
        let word = self.peek();
        self.at += word.len();
        word
    }

    pub(crate) fn name(&mut self) -> Result<Name, Problem> {
        let at = self.position();
        let start = self.at;
        let word = self.word();
        let (urn, rest) = match word.rsplit_once(':') {
            Some((urn, rest)) => (Some(urn), rest),
            None => (None, word),
        };
        let (attribute, sub) = match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (rest, None),
        };
        let simple = |name: &str| {
            let name = name.strip_prefix('$').unwrap_or(name);
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if !simple(attribute) || !sub.is_none_or(simple) || urn.is_some_and(str::is_empty) {
            self.at = start;
            return Err(self.expected("an attribute name"));
        }
        Ok(Name {
            urn: urn.map(str::to_owned),
            attribute: attribute.to_owned(),
            sub: sub.map(str::to_owned),
            at,
        })
    }

    /// A JSON string, the sign `"` being next.
    pub(crate) fn string(&mut self) -> Result<String, Problem> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().enumerate().skip(1).find(|&(_, byte)| {
            let end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        });
        let text = end.and_then(|(end, _)| rest.get(..=end));
        look(text.map_or(rest.len(), str::len));
        let Some(text) = text else {
            return Err(self.expected("a string with an end, and one begins"));
        };
        let value = serde_json::from_str(text)
            .map_err(|_| self.expected("a string as JSON writes it, with \\\" and \\\\ escaped"))?;
        self.at += text.len();
        Ok(value)
    }

    pub(crate) fn deeper(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.expected(&format!("at most {DEEPEST} levels, and one more begins")));
        }
        Ok(())
    }

    pub(crate) fn shallower(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn term(&mut self) -> Result<(), Problem> {
        self.terms += 1;
        if self.terms > MOST {
            return Err(self.expected(&format!("at most {MOST} comparisons, and one more begins")));
        }
        Ok(())
    }
}
