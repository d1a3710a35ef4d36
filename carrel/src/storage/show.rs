//! What was found, for people and for programs.

use std::io::{self, Write};

use carrel_model::record::Timestamp;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::Checked;
use super::judge::{Finding, Mended, What};
use crate::output::printed;
use crate::text::one_line;

const fn word(what: What) -> &'static str {
    match what {
        What::Missing => "missing",
        What::Damaged => "damaged",
        What::OtherBacking => "other backing",
        What::Writable => "writable",
        What::HalfMade => "half-made",
        What::Orphan => "orphan",
    }
}

const fn done(mended: &Mended) -> Option<&'static str> {
    match mended {
        Mended::No => None,
        Mended::PutAside => Some("put aside"),
        Mended::Sealed => Some("sealed"),
        Mended::Removed => Some("removed"),
        Mended::Failed(_) => Some("left"),
    }
}

/// A name can hold whatever a terminal would take for an order.
fn plain(text: &str) -> String {
    one_line(text.as_bytes())
}

fn changed(finding: &Finding) -> Option<String> {
    let found = finding.found.as_ref()?;
    Some(Timestamp(found.stat.modified_micros).to_string())
}

fn said(finding: &Finding) -> String {
    let detail = plain(&finding.detail);
    match (&finding.mended, done(&finding.mended)) {
        (Mended::Failed(why), _) => format!("{detail} left: {}", plain(why)),
        (_, Some(done)) => format!("{detail} {done}"),
        (_, None) => detail,
    }
}

pub(super) fn table(checked: &Checked) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let findings = &checked.judged.findings;
    if !findings.is_empty() {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["FOUND", "FILE", "SIZE", "ON DISK", "CHANGED", ""]);
        for finding in findings {
            let size = |of: Option<u64>| of.map_or("-".to_owned(), |it| HumanBytes(it).to_string());
            let found = finding.found.as_ref();
            table.add_row([
                word(finding.what).to_owned(),
                plain(&finding.path),
                size(found.map(|it| it.stat.size_bytes)),
                size(found.map(|it| it.allocated_bytes)),
                changed(finding).unwrap_or("-".to_owned()),
                said(finding).trim().to_owned(),
            ]);
        }
        writeln!(out, "{table}\n")?;
    }
    let root = checked.root.display();
    match findings.len() {
        0 => writeln!(out, "{root} holds what it should, and nothing else.")?,
        1 => writeln!(out, "1 thing was found in {root}.")?,
        many => writeln!(out, "{many} things were found in {root}.")?,
    }
    if checked.judged.spared > 0 {
        let spared = checked.judged.spared;
        writeln!(out, "{spared} files were left out: their machines run or are worked on.")?;
    }
    ways(checked, &mut out)
}

/// What can be done about it.
fn ways(checked: &Checked, out: &mut impl Write) -> io::Result<()> {
    if let Some(aside) = &checked.aside {
        let (root, aside) =
            (quoted(&checked.root.to_string_lossy()), quoted(&aside.to_string_lossy()));
        writeln!(out, "\nWhat was put aside lies in {aside}, where it still takes room.")?;
        writeln!(
            out,
            "  to put all of it back:  cp --recursive --link --no-clobber --preserve {aside}/. {root}/ && rm --recursive {aside}"
        )?;
        return writeln!(out, "  to delete it for good:  rm --recursive {aside}");
    }
    let can_be_mended = |finding: &Finding| {
        let by_itself = matches!(finding.what, What::Orphan | What::HalfMade | What::Writable);
        by_itself && finding.mended == Mended::No
    };
    if checked.judged.findings.iter().any(can_be_mended) {
        writeln!(
            out,
            "--fix puts orphans aside, seals what was sealed and removes half-made files."
        )?;
    }
    Ok(())
}

/// For a shell.
fn quoted(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if path.bytes().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

pub(super) fn json(checked: &Checked) -> io::Result<()> {
    let findings = checked.judged.findings.iter().map(|finding| {
        let found = finding.found.as_ref();
        let why = match &finding.mended {
            Mended::Failed(why) => Some(why),
            Mended::No | Mended::PutAside | Mended::Sealed | Mended::Removed => None,
        };
        json!({
            "found": finding.what,
            "path": finding.path,
            "detail": finding.detail,
            "size_bytes": found.map(|it| it.stat.size_bytes),
            "allocated_bytes": found.map(|it| it.allocated_bytes),
            "changed_at": changed(finding),
            "done": done(&finding.mended),
            "not_done_because": why,
        })
    });
    let whole = json!({
        "storage": checked.root,
        "findings": findings.collect::<Vec<Value>>(),
        "left_out": checked.judged.spared,
        "put_aside_in": checked.aside,
    });
    printed(&whole, false)
}
