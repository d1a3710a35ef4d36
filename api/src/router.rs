//! All routes, in one table: method, path, what it costs, what is said about it, and its handler.
//! Who may use it is in `roles.rs`.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, head, patch, post};
use carrel_model::command::{self, By};
use carrel_projections::{Field, Filtered, Kind};
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use crate::around::around;
use crate::edge::Edge;
use crate::fault::Fault;
use crate::guard::{Rate, Rule, guard};
use crate::limits::{BATCH_COMMANDS_MAX, EVENTS_PAGE_MAX, PAGE_MAX, WAIT_SECONDS_MAX};
use crate::openapi::about::{About, Shape, about, header, needed, path, query};
use crate::openapi::{examples, what_for};
use crate::problem::Problem;
use crate::roles::{Access, access};
use crate::{
    batch, desktop, docs, event, foreign, health, look, operation, reads, rebuild, sign_in, space,
    upload,
};

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: String,
    pub rate: Rate,
    pub about: About,
    handler: MethodRouter<Edge>,
}

impl Route {
    pub fn access(&self) -> Access {
        access(self.method, &self.path)
    }

    pub const fn rule(&self) -> Rate {
        self.rate
    }
}

/// The whole table.
pub fn routes() -> Vec<Route> {
    let mut routes = edge_of_all();
    routes.extend(people());
    routes.extend(projections());
    routes.extend(looks());
    routes.extend(uploads());
    routes.extend(Kind::ALL.into_iter().flat_map(of_kind));
    let sent = command::ALL.iter().filter(|about| about.by != By::System);
    routes.extend(sent.map(of_command));
    routes
}

/// The service: the table, guarded, and what is around it.
pub fn router(edge: &Edge) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let rule = Rule { access: route.access(), rate: route.rate };
        let guarded = route.handler.route_layer(from_fn_with_state((edge.clone(), rule), guard));
        router = router.route(&route.path, guarded);
    }
    router
        .fallback(async || Problem::new(Fault::NoSuchRoute, "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(Fault::NoSuchMethod, "this address doesn't take this method")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(answered_by_others))
        .layer(from_fn_with_state(edge.clone(), around))
        .with_state(edge.clone())
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::http::Response<axum::body::Body> {
    Problem::internal(&"a handler panicked").into_response()
}

/// What a library answers by itself becomes a problem, too.
async fn answered_by_others(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let response = next.run(request).await;
    let ours = response.extensions().get::<Problem>().is_some();
    match response.status().as_u16() {
        405 if !ours => {
            let problem =
                Problem::new(Fault::NoSuchMethod, "this address doesn't take this method");
            let mut other = problem.into_response();
            other.headers_mut().extend(response.headers().clone());
            other
        }
        _ => response,
    }
}

fn row(
    method: &'static str,
    path: &str,
    rate: Rate,
    handler: MethodRouter<Edge>,
    about: About,
) -> Route {
    Route { method, path: path.to_owned(), rate, about, handler }
}

fn min_position() -> crate::openapi::about::Param {
    let what = "Waits until what is read has seen this position, which has to be in the log.";
    query("min_position", what, position(), json!(0))
}

/// What a stream is called; empty is as good as nothing.
const STREAM: &str = "^([a-z0-9_]{1,32}/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$";

/// A place in the log.
fn position() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })
}

