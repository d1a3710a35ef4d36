//! A desktop as a file for the native viewer, for whoever asks for one.

use serde_json::json;

use super::server::Server;

const FILE: &str = "application/x-virt-viewer";

#[test]
fn who_asks_for_the_file_gets_it_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::fast(folder.path());
    server.given("CreateClient", &json!({ "name": "anna", "password": "walks in the woods" }));
    server.has_room_for("anna");
    let anna = server.signs_in("anna", "walks in the woods");
    server.sits_down(&anna);

    let path = "/v1/me/desktops/room/connect";
    let (status, told) = server.asked("POST", path, Some(&anna), &json!({}));
    assert_eq!((status, &told["status"]), (200, &json!("ready")), "{told}");
    let asked = server.asked_for(FILE, path, &anna);
    let header = |name: &str| asked.headers()[name].to_str().expect("text").to_owned();
    assert_eq!((asked.status().as_u16(), header("content-type")), (200, FILE.to_owned()));
    let (kind, name) = (header("content-disposition"), told["viewer_file"].as_str());
    assert!(kind.starts_with("attachment; filename=\"win11-00") && kind.ends_with(".vv\""));
    let file = asked.into_body().read_to_string().expect("text");
    assert_eq!(Some(file.as_str()), name, "the same session has the same file");
    assert!(file.starts_with("[virt-viewer]\n") && file.contains("\npassword="), "{file}");

    let both = server.asked_for(&format!("application/json;q=0.5, {FILE}"), path, &anna);
    assert_eq!(both.headers()["content-type"], FILE);
    let data = server.asked_for("application/json", path, &anna);
    assert_eq!(data.headers()["content-type"], "application/json");
}
