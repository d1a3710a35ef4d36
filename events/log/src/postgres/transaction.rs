//! Transactions on the pool's connections.
//!
//! A connection goes back into the pool when its COMMIT or ROLLBACK was answered, and is closed
//! otherwise. sqlx's own transactions don't do for that: they begin to count when BEGIN was
//! answered, and what was not counted is never rolled back. A BEGIN that fails half-way, or that is
//! given up, would put a connection back whose transaction is aborted or open. Whoever gets that
//! one next is refused, or is told that something was written which nobody commits.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

/// For whatever waits for no lock: the largest statement takes a fraction of a second. A server
/// that does not answer at all would keep its client forever.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// For what waits for a lock: more than `lock_timeout`, whose message says more.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// Begins, and waits for its turn: nobody else goes on who waits for the same number.
///
/// A process that stops in the middle of its turn, as a suspended machine does, loses the turn
/// after 30 s, thousands of times what a decision takes. Who waits, waits a little longer.
///
/// A server may be set up to answer before a commit is durable; for this one it must not.
macro_rules! begin_in_turn {
    ($number:literal) => {
        concat!(
            "
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL idle_in_transaction_session_timeout = '30s';
    SET LOCAL lock_timeout = '40s';
    SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off';
    SELECT pg_advisory_xact_lock(",
            $number,
            ")"
        )
    };
}
pub(super) use begin_in_turn;

/// Dropping it rolls back too, at the price of a connection.
pub(super) struct Transaction {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Transaction {
    /// `statement` may be several, of which BEGIN is the first.
    pub(super) async fn begin(
        connection: PoolConnection<Postgres>,
        statement: &'static str,
    ) -> sqlx::Result<Self> {
        let mut transaction = Self { connection, ended: false };
        within(BEGIN_TIMEOUT, transaction.run(statement)).await?;
        Ok(transaction)
    }

    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        in_time(self.run("COMMIT")).await?;
        self.ended = true;
        Ok(())
    }

    /// However it goes, the database keeps nothing.
    pub(super) async fn roll_back(mut self) {
        self.ended = in_time(self.run("ROLLBACK")).await.is_ok();
    }

    /// Commits what went well.
    pub(super) async fn end<T, E>(
        self,
        outcome: Result<T, E>,
        at_commit: impl FnOnce(sqlx::Error) -> E,
    ) -> Result<T, E> {
        match outcome {
            Ok(value) => self.commit().await.map(|()| value).map_err(at_commit),
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    async fn run(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(statement).execute(&mut *self.connection).await.map(drop)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

pub(super) async fn in_time<T>(step: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(STEP_TIMEOUT, step).await
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(limit, work).await.map_err(late)?
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use carrel_testkit::postgres::Postgres as Server;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use sqlx::{Connection, PgPool};

    use super::*;

    /// A pool of one, and somebody else.
    async fn two_clients(server: &Server) -> (PgPool, PgConnection) {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(server.socket_directory())
            .port(Server::PORT)
            .username(Server::SUPERUSER)
            .database(Server::DATABASE);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone());
        (pool.await.unwrap(), PgConnection::connect_with(&options).await.unwrap())
    }

    async fn begin(pool: &PgPool, statement: &'static str) -> sqlx::Result<Transaction> {
        Transaction::begin(pool.acquire().await.unwrap(), statement).await
    }

    async fn run(connection: &mut PgConnection, statement: &'static str) {
        sqlx::raw_sql(statement).execute(connection).await.unwrap();
    }

    async fn process_id(pool: &PgPool) -> i32 {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await.unwrap()
    }

    /// Who is told that something was made can rely on it.
    async fn assert_in_no_transaction(pool: &PgPool, other: &mut PgConnection) {
        run(&mut pool.acquire().await.unwrap(), "CREATE TABLE public.made ()").await;
        run(other, "DROP TABLE public.made").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_begin_that_fails_half_way_leaves_no_transaction_behind() {
        let server = Server::start();
        let (pool, mut other) = two_clients(&server).await;
        begin(&pool, "BEGIN; SELECT 1 / 0").await.unwrap_err();
        assert_in_no_transaction(&pool, &mut other).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_begin_that_is_given_up_leaves_no_transaction_behind() {
        let server = Server::start();
        let (pool, mut other) = two_clients(&server).await;
        run(&mut other, "SELECT pg_advisory_lock(1)").await;
        let connection = pool.acquire().await.unwrap();
        {
            let statement = "BEGIN; SELECT pg_advisory_xact_lock(1)";
            let mut begun = pin!(Transaction::begin(connection, statement));
            let pending = poll_fn(|cx| Poll::Ready(begun.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        run(&mut other, "SELECT pg_advisory_unlock(1)").await;
        assert_in_no_transaction(&pool, &mut other).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_is_dropped_is_rolled_back() {
        let server = Server::start();
        let (pool, mut other) = two_clients(&server).await;
        let mut transaction = begin(&pool, "BEGIN").await.unwrap();
        run(&mut transaction, "CREATE TABLE public.made ()").await;
        drop(transaction);
        assert_in_no_transaction(&pool, &mut other).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_is_ended_gives_its_connection_back() {
        let server = Server::start();
        let (pool, mut other) = two_clients(&server).await;
        let before = process_id(&pool).await;
        let mut transaction = begin(&pool, "BEGIN").await.unwrap();
        run(&mut transaction, "CREATE TABLE public.made ()").await;
        transaction.roll_back().await;
        let mut transaction = begin(&pool, "BEGIN").await.unwrap();
        run(&mut transaction, "CREATE TABLE public.kept ()").await;
        transaction.commit().await.unwrap();
        assert_in_no_transaction(&pool, &mut other).await;
        run(&mut other, "DROP TABLE public.kept").await;
        assert_eq!(process_id(&pool).await, before);
    }
}
