//! Who is signed in where: a file that only its owner can read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use carrel_model::sealed::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arguments::{Login, Logout, SERVER, Server};
use super::fields::{ask_password, content};
use super::http::Http;
use crate::failure::{Failure, Outcome};

/// What is kept between two commands.
#[derive(Debug, Default, Serialize, Deserialize)]
struct SignIns {
    /// The server that was signed in to last.
    last: Option<String>,
    servers: BTreeMap<String, SignIn>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SignIn {
    pub(super) user: String,
    pub(super) token: Token,
    pub(super) expires_at: Option<String>,
    /// Certificates to trust, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<String>,
}

/// Whoever has it is that user: it is never printed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Token(pub(super) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

const FILE: &str = "sign-ins.json";

#[expect(clippy::disallowed_methods, reason = "this is the composition root")]
fn folder() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let no_home = || Failure::new("there is no place to keep a sign-in").next("set HOME");
    Ok(config.ok_or_else(no_home)?.join("carrel"))
}

impl SignIns {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|why| {
                Failure::new(format!("{} can't be read", path.display()))
                    .because(why)
                    .next("remove it, and sign in again with `carrel login`")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                Err(Failure::new(format!("{} can't be read", path.display())).because(error))
            }
        }
    }

    /// Whole or not at all.
    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        let written = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let new = folder.join(format!("{FILE}.{}", std::process::id()));
            let mut file: File = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, folder.join(FILE))
        };
        let failed = |why| Failure::new("the sign-in can't be kept").because(why);
        written().map_err(failed)
    }
}

/// A server, and who is signed in there.
pub(crate) fn signed_in(server: &Server) -> Result<Http, Failure> {
    let sign_ins = SignIns::read(&folder()?)?;
    let url = url(server, &sign_ins)?;
    let sign_in = sign_ins.servers.get(&url).cloned();
    let nobody = || Failure::new(format!("nobody is signed in at {url}"));
    let sign_in = sign_in.ok_or_else(|| nobody().next("sign in with `carrel login`"))?;
    Http::new(&url, sign_in.ca.as_deref(), Some(sign_in.token))
}

fn url(server: &Server, sign_ins: &SignIns) -> Result<String, Failure> {
    let url = server.server.as_deref().or(sign_ins.last.as_deref()).unwrap_or(SERVER);
    let url = url.trim_end_matches('/');
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let next = "say it like https://carrel.example.org";
        return Err(Failure::usage(format!("{url} is no server's URL")).next(next));
    }
    Ok(url.to_owned())
}

/// Where whoever asks is to be signed in for this once.
pub(super) fn url_of(server: &Server) -> Result<String, Failure> {
    url(server, &SignIns::read(&folder()?)?)
}

pub(super) fn certificates(path: &Path) -> Result<String, Failure> {
    let failed = |why| Failure::new(format!("{} can't be read", path.display())).because(why);
    fs::read_to_string(path).map_err(failed)
}

/// A token for somebody, whose password is in a file or asked for, with all that was answered.
pub(super) fn asked(
    http: &Http,
    url: &str,
    (user, password_file): (&str, Option<&Path>),
    realm: &str,
) -> Result<(Token, Value), Failure> {
    let password = match password_file {
        Some(file) => content(&format!("@{}", file.display())),
        None => ask_password(&format!("password of {user} at {url}")),
    };
    let password = Secret::new(password.map_err(Failure::new)?);
    let asked = json!({ "username": user, "password": password.expose(), "realm": realm });
    let answer = http.post("/v1/login", Some(&asked), &[])?.fine()?;
    let no_token = || Failure::new(format!("{url} answered without a token"));
    let token = answer["token"].as_str().map(|token| Token(token.to_owned()));
    Ok((token.ok_or_else(no_token)?, answer))
}

pub(crate) fn login(login: &Login) -> Result<Outcome, Failure> {
    let folder = folder()?;
    let mut sign_ins = SignIns::read(&folder)?;
    let url = url(&login.server, &sign_ins)?;
    let ca = login.ca.as_deref().map(certificates).transpose()?;
    let http = Http::new(&url, ca.as_deref(), None)?;
    let who = (login.user.as_str(), login.password_file.as_deref());
    let (token, answer) = asked(&http, &url, who, "admin")?;
    let expires_at = answer["expires_at"].as_str().map(str::to_owned);
    let sign_in = SignIn { user: login.user.clone(), token, expires_at, ca };
    let until = sign_in.expires_at.clone().map(|at| format!(" until {at}")).unwrap_or_default();
    sign_ins.servers.insert(url.clone(), sign_in);
    sign_ins.last = Some(url.clone());
    sign_ins.write(&folder)?;
    writeln!(io::stdout(), "{} is signed in at {url}{until}", login.user)?;
    Ok(Outcome::Fine)
}

pub(crate) fn logout(logout: &Logout) -> Result<Outcome, Failure> {
    let folder = folder()?;
    let mut sign_ins = SignIns::read(&folder)?;
    let url = url(&logout.server, &sign_ins)?;
    let Some(sign_in) = sign_ins.servers.remove(&url) else {
        writeln!(io::stdout(), "nobody was signed in at {url}")?;
        return Ok(Outcome::Fine);
    };
    // Forgotten here in any case; there it ends by itself if it can't be told now.
    let http = Http::new(&url, sign_in.ca.as_deref(), Some(sign_in.token))?;
    let told = http.post("/v1/logout", None, &[]).and_then(super::http::Answer::fine);
    if sign_ins.last.as_deref() == Some(&url) {
        sign_ins.last = sign_ins.servers.keys().next().cloned();
    }
    sign_ins.write(&folder)?;
    writeln!(io::stdout(), "{} is signed out at {url}", sign_in.user)?;
    told.map(|_| Outcome::Fine)
}
