//! The page about the description in a real browser, which keeps to its policy.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use carrel_api::serve::{Config, bind};
use carrel_api::tls::Tls;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::scene::Scene;

const BROWSER: &str = "chromium";

/// What a browser asks for by itself, wherever it is.
const OF_ITSELF: &[&str] = &[
    "accounts.google.com/",
    "clients2.google.com/",
    "optimizationguide-pa.googleapis.com/",
    "update.googleapis.com/",
];

const PARTS: &[&str] =
    &["/docs", "/docs/docs.css", "/docs/scalar.js", "/docs/docs.js", "/v1/openapi.json"];

/// Far more than the page needs, on a clock that goes as fast as the page does.
const VIRTUAL_MILLISECONDS: &str = "--virtual-time-budget=30000";

/// What the browser made of a page, what it said about it, and what it asked for.
struct Seen {
    page: String,
    said: String,
    asked: Vec<String>,
}

fn seen(folder: &Path, url: &str) -> Seen {
    let network = folder.join("network.json");
    let output = Command::new(BROWSER)
        // In a container there is nothing to put it into.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
        .args(["--disable-component-update", "--enable-logging=stderr", VIRTUAL_MILLISECONDS])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--log-net-log={}", network.display()))
        // It asks in vain.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--dump-dom", url])
        .stdin(Stdio::null())
        .output()
        .expect("a browser");
    let network = fs::read_to_string(network).expect("what it asked for");
    // Its last line is missing when the browser ends in a hurry.
    let network: Value = serde_json::from_str(&network)
        .or_else(|_| serde_json::from_str(&format!("{}]}}", network.trim_end_matches([',', '\n']))))
        .expect("JSON");
    let url_of = |event: &Value| event["params"]["url"].as_str().map(str::to_owned);
    let events = network["events"].as_array().expect("events").iter();
    Seen {
        page: String::from_utf8_lossy(&output.stdout).into_owned(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        asked: events.filter_map(url_of).collect(),
    }
}

/// Lines of the console that are errors: what failed to load, and what a policy forbade.
fn complaints(said: &str) -> Vec<&str> {
    const SIGNS: &[&str] =
        &["Content Security Policy", "Failed to load", "Uncaught", "Refused to", "Error:"];
    let of_console = said.lines().filter(|line| line.contains(":CONSOLE"));
    let is_one = |line: &&str| {
        line.contains(":ERROR:CONSOLE") || SIGNS.iter().any(|sign| line.contains(sign))
    };
    of_console.filter(is_one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_shown_by_a_browser_and_nobody_else_is_asked() {
    if Command::new(BROWSER).arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("left out: there is no {BROWSER}, which ops/test installs");
        return;
    }
    let scene = Scene::new().await;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let bound = bind(&Config { listen, tls: Tls::Off }).expect("it can be bound");
    let origin = format!("http://{}", bound.address());
    let edge = scene.edge.clone();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        bound.serve(&edge, std::future::pending()).await.expect("it serves");
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (path, url) = (folder.path().to_owned(), format!("{origin}/docs"));
    let seen = tokio::task::spawn_blocking(move || seen(&path, &url)).await.expect("it is looked");
    assert!(seen.page.contains("Send many commands"), "it is rendered: {}", seen.said);
    assert!(seen.said.contains(":CONSOLE"), "what a console says is heard: {}", seen.said);
    assert_eq!(complaints(&seen.said), Vec::<&str>::new());
    let parts: Vec<String> = PARTS.iter().map(|part| format!("{origin}{part}")).collect();
    for part in &parts {
        assert!(seen.asked.contains(part), "{part} is not in {:?}", seen.asked);
    }
    // Nor for anything of ours that is not there.
    let known = |url: &&String| {
        parts.contains(url)
            || **url == format!("{origin}/")
            || OF_ITSELF.iter().any(|host| url.contains(host))
    };
    let others: Vec<_> = seen.asked.iter().filter(|url| !known(url)).collect();
    assert_eq!(others, Vec::<&String>::new());
}
