//! Beyond this machine there is TLS, and a certificate that can be trusted by its name.

use crate::scene::{Said, binary, said};
use crate::site::{Site, Start};

fn signs_in(site: &Site, server: &str, trusts: bool) -> Said {
    let mut command = binary();
    command.env("XDG_CONFIG_HOME", site.folder()).env_remove("CARREL_SERVER");
    command.args(["login", "--server", server, "--password-file"]);
    command.arg(site.data().join("admin-password"));
    if trusts {
        command.arg("--ca").arg(site.data().join("tls/certificate.pem"));
    }
    said(&mut command)
}

#[test]
fn whoever_trusts_its_own_certificate_signs_in_and_nobody_else() {
    let site = Site::new();
    let start = Start { listen: "0.0.0.0:0", ..Start::default() };
    let server = site.start_with(&start).expect("it starts");
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let port = server.url.rsplit(':').next().expect("a port");
    let near = format!("https://localhost:{port}");
    signs_in(&site, &near, true).fine();
    assert_ne!(signs_in(&site, &near, false).code, Some(0));
    // It is nobody else's certificate, and without TLS nobody is answered.
    assert_ne!(signs_in(&site, &format!("https://127.0.0.2:{port}"), true).code, Some(0));
    assert_ne!(signs_in(&site, &format!("http://localhost:{port}"), true).code, Some(0));
    assert!(server.end().status.success());
}
