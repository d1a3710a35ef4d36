//! Every bound of the read models, with where its number comes from.

use std::time::Duration;

/// Rows of one page. A thousand machines are about 2 MB of JSON, which a browser still shows.
pub const PAGE_ROWS_MAX: u16 = 1_000;

/// Rows of a page when nobody says how many: what fits onto two screens.
pub const PAGE_ROWS_DEFAULT: u16 = 100;

/// Values that one filter may name. Each is a bound parameter, of which `SQLite` takes 32,766.
pub const FILTER_VALUES_MAX: usize = 100;

/// Filters of one query; no kind of thing has more fields.
pub const FILTERS_MAX: usize = 16;

/// The longest value of a filter: the longest text that anything is labelled with.
pub const VALUE_BYTES_MAX: usize = 1_024;

/// The longest cursor that is looked at: a sort value of 1,024 bytes in JSON, in base64.
pub const CURSOR_BYTES_MAX: usize = 4_096;

/// Failures that an operation shows, of machines in the order in which they failed. How many there
/// are is counted; the rest can be found at the machines.
pub const FAILURES_SHOWN_MAX: usize = 1_000;

/// The shape of the file: raised with every change of `migrations/read/sqlite`, and of what is
/// written of things. Rows of another shape are built anew.
pub(crate) const SCHEMA: i64 = 2;

/// Connections that read. `SQLite` reads on a thread of each; beyond a few for each core they only
/// wait for each other.
pub(crate) const READERS_MAX: u32 = 8;

/// Rows that `SQLite`'s thread hands over before it waits for whoever asked: a page and one more.
pub(crate) const ROWS_AHEAD: usize = 1_024;

/// How long a statement waits for a lock. Readers never wait for the writer, so that only copies
/// of the file and the truncation of the WAL come into it.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Pages of 4 KiB after which the WAL goes into the file: 16 MiB, some thousands of rows.
pub(crate) const WAL_PAGES: &str = "4096";

/// What the writer keeps of the file in memory: 16 MiB, in KiB and negative as `SQLite` wants it.
pub(crate) const CACHE_PAGES: &str = "-16384";

/// Rows that one statement writes: with 15 columns it binds 1,500 values, where `SQLite` takes
/// 32,766, and has a text that it reads in well below a millisecond.
pub(crate) const STATEMENT_ROWS: usize = 100;

/// Facts that are folded at once. Their rows are written in one transaction of some tens of
/// milliseconds at most; with less to do a batch is what has come since the last one.
pub(crate) const BATCH_FACTS_MAX: usize = 1_000;

/// Facts that come close behind one another are gathered for so long, since a transaction of one
/// fact costs nearly as much as one of twenty. Whoever waits for a position waits by this much
/// longer.
pub(crate) const GATHERED_FOR: Duration = Duration::from_millis(8);

/// Rows after which a batch ends early: some 20 ms of writing. What one single fact changes is not
/// divided, such as all machines of a pool that gets another name.
pub(crate) const BATCH_ROWS_MAX: usize = 1_000;

/// Facts behind which the rows are built anew rather than followed one batch after the other:
/// folded in memory each row is written once.
pub(crate) const BEHIND_MAX: u64 = 50_000;

/// Rows of one transaction of a file that is built anew: a few MB, so that its WAL stays small.
pub(crate) const BUILD_ROWS: usize = 5_000;

/// How long finished operations and ended sessions are kept: a month, for whoever asks what was
/// at the end of the last one.
pub const KEPT_SECONDS: u32 = 30 * 24 * 3_600;

/// At most so many of each are kept, some 100 MB.
pub const KEPT_MAX: u64 = 100_000;

/// How often it is looked whether something is older. Counting what is kept takes milliseconds.
pub(crate) const PRUNE_EVERY_SECONDS: u32 = 60;

/// Rows that are dropped at once for being older than that.
pub(crate) const PRUNED_AT_ONCE: u32 = 500;

/// How long a projector waits after something failed that may work the next time.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What whoever asks too early is told to wait.
pub(crate) const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The longest that `seen` waits, whatever is asked for: that of the API's `Prefer: wait`.
pub const SEEN_WAIT_MAX: Duration = Duration::from_secs(60);
