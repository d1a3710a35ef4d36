//! What was tried and what was promised, as the runs so far printed it:
//!
//! ```text
//!   try <writer> <n>                  before a step is submitted
//!   ack <writer> <n> <first> <last>   once the log has acknowledged it, and where it stands
//! ```
//!
//! A writer takes one step at a time, so at most its last one has no answer.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use carrel_model::record::Position;

use crate::plan::Turn;

/// Where the records of a step stand. A saved cursor stands where it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Position,
    pub(crate) last: Position,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.first, self.last)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// The last step that was tried.
    pub(crate) tried: u64,
    /// What was promised of each step, from the first on.
    pub(crate) acked: Vec<Span>,
}

impl Account {
    /// The first step without an answer.
    pub(crate) fn next(&self) -> u64 {
        self.acked.len() as u64 + 1
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) accounts: BTreeMap<u64, Account>,
}

pub(crate) enum Line {
    Try(Turn),
    Ack(Turn, Span),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Try(turn) => write!(f, "try {turn}"),
            Self::Ack(turn, span) => write!(f, "ack {turn} {span}"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("neither try nor ack: {line:?}");
        let (word, numbers) = line.split_once(' ').ok_or_else(wrong)?;
        let numbers: Result<Vec<u64>, _> = numbers.split(' ').map(str::parse).collect();
        match (word, numbers.as_deref()) {
            ("try", Ok(&[writer, n])) => Ok(Self::Try(Turn { writer, n })),
            ("ack", Ok(&[writer, n, first, last])) => {
                let span = Span { first: Position(first), last: Position(last) };
                Ok(Self::Ack(Turn { writer, n }, span))
            }
            _ => Err(wrong()),
        }
    }
}

impl Ledger {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut ledger = Self::default();
        for line in text.lines() {
            ledger.enter(&line.parse()?).map_err(|what| format!("{line:?}: {what}"))?;
        }
        Ok(ledger)
    }

    fn enter(&mut self, line: &Line) -> Result<(), &'static str> {
        match line {
            Line::Try(turn) => {
                let account = self.accounts.entry(turn.writer).or_default();
                if turn.n != account.next() {
                    return Err("tried out of turn");
                }
                account.tried = turn.n;
            }
            Line::Ack(turn, span) => {
                let account = self.accounts.entry(turn.writer).or_default();
                if turn.n != account.next() || turn.n != account.tried {
                    return Err("acknowledged out of turn");
                }
                account.acked.push(*span);
            }
        }
        Ok(())
    }

    pub(crate) fn account(&self, writer: u64) -> Account {
        self.accounts.get(&writer).cloned().unwrap_or_default()
    }

    /// Whether the log may hold this step.
    pub(crate) fn tried(&self, turn: Turn) -> bool {
        self.accounts.get(&turn.writer).is_some_and(|account| turn.n <= account.tried)
    }
}
