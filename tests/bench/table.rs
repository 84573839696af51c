//! Tables for reading; the figures themselves are kept by [`Figures`](crate::figures::Figures).

use std::error::Error;
use std::io::Write as _;

const FIRST: usize = 24;
const WIDTH: usize = 17;

fn pad(text: &str, width: usize, right: bool) -> String {
    if right {
        format!("{text:>width$}")
    } else {
        format!("{text:width$}")
    }
}

/// One table.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        let mut text = String::from("\n");
        for (at, head) in heads.iter().enumerate() {
            let width = if at == 0 { FIRST } else { WIDTH };
            text.push_str(&pad(head, width, at > 0));
        }
        Self(text + "\n")
    }

    pub(crate) fn row(&mut self, name: &str, cells: &[f64]) {
        self.0.push_str(&pad(name, FIRST, false));
        for cell in cells {
            self.0.push_str(&pad(&format!("{cell:.2}"), WIDTH, true));
        }
        self.0.push('\n');
    }

    pub(crate) fn print(&self) -> Result<(), Box<dyn Error>> {
        Ok(writeln!(std::io::stdout(), "{}", self.0)?)
    }
}
