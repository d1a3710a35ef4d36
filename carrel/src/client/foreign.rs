//! `carrel foreign`: domains on a host that Carrel has not made, and how each becomes a machine.

use std::io::{self, Write};

use serde_json::Value;

use super::arguments::{Foreign, Shape};
use super::get::escaped;
use super::session;
use crate::failure::{Failure, Outcome};
use crate::output::printed;

pub(crate) fn run(foreign: &Foreign) -> Result<Outcome, Failure> {
    let http = session::signed_in(&foreign.server)?;
    let path = format!("/v1/hypervisors/{}/foreign", escaped(&foreign.hypervisor));
    let mut said = http.get(&path, &[])?.fine()?;
    let items = said["items"].take();
    if foreign.output != Shape::Table {
        printed(&items, foreign.output == Shape::Yaml)?;
        return Ok(Outcome::Fine);
    }
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out = io::stdout().lock();
    if items.is_empty() {
        writeln!(out, "there are no domains on {} but Carrel's", foreign.hypervisor)?;
    }
    for item in items {
        tell(item, &mut out)?;
    }
    Ok(Outcome::Fine)
}

fn tell(item: &Value, out: &mut impl Write) -> io::Result<()> {
    let domain = &item["domain"];
    let word = |name: &str| domain[name].as_str().unwrap_or_default().to_owned();
    let memory = &domain["memory_mib"];
    writeln!(out, "{}  {}  {}  {memory} MiB", word("name"), word("uuid"), word("state"))?;
    for disk in domain["disks"].as_array().into_iter().flatten() {
        let (target, file) = (&disk["target"], disk["file"].as_str().unwrap_or("no file"));
        writeln!(out, "  {}  {file}", target.as_str().unwrap_or_default())?;
    }
    match item.get("adopt").filter(|adopt| adopt.is_object()) {
        // As a shell takes it: no name or path in it has a quote.
        Some(adopt) => writeln!(out, "  carrel do AdoptMachine --wait --data '{adopt}'"),
        None => {
            writeln!(out, "  can't be adopted: {}", item["hindered"].as_str().unwrap_or_default())
        }
    }
}
