//! Who may use which route: the one table, as data.
//!
//! ```text
//!   viewer  <  operator  <  admin      people and programs that run the system
//!   client                             people who use desktops
//! ```
//!
//! A route that is not here is nobody's. What belongs to one person is looked at beyond this, in
//! `own.rs`.

use std::collections::BTreeSet;

use carrel_model::admin::Role;
use carrel_model::command::{self, By};

/// What somebody has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody at all.
    Open,
    /// Anybody who is signed in.
    SignedIn,
    /// Of those who run the system: this role, or one that includes it.
    Role(Role),
    /// A person who uses desktops, and nobody else.
    Client,
    /// A person who uses desktops, for themselves; or this role, for anybody.
    Subject(Role),
    Nobody,
}

/// What somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    Nobody,
    Client,
    Admin(&'a BTreeSet<Role>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// It would have to be known who it is.
    SignIn,
    Refused,
}

const UPLOAD: &str = "/v1/media/{id}/file";

/// Everything but commands, whose access follows from the model's table.
const WHO: &[(&str, &str, Access)] = &[
    ("POST", "/v1/login", Access::Open),
    ("POST", "/v1/logout", Access::SignedIn),
    ("GET", "/v1/me", Access::SignedIn),
    ("GET", "/healthz", Access::Open),
    ("GET", "/readyz", Access::Open),
    ("GET", "/v1/openapi.json", Access::Open),
    ("GET", "/docs", Access::Open),
    ("GET", "/docs/{file}", Access::Open),
    ("GET", "/docs/errors/{code}", Access::Open),
    // Items are looked at one by one.
    ("POST", "/v1/commands", Access::SignedIn),
    // What people did, when and from where.
    ("GET", "/v1/events", Access::Role(Role::Admin)),
    // What became of their own commands is for whoever has sent them; see operation.rs.
    ("GET", "/v1/operations/{id}", Access::Subject(Role::Viewer)),
    ("POST", "/v1/projections/rebuild", Access::Role(Role::Admin)),
    // What differs may be about people.
    ("POST", "/v1/projections/verify", Access::Role(Role::Admin)),
    // What is on a screen, and who sits before it.
    ("GET", "/v1/machines/{id}/screenshot", Access::Role(Role::Operator)),
    ("GET", "/v1/machines/{id}/guest", Access::Role(Role::Operator)),
    // Whoever may adopt them.
    ("GET", "/v1/hypervisors/{id}/foreign", Access::Role(Role::Operator)),
    ("GET", "/v1/machines/{id}/space", Access::Role(Role::Viewer)),
    ("GET", "/v1/pools/{id}/space", Access::Role(Role::Viewer)),
    // Whoever may make a medium may send its file.
    ("POST", UPLOAD, Access::Role(Role::Operator)),
    ("HEAD", UPLOAD, Access::Role(Role::Operator)),
    ("PATCH", UPLOAD, Access::Role(Role::Operator)),
    ("DELETE", UPLOAD, Access::Role(Role::Operator)),
    ("GET", "/v1/me/desktops", Access::Client),
    ("POST", "/v1/me/desktops/{id}/connect", Access::Client),
    ("POST", "/v1/me/desktops/{id}/power", Access::Client),
    ("POST", "/v1/me/sessions/{id}/heartbeat", Access::Client),
    ("DELETE", "/v1/me/sessions/{id}", Access::Client),
];

/// Kinds of things that can be read, and who may.
pub const KINDS: &[(&str, Access)] = &[
    ("hypervisors", Access::Role(Role::Viewer)),
    ("storages", Access::Role(Role::Viewer)),
    ("networks", Access::Role(Role::Viewer)),
    ("media", Access::Role(Role::Viewer)),
    ("templates", Access::Role(Role::Viewer)),
    ("machines", Access::Role(Role::Viewer)),
    ("images", Access::Role(Role::Viewer)),
    ("pools", Access::Role(Role::Viewer)),
    ("clients", Access::Role(Role::Viewer)),
    ("groups", Access::Role(Role::Viewer)),
    ("labs", Access::Role(Role::Viewer)),
    ("terminals", Access::Role(Role::Viewer)),
    ("sessions", Access::Role(Role::Viewer)),
    ("operations", Access::Role(Role::Viewer)),
    ("admins", Access::Role(Role::Viewer)),
];

const COMMANDS: &str = "/v1/commands/";

