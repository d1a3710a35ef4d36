//! Who follows the log: told of each fact as it comes, for as long as they may and listen.

use std::convert::Infallible;

use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse, Response};
use carrel_log::PageLimit;
use carrel_model::record::{Position, Record};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::edge::Edge;
use crate::event::{Filter, event};
use crate::fault::Fault;
use crate::guard::Asking;
use crate::limits::{EVENTS_PAGE_MAX, FOLLOWER_LOOKS, TAKEN_WITHIN};
use crate::principal::still;
use crate::problem::Problem;
use crate::roles::{Access, Verdict, access};

/// One who follows. It holds one page, and reads on when that has gone out.
struct Follower {
    edge: Edge,
    asking: Asking,
    filter: Filter,
    after: Position,
    page: std::vec::IntoIter<Record>,
    next: Next,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Read,
    Wait,
}

pub(crate) fn follow(
    edge: Edge,
    asking: &Asking,
    filter: Filter,
    after: Position,
) -> Result<Response, Problem> {
    let full = |_| Problem::new(Fault::TooManyFollowers, "as many follow already as may");
    let permit = std::sync::Arc::clone(&edge.followers).try_acquire_owned().map_err(full)?;
    let (asking, page) = (asking.clone(), Vec::new().into_iter());
    let next = Next::Read;
    let follower = Follower { edge, asking, filter, after, page, next, _permit: permit };
    // One is made while another is on its way. Whoever takes none of them for long is let go,
    // though nobody asks for the next one: their place is for somebody who listens.
    let (tell, told) = mpsc::channel(1);
    let mut telling = JoinSet::new();
    telling.spawn(follower.run(tell));
    let told = stream::unfold((told, telling), async |(mut told, telling)| {
        let next = told.recv().await?;
        Some((Ok::<_, Infallible>(next), (told, telling)))
    });
    Ok(Sse::new(told).into_response())
}

impl Follower {
    async fn run(mut self, tell: mpsc::Sender<Sent>) {
        while let Some(told) = self.tell().await {
            let taken = timeout(TAKEN_WITHIN, tell.send(told)).await;
            if !matches!(taken, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The next fact, or a sign that the line is alive. Nothing: whoever follows may not any more,
    /// or the server ends.
    async fn tell(&mut self) -> Option<Sent> {
        let mut closing = self.edge.closing();
        loop {
            if *closing.borrow() || !self.may() {
                return None;
            }
            if let Some(record) = self.page.next() {
                return sent(&record);
            }
            if self.next == Next::Wait {
                let log = std::sync::Arc::clone(&self.edge.ports.log);
                let more = tokio::select! {
                    more = timeout(FOLLOWER_LOOKS, log.wait_past(self.after)) => more,
                    _ = closing.wait_for(|closing| *closing) => return None,
                };
                match more {
                    Err(_) => return Some(Sent::default().comment("")),
                    Ok(Err(_)) => return None,
                    Ok(Ok(_)) => {}
                }
            }
            let limit = PageLimit::records(EVENTS_PAGE_MAX);
            let page = self.edge.ports.log.read(self.after, limit).await.ok()?;
            self.next = if page.at_end { Next::Wait } else { Next::Read };
            self.after = page.records.last().map_or(self.after, |record| record.position);
            let wanted = page.records.into_iter().filter(|record| self.filter.wants(record));
            self.page = wanted.collect::<Vec<_>>().into_iter();
        }
    }

    /// The token still opens this.
    fn may(&self) -> bool {
        let standing = self.edge.ports.commands.standing();
        let now = self.edge.now();
        let principal = still(&standing.fleet, self.asking.principal.token, now);
        let access: Access = access("GET", "/v1/events");
        principal.is_some_and(|it| access.judge(it.standing()) == Verdict::Allowed)
    }
}

fn sent(record: &Record) -> Option<Sent> {
    let event = event(record).ok()?;
    let sent = Sent::default().id(record.position.to_string()).event(record.kind.as_str());
    sent.json_data(event).ok()
}
