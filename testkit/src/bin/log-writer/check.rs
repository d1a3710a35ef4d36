//! `log-writer check`.

use std::collections::BTreeMap;

use carrel_log::embedded::EmbeddedLog;
use carrel_log::{Answer, EventLog, PageLimit};
use carrel_model::record::{Epoch, Position, Version};

use crate::ledger::{Account, Ledger, Span};
use crate::plan::{self, Step, Turn};
use crate::submit::{Done, Submitter};
use crate::verify::{Placed, Verifier};
use crate::{Ended, Place, say};

/// So many broken promises are told one by one: the first ones say most.
const BROKEN_TOLD_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    place: Place,
}

struct Checker<'a> {
    log: &'a EmbeddedLog,
    seed: u64,
    ledger: Ledger,
    verifier: Verifier,
    broken: Vec<String>,
}

impl Check {
    pub(crate) async fn run(&self) -> Result<(), Ended> {
        let ledger = self.place.ledger()?;
        let log = self.place.open(false).await?;
        let seed = self.place.seed;
        let verifier = Verifier::new(seed);
        let mut checker = Checker { log: &log, seed, ledger, verifier, broken: Vec::new() };
        checker.read().await?;
        checker.cursors().await?;
        checker.whole()?;
        let retried = checker.retry().await?;
        checker.read().await?;
        checker.cursors().await?;
        checker.lookups().await?;
        checker.streams().await?;
        checker.whole()?;
        let Verifier { end, found, units, .. } = &checker.verifier;
        let (steps, units) = (found.len(), units.len());
        say(format_args!(
            "checked records={end} commands={units} appends={steps} retried={retried}"
        ))?;
        log.close().await.map_err(Ended::refused)?;
        say("closed")
    }
}

impl Checker<'_> {
    fn expect(&mut self, kept: bool, promise: impl FnOnce() -> String) {
        if !kept {
            self.broken.push(promise());
        }
    }

    fn whole(&mut self) -> Result<(), Ended> {
        let count = self.broken.len();
        if count == 0 {
            return Ok(());
        }
        self.broken.truncate(BROKEN_TOLD_MAX);
        if count > BROKEN_TOLD_MAX {
            self.broken.push(format!("and {} more", count - BROKEN_TOLD_MAX));
        }
        Err(Ended::Broken(std::mem::take(&mut self.broken)))
    }

    /// Whatever was read is as it should be, and whatever was acknowledged was read.
    async fn read(&mut self) -> Result<(), Ended> {
        let read = self.verifier.read(self.log, &self.ledger).await;
        // Nothing can be said of what comes after it.
        read.map_err(|what| Ended::Broken(vec![what]))?;
        let accounts = std::mem::take(&mut self.ledger.accounts);
        for (turn, promised) in
            accounts.iter().flat_map(|(writer, account)| acked(*writer, account))
        {
            let found = self.verifier.found.get(&turn).copied();
            let append = matches!(plan::step(self.seed, turn), Step::Append(_));
            self.expect(!append || found == Some(promised), || match found {
                None => format!("lost: {turn} was acknowledged at {promised}, and is not there"),
                Some(found) => format!("{turn} was acknowledged at {promised}, and is at {found}"),
            });
        }
        self.ledger.accounts = accounts;
        Ok(())
    }

    /// Each writer's cursor is the last one acknowledged, or a later one that was tried.
    async fn cursors(&mut self) -> Result<(), Ended> {
        let head = self.log.head().await.map_err(Ended::refused)?;
        let accounts: Vec<_> = self
            .ledger
            .accounts
            .iter()
            .map(|(writer, account)| (*writer, saves(self.seed, *writer, account)))
            .collect();
        for (writer, (acked, tried)) in accounts {
            let found = self.log.cursor(&plan::cursor_name(writer)).await;
            let Some(cursor) = found.map_err(Ended::refused)? else {
                self.expect(acked.is_none(), || format!("lost: the cursor of writer {writer}"));
                continue;
            };
            let Epoch(n) = cursor.epoch;
            let expected = acked == Some(n) || tried == Some(n);
            self.expect(expected, || {
                format!("the cursor of writer {writer} is that of step {n}, not of {acked:?} or {tried:?}")
            });
            let position = self.verifier.reached_before(Turn { writer, n });
            let place = (cursor.position, cursor.incarnation);
            self.expect(place == (position, head.incarnation), || {
                format!("the cursor of writer {writer} is {cursor:?}, not at {position}")
            });
        }
        Ok(())
    }

    /// Asks again for what has no answer, as its caller would.
    async fn retry(&mut self) -> Result<usize, Ended> {
        let end = self.verifier.end;
        let accounts = std::mem::take(&mut self.ledger.accounts);
        let mut after = BTreeMap::new();
        let mut retried = 0;
        for (writer, mut account) in accounts {
            if account.tried == account.next() {
                let mut submitter = Submitter::new(self.log, self.seed, writer, &account);
                let turn = submitter.turn;
                let done = submitter.step().await?;
                self.answered(turn, &done, end);
                account.acked.push(done.span);
                retried += 1;
            }
            after.insert(writer, account);
        }
        self.ledger.accounts = after;
        Ok(retried)
    }

    /// What was there is a duplicate at its place; what was not is new behind the end.
    fn answered(&mut self, turn: Turn, done: &Done, end: Position) {
        let Done { span, answers } = done;
        if answers.is_empty() {
            return;
        }
        let found = self.verifier.found.get(&turn).copied();
        let duplicates = answers.iter().filter(|answer| answer.duplicate).count();
        let kept = match found {
            Some(found) => duplicates == answers.len() && *span == found,
            None => duplicates == 0 && span.first > end,
        };
        self.expect(kept, || {
            format!("{turn} was found at {found:?}, and asked again was answered {answers:?}")
        });
    }

    /// Every command is found by its id.
    async fn lookups(&mut self) -> Result<(), Ended> {
        let units = std::mem::take(&mut self.verifier.units);
        for Placed { unit, span } in &units {
            let expected = Answer {
                command_id: unit.command_id,
                fingerprint: unit.fingerprint,
                first: span.first,
                last: span.last,
                duplicate: false,
            };
            let found = self.log.lookup(unit.command_id).await.map_err(Ended::refused)?;
            self.expect(found == Some(expected), || {
                format!("{expected:?} was expected, and its id leads to {found:?}")
            });
        }
        self.verifier.units = units;
        Ok(())
    }

    /// Every stream ends with its last record.
    async fn streams(&mut self) -> Result<(), Ended> {
        for (stream, (version, position)) in self.verifier.streams.clone() {
            let before = Version(version.0 - 1);
            let page = self.log.read_stream(&stream, before, PageLimit::MAX).await;
            let page = page.map_err(Ended::refused)?;
            let found: Vec<_> =
                page.records.iter().map(|record| (record.version, record.position)).collect();
            self.expect(found == [(version, position)], || {
                format!("{stream} ends with {found:?}, not with version {version} at {position}")
            });
        }
        Ok(())
    }
}

fn acked(writer: u64, account: &Account) -> impl Iterator<Item = (Turn, Span)> {
    account.acked.iter().zip(1..).map(move |(span, n)| (Turn { writer, n }, *span))
}

/// The last step that saved a cursor and was acknowledged, and the one that was only tried.
fn saves(seed: u64, writer: u64, account: &Account) -> (Option<u64>, Option<u64>) {
    let is_save = |n: &u64| plan::step(seed, Turn { writer, n: *n }) == Step::SaveCursor;
    let acked = (1..account.next()).rev().find(is_save);
    (acked, (account.next()..=account.tried).find(is_save))
}
