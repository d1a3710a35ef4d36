//! `--fix`: nothing is deleted but what a killed call has left, and nothing that somebody knows of
//! is touched, but for the bits that say that nobody writes to it.

use std::path::{Path, PathBuf};

use carrel_images::{Failed, Images};
use carrel_model::record::Timestamp;

use super::judge::{Finding, Mended, What};

/// On the storage itself: to put a file aside is to rename it.
const ASIDE: &str = "lost+found-carrel";

/// Where things were put aside. Nothing: none was.
pub(super) fn mend(
    images: &Images,
    findings: &mut [Finding],
    root: &Path,
    now: Timestamp,
) -> Option<PathBuf> {
    let aside = root.join(ASIDE).join(now.to_string().replace(':', "-"));
    for finding in findings.iter_mut() {
        finding.mended = one(images, finding, &aside)
            .unwrap_or_else(|failed| Mended::Failed(failed.to_string()));
    }
    let any = findings.iter().any(|finding| finding.mended == Mended::PutAside);
    any.then_some(aside)
}

fn one(images: &Images, finding: &Finding, aside: &Path) -> Result<Mended, Failed> {
    let Some(found) = &finding.found else { return Ok(Mended::No) };
    match finding.what {
        What::Missing | What::Damaged | What::OtherBacking => Ok(Mended::No),
        What::Writable => images.seal_again(found).map(|()| Mended::Sealed),
        What::HalfMade => images.clear(found).map(|()| Mended::Removed),
        What::Orphan => {
            images.put_aside(found, &aside.join(&finding.path)).map(|()| Mended::PutAside)
        }
    }
}