/// What is there for everybody, and what is there for those who run the system.
fn edge_of_all() -> Vec<Route> {
    let ok = Shape::of::<health::Readiness>;
    vec![
        row("GET", "/healthz", Rate::Free, get(health::healthz), about("healthz", "health", "Whether this process lives")
            .gives(200, "It lives.", Shape::of::<health::Health>(), Some(json!({ "status": "ok" })))),
        row("GET", "/readyz", Rate::Free, get(health::readyz), about("readyz", "health", "Whether this process can be of use")
            .gives(200, "It can.", ok(), Some(json!({ "ready": true, "log": true, "position": 42, "projections": [] })))
            .gives(503, "It can't yet, or not any more.", ok(), None)),
        row("GET", "/v1/openapi.json", Rate::Read, get(docs::openapi), about("openapi", "description", "This description")
            .gives(200, "OpenAPI 3.1.", Shape::Anything, None)),
        row("GET", "/docs", Rate::Read, get(docs::page), about("docs", "description", "This description, to browse")
            .gives_as(200, "A page.", vec![("text/html", Shape::Text, None)])),
        row("GET", "/docs/{file}", Rate::Read, get(docs::file), about("docsFile", "description", "A part of the page")
            .param(path("file", "Its name.", "docs.css"))
            .gives_as(200, "The file.", vec![("text/javascript", Shape::Text, None), ("text/css", Shape::Text, None), ("image/svg+xml", Shape::Text, None)])),
        row("GET", "/docs/errors/{code}", Rate::Read, get(docs::error), about("docsError", "description", "The page about a refusal")
            .param(path("code", "As in `type` and `code` of a problem.", "CRL-0001"))
            .gives_as(200, "Markdown.", vec![("text/markdown", Shape::Text, None)])),
        row("POST", "/v1/commands", Rate::Batch, post(batch::take), about("sendCommands", "commands", "Send many commands")
            .detail("They are decided in their order, each on what those before have left. What became of each is said one by one; whether they may be sent, too.")
            .takes(Shape::ManyOf(SchemaGenerator::subschema_for::<batch::Item>, BATCH_COMMANDS_MAX), json!([{ "type": "CreateGroup", "data": { "name": "proofreaders" } }]))
            .gives(200, "An answer for each, in their order.", Shape::of::<batch::Answers>(), None)),
        row("GET", "/v1/events", Rate::Read, get(event::get), about("events", "events", "Read or follow the log")
            .detail("With `Accept: text/event-stream` it is followed: each fact is an event with its position as id. It ends when the right to it does.")
            .param(query("after", "Facts behind this position.", position(), json!(0)))
            .param(query("stream", "Only of this stream: `machine/<id>`.", json!({ "type": "string", "pattern": STREAM }), json!("admin/0198c0de-0000-7000-8000-000000000001")))
            .param(query("type", "Only of this type.", json!({ "type": "string", "pattern": "^[a-z0-9_.]*$", "maxLength": 64 }), json!("admin.created")))
            .param(query("limit", "At most so many.", json!({ "type": "integer", "minimum": 1, "maximum": EVENTS_PAGE_MAX, "default": 100 }), json!(10)))
            .param(header("Last-Event-ID", "Follow behind this position.", json!({ "type": "string", "pattern": "^(0*[0-9]{1,19})?$" }), json!("0")))
            .gives_as(200, "Facts in order.", vec![("application/json", Shape::of::<event::Events>(), None), ("text/event-stream", Shape::Text, None)])),
    ]
}

fn people() -> Vec<Route> {
    let login = json!({ "username": "admin", "password": "correct horse battery staple" });
    let here = path("id", "The id or the name of one of your desktops.", "office");
    let session = || path("id", "The session's id.", "0198c0de-0000-7000-8000-000000000001");
    vec![
        row("POST", "/v1/login", Rate::SignIn, post(sign_in::login), about("login", "sign-in", "Sign in")
            .takes(Shape::of::<sign_in::Login>(), login)
            .gives(200, "Somebody is signed in. The token is shown here, once.", Shape::of::<sign_in::SignedIn>(), None)
            .also(&[401, 429])),
        row("POST", "/v1/logout", Rate::Read, post(sign_in::logout), about("logout", "sign-in", "Sign out: the token ends")
            .gives_as(204, "Nobody signs in by this token any more.", vec![])),
        row("GET", "/v1/me", Rate::Read, get(sign_in::me), about("me", "sign-in", "Who is signed in")
            .gives(200, "Who it is.", Shape::of::<sign_in::Person>(), None)),
        row("GET", "/v1/me/desktops", Rate::Read, get(desktop::list), about("desktops", "desktops", "The desktops of whoever is signed in")
            .gives(200, "Pools, then machines of their own.", Shape::of::<desktop::Desktops>(), Some(json!({ "items": [], "next": null })))),
        row("POST", "/v1/me/desktops/{id}/connect", Rate::Command, post(desktop::connect), about("connect", "desktops", "Ask for a desktop")
            .detail("Ask again until it is ready: the same person asking again gets the current state, and keeps a place in the queue, which is lost 30 seconds after the last time. A desktop that is ready says where its display is and what lets somebody in, as data and as the file that virt-viewer opens; `Accept: application/x-virt-viewer` asks for that file alone.")
            .param(here.clone())
            .may_take(Shape::of::<desktop::Connect>(), json!({ "via": "native" }))
            .gives_as(200, "It is ready.", vec![("application/json", Shape::of::<desktop::Ready>(), None), (crate::viewer::MEDIA_TYPE, Shape::Text, None)])
            .gives(202, "It starts, or others come first.", Shape::of::<desktop::Waiting>(), None)),
        row("POST", "/v1/me/desktops/{id}/power", Rate::Command, post(desktop::power), about("power", "desktops", "Shut down, reset or power off one's desktop")
            .param(here)
            .takes(Shape::of::<desktop::Power>(), json!({ "action": "shutdown" }))
            .gives(202, "It was accepted.", Shape::of::<crate::command::Taken>(), None)),
        row("POST", "/v1/me/sessions/{id}/heartbeat", Rate::Read, post(desktop::heartbeat), about("heartbeat", "desktops", "Say that somebody is still there")
            .param(session())
            .gives_as(204, "It was heard.", vec![])),
        row("DELETE", "/v1/me/sessions/{id}", Rate::Command, delete(desktop::leave), about("leave", "desktops", "Give a desktop back, or leave the queue")
            .param(session())
            .gives_as(204, "It is somebody else's turn.", vec![])),
    ]
}