/// Who may use a route, by its method and the pattern of its path.
pub fn access(method: &str, path: &str) -> Access {
    if method == "POST"
        && let Some(name) = path.strip_prefix(COMMANDS)
    {
        let about = command::ALL.iter().find(|about| about.name == name);
        return about.map_or(Access::Nobody, |about| of_command(about.by));
    }
    let listed = WHO.iter().find(|(listed, at, _)| *listed == method && *at == path);
    if let Some((_, _, access)) = listed {
        return *access;
    }
    if method == "GET"
        && let Some(rest) = path.strip_prefix("/v1/")
        && let Some((_, access)) =
            KINDS.iter().find(|(kind, _)| rest == *kind || rest.strip_prefix(kind) == Some("/{id}"))
    {
        return *access;
    }
    Access::Nobody
}

/// Every method and path that the table knows.
pub fn listed() -> Vec<(&'static str, String)> {
    let others = WHO.iter().map(|(method, path, _)| (*method, (*path).to_owned()));
    let kinds = KINDS.iter().flat_map(|(kind, _)| {
        [("GET", format!("/v1/{kind}")), ("GET", format!("/v1/{kind}/{{id}}"))]
    });
    let sent = command::ALL.iter().filter(|about| about.by != By::System);
    let commands = sent.map(|about| ("POST", format!("{COMMANDS}{}", about.name)));
    others.chain(kinds).chain(commands).collect()
}

pub const fn of_command(by: By) -> Access {
    match by {
        By::Subject => Access::Subject(Role::Operator),
        By::Operator => Access::Role(Role::Operator),
        By::Admin => Access::Role(Role::Admin),
        By::System => Access::Nobody,
    }
}

/// Everybody there is, by the words of the description, those who run the system after the others.
pub const EVERYBODY: &[&str] = &["none", "client", "viewer", "operator", "admin"];

impl Access {
    /// Who may, in the words of the description.
    pub fn words(self) -> Vec<&'static str> {
        let may = |word: &str| {
            let admin = |role| self.judge(Standing::Admin(&BTreeSet::from([role])));
            let verdict = match word {
                "none" => self.judge(Standing::Nobody),
                "client" => self.judge(Standing::Client),
                "viewer" => admin(Role::Viewer),
                "operator" => admin(Role::Operator),
                _ => admin(Role::Admin),
            };
            verdict == Verdict::Allowed
        };
        EVERYBODY.iter().copied().filter(|word| may(word)).collect()
    }

    pub fn judge(self, who: Standing<'_>) -> Verdict {
        let may = match (self, who) {
            (Self::Open, _) => true,
            (
                Self::SignedIn | Self::Client | Self::Subject(_) | Self::Role(_),
                Standing::Nobody,
            ) => {
                return Verdict::SignIn;
            }
            (Self::SignedIn, Standing::Client | Standing::Admin(_)) => true,
            (Self::Client | Self::Subject(_), Standing::Client) => true,
            (Self::Subject(role) | Self::Role(role), Standing::Admin(roles)) => has(roles, role),
            (Self::Client, Standing::Admin(_)) | (Self::Role(_), Standing::Client) => false,
            (Self::Nobody, _) => false,
        };
        if may { Verdict::Allowed } else { Verdict::Refused }
    }
}

/// Each role includes the ones before.
fn has(roles: &BTreeSet<Role>, wanted: Role) -> bool {
    roles.last().is_some_and(|highest| *highest >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_nobodys() {
        assert_eq!(access("GET", "/v1/secrets"), Access::Nobody);
        assert_eq!(access("DELETE", "/v1/machines"), Access::Nobody);
        let everything = BTreeSet::from([Role::Admin]);
        assert_eq!(Access::Nobody.judge(Standing::Admin(&everything)), Verdict::Refused);
    }

    #[test]
    fn commands_of_the_system_are_nobodys() {
        assert_eq!(access("POST", "/v1/commands/ReportOutcome"), Access::Nobody);
        assert_eq!(access("POST", "/v1/commands/Populate"), Access::Role(Role::Operator));
    }

    #[test]
    fn the_words_say_who_may() {
        assert_eq!(Access::Open.words(), EVERYBODY);
        assert_eq!(Access::SignedIn.words(), EVERYBODY[1..]);
        assert_eq!(Access::Role(Role::Operator).words(), ["operator", "admin"]);
        assert_eq!(Access::Client.words(), ["client"]);
        assert_eq!(Access::Subject(Role::Viewer).words(), EVERYBODY[1..]);
        assert_eq!(Access::Nobody.words(), [""; 0]);
    }

    #[test]
    fn each_role_includes_the_ones_before() {
        let operator = BTreeSet::from([Role::Operator]);
        let who = Standing::Admin(&operator);
        assert_eq!(Access::Role(Role::Viewer).judge(who), Verdict::Allowed);
        assert_eq!(Access::Role(Role::Admin).judge(who), Verdict::Refused);
        assert_eq!(Access::Client.judge(who), Verdict::Refused);
        assert_eq!(Access::Subject(Role::Operator).judge(who), Verdict::Allowed);
    }
}
