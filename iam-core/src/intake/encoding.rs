//! Opens a byte stream as UTF-8 text, and bounds what one record may hold of it.
//!
//! The first 64 KiB are looked at before anything is handed over, so that a file in another encoding is refused as
//! a whole. [`Bounded`] keeps memory from growing with a record that never ends, [`Lines`] gives every line one
//! `\n`, so that line numbers are right whatever ends them.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read};

use crate::error::{Error, ErrorKind, Result};

const HEAD: usize = 64 * 1024;
/// Longest record, in bytes.
const LONGEST_RECORD: usize = 1024 * 1024;

/// An input whose beginning was read and is UTF-8.
pub(super) struct Opened<'a> {
    /// The first 64 KiB without a byte order mark; the last character may be cut.
    pub(super) head: Vec<u8>,
    rest: &'a mut dyn BufRead,
}

impl<'a> Opened<'a> {
    /// Reads the beginning.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is empty, UTF-16, or not UTF-8; [`ErrorKind::Other`] when it cannot be read.
    pub(super) fn new(rest: &'a mut dyn BufRead) -> Result<Self> {
        let mut head = Vec::new();
        Read::take(&mut *rest, HEAD as u64)
            .read_to_end(&mut head)
            .map_err(unreadable)?;
        let whole = head.len() < HEAD;
        if head.starts_with(&[0xEF, 0xBB, 0xBF]) {
            head.drain(..3);
        } else if matches!(*head, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) || head.iter().take(4).any(|b| *b == 0)
        {
            return Err(invalid(format!(
                "the input is UTF-16 or binary, not UTF-8 text: {SAVE_AS_UTF8}"
            )));
        }
        if let Err(found) = std::str::from_utf8(&head)
            && (whole || found.error_len().is_some())
        {
            let before = head.get(..found.valid_up_to()).unwrap_or_default();
            return Err(invalid(format!(
                "line {}: the input is not UTF-8 (byte 0x{:02X}; Excel's plain \"CSV\" writes Windows-1252, for \
                 example): {SAVE_AS_UTF8}",
                lines(before) + 1,
                head.get(found.valid_up_to()).copied().unwrap_or_default(),
            )));
        }
        if head.iter().all(u8::is_ascii_whitespace) && whole {
            return Err(invalid(
                "the input is empty: expected a header row or a JSON array",
            ));
        }
        Ok(Self { head, rest })
    }

    /// The whole input, without a byte order mark.
    pub(super) fn into_reader(self) -> impl Read + 'a {
        Cursor::new(self.head).chain(self.rest)
    }
}

/// What to do about another encoding.
pub(super) const SAVE_AS_UTF8: &str = "save or export it as UTF-8 (in Excel \"CSV UTF-8\") and read it again";

/// How many line feeds there are.
pub(super) fn lines(bytes: &[u8]) -> usize {
    match memchr::memchr(b'\n', bytes) {
        None => 0, // nearly always
        Some(first) => memchr::memchr_iter(b'\n', bytes.get(first..).unwrap_or_default()).count(),
    }
}

/// An input that cannot be used.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message.into()).with_operation("read HR input")
}

/// An input that cannot be read.
pub(super) fn unreadable(source: impl Into<io::Error>) -> Error {
    Error::new(ErrorKind::Other, "the input cannot be read")
        .with_operation("read HR input")
        .with_source(source.into())
}

/// How far the reading has come; shared between the loop over records and the readers below it.
#[derive(Debug)]
pub(super) struct Progress {
    longest: usize,
    since_record: Cell<usize>,
    at_end: Cell<bool>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::up_to(LONGEST_RECORD)
    }
}

impl Progress {
    /// Of records that are at most so many bytes long, instead of 1 MiB.
    pub(super) fn up_to(longest: usize) -> Self {
        Self {
            longest,
            since_record: Cell::new(0),
            at_end: Cell::new(false),
        }
    }

    /// A new record begins.
    pub(super) fn next_record(&self) {
        self.since_record.set(0);
    }

    /// Whether a record has grown beyond the longest one.
    pub(super) fn too_long(&self) -> bool {
        self.since_record.get() > self.longest
    }

    /// Whether the end of the input was asked for.
    pub(super) fn at_end(&self) -> bool {
        self.at_end.get()
    }
}

