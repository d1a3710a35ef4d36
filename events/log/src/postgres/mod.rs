//! The log in PostgreSQL, for where one machine is not enough.
//!
//! ```text
//!   carrel_log.log        one row: log id, incarnation
//!             .units      a command and what its records share; the newest is the head
//!             .records    partitioned by position
//!             .streams    where each stream ends
//!             .cursors  .leases  .snapshots  .snapshot_pieces
//! ```
//!
//! What the database would do by itself is not enough for an order without gaps: a sequence gives
//! out numbers that a rollback loses, and transactions commit in another order than they began. So
//! writers take turns, see [`write`]. Readers wait for nobody.
//!
//! The application's role may add units and records, and can't change or remove one. The chain
//! shows whether somebody else did.
//!
//! Time, ids and the order of names come from Carrel, never from the server's clock or collation.

mod draft;
mod error;
mod follow;
mod group;
mod insert;
mod names;
mod read;
mod room;
mod rows;
mod schema;
mod snapshot;
mod transaction;
mod turn;
mod write;

use std::fmt;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, StreamId, Version};
use sqlx::PgPool;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use self::error::CutOff;
use self::follow::End;
use self::group::{Queue, Waiting};
use self::names::Mark;
pub use self::schema::MigrateError;
use self::turn::PostgresTurn;
use self::write::Writing;
use crate::chain::Link;
use crate::error::{AppendError, CursorError, ReadError, Refused};
use crate::limits;
use crate::port::{
    Answer, Cursor, EventLog, Expected, Head, Page, PageLimit, PlacedUnit, Snapshot, SnapshotKey,
    Turn,
};

/// What can be set without changing what the log promises.
#[derive(Clone, Debug)]
pub struct Settings {
    /// One writes, one listens, and the others read.
    pub connections_max: u32,
    /// How long to wait for a connection before the database counts as unreachable.
    pub connect_timeout: Duration,
    /// Records of new partitions. A batch may need a few new ones, but not hundreds.
    pub partition_records: u64,
    /// Whether the database is asked to tell when others write.
    pub hints: Hints,
    /// How often to look whether others wrote, told or not.
    pub look_every: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    Listen,
    /// For a pooler between here and the database that does not hand notifications on.
    Ignore,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 10,
            connect_timeout: Duration::from_secs(10),
            // About two gigabytes of typical records: a size that is backed up, moved and checked
            // in minutes, and few enough partitions after years.
            partition_records: 4_000_000,
            hints: Hints::Listen,
            look_every: Duration::from_millis(500),
        }
    }
}

pub struct PostgresLog {
    shared: Arc<Shared>,
    /// Appends and other changes that are under way, whether anybody still waits for them or not.
    writers: Mutex<JoinSet<()>>,
    watchers: Mutex<JoinSet<()>>,
}

/// What tasks need that outlive a call.
#[derive(Debug)]
struct Shared {
    pool: PgPool,
    settings: Settings,
    /// This process's writers wait here before they wait for those of others.
    place: Arc<tokio::sync::Mutex<()>>,
    queue: Queue,
    /// How many appends may be in the queue.
    admission: Arc<Semaphore>,
    end: watch::Sender<End>,
    /// Look where the log ends, now.
    look: Arc<Notify>,
    /// The first position that no partition is known for; nothing is known before the first append.
    room: AtomicI64,
    /// It is time to make the next partition.
    ahead: Notify,
}

impl fmt::Debug for PostgresLog {
    /// Not how it connects: there is a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLog")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl PostgresLog {
    /// Makes the log's tables or brings them up to date, as the role that owns them, and lets the
    /// role `application` write and read the log. A log that is there already keeps its id.
    pub async fn migrate(
        owner: &PgConnectOptions,
        application: &str,
        log_id: LogId,
    ) -> Result<(), MigrateError> {
        schema::migrate(owner, application, log_id).await
    }

    /// Opens the log as the application's role.
    pub async fn connect(options: PgConnectOptions, settings: Settings) -> Result<Self, ReadError> {
        // A plan that knows the positions asked for touches only the partitions that have them. The
        // largest page is 4 MiB of data and half as much around it, and is sorted in memory.
        let options =
            options.options([("plan_cache_mode", "force_custom_plan"), ("work_mem", "16MB")]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max)
            .acquire_timeout(settings.connect_timeout)
            .connect_with(options)
            .await
            .map_err(error::read)?;
        let mut connection = pool.acquire().await.map_err(error::read)?;
        let head = read::head(&mut connection).await?;
        drop(connection);
        let shared = Arc::new(Shared {
            pool,
            settings,
            place: Arc::default(),
            queue: Queue::default(),
            admission: Arc::new(Semaphore::new(group::WAITING_MAX)),
            end: watch::Sender::new(End::at(head.position)),
            look: Arc::default(),
            room: AtomicI64::new(0),
            ahead: Notify::new(),
        });
        let mut watchers = JoinSet::new();
        watchers.spawn(follow::watch(Arc::clone(&shared)));
        watchers.spawn(room::keep_ahead(Arc::clone(&shared)));
        if shared.settings.hints == Hints::Listen {
            watchers.spawn(follow::listen(shared.pool.clone(), Arc::clone(&shared.look)));
        }
        Ok(Self { shared, writers: Mutex::default(), watchers: Mutex::new(watchers) })
    }

