//! `carrel projections`: read models built anew from the log, to be used or to be compared.

use std::io::{self, Write};

use super::arguments::{Projections, Rebuilding};
use super::session;
use crate::failure::{Failure, Outcome};
use crate::output::printed;

pub(crate) fn run(asked: &Projections) -> Result<Outcome, Failure> {
    let (name, how) = match asked {
        Projections::Rebuild(how) => ("rebuild", how),
        Projections::Verify(how) => ("verify", how),
    };
    let Rebuilding { server, json } = how;
    let http = session::signed_in(server)?;
    let answer = http.post(&format!("/v1/projections/{name}"), None, &[])?.fine()?;
    let differences = answer["differences"].as_array().map_or(&[][..], Vec::as_slice);
    let outcome = if differences.is_empty() { Outcome::Fine } else { Outcome::Findings };
    if *json {
        printed(&answer, false)?;
        return Ok(outcome);
    }
    let mut out = io::stdout().lock();
    let Some(position) = answer["position"].as_u64() else {
        writeln!(
            out,
            "it takes longer than one request; the server goes on, and says in its log when it is done"
        )?;
        return Ok(Outcome::Fine);
    };
    match asked {
        Projections::Rebuild(_) => {
            writeln!(out, "the read models are new, as of position {position}")?;
        }
        Projections::Verify(_) if differences.is_empty() => {
            writeln!(
                out,
                "sound: the read models are what the log says, as of position {position}"
            )?;
        }
        Projections::Verify(_) => {
            for difference in differences.iter().filter_map(serde_json::Value::as_str) {
                writeln!(out, "{difference}")?;
            }
            writeln!(
                out,
                "the read models are not what the log says, as of position {position}; first: in use, second: built anew"
            )?;
            writeln!(out, "`carrel projections rebuild` builds them anew")?;
        }
    }
    Ok(outcome)
}
