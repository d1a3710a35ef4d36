//! Beyond its host a display is seen by TLS, with the certificate that comes with the way to it.

use std::fs;
use std::path::Path;
use std::process::Command;

use carrel_lab::Lab;
use carrel_lab::spice::sign_in;

use crate::site::Site;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/displays");
/// The lab's own, beside its loopback.
const ADDRESS: &str = "192.0.2.1";

fn prepare(lab: &Lab, folder: &Path) -> String {
    let output = Command::new(SCRIPT)
        .env("CARREL_QEMU_CONF", lab.folder().join("etc/qemu.conf"))
        .env("CARREL_DISPLAY_CERTIFICATES", folder)
        .output()
        .expect("the script");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_display_is_seen_from_elsewhere_by_the_certificate_that_carrel_has_signed() {
    let lab = Lab::start();
    let certificates = lab.folder().join("certificates");
    assert!(prepare(&lab, &certificates).contains("told libvirt"));
    assert!(prepare(&lab, &certificates).contains("already"), "the second time");
    lab.tell("kill");
    lab.tell("start");

    let folder = certificates.to_str().expect("UTF-8");
    let options = ["--displays", ADDRESS, "--display-certificates", folder];
    let mut site = Site::on(lab, options.map(str::to_owned).to_vec());
    site.makes_initial("golden");
    site.person("ada");
    site.does(&["do", "Populate", "--initial", "golden", "--count", "1", "--wait"]);
    site.does(&["do", "AssignClient", "--machine", "golden-001", "--client", "ada", "--wait"]);
    // What other hosts' viewers trust is the same after a start.
    site.stop();
    site.up();

    let file = fs::read_to_string(site.viewer_file("ada", "golden-001")).expect("text");
    let field = |name: &str| {
        let mut lines = file.lines();
        lines.find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
    };
    assert_eq!((field("host").as_deref(), field("port")), (Some(ADDRESS), None), "{file}");
    let port = field("tls-port").expect("a port for TLS");
    let authority = site.lab.folder().join("authority.pem");
    fs::write(&authority, field("ca").expect("an authority").replace("\\n", "\n")).expect("kept");
    let server = format!("{ADDRESS}:{port}");
    sign_in(site.lab.connect_by_tls(&server, &authority), "wrong").expect("TLS").must_be_refused();
    let password = field("password").expect("a password");
    sign_in(site.lab.connect_by_tls(&server, &authority), &password).expect("TLS").must_be_in();

    let other = site.lab.folder().join("other.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"])
        .args(["-keyout", "/dev/null", "-out"])
        .arg(&other)
        .output();
    assert!(made.expect("openssl").status.success());
    assert!(sign_in(site.lab.connect_by_tls(&server, &other), &password).is_err());
}