    /// For a change of what stands beside the log. Whoever gives up while waiting for it has
    /// changed nothing.
    async fn changing(&self) -> Result<PoolConnection<sqlx::Postgres>, CursorError> {
        self.shared.open()?;
        self.shared.pool.acquire().await.map_err(error::before_sent)
    }

    async fn connection(&self) -> Result<PoolConnection<sqlx::Postgres>, ReadError> {
        self.shared.pool.acquire().await.map_err(error::read)
    }

    /// Takes the writer's place. Who gives up while waiting for it in this process is gone; who
    /// gives up while waiting for the database leaves a task behind that does it in order.
    async fn begin(&self) -> Result<Writing, AppendError> {
        self.shared.open()?;
        let place = Arc::clone(&self.shared.place).lock_owned().await;
        self.run(Writing::begin(Arc::clone(&self.shared), place)).await
    }

    /// Does something to its end, even if nobody waits for it any more.
    async fn run<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CutOff> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.spawn(async move {
            let _ = answer.send(work.await);
        });
        outcome(answered).await
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        while writers.try_join_next().is_some() {}
        writers.spawn(work);
    }
}

fn taken(tasks: &Mutex<JoinSet<()>>) -> JoinSet<()> {
    std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn outcome<T, E: From<CutOff>>(answered: oneshot::Receiver<Result<T, E>>) -> Result<T, E> {
    answered.await.map_err(|_| CutOff)?
}

#[async_trait]
impl EventLog for PostgresLog {
    async fn head(&self) -> Result<Head, ReadError> {
        read::head(&mut *self.connection().await?).await
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        let mut turn = PostgresTurn::new(self, self.begin().await?);
        turn.catch_up(have).await?;
        Ok(Box::new(turn))
    }

    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError> {
        limits::check(&units)?;
        if let Expected::At(_) = expected {
            let writing = self.begin().await?;
            return self.run(turn::append(writing, expected, units, None)).await;
        }
        let admitted = Arc::clone(&self.shared.admission).acquire_owned().await;
        let admitted = admitted.map_err(|_| Refused::Closed)?;
        self.shared.open()?;
        let (answer, answered) = oneshot::channel();
        if self.shared.queue.push(Waiting { units, answer, admitted }) {
            self.spawn(group::lead(Arc::clone(&self.shared)));
        }
        outcome(answered).await
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        read::lookup(&mut *self.connection().await?, command_id).await
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        read::page(&mut *self.connection().await?, after, limit).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        read::stream_page(&mut *self.connection().await?, stream, after, limit).await
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        self.shared.wait_past(position).await
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        let connection = self.changing().await?;
        let mark = Mark { position, epoch };
        self.run(names::save_cursor(connection, name.clone(), mark)).await
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        names::cursor(&mut *self.connection().await?, name).await
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        names::cursors(&mut *self.connection().await?).await
    }

    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError> {
        let connection = self.changing().await?;
        self.run(names::raise_epoch(connection, lease.clone())).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError> {
        snapshot.fits()?;
        let connection = self.changing().await?;
        self.run(snapshot::save(connection, snapshot)).await
    }

    async fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        read::link_at(&mut *self.connection().await?, position).await
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        snapshot::newest(&mut *self.connection().await?, key).await
    }

    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        limits::check(units.iter().map(|placed| &placed.unit))?;
        let writing = self.begin().await?;
        self.run(import(writing, units)).await
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        let writing = self.begin().await?;
        self.run(writing.raise_incarnation()).await
    }

    async fn close(&self) -> Result<(), ReadError> {
        self.shared.announce_close();
        // Whoever had the place before has it no more; whoever waits for it finds the log closed.
        let place = self.shared.place.lock().await;
        drop(place);
        taken(&self.watchers).shutdown().await;
        taken(&self.writers).join_all().await;
        self.shared.pool.close().await;
        Ok(())
    }
}

async fn import(mut writing: Writing, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
    let mut draft = writing.draft(units.iter().map(|placed| &placed.unit)).await?;
    let imported = units.into_iter().try_for_each(|placed| draft.import(placed));
    let head = draft.head();
    writing.commit(&draft).await?;
    imported.map(|()| head)
}
