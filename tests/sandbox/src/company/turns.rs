//! [`Turn`]: what becomes of people, and who is dealt which.

use crate::ids::Ids;

/// What becomes of somebody in the course of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Turn {
    /// Nothing.
    Stays,
    /// Had left before the first export, which still lists them.
    HadLeft,
    /// Hired for a day of the next two weeks.
    BeginsSoon,
    /// Hired for a day further ahead; where summer time begins at midnight somewhere soon, for the day without one there.
    BeginsLater,
    /// Begins on the day of the export that says so.
    BeginsToday,
    /// Began days before the export that says so.
    BeganUnannounced,
    /// Hired for a day ahead, and the hire is rescinded.
    HireRescinded,
    /// Hired for a day ahead, which is then corrected to a later one.
    StartCorrected,
    /// Did not come on the first day.
    NoShow,
    /// Another department and cost centre.
    Moves,
    /// Joins the service desk, which is privileged.
    JoinsServiceDesk,
    /// Heads the team.
    Rises,
    /// Another office, country, zone and legal entity.
    Relocates,
    /// Another family name.
    Marries,
    /// Gets a title by mistake, and the old one back in the next export.
    TitleCorrected,
    /// A contractor is employed, under the same worker id.
    Converts,
    /// A contractor is employed under a new worker id, from the day after the old contract's last one.
    ConvertsAnew,
    /// Is away for long, and returns two exports later.
    TakesLeave,
    /// Gives notice, two exports ahead.
    GivesNotice,
    /// Gives notice, and withdraws it.
    WithdrawsNotice,
    /// Left on the day before the export that says so.
    LeftYesterday,
    /// Is to be out at once.
    Dismissed,
    /// Is terminated, which is rescinded in the next export.
    TerminationRescinded,
    /// Leaves, and is hired again two exports later, under the same worker id.
    Rehired,
    /// Had left before the first export, and is hired under a new worker id.
    ReturnsAnew,
}

use Turn::{
    BeganUnannounced, BeginsLater, BeginsSoon, BeginsToday, Converts, ConvertsAnew, Dismissed, GivesNotice,
    HadLeft, HireRescinded, JoinsServiceDesk, LeftYesterday, Marries, Moves, NoShow, Rehired, Relocates,
    ReturnsAnew, Rises, StartCorrected, Stays, TakesLeave, TerminationRescinded, TitleCorrected,
    WithdrawsNotice,
};

/// Of forty people. Each turn is dealt at least once to any forty.
const DECK: [Turn; 40] = [
    HadLeft,
    BeginsSoon,
    BeginsLater,
    BeginsToday,
    BeganUnannounced,
    HireRescinded,
    StartCorrected,
    NoShow,
    Moves,
    Moves,
    Moves,
    JoinsServiceDesk,
    Rises,
    Relocates,
    Marries,
    Marries,
    TitleCorrected,
    Converts,
    ConvertsAnew,
    TakesLeave,
    GivesNotice,
    GivesNotice,
    WithdrawsNotice,
    LeftYesterday,
    Dismissed,
    TerminationRescinded,
    Rehired,
    ReturnsAnew,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
    Stays,
];

impl Turn {
    /// Those that wait for nobody's decision, and give no old person a new worker id.
    pub(super) const CALM: &'static [Turn] = &[
        HadLeft,
        BeginsSoon,
        BeginsLater,
        BeginsToday,
        HireRescinded,
        Moves,
        JoinsServiceDesk,
        Rises,
        Marries,
        Converts,
        GivesNotice,
        WithdrawsNotice,
        LeftYesterday,
        Dismissed,
    ];

    /// All of them.
    pub const ALL: &'static [Turn] = &[
        Stays,
        HadLeft,
        BeginsSoon,
        BeginsLater,
        BeginsToday,
        BeganUnannounced,
        HireRescinded,
        StartCorrected,
        NoShow,
        Moves,
        JoinsServiceDesk,
        Rises,
        Relocates,
        Marries,
        TitleCorrected,
        Converts,
        ConvertsAnew,
        TakesLeave,
        GivesNotice,
        WithdrawsNotice,
        LeftYesterday,
        Dismissed,
        TerminationRescinded,
        Rehired,
        ReturnsAnew,
    ];

    /// How many exports after its first one somebody leaves by it.
    pub(super) fn leaves_after(self) -> Option<usize> {
        match self {
            HireRescinded | NoShow | ConvertsAnew | LeftYesterday | Dismissed | TerminationRescinded
            | Rehired => Some(0),
            GivesNotice => Some(2),
            _ => None,
        }
    }
}

/// Shuffled decks, one after the other, with more people who stay.
#[derive(Debug)]
pub(super) struct Dealer {
    chance: Ids,
    staying: usize,
    deck: Vec<Turn>,
}

impl Dealer {
    pub(super) fn new(seed: u64, staying: usize) -> Self {
        Self {
            chance: Ids::new(seed ^ 0xDEA1),
            staying,
            deck: Vec::new(),
        }
    }

    /// The next card.
    pub(super) fn deal(&mut self) -> Turn {
        if self.deck.is_empty() {
            self.deck = DECK.to_vec();
            self.deck.resize(DECK.len() + self.staying, Stays);
            for last in (1..self.deck.len()).rev() {
                let other = self.below(last + 1);
                self.deck.swap(last, other);
            }
        }
        self.deck.pop().unwrap_or(Stays)
    }

    /// A number below that one.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.chance.number() % limit).unwrap_or_default()
    }
}
