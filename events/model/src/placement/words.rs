//! What people read about a choice. Words are made when everything is decided.

use std::collections::BTreeMap;

use super::filter::Filters;
use crate::name::PlatformName;
use crate::text::Text;

/// Why hosts fell out, each with its name in a placement, in words, and how many.
fn reasons(filters: &Filters<'_>) -> Vec<(String, String, u32)> {
    let mut reasons = vec![
        ("disabled".to_owned(), "not enabled".to_owned(), filters.disabled),
        ("labels".to_owned(), "without the labels that it asks for".to_owned(), filters.labels),
        ("image".to_owned(), "without the files of its image".to_owned(), filters.image),
        (
            "volatile".to_owned(),
            "without storage that has room for throwaway overlays".to_owned(),
            filters.throwaway,
        ),
        ("memory".to_owned(), "with too little memory left".to_owned(), filters.memory),
        ("vcpus".to_owned(), "with too few vCPUs left".to_owned(), filters.vcpus),
    ];
    for seen in &filters.storages {
        let name = &seen.storage.name;
        reasons.push((
            format!("storage.{name}"),
            format!("don't see the storage {name}"),
            seen.refused,
        ));
    }
    for (counter, _, refused) in &filters.counters {
        reasons.push((
            format!("counter.{}", counter.as_str().replace('/', ".")),
            format!("with too little of {counter} left"),
            *refused,
        ));
    }
    reasons.retain(|(_, _, refused)| *refused > 0);
    reasons
}

/// How many hosts fell out for each reason.
pub(super) fn counted(filters: &Filters<'_>) -> BTreeMap<PlatformName, u32> {
    let name = |name: String| {
        let short: String = name.chars().take(PlatformName::LENGTH_MAX).collect();
        PlatformName::new(&short).ok()
    };
    let counted = reasons(filters).into_iter();
    counted.filter_map(|(reason, _, refused)| Some((name(reason)?, refused))).collect()
}

/// `of 5 hosts 2 are not enabled, 3 don't see the storage ssd`
pub(super) fn why_none(filters: &Filters<'_>) -> Text {
    if filters.considered == 0 {
        return Text::cut("there is no host that comes into question");
    }
    let reasons: Vec<String> = reasons(filters)
        .into_iter()
        .map(|(_, words, refused)| format!("{refused} {words}"))
        .collect();
    Text::cut(&format!("of {} hosts {}", filters.considered, reasons.join(", ")))
}
