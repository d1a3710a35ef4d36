//! `carrel connect`: a desktop for whoever signs in for it, as the file that virt-viewer opens.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use carrel_model::name::Name;
use serde_json::{Value, json};

use super::arguments::Connect;
use super::http::{Http, pause};
use super::session;
use crate::failure::{Failure, Outcome};

const VIEWER: &str = "remote-viewer";
/// If the server does not say when to ask again.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Whatever the server says.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(10);

pub(crate) fn run(connect: &Connect) -> Result<Outcome, Failure> {
    let desktop = &connect.desktop;
    let unfit = |why| Failure::usage(format!("{desktop} is no desktop's name")).because(why);
    let named = Name::new(desktop).map_err(unfit)?;
    let http = signed_in(connect)?;
    let path = format!("/v1/me/desktops/{named}/connect");
    let ready = until_ready(&http, &path, Duration::from_secs(connect.wait));
    // It ends by itself if nobody hears; who looks at a desktop is not asked who they are again.
    let _ = http.post("/v1/logout", None, &[]);
    let ready = ready?;
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
        ready["expires_at"].as_str().unwrap_or("it is used")
    )?;
    if !connect.open {
        writeln!(io::stdout(), "  open it:  {VIEWER} {file}")?;
        return Ok(Outcome::Fine);
    }
    show(&connect.file)
}

fn show(file: &Path) -> Result<Outcome, Failure> {
    let shown = Command::new(VIEWER).arg(file).status();
    let unshown = |why| {
        let failure = Failure::new(format!("{VIEWER} can't be started")).because(why);
        failure.next("install virt-viewer")
    };
    let ended = shown.map_err(unshown)?;
    if ended.success() {
        return Ok(Outcome::Fine);
    }
    let failure = Failure::new(format!("{VIEWER} has failed")).because(ended);
    Err(failure.next("ask for the desktop again: what let in once may be used up"))
}

/// For this one command: who administers stays signed in.
fn signed_in(connect: &Connect) -> Result<Http, Failure> {
    let url = session::url_of(&connect.server)?;
    let ca = connect.ca.as_deref().map(session::certificates).transpose()?;
    let http = Http::new(&url, ca.as_deref(), None)?;
    let who = (connect.user.as_str(), connect.password_file.as_deref());
    let (token, _) = session::asked(&http, &url, who, "client")?;
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
        let so_long = so_long.clamp(ASK_AGAIN_MIN, ASK_AGAIN_MAX);
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

/// Nobody else may read it, also if there was a file that others could read: whoever has it comes
/// in.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if path.exists() && !path.is_file() {
        return Err(Failure::usage(format!("{} is no file", path.display())));
    }
    let written = || {
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&part)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&part, path));
        written.inspect_err(|_| drop(fs::remove_file(&part)))
    };
    written().map_err(|why: io::Error| {
        Failure::new(format!("{} can't be written", path.display())).because(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_reads_the_file_whatever_was_there() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("desktop.vv");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        write(&path, "new").expect("written");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!((mode & 0o777, fs::read_to_string(&path).expect("text")), (0o600, "new".into()));
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn whoever_waits_is_told_for_what() {
        let queued = json!({ "status": "queued", "place": 3 });
        assert_eq!(waits(&queued), "all are in use; place 3 in the queue");
        assert_eq!(waits(&json!({ "status": "starting" })), "starting");
    }
}
