//! Every bound of the edge, with where its number comes from.

use std::time::Duration;

/// A command names at most a thousand machines of 63 letters, or has 64 labels of 1 KiB: half of
/// this.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;

/// Commands in one array.
pub const BATCH_COMMANDS_MAX: usize = 1_000;

/// An array of a thousand commands of 4 KiB each.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A name, a password of 1 KiB, and what stands around them, escaped at worst.
pub const SMALL_BODY_BYTES_MAX: usize = 16 * 1024;

/// All headers of a request. A browser's have about 2 KiB.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;

/// A browser sends about twenty.
pub const HEADERS_MAX: usize = 64;

/// Streams of one HTTP/2 connection. A page of ours asks for a few things at once.
pub const STREAMS_OF_CONNECTION_MAX: u32 = 128;

/// Requests that are under way at once. As many commands wait for the decider at most, and each
/// holds less than 300 KiB, so all of them hold less than 300 MiB at the very worst.
pub const UNDER_WAY_MAX: usize = 1_024;

/// Of those, the ones of one administrator or program. Half: one of them never starves all others.
pub const UNDER_WAY_OF_ADMIN_MAX: usize = 512;

/// Of those, the ones of one person who uses desktops: a few devices that ask every second.
pub const UNDER_WAY_OF_CLIENT_MAX: usize = 16;

/// Requests of people who are not signed in, of which there may be more than anybody has heard of:
/// they never take the place of those who are. As many as wait for a password to be hashed, twice.
pub const UNDER_WAY_OF_STRANGERS_MAX: usize = 256;

/// Of those, the ones from one address: half, since a site may be behind one.
pub const UNDER_WAY_OF_SOURCE_MAX: usize = 128;

/// Sign-ins that are under way at once. Hashing is slow on purpose; two seconds of work for two
/// hashers.
pub const SIGN_INS_UNDER_WAY_MAX: usize = 128;

/// So many are refused at once within a second, which takes a twentieth of a core; whoever is
/// refused beyond that is told so half a second later. Five thousand connections that ask again
/// at once then take less than a core, and those who were let in have the rest.
pub const TURNED_AWAY_A_SECOND: u32 = 500;
pub const TURNED_AWAY_AFTER: Duration = Duration::from_millis(500);
/// So many wait to be told, each with a kilobyte or two; beyond that they are told at once.
pub const TURNED_AWAY_WAITING_MAX: usize = 8_192;

/// Who is shed is told to come back after so long: a batch takes milliseconds.
pub const RETRY_SECONDS: u32 = 1;

/// Followers of the log. Each holds one page of at most [`EVENTS_PAGE`] records.
pub const FOLLOWERS_MAX: usize = 32;

/// Records of a page of events, if nothing is said, and at most.
pub const EVENTS_PAGE: usize = 100;
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// Records that are looked at for one page of events. Whoever asks for what is rare goes on from
/// where that ended. It is one page of the log.
pub const EVENTS_SEEN_MAX: usize = 10_000;

/// Items of a page of a read, if nothing is said, and at most.
pub const PAGE: usize = 100;
pub const PAGE_MAX: usize = 1_000;

/// How long headers may take to arrive. A slow line needs a second or two.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// How long whoever is answered may take nothing of the answer. A laptop whose lid was closed is
/// back after that, or has another connection then.
pub const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// How long the body of a sign-in may take: 1 KiB needs no second on any line.
pub const SIGN_IN_BODY_WITHIN: Duration = Duration::from_secs(5);

/// How long a body may take to arrive: 4 MiB at 1 Mbit/s take 34 seconds.
pub const BODY_WITHIN: Duration = Duration::from_secs(40);

/// How long a command waits for its decision. With everything full it is decided within a second;
/// a disk that hangs for longer won't get better within the patience of whoever waits.
pub const DECIDED_WITHIN: Duration = Duration::from_secs(20);

/// How long whoever asks for it waits for the end of an operation.
pub const WAIT_SECONDS_MAX: u64 = 60;

/// How long a read waits for its model to have seen `min_position`.
pub const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// A read takes milliseconds; whatever takes this long is stuck.
pub const READ_WITHIN: Duration = Duration::from_secs(15);

/// Body, decision, and a wait for the end.
pub const COMMAND_WITHIN: Duration = Duration::from_secs(125);

/// How long whoever has read models built anew waits for it: a million facts take ten seconds. It
/// goes on after that, and whoever waited is told so in time.
pub const REBUILT_WITHIN: Duration = Duration::from_secs(100);

/// As a command, a thousand of them.
pub const BATCH_WITHIN: Duration = Duration::from_secs(180);

/// How long a piece of a file may take to arrive, to be durable and, after the last one, to be
/// hashed with all others. Whoever is given up goes on from what has come.
pub const UPLOAD_WITHIN: Duration = Duration::from_secs(3_600);

/// When a batch begins no further command, so that its answer still goes out.
pub const BATCH_BEGINS_WITHIN: Duration = Duration::from_secs(110);

/// A sign-in that came last into the queue for hashing.
pub const SIGN_IN_WITHIN: Duration = Duration::from_secs(30);

/// How often a follower's right is looked at, and how often they hear that the line is alive: a
/// viewer or a follower is cut off within five seconds of losing their right.
pub const FOLLOWER_LOOKS: Duration = Duration::from_secs(4);

/// How long `connect` waits for a display to be armed before it answers that the desktop starts.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long a host has to say what a machine shows or what its guest says: an agent has 5 s for
/// each of its answers.
pub const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// How long requests that are under way may go on when the server ends. Longer than any but those
/// that asked to wait, which are told that they may ask again.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// Failed sign-ins that cost nothing but the time of the hash: people mistype.
pub const FAILURES_FREE: u32 = 5;

/// The same for all accounts from one address: a classroom behind one router.
pub const FAILURES_FREE_OF_SOURCE: u32 = 50;

/// The longest that somebody waits after failures. Longer would let anybody lock anybody out.
pub const BACK_OFF_SECONDS_MAX: u32 = 900;

/// Accounts and sources whose failures are remembered, 80 bytes each. When it is full, the one that
/// failed longest ago is forgotten.
pub const FAILURES_REMEMBERED_MAX: usize = 20_000;

/// Machines of one operation whose steps are shown while they go on.
pub const STEPS_SHOWN_MAX: usize = 100;

/// A detail of a problem is for a person to read.
pub const DETAIL_CHARACTERS_MAX: usize = 500;

/// A minute for each place in the queue, until it is measured how soon people leave.
pub const ETA_OF_A_PLACE_MS: u64 = 60_000;

/// A start takes about so long.
pub const ETA_OF_A_START_MS: u64 = 30_000;

/// How soon whoever waits should ask again. A place is kept for 30 seconds.
pub const ASK_AGAIN_MS: u64 = 2_000;

/// Connections at once: most terminals of a site of 20,000 keep one while they poll. One takes
/// about 20 KiB while it is quiet.
pub const CONNECTIONS_MAX: usize = 16_384;

/// How long a TLS handshake may take.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
