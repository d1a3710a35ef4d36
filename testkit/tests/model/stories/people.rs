//! Who signs in, and where they sit.

use carrel_model::name::Label;
use carrel_model::terminal::launch;
use carrel_model::text::Text;
use serde_json::json;

use super::{asks, desktops, given, pool, refused, site, wait};

#[test]
fn login() {
    let mut world = site();
    pool(&mut world, 2, &["anna"]);

    // Locally, with a password that nobody can read.
    given(
        &mut world,
        "SetClientPassword",
        &json!({ "client": "anna", "password": "correct horse" }),
    );
    let told = given(&mut world, "IssueToken", &json!({ "of": { "client": "anna" } }));
    assert!(!format!("{told:?}").contains("horse"));
    assert_eq!(world.fleet.tokens.len(), 1);
    wait(&mut world, carrel_model::admin::LIFETIME_SECONDS);
    assert_eq!(world.fleet.tokens.len(), 0, "a token that has expired is none");

    // By a directory's group, known since the first sign-in, and no longer when that group is left.
    let directory = json!({ "provider": "corp", "group": "CN=Staff" });
    let staff = json!({ "name": "staff", "settings": { "directory": directory } });
    given(&mut world, "CreateGroup", &staff);
    given(&mut world, "EntitlePool", &json!({ "pool": "room", "group": "staff" }));
    let newcomer = json!({ "provider": "corp", "name": "jonas" });
    given(&mut world, "RecordSignIn", &json!({ "newcomer": newcomer, "groups": ["CN=Staff"] }));
    asks(&mut world, "corp/jonas");
    assert_eq!(desktops(&world).len(), 1);
    given(&mut world, "RecordSignIn", &json!({ "client": "corp/jonas", "groups": [] }));
    assert_eq!(desktops(&world).len(), 0);
    let ask = json!({ "client": "corp/jonas", "pool": "room" });
    assert_eq!(refused(&mut world, "RequestDesktop", &ask).code(), "CRL-0414");

    // Blocked: no desktop, no token.
    asks(&mut world, "anna");
    given(&mut world, "BlockClient", &json!({ "client": "anna" }));
    assert_eq!(desktops(&world).len(), 0);
    let ask = json!({ "client": "anna", "pool": "room" });
    assert_eq!(refused(&mut world, "RequestDesktop", &ask).code(), "CRL-0501");
    refused(&mut world, "IssueToken", &json!({ "of": { "client": "anna" } }));
}

#[test]
fn terminal_bootstrap() {
    let mut world = site();
    let template = "remote-viewer spice://%HOST%:%PORT% --title %TERMID%";
    let lab = json!({ "classes": { "thin": { "template": template } } });
    given(&mut world, "CreateLab", &json!({ "name": "b12", "settings": lab }));
    let unknown = json!({ "terminal": "52:54:00:00:00:01", "pool": "room" });
    let told = refused(&mut world, "RequestDesktop", &unknown).to_string();
    assert!(told.contains("terminal") && told.contains("52:54:00:00:00:01"), "{told}");

    let settings = json!({ "lab": "b12", "class": "thin" });
    let parameters = json!({ "HOST": "node1" });
    let register =
        json!({ "termid": "52:54:00:00:00:01", "settings": settings, "parameters": parameters });
    let told = given(&mut world, "RegisterTerminal", &register);
    assert!(!format!("{told:?}").contains("node1"));
    // Whoever answers the terminal can open the boxes; here, nobody can.
    let open = |label: &Label| {
        let text = if label.as_str() == "HOST" { "node1" } else { "5900" };
        (label.clone(), Text::new(text).expect("a text"))
    };
    let line = |world: &carrel_testkit::world::World| {
        let (_, terminal) = world.fleet.terminals.iter().next().expect("the terminal");
        let opened = terminal.parameters.keys().map(open).collect();
        launch(&world.fleet, terminal, &opened).map_err(|missing| missing.to_string())
    };
    let missing = line(&world).expect_err("a parameter is missing");
    assert!(missing.contains("PORT"), "{missing}");
    let port = json!({ "PORT": "5900" });
    let update = json!({ "terminal": "52:54:00:00:00:01", "parameters": port });
    given(&mut world, "UpdateTerminal", &update);
    let expected = "remote-viewer spice://node1:5900 --title 52:54:00:00:00:01";
    assert_eq!(line(&world).as_deref(), Ok(expected));
}
