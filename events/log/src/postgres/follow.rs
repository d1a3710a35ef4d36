//! Knowing where the log ends, whoever writes it.
//!
//! What this process wrote, it knows. What others wrote, it is told of by the database, as soon as
//! it is committed; but a notification is a hint that can be lost with its connection, and that
//! anybody can send. So it only makes the next look come earlier, and looking alone suffices.

use std::sync::Arc;
use std::time::Duration;

use carrel_model::record::Position;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::{Shared, read};
use crate::error::{ReadError, Refused};

pub(super) const CHANNEL: &str = "carrel_log";

/// How long to leave a database alone that did not let itself be listened to. Until then, looking
/// has to do.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// The end of the log, as far as this process knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) position: Position,
    closed: bool,
}

impl End {
    pub(super) const fn at(position: Position) -> Self {
        Self { position, closed: false }
    }
}

impl Shared {
    pub(super) fn announce(&self, position: Position) {
        self.end.send_if_modified(|end| {
            let further = position > end.position;
            end.position = end.position.max(position);
            further
        });
    }

    pub(super) fn announce_close(&self) {
        self.end.send_modify(|end| end.closed = true);
    }

    pub(super) fn open(&self) -> Result<(), Refused> {
        if self.end.borrow().closed { Err(Refused::Closed) } else { Ok(()) }
    }

    pub(super) async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        let mut end = self.end.subscribe();
        self.look.notify_one();
        let reached = end.wait_for(|end| end.position > position || end.closed).await;
        // The sender lives in `self`, so the channel can't be closed while this borrows it.
        match reached.map(|end| end.position) {
            Ok(reached) if reached > position => Ok(reached),
            Ok(_) | Err(_) => Err(ReadError::Over),
        }
    }
}

/// Looks where the log ends, each time that somebody hints at it, and each time that a while has
/// passed; as long as anybody waits for it.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(shared.settings.look_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reachable = true;
    loop {
        tokio::select! {
            () = shared.look.notified() => {}
            _ = ticks.tick() => {}
        }
        if shared.end.receiver_count() == 0 {
            continue;
        }
        let head = match shared.pool.acquire().await {
            Ok(mut connection) => read::head(&mut connection).await,
            Err(error) => Err(super::error::read(error)),
        };
        match head {
            Ok(head) => {
                shared.announce(head.position);
                reachable = true;
            }
            // Those who wait go on waiting, and one line is enough to say why.
            Err(error) if std::mem::replace(&mut reachable, false) => {
                tracing::warn!(%error, "can't see where the log ends; looking again and again");
            }
            Err(_) => {}
        }
    }
}

/// Hands on what the database tells.
pub(super) async fn listen(pool: PgPool, look: Arc<Notify>) {
    loop {
        if let Err(error) = hear(&pool, &look).await {
            tracing::debug!(%error, "not listening to the database");
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

async fn hear(pool: &PgPool, look: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // A lost connection counts: something may have been said while there was none.
        listener.try_recv().await?;
        look.notify_one();
    }
}
