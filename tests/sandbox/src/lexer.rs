//! Words, quoted texts and marks, as `$filter` and the rules of dynamic groups have them.

/// What a text falls into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Mark(char),
    Text(String),
    /// A name, a path, a number, a date, a GUID: told apart by what is expected.
    Word(String),
}

/// How a language writes them.
#[derive(Debug)]
pub(crate) struct Language {
    pub(crate) marks: &'static str,
    pub(crate) quotes: &'static str,
    /// What makes the next letter of a quoted text literal; without one a doubled quote stands for itself.
    pub(crate) escape: Option<char>,
}

/// Tokens, read one after the other.
#[derive(Debug)]
pub(crate) struct Tokens {
    all: Vec<Token>,
    at: usize,
}

impl Tokens {
    /// Takes a text apart.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(crate) fn read(text: &str, language: &Language) -> Result<Self, &'static str> {
        let mut all = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter.is_whitespace() {
                continue;
            }
            if language.marks.contains(letter) {
                all.push(Token::Mark(letter));
                continue;
            }
            let mut word = String::new();
            if language.quotes.contains(letter) {
                loop {
                    match letters.next() {
                        None => return Err("a quoted text does not end"),
                        Some(escape) if language.escape == Some(escape) => word.extend(letters.next()),
                        Some(end) if end == letter => {
                            if language.escape.is_some() || letters.next_if_eq(&letter).is_none() {
                                break;
                            }
                            word.push(letter);
                        }
                        Some(other) => word.push(other),
                    }
                }
                all.push(Token::Text(word));
                continue;
            }
            word.push(letter);
            let ends = |next: char| {
                // A colon belongs to a time (`T10:00:00Z`), else it ends a lambda's variable.
                let in_time = next == ':' && letter.is_ascii_digit();
                !in_time
                    && (next.is_whitespace()
                        || language.marks.contains(next)
                        || language.quotes.contains(next))
            };
            while let Some(next) = letters.next_if(|next| !ends(*next)) {
                word.push(next);
            }
            all.push(Token::Word(word));
        }
        Ok(Self { all, at: 0 })
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.all.get(self.at)
    }

    /// The next token.
    pub(crate) fn take(&mut self) -> Result<Token, &'static str> {
        let token = self.peek().cloned().ok_or("it ends too early")?;
        self.at += 1;
        Ok(token)
    }

    /// Passes one of these words, in any letter case, if it is next.
    pub(crate) fn keyword(&mut self, words: &[&str]) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(text))
            if words.iter().any(|word| text.eq_ignore_ascii_case(word)));
        self.at += usize::from(found);
        found
    }

    /// Passes a mark if it is next.
    pub(crate) fn mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }
}
