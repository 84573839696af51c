//! What must be true of a delivery, whatever stands in it.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;

use iam_core::intake::{Intake, Item};

/// Reads the bytes at once and one by one: the same items and the same end, every row counted once, and whatever is
/// refused says where and why.
pub fn read(intake: &dyn Intake, bytes: &[u8]) {
    let whole = items(intake, &mut &*bytes);
    let crumbs = items(intake, &mut BufReader::with_capacity(1, bytes));
    assert_eq!(whole, crumbs, "how the bytes arrive makes a difference");
}

/// The items, and the totals or the error, in words.
fn items(intake: &dyn Intake, input: &mut dyn BufRead) -> (Vec<Item>, Result<String, String>) {
    let mut items = Vec::new();
    let end = intake.read(input, &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    });
    let (mut good, mut refused) = (0, 0);
    for item in &items {
        match item {
            Item::Reject(reject) => {
                refused += 1;
                assert!(reject.row > 0 && !reject.code.is_empty(), "{reject}");
                // A message repeats no more of the source than a person can read.
                assert!((1..1000).contains(&reject.message.chars().count()), "{reject}");
            }
            _ => good += 1,
        }
    }
    let end = end.map_err(|error| error.to_string()).map(|summary| {
        let counted = (summary.rows, summary.records, summary.rejects);
        assert_eq!(counted, (good + refused, good, refused));
        format!("{summary:?}")
    });
    (items, end)
}