/// What is asked of hosts while somebody waits.
fn looks() -> [Route; 5] {
    let machine = || path("id", "The machine's id or name.", "win11-001");
    let guest = json!({ "agent": "7.2.0", "hostname": "win11-001", "addresses": ["192.0.2.9"], "users": ["ada"], "disk_errors": [] });
    [
        row("GET", "/v1/machines/{id}/screenshot", Rate::Command, get(look::screenshot), about("screenshot", "machines", "What a machine shows now")
            .detail("Of a machine that somebody has nothing is shown: what they see is theirs.")
            .param(machine())
            .gives_as(200, "A picture.", vec![("image/png", Shape::Anything, None)])
            .also(&[409])),
        row("GET", "/v1/machines/{id}/guest", Rate::Command, get(look::guest), about("guest", "machines", "What a machine's guest says of itself now")
            .detail("Its agent is asked. What it says is what whoever rules the guest wants to be read. If it stands still because a disk can't be written, its host says which and why.")
            .param(machine())
            .gives(200, "What it says.", Shape::of::<carrel_model::contract::Guest>(), Some(guest))
            .also(&[409])),
        row("GET", "/v1/machines/{id}/space", Rate::Command, get(space::of_machine), about("machineSpace", "machines", "What a machine takes on its storage now")
            .detail("Its host is asked. Counted are the blocks of what was written over its image.")
            .param(machine())
            .gives(200, "What it takes.", Shape::of::<space::Space>(), None)),
        row("GET", "/v1/pools/{id}/space", Rate::Command, get(space::of_pool), about("poolSpace", "pools", "What a pool's machines take on their storages now")
            .detail("Their hosts are asked. Those that take most come first.")
            .param(path("id", "The pool's id or name.", "office"))
            .gives(200, "What they take.", Shape::of::<space::Space>(), None)),
        row("GET", "/v1/hypervisors/{id}/foreign", Rate::Command, get(foreign::list), about("foreign", "hypervisors", "Domains on a host that Carrel has not made")
            .detail("With what AdoptMachine takes to make a machine of each, as it is, or why it can't.")
            .param(path("id", "The host's id or name.", "node1"))
            .gives(200, "What is there.", Shape::of::<foreign::Foreign>(), None)),
    ]
}

/// A header that every request about a file has, and every answer.
const TUS_RESUMABLE: &str = "Tus-Resumable";

