//! Reading everything in order, one page ahead of whoever takes the pages.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use carrel_model::record::Position;

use crate::error::ReadError;
use crate::port::{EventLog, Page, PageLimit};

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Page, ReadError>> + Send + 'a>>;

/// While a page is looked at, the log reads the next one.
pub struct ReadAhead<'a> {
    log: &'a dyn EventLog,
    after: Position,
    next: Next<'a>,
}

enum Next<'a> {
    Unasked,
    Asked(Reading<'a>),
    There(Result<Page, ReadError>),
}

impl<'a> ReadAhead<'a> {
    /// Starts behind a position. Pages are as large as they may be.
    pub fn new(log: &'a dyn EventLog, after: Position) -> Self {
        Self { log, after, next: Next::Unasked }
    }

    /// The next page; an empty one where the log ends, until there is more.
    pub async fn page(&mut self) -> Result<Page, ReadError> {
        let page = match std::mem::replace(&mut self.next, Next::Unasked) {
            Next::Unasked => self.log.read(self.after, PageLimit::MAX).await,
            Next::Asked(reading) => reading.await,
            Next::There(page) => page,
        }?;
        if let Some(last) = page.records.last() {
            self.after = last.position;
            if !page.at_end {
                self.next = begin(self.log.read(self.after, PageLimit::MAX)).await;
            }
        }
        Ok(page)
    }
}

/// A future does nothing before it is asked once.
async fn begin(mut reading: Reading<'_>) -> Next<'_> {
    match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        Poll::Ready(page) => Next::There(page),
        Poll::Pending => Next::Asked(reading),
    }
}

impl fmt::Debug for ReadAhead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAhead").field("after", &self.after).finish_non_exhaustive()
    }
}
