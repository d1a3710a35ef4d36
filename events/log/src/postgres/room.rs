//! Room for records to come: partitions.
//!
//! Only those who append make any: who just reads may not be able to. The next one is made when the
//! last one is half full, by a task that no append waits for or fails with: there is the other half
//! to try again. Attaching a partition waits for whoever analyses `records`, which may take hours.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::PgConnection;

use super::Shared;
use super::rows::to_i64;
use super::transaction::{Transaction, in_time};

/// Who waits to attach a partition keeps others from making any, so it does not wait for long; but
/// longer than the database takes to find that its own housekeeping is in the way, and to stop it.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL idle_in_transaction_session_timeout = '30s';
    SET LOCAL lock_timeout = '5s'";

const ROOM: &str = "SELECT coalesce(max(past), 1) FROM carrel_log.partitions";

const MAKE_PARTITIONS: &str = "SELECT carrel_log.make_partitions($1, $2)";

/// Room for the position `last`, at least. Another process may have made it, and looking waits for
/// nobody. Returns the first position that there is none for.
pub(super) async fn find_or_make(
    connection: &mut PgConnection,
    last: i64,
    size: u64,
) -> sqlx::Result<i64> {
    let room = sqlx::query_scalar(ROOM).fetch_one(&mut *connection).await?;
    if last < room { Ok(room) } else { make(connection, last, size).await }
}

/// Makes partitions of `size` records until there is one for the position `last`. Returns the first
/// position that there is none for.
async fn make(connection: &mut PgConnection, last: i64, size: u64) -> sqlx::Result<i64> {
    let query = sqlx::query_scalar(MAKE_PARTITIONS).bind(last).bind(to_i64(size));
    query.fetch_one(connection).await
}

impl Shared {
    /// The first position that no partition is known for.
    pub(super) fn room(&self) -> i64 {
        self.room.load(Ordering::Acquire)
    }

    /// To be told only what was committed.
    pub(super) fn has_room(&self, room: i64) {
        self.room.fetch_max(room, Ordering::AcqRel);
    }

    /// Sets the task to work, if it is time.
    pub(super) fn look_ahead(&self) {
        if self.is_time() {
            self.ahead.notify_one();
        }
    }

    fn is_time(&self) -> bool {
        self.wanted() >= self.room()
    }

    fn wanted(&self) -> i64 {
        let last = to_i64(self.end.borrow().position.0);
        last.saturating_add(to_i64(self.settings.partition_records / 2))
    }

    async fn make_ahead(&self) -> sqlx::Result<()> {
        let mut transaction = Transaction::begin(self.pool.acquire().await?, BEGIN).await?;
        let size = self.settings.partition_records;
        let made = in_time(make(&mut transaction, self.wanted(), size)).await;
        self.has_room(transaction.end(made, |error| error).await?);
        Ok(())
    }
}

/// Makes one partition at a time, whenever it is time.
pub(super) async fn keep_ahead(shared: Arc<Shared>) {
    loop {
        shared.ahead.notified().await;
        // Those who notified while the last one was made may have all they want.
        if !shared.is_time() {
            continue;
        }
        if let Err(error) = shared.make_ahead().await {
            let position = shared.end.borrow().position.0;
            tracing::warn!(position, %error, "the log's next partition could not be made yet");
        }
    }
}
