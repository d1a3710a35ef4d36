//! `carrel watch`: facts as they happen, by server-sent events.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde_json::Value;

use super::arguments::{Shape, Watch};
use super::http::{Http, pause};
use super::session;
use crate::failure::{Failure, Outcome};
use crate::output::printed;
use crate::text;

const CONNECT_AGAIN: Duration = Duration::from_secs(2);
/// Some minutes without a server; then somebody should look.
const TRIES_MAX: u32 = 100;

pub(crate) fn run(watch: &Watch) -> Result<Outcome, Failure> {
    let http = session::signed_in(&watch.server)?;
    let mut last = watch.after;
    let mut failed = 0;
    loop {
        match follow(&http, watch, &mut last) {
            // The first time, whoever asks learns at once what is wrong.
            Err(failure) if last.is_none() || failed >= TRIES_MAX => return Err(failure),
            Err(failure) if failure.is_unread() => return Err(failure),
            Err(_) => failed += 1,
            Ok(()) => failed = 0,
        }
        pause(CONNECT_AGAIN);
    }
}

/// Until the connection ends.
fn follow(http: &Http, watch: &Watch, last: &mut Option<u64>) -> Result<(), Failure> {
    let after = match *last {
        Some(after) => after.to_string(),
        None => head(http)?.to_string(),
    };
    *last = after.parse().ok();
    let mut query = vec![("after", after.as_str())];
    query.extend(watch.r#type.as_deref().map(|kind| ("type", kind)));
    query.extend(watch.stream.as_deref().map(|stream| ("stream", stream)));
    let mut lines = http.lines("/v1/events", &query, &[("accept", "text/event-stream")])?;
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some(data) = line.strip_prefix("data:") else { continue };
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else { continue };
        show(&event, watch.output)?;
        *last = event["position"].as_u64().or(*last);
    }
}

/// Where the log ends now.
fn head(http: &Http) -> Result<u64, Failure> {
    let answer = http.get("/readyz", &[])?;
    Ok(answer.body["position"].as_u64().unwrap_or_default())
}

fn show(event: &Value, shape: Shape) -> io::Result<()> {
    let said = |name: &str| event[name].as_str().unwrap_or_default();
    match shape {
        Shape::Json => writeln!(io::stdout(), "{event}"),
        Shape::Yaml => printed(event, true),
        Shape::Table => {
            let data = text::one_line(event["data"].to_string().as_bytes());
            let line = format!(
                "{:>8}  {}  {}  {}  {data}",
                event["position"].as_u64().unwrap_or_default(),
                said("at"),
                said("type"),
                said("stream"),
            );
            writeln!(io::stdout(), "{line}")
        }
    }
}
