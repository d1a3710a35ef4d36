//! How much of a disk holds something.

use super::Chain;
use crate::failed::Failed;
use crate::watch::Watch;

/// In clusters as copies have them.
const CLUSTER_BYTES: u64 = 64 << 10;

/// How many bytes of clusters a copy will have at most. Tables are read, content is not. For an
/// upload this is the check that all its clusters are in its file, and what it really unpacks to.
pub(crate) fn count(chain: &mut Chain, watch: &dyn Watch) -> Result<u64, Failed> {
    let (mut at, mut clusters) = (0, 0);
    // The first cluster that has not been counted.
    let mut uncounted = 0;
    while at < chain.virtual_bytes {
        if watch.is_cancelled() {
            return Err(Failed::Cancelled);
        }
        let piece = chain.piece(at)?;
        let end = at + piece.bytes;
        if !piece.is_zeros() {
            let first = (at / CLUSTER_BYTES).max(uncounted);
            let after = end.div_ceil(CLUSTER_BYTES);
            clusters += after.saturating_sub(first);
            uncounted = uncounted.max(after);
        }
        at = end;
    }
    Ok(clusters * CLUSTER_BYTES)
}