fn uploads() -> [Route; 4] {
    const AT: &str = "/v1/media/{id}/file";
    let bytes = || json!({ "type": "string", "pattern": "^[0-9]{1,19}$" });
    let version = || {
        needed(
            TUS_RESUMABLE,
            "The protocol's version.",
            json!({ "enum": [upload::TUS] }),
            json!(upload::TUS),
        )
    };
    let said = |id: &str, what: &str| {
        about(id, "uploads", what)
            .param(path("id", "The medium's id or name.", "0198c0de-0000-7000-8000-000000000001"))
            .param(version())
            .also(&[412])
    };
    [
        row("POST", AT, Rate::Upload, post(upload::begin), said("beginUpload", "Say that a medium's file will come")
            .detail("The medium says how large it is and what it hashes to (`AddMedia`). A file that was begun goes on. What nobody sends anything of for a day is given up.")
            .param(needed("Upload-Length", "How many bytes it has: as many as the medium.", bytes(), json!("734003200")))
            .gives_as(201, "It is awaited.", vec![])
            .with_header("Location", "Where to send it.")
            .with_header(TUS_RESUMABLE, "The protocol's version.")
            .also(&[412, 413])),
        row("HEAD", AT, Rate::Upload, head(upload::offset), said("uploadOffset", "How much of a medium's file is there")
            .gives_as(200, "So much is durable.", vec![])
            .with_header("Upload-Offset", "The next byte.")
            .with_header("Upload-Length", "How many there will be.")
            .with_header(TUS_RESUMABLE, "The protocol's version.")),
        row("PATCH", AT, Rate::Upload, patch(upload::append), said("upload", "Send a piece of a medium's file")
            .detail("It is answered when all of it is durable. After the last piece, when the whole file was looked at: it has its place then, and stays as it is.")
            .param(needed("Upload-Offset", "The first byte of the piece.", bytes(), json!("0")))
            .takes_as(upload::OCTETS, Shape::Bytes, json!("what is in the file"))
            .gives_as(204, "It is durable.", vec![])
            .with_header("Upload-Offset", "The next byte.")
            .with_header(TUS_RESUMABLE, "The protocol's version.")),
        row("DELETE", AT, Rate::Upload, delete(upload::abandon), said("abandonUpload", "Give up what has come of a medium's file")
            .gives_as(204, "It is gone.", vec![])
            .with_header(TUS_RESUMABLE, "The protocol's version.")),
    ]
}

fn projections() -> [Route; 2] {
    let built = Shape::of::<rebuild::Built>;
    let done = json!({ "position": 42, "differences": [] });
    let later = json!({ "position": null, "differences": [] });
    let said = |id: &str, what: &str| {
        about(id, "reads", what)
            .gives(200, "It is done.", built(), Some(done.clone()))
            .gives(
                202,
                "It takes longer than a request may, and goes on.",
                built(),
                Some(later.clone()),
            )
            .also(&[409])
    };
    [
        row("POST", "/v1/projections/rebuild", Rate::Command, post(rebuild::rebuild), said("rebuildProjections", "Build the read models anew")
            .detail("All rows are built anew from the log, beside those in use, which are read meanwhile; those that are new are taken when they have caught up.")),
        row("POST", "/v1/projections/verify", Rate::Command, post(rebuild::verify), said("verifyProjections", "Compare the read models with the log")
            .detail("All rows are built anew from the log and compared with those in use, as of the same position. Nothing of those is changed; rows wait while both are looked at.")),
    ]
}

fn of_kind(kind: Kind) -> [Route; 2] {
    let name = kind.name();
    let sorts: Vec<String> =
        kind.sorts().iter().flat_map(|it| [it.name.to_owned(), format!("-{}", it.name)]).collect();
    let first = json!(sorts.first());
    let mut list = about(&format!("list-{name}"), "reads", &format!("List {name}"))
        .detail("Filters all have to hold; several values of one, with commas between them, mean any. Pages are read one after the other by `next`; whatever is there all the while is in exactly one of them.")
        .param(query("limit", "At most so many.", json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 100 }), json!(10)))
        .param(query("sort", "By what. With `-` the largest comes first.", json!({ "enum": sorts }), first))
        .param(query("cursor", "`next` of the page before.", json!({ "type": "string", "maxLength": 4096 }), Value::Null))
        .param(min_position());
    for field in kind.filters() {
        list = list.param(filter(field));
    }
    let items = Some(json!({ "items": [], "next": null }));
    let list = list.gives(200, "One page.", Shape::PageOf(kind), items);
    let tag = if kind == Kind::Operations { "operations" } else { "reads" };
    let one = about(&format!("get-{name}"), tag, &format!("One of the {name}"))
        .param(path(
            "id",
            "Its id, or its name where it has one.",
            "0198c0de-0000-7000-8000-000000000001",
        ))
        .param(min_position());
    let (handler, one) = match kind {
        Kind::Operations => {
            let one = one.gives(200, "How it is now.", Shape::OperationNow, None);
            (get(operation::get), one)
        }
        Kind::Hypervisors
        | Kind::Storages
        | Kind::Networks
        | Kind::Media
        | Kind::Templates
        | Kind::Machines
        | Kind::Images
        | Kind::Pools
        | Kind::Clients
        | Kind::Groups
        | Kind::Labs
        | Kind::Terminals
        | Kind::Sessions
        | Kind::Admins => {
            let one = one
                .param(header(
                    "If-None-Match",
                    "An `ETag` that is known.",
                    json!({ "type": "string" }),
                    json!("\"0\""),
                ))
                .gives(200, "What is known of it.", Shape::OneOf(kind), None)
                .with_header("ETag", "Its version, for `If-Match` and `If-None-Match`.")
                .gives_as(304, "It still has that version.", vec![]);
            (reads::one(kind), one)
        }
    };
    [
        row("GET", &format!("/v1/{name}"), Rate::Read, reads::list(kind), list),
        row("GET", &format!("/v1/{name}/{{id}}"), Rate::Read, handler, one),
    ]
}