/// Fails when one record takes more than the longest may.
pub(super) struct Bounded<'p, R> {
    inner: R,
    progress: &'p Progress,
}

impl<'p, R: Read> Bounded<'p, R> {
    pub(super) fn new(inner: R, progress: &'p Progress) -> Self {
        Self { inner, progress }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.too_long() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "one record is too long",
            ));
        }
        let read = self.inner.read(buffer)?;
        let since = self.progress.since_record.get();
        self.progress.since_record.set(since + read);
        self.progress.at_end.set(read == 0 && !buffer.is_empty());
        Ok(read)
    }
}

/// Turns `\r\n` and `\r` into `\n`, and ends the last line.
pub(super) struct Lines<R> {
    inner: R,
    after_cr: bool,
    in_line: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            after_cr: false,
            in_line: false,
        }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(buffer)?;
            let Some(bytes) = buffer.get_mut(..read).filter(|bytes| !bytes.is_empty()) else {
                // The end, or no room to read into.
                return match buffer.first_mut().filter(|_| self.in_line) {
                    Some(first) => {
                        *first = b'\n';
                        self.in_line = false;
                        Ok(1)
                    }
                    None => Ok(0),
                };
            };
            let kept = self.convert(bytes);
            if kept > 0 {
                self.in_line = bytes.get(kept - 1) != Some(&b'\n');
                return Ok(kept);
            }
        }
    }
}

impl<R> Lines<R> {
    /// Converts in place; returns how many bytes are left.
    fn convert(&mut self, bytes: &mut [u8]) -> usize {
        if !self.after_cr && !bytes.contains(&b'\r') {
            return bytes.len();
        }
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            let second_half = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            if !second_half {
                bytes[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut input = bytes;
        let opened = Opened::new(&mut input)?;
        let mut all = Vec::new();
        opened.into_reader().read_to_end(&mut all).unwrap();
        Ok(all)
    }

    #[track_caller]
    fn refused(bytes: &[u8], part: &str) {
        let error = open(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(part), "{error}");
    }

    #[test]
    fn only_utf_8_is_opened_and_the_mark_is_taken_off() {
        assert_eq!(open(b"\xEF\xBB\xBFa\xC3\xA9").unwrap(), b"a\xC3\xA9");
        assert_eq!(open("é".repeat(50_000).as_bytes()).unwrap().len(), 100_000);
        assert_eq!(
            open(format!("a{}", "é".repeat(50_000)).as_bytes()).unwrap().len(),
            100_001
        );
        let utf16: Vec<u8> = "id,name".encode_utf16().flat_map(u16::to_le_bytes).collect();
        refused(&utf16, "CSV UTF-8");
        refused(&[&[0xFF, 0xFE], utf16.as_slice()].concat(), "UTF-16");
        refused(&[0xFE, 0xFF, 0, b'i'], "UTF-16");
        refused(
            b"id,name\n1,Ren\xE9e\n",
            "line 2: the input is not UTF-8 (byte 0xE9",
        );
        refused(b"id,name\n1,Ren\xC3", "line 2");
        refused(b"", "empty");
        refused(b"\xEF\xBB\xBF \r\n\t", "empty");
    }

    #[test]
    fn a_record_without_end_is_stopped() {
        let progress = Progress::default();
        let mut bounded = Bounded::new(io::repeat(b'x'), &progress);
        let error = io::copy(&mut bounded, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(progress.too_long());
        progress.next_record();
        assert!(bounded.read(&mut [0; 8]).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn lines_end_in_one_way_however_they_are_cut(text in "[a\r\n]{0,40}", step in 1_usize..5) {
            struct Steps<'a>(&'a [u8], usize);
            impl Read for Steps<'_> {
                fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                    let n = self.1.min(buffer.len());
                    self.0.read(&mut buffer[..n])
                }
            }
            let mut found = String::new();
            Lines::new(Steps(text.as_bytes(), step)).read_to_string(&mut found).unwrap();
            let mut expect = text.replace("\r\n", "\n").replace('\r', "\n");
            if !expect.is_empty() && !expect.ends_with('\n') {
                expect.push('\n');
            }
            prop_assert_eq!(found, expect);
        }
    }
}
