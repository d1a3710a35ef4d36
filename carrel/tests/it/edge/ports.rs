//! What a process with nothing configured lets in: who knows its one address, and a password that
//! nobody could know before.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::server::Server;

/// Addresses on which a process listens, as the kernel writes them: `0100007F:2120`.
fn listens(process: u32) -> Vec<String> {
    const LISTEN: &str = "0A";
    let sockets: BTreeSet<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .expect("what it has open")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_string_lossy().into_owned();
            Some(link.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())
        })
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let table = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (columns[1], columns[3], columns[9]);
            let receives = state == LISTEN || state == "07";
            if receives && sockets.contains(inode) {
                found.push(local.to_owned());
            }
        }
    }
    found
}

#[test]
fn with_nothing_configured_it_listens_once_and_for_this_machine_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let port: u16 = server.url().rsplit(':').next().and_then(|it| it.parse().ok()).expect("a port");
    assert_eq!(listens(server.id()), [format!("0100007F:{port:04X}")]);
}

#[test]
fn nobody_knows_the_first_password_before() {
    let passwords: Vec<String> = [(); 2]
        .map(|()| {
            let folder = tempfile::tempdir().expect("a folder");
            let server = Server::start(folder.path());
            for (name, password) in
                [("admin", "admin"), ("admin", "password"), ("guest", "guest"), ("admin", "carrel")]
            {
                let login = json!({ "username": name, "password": password });
                let (status, _) = server.asked("POST", "/v1/login", None, &login);
                assert_eq!(status, 401, "{name} {password}");
            }
            let (status, _) = server.asked("GET", "/v1/machines", None, &Value::Null);
            assert_eq!(status, 401);
            fs::read_to_string(server.data().join("admin-password")).expect("a password")
        })
        .into();
    assert_ne!(passwords[0], passwords[1]);
    assert!(passwords.iter().all(|it| it.trim().len() >= 24), "{passwords:?}");
}
