//! The same commands on a log in a database.

use carrel_testkit::postgres::Postgres;

use crate::scene::{Said, Scene, alone, binary, said};

fn url(server: &Postgres) -> String {
    let socket = server.socket_directory().display();
    format!("postgres://{}@localhost/{}?host={socket}", Postgres::SUPERUSER, Postgres::DATABASE)
}

fn log(server: &Postgres, arguments: &[&str]) -> Said {
    said(binary().args(["log", "--log", &url(server)]).args(arguments))
}

#[test]
fn a_log_moves_from_a_directory_into_a_database_and_back() {
    let scene = Scene::of_chunks(2);
    let server = alone(Postgres::start);
    let file = scene.path("log.export");
    scene.log(&["export", "--to", &file]).fine();
    let role = Postgres::SUPERUSER;
    let imported = log(&server, &["import", "--from", &file, "--make-tables-for", role]);
    assert!(imported.fine().contains("incarnation    2"));
    log(&server, &["import", "--from", &file]).failed(3, &["nothing to do"]);

    let all = ["tail", "--json", "--after", "0"];
    let here = scene.log(&all).fine();
    assert_eq!(log(&server, &all).fine(), here);
    let of_one = ["tail", "--stream", &carrel_testkit::units::stream(1).to_string(), "-n", "3"];
    assert_eq!(log(&server, &of_one).fine(), scene.log(&of_one).fine());
    assert!(log(&server, &["verify"]).fine().contains("sound"));
    assert!(log(&server, &["show", "3"]).fine().contains("positions 3 to 3"));
    let stats = log(&server, &["stats", "--types", "--json"]).json();
    assert!(stats["files"].is_null() && stats["types"][0]["records"].is_u64());

    let back = scene.path("back.export");
    log(&server, &["export", "--to", &back]).fine();
    scene.other(&["import", "--from", &back]).fine();
    assert_eq!(scene.other(&all).fine(), here);
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let url = "postgres://carrel@localhost/carrel?host=/nowhere";
    let said = said(binary().args(["log", "--log", url, "tail"]));
    said.failed(3, &["the log can't be read", "PGPASSFILE"]);
}
