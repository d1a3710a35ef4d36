//! Every bound of the read models, with where its number comes from.

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
