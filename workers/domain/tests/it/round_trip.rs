//! What is accepted is what comes back, and no text of anybody is markup.

use std::collections::BTreeSet;

use carrel_domain::tree::Element;
use carrel_domain::{Domain, Found};
use proptest::prelude::*;

use crate::any::domain;
use crate::examples::{linux, windows};

fn names(element: &Element, found: &mut BTreeSet<String>) {
    found.insert(element.name.clone());
    found.extend(element.attributes.iter().map(|(name, _)| format!("@{name}")));
    element.children.iter().for_each(|child| names(child, found));
}

/// Everything that any domain may have, by its name.
fn vocabulary() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for domain in [linux(), windows()] {
        names(&Element::parse(&domain.render()).expect("XML"), &mut found);
    }
    let rest = [
        "kernel",
        "initrd",
        "cmdline",
        "@adopted",
        "@ran",
        "@awaits",
        "@ended",
        "@name",
        "@socket",
        "carrel:probe",
        "@by",
        "carrel:viewer",
        "@is",
        "carrel:person",
    ];
    found.extend(rest.map(str::to_owned));
    found
}

proptest! {
    #[test]
    fn what_is_rendered_reads_back(domain in domain()) {
        prop_assert_eq!(Domain::read(&domain.render()), Ok(domain));
    }

    #[test]
    fn nothing_that_people_wrote_becomes_markup(domain in domain()) {
        let mut found = BTreeSet::new();
        names(&Element::parse(&domain.render()).expect("XML"), &mut found);
        let added: Vec<_> = found.difference(&vocabulary()).cloned().collect();
        prop_assert_eq!(added, Vec::<String>::new());
    }

    #[test]
    fn whoever_looks_finds_the_same(domain in domain()) {
        let found = Found::read(&domain.render()).expect("XML");
        prop_assert_eq!(found.uuid, domain.uuid);
        prop_assert_eq!(found.ours.as_ref(), Some(&domain.ours));
        let files: Vec<_> = domain.disks.iter().map(|disk| disk.file.as_str()).collect();
        let writable = found.disks.iter().filter(|disk| !disk.is_read_only);
        let writable: Vec<_> = writable.filter_map(|disk| disk.file.as_deref()).collect();
        prop_assert_eq!(writable, files);
    }

    #[test]
    fn no_text_makes_a_reader_fall(text in ".{0,200}") {
        let _ = Domain::read(&text);
        let _ = Found::read(&text);
    }
}
