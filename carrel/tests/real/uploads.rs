//! Files of media over HTTP, onto a real storage.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::site::Site;

const BYTES: usize = 3 << 20;
/// What arrives before the server is killed.
const FIRST: usize = 1 << 20;

fn file(site: &Site, method: &str, headers: &[(&str, String)], body: &[u8]) -> (u16, String) {
    of_medium(site, "debian", (method, headers), body)
}

/// Asked for the medium's file, with these headers.
fn of_medium(
    site: &Site,
    medium: &str,
    (method, headers): (&str, &[(&str, String)]),
    body: &[u8],
) -> (u16, String) {
    let (url, token) = site.server();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}/v1/media/{medium}/file"))
        .header("authorization", format!("Bearer {token}"))
        .header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let answer = ureq::Agent::from(config).run(request.body(body).expect("a request"));
    let answer = answer.expect("it answers");
    let offset = answer.headers().get("upload-offset").map(|it| it.to_str().expect("text"));
    (answer.status().as_u16(), offset.unwrap_or_default().to_owned())
}

fn sends(site: &Site, from: usize, body: &[u8]) -> (u16, String) {
    let octets = "application/offset+octet-stream".to_owned();
    let headers = [("content-type", octets), ("upload-offset", from.to_string())];
    file(site, "PATCH", &headers, body)
}

#[test]
fn a_file_goes_on_where_it_was_when_the_server_was_killed() {
    let mut site = Site::start();
    let bytes: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at * 7 % 251).expect("small")).collect();
    let sent = site.lab.folder().join("debian.iso");
    fs::write(&sent, &bytes).expect("written");
    let sum = std::process::Command::new("sha256sum").arg(&sent).output().expect("sha256sum");
    let medium = json!({
        "name": "debian", "kind": "iso", "storage": "main", "size_bytes": BYTES,
        "digest": String::from_utf8_lossy(&sum.stdout)[..64],
    });
    site.does(&["do", "AddMedia", "--data", &medium.to_string(), "--wait"]);
    let length = [("upload-length", BYTES.to_string())];
    assert_eq!(file(&site, "POST", &length, &[]).0, 201);
    let half = sends(&site, 0, &bytes[..FIRST]);
    assert_eq!(half, (204, FIRST.to_string()));

    site.kill();
    site.up();
    assert_eq!(file(&site, "HEAD", &[], &[]), (200, FIRST.to_string()));
    assert_eq!(sends(&site, 0, &bytes).0, 409, "it is not begun anew");
    let upload = ["upload", sent.to_str().expect("UTF-8"), "--name", "debian"];
    let said = site.does(&upload);
    assert!(said.contains("carrel do AttachMedia"), "{said}");
    let path = site.storage().join(format!("media/{}.iso", site.id("media", "debian")));
    assert_eq!(fs::read(&path).expect("a file"), bytes);
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    // Once more changes nothing.
    assert!(site.does(&upload).contains("is there"));
    assert_eq!(sends(&site, 0, &bytes).0, 409);
    site.has_what_it_should();

    // The name is that of one medium, and what is too large is not begun.
    fs::write(&sent, b"other bytes").expect("written");
    let refused = site.asks(&upload);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("with other bytes"));
    let large = json!({
        "name": "large", "kind": "iso", "storage": "main", "size_bytes": 1_u64 << 49,
        "digest": "0".repeat(64),
    });
    site.does(&["do", "AddMedia", "--data", &large.to_string(), "--wait"]);
    let length = [("upload-length", (1_u64 << 49).to_string())];
    assert_eq!(of_medium(&site, "large", ("POST", &length), &[]).0, 413);
    let half = site.storage().join(format!("media/.{}.iso.part", site.id("media", "large")));
    assert!(!half.exists());
}
