//! Every bound of the keys, with where its number comes from.

use carrel_model::sealed::Secret;
use carrel_model::text::Text;

/// What is personal is a text or a name, and the longest text has 1,024 bytes. The hash of a
/// password has about a hundred.
pub const PLAIN_BYTES_MAX: usize = Text::LENGTH_MAX;

/// Refused before it is hashed: longer ones would only make hashing slow.
pub const PASSWORD_BYTES_MAX: usize = Secret::LENGTH_MAX;

/// As many people as one installation signs in. A key with its place in the cache takes about a
/// hundred bytes, so all of them take 20 MB.
pub const CACHED_KEYS_MAX: usize = 200_000;

/// Hashing takes a core and 19 MiB for about 30 ms. Eight at once sign in 250 people per second and
/// take 152 MiB; more would only take cores from what else is done.
pub const HASHERS_MAX: usize = 8;

/// About fifteen seconds of work for two hashers. Who comes later is told so at once, rather than
/// after their browser has given up.
pub const HASHING_QUEUE_MAX: usize = 1_024;

/// A key file has 36 bytes and what it keeps: at most a key pair of P-256,
/// which PKCS #8 writes in 138.
pub const FILE_BYTES_MAX: usize = 256;
