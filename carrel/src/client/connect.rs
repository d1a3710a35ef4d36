//! `carrel connect`: a desktop for whoever signs in for it, as the file that virt-viewer opens.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use carrel_model::sealed::Secret;
use serde_json::{Value, json};

use super::arguments::Connect;
use super::http::{Http, pause};
use super::session::{entered, url_of};
use crate::failure::{Failure, Outcome};

const VIEWER: &str = "remote-viewer";
/// If the server does not say when to ask again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(crate) fn run(connect: &Connect) -> Result<Outcome, Failure> {
    let (http, desktop) = (signed_in(connect)?, &connect.desktop);
    let path = format!("/v1/me/desktops/{desktop}/connect");
    let ready = until_ready(&http, &path, Duration::from_secs(connect.wait))?;
    let no_file = || {
        let failure = Failure::new(format!("{desktop} is ready, and no native viewer can show it"));
        failure.because(format!("its protocol is {}", ready["protocol"]))
    };
    let text = ready["viewer_file"].as_str().ok_or_else(no_file)?;
    write(&connect.file, text)?;
    let file = connect.file.display();
    writeln!(
        io::stdout(),
        "{desktop} is ready: {file} lets in once, until {}",
        ready["expires_at"]
    )?;
    if !connect.open {
        writeln!(io::stdout(), "  open it:  {VIEWER} {file}")?;
        return Ok(Outcome::Fine);
    }
    let shown = Command::new(VIEWER).arg(&connect.file).status();
    let unshown = |why| {
        let failure = Failure::new(format!("{VIEWER} can't be started")).because(why);
        failure.next("install virt-viewer")
    };
    shown.map_err(unshown).map(|_| Outcome::Fine)
}

/// For this one command: who administers stays signed in.
fn signed_in(connect: &Connect) -> Result<Http, Failure> {
    let url = url_of(&connect.server)?;
    let ca = connect.ca.as_deref().map(super::session::certificates).transpose()?;
    let password = Secret::new(entered(&connect.user, connect.password_file.as_deref(), &url)?);
    let asked =
        json!({ "username": connect.user, "password": password.expose(), "realm": "client" });
    let answer = Http::new(&url, ca.as_deref(), None)?.post("/v1/login", Some(&asked), &[])?;
    let token = super::session::token(&answer.fine()?, &url)?;
    Http::new(&url, ca.as_deref(), Some(token))
}

fn until_ready(http: &Http, path: &str, at_most: Duration) -> Result<Value, Failure> {
    let mut waited = Duration::ZERO;
    let mut said = String::new();
    loop {
        let answer = http.post(path, Some(&json!({})), &[])?.fine()?;
        let status = answer["status"].as_str().unwrap_or_default();
        if status == "ready" {
            return Ok(answer);
        }
        if waited >= at_most {
            let failure = Failure::new(format!("it is not ready after {} s", at_most.as_secs()));
            return Err(failure
                .because(waits(&answer))
                .next("ask again; your place is kept for 30 s"));
        }
        let now = waits(&answer);
        if now != said && io::stderr().is_terminal() {
            writeln!(io::stderr(), "{now}")?;
            said = now;
        }
        let so_long = answer["retry_after_ms"].as_u64().map_or(ASK_AGAIN, Duration::from_millis);
        pause(so_long);
        waited += so_long;
    }
}

fn waits(answer: &Value) -> String {
    match (answer["status"].as_str(), answer["place"].as_u64()) {
        (Some("queued"), Some(place)) => format!("all are in use; place {place} in the queue"),
        (Some(status), _) => status.to_owned(),
        (None, _) => "no answer that is known".to_owned(),
    }
}

/// Nobody else may read it: whoever has it comes in.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    written().map_err(|why: io::Error| {
        Failure::new(format!("{} can't be written", path.display())).because(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_for_what() {
        let queued = json!({ "status": "queued", "place": 3 });
        assert_eq!(waits(&queued), "all are in use; place 3 in the queue");
        assert_eq!(waits(&json!({ "status": "starting" })), "starting");
    }
}
