//! How a viewer reaches a display that takes its password: what a program reads as JSON, and what
//! virt-viewer opens as a file (remote-viewer(1), "CONNECTION FILE").

use std::fmt::Write as _;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use carrel_keys::{Keys, KeysError};
use carrel_model::fleet::Fleet;
use carrel_model::name::Name;
use carrel_model::sealed::Secret;
use carrel_model::session::Session;
use carrel_model::version::latest::display::Protocol;
use carrel_model::version::latest::session::Ports;

use crate::problem::Problem;

/// Of a file for the native viewer.
pub const MEDIA_TYPE: &str = "application/x-virt-viewer";

/// Where a display is, and what lets somebody in.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) host: String,
    pub(crate) ports: Ports,
    pub(crate) password: Secret,
    /// Whose certificate it shows, as PEM, where it shows one.
    pub(crate) authority: Option<Arc<str>>,
    title: Name,
}

/// Nothing: it is no display of a host of ours.
pub(crate) fn reach(
    fleet: &Fleet,
    keys: &Keys,
    session: &Session,
) -> Result<Option<Reach>, Problem> {
    let machine = session.machine().and_then(|id| fleet.machines.get(id));
    let Some(machine) = machine.filter(|_| session.protocol == Protocol::Spice) else {
        return Ok(None);
    };
    let Some((id, host)) = machine.place.and_then(|id| Some((id, fleet.hypervisors.get(id)?)))
    else {
        return Ok(None);
    };
    let internal = |error: KeysError| Problem::internal(&error);
    let key = keys.host_key(id).map_err(internal)?;
    let is_shown = session.ticket.ports.tls_port.is_some();
    let authority = is_shown.then(|| keys.authority()).transpose().map_err(internal)?;
    let address = host.settings.display_address.as_ref();
    Ok(Some(Reach {
        host: address.map_or(host.name.as_str(), |address| address.as_str()).to_owned(),
        ports: session.ticket.ports,
        password: key.display_password(session.id, machine.id, session.ticket.number),
        authority,
        title: machine.name.clone(),
    }))
}

/// Whether the file itself is wanted.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|it| it.to_str().ok());
    let mut kinds = accepted.flat_map(|it| it.split(','));
    kinds.any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == MEDIA_TYPE))
}

impl Reach {
    /// Names and addresses have no letter that a key file gives a meaning to, and the password is
    /// base32.
    pub(crate) fn file(&self) -> String {
        let mut text = format!("[virt-viewer]\ntype=spice\nhost={}\n", self.host);
        for (name, port) in [("port", self.ports.port), ("tls-port", self.ports.tls_port)] {
            if let Some(port) = port {
                let _ = writeln!(text, "{name}={port}");
            }
        }
        if let Some(authority) = &self.authority {
            // In a key file a line's end is written like this.
            let _ = writeln!(text, "ca={}", authority.trim_end().replace('\n', "\\n"));
        }
        let _ = writeln!(text, "password={}", self.password.expose());
        let _ = writeln!(text, "title={}", self.title);
        // It lets nobody in a second time.
        text.push_str("delete-this-file=1\n");
        text
    }

    pub(crate) fn answer(&self) -> Response {
        let name = format!("attachment; filename=\"{}.vv\"", self.title);
        let headers = [(CONTENT_TYPE, MEDIA_TYPE.to_owned()), (CONTENT_DISPOSITION, name)];
        (headers, self.file()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_where_it_is_and_how_to_get_in() {
        let mut reach = Reach {
            host: "192.0.2.1".to_owned(),
            ports: Ports { port: Some(5_900), tls_port: None },
            password: Secret::new("ABCD".to_owned()),
            authority: None,
            title: "win11-001".parse().expect("a name"),
        };
        let expected = "[virt-viewer]\ntype=spice\nhost=192.0.2.1\nport=5900\npassword=ABCD\n\
                        title=win11-001\ndelete-this-file=1\n";
        assert_eq!(reach.file(), expected);
        assert!(!format!("{reach:?}").contains("ABCD"));
        reach.ports = Ports { port: None, tls_port: Some(5_901) };
        reach.authority = Some("one\ntwo\n".into());
        assert!(reach.file().contains("\ntls-port=5901\nca=one\\ntwo\n"));
    }

    #[test]
    fn a_file_is_for_who_asks_for_one() {
        let asks = |accept: &str| {
            let accept = accept.parse().expect("a header");
            is_wanted(&HeaderMap::from_iter([(ACCEPT, accept)]))
        };
        assert!(asks(MEDIA_TYPE) && asks("application/x-virt-viewer;q=1, application/json"));
        assert!(!asks("*/*") && !asks("application/json") && !is_wanted(&HeaderMap::new()));
    }
}