fn filter(field: &Field) -> crate::openapi::about::Param {
    const ID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
    let text = json!({ "type": "string", "maxLength": 1024 });
    let ids = json!({ "type": "string", "pattern": format!("^{ID}(,{ID})*$") });
    let (what, schema, example) = match field.filtered {
        Filtered::Text => {
            ("A text, or the beginning of one with `*` behind it.".to_owned(), text, json!("win*"))
        }
        Filtered::Word(words) => {
            let any = words.join("|");
            let pattern = format!("^({any})(,({any}))*$");
            let some = json!({ "type": "string", "pattern": pattern });
            (format!("Any of: {}.", words.join(", ")), some, json!(words.first()))
        }
        Filtered::Thing(kind) if !kind.is_named() => {
            (format!("Ids of {kind}."), ids, json!("0198c0de-0000-7000-8000-000000000001"))
        }
        Filtered::Thing(kind) => (
            format!("Ids or names of {kind}."),
            text,
            json!("0198c0de-0000-7000-8000-000000000001"),
        ),
        Filtered::Id => ("Ids.".to_owned(), ids, json!("0198c0de-0000-7000-8000-000000000001")),
        Filtered::Flag => {
            ("Whether it is so.".to_owned(), json!({ "type": "boolean" }), json!(true))
        }
        Filtered::Label => ("`key=value`, or `key` alone.".to_owned(), text, json!("floor=2")),
    };
    query(field.name, &what, schema, example)
}

fn of_command(of: &'static command::About) -> Route {
    let wait = format!(
        "`wait=<seconds>`, at most {WAIT_SECONDS_MAX}: answer when the operation has finished, or then."
    );
    let mut said = about(of.name, "commands", of.name)
        .detail(&what_for(of))
        .param(query(
            "dry_run",
            "Only say what would happen.",
            json!({ "type": "boolean", "default": false }),
            json!(false),
        ))
        .param(header(
            "Idempotency-Key",
            "The command's id, made by the caller. The same id with the same body is done once.",
            json!({ "type": "string", "format": "uuid" }),
            json!("0198c0de-0000-7000-8000-00000000c0de"),
        ))
        .param(header("Prefer", &wait, json!({ "type": "string" }), json!("wait=1")));
    if crate::command::takes_version(of.name) {
        said = said.param(header(
            "If-Match",
            "An `ETag`: refused if the thing has another version.",
            json!({ "type": "string", "pattern": "^(\\*|\"[0-9]{1,19}\")$" }),
            json!("\"1\""),
        ));
    }
    let said = said
        .takes(Shape::Of(of.subschema), examples::of(of.name))
        .gives(
            200,
            "What would happen (`dry_run`), or the finished operation (`Prefer: wait`).",
            Shape::WouldOrNow,
            None,
        )
        .gives(
            202,
            "It was accepted and is durable; with `Prefer: wait`, the operation as it is.",
            Shape::TakenOrNow,
            None,
        )
        .with_header("Location", "The operation.")
        .with_header("Preference-Applied", "How long it was waited.");
    row(
        "POST",
        &format!("/v1/commands/{}", of.name),
        Rate::Command,
        crate::command::route(of),
        said,
    )
}
