//! From "which desktops are mine" to a viewer that is let in, on a machine that runs: what of that
//! is not the viewer's own.

use carrel_lab::spice::{self, Answer};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::site::{Site, desktop};
use super::{Host, Session};
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table, number};
use crate::site::http::{As, Connection};
use crate::{Failure, clock, say};

const PERSON: &str = "anna";
const PASSWORD: &str = "correct horse battery staple";
/// In each round.
const CONNECTS: usize = 10;

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (host, runtime) = (session.host()?, session.runtime()?);
    let mut site = runtime.block_on(Site::start(session, &host))?;
    let who = runtime.block_on(person(&mut site))?;
    let (mut before, mut viewer) = (Vec::new(), Vec::new());
    for round in 1..=session.rounds() {
        for _ in 0..CONNECTS {
            let turn = runtime.block_on(connected(&mut site, &host, &who))?;
            before.push(turn.0);
            viewer.push(turn.1);
        }
        let so_far = Spread::of(before.clone());
        say(&format!("round {round}: {:.1} ms to the viewer's start", so_far.median));
    }
    Ok(section(&before, &viewer))
}

/// Somebody with one desktop, which runs.
async fn person(site: &mut Site<'_>) -> Result<As, Failure> {
    site.desktops(1).await?;
    site.does("CreateClient", &json!({ "name": PERSON, "password": PASSWORD })).await?;
    let assign = json!({ "client": PERSON, "machine": desktop(1) });
    site.does("AssignClient", &assign).await?;
    site.server.sign_in(PERSON, PASSWORD).await
}

/// Milliseconds until the viewer has what it needs, and from there until it is let in.
async fn connected(site: &mut Site<'_>, host: &Host, who: &As) -> Result<(f64, f64), Failure> {
    let mut connection = site.server.connect(who).await?;
    let begun = clock::now();
    let ready = ready(&mut connection).await?;
    let is_ready = clock::now();
    let port = ready["port"].as_u64().ok_or("no port")?;
    let ticket = ready["ticket"].as_str().ok_or("no ticket")?;
    let inside = spice::sign_in(host.lab.connect(u16::try_from(port)?), ticket)?;
    let is_in = clock::now();
    let Answer::In(stream) = inside else {
        return Err("the display does not let the viewer in".into());
    };
    drop(stream);
    site.does("EndSession", &json!({ "session": ready["session"] })).await?;
    Ok(((is_ready - begun).as_secs_f64() * 1e3, (is_in - is_ready).as_secs_f64() * 1e3))
}

/// As a thin client asks: for what there is, and for the first of it.
async fn ready(connection: &mut Connection) -> Result<Value, Failure> {
    let desktops = connection.get("/v1/me/desktops").await?.must_be(StatusCode::OK)?.json()?;
    let desktop = desktops["items"][0]["id"].as_str().ok_or("no desktop to be seen")?;
    let path = format!("/v1/me/desktops/{desktop}/connect");
    connection.post(&path, &json!({})).await?.must_be(StatusCode::OK)?.json()
}

fn section(before: &[f64], viewer: &[f64]) -> Section {
    let (ready, viewing) = (Spread::of(before.to_vec()), Spread::of(viewer.to_vec()));
    let row = |what: &str, of: Spread| {
        vec![what.to_owned(), number(of.median), format!("{}..{}", number(of.min), number(of.max))]
    };
    Section {
        name: "connect",
        goals: vec![
            Goal::at_most(
                150.0,
                "ms",
                "from the lookup to the viewer, without its own time",
                ready.median,
            ),
            Goal::at_most(150.0, "ms", "the same, at most", ready.max),
        ],
        figures: json!({ "before_ms": before, "viewer_ms": viewer }),
        tables: vec![Table {
            title: String::from("From the lookup to a viewer that is let in"),
            notes: vec![format!(
                "- {} times, each in a session of its own.",
                number(before.len() as f64)
            )],
            columns: vec!["", "ms", "min..max"],
            rows: vec![
                row("the lookup, the session, its ticket, and the display is armed", ready),
                row("the viewer: connection, SPICE handshake, password", viewing),
            ],
        }],
    }
}
