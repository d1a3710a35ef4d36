//! Somebody who keeps a ledger of what they sent and what was answered, and asks again with the
//! same id for what was not.

use std::io::BufRead;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use uuid::Uuid;

/// Nobody answers any more: whether anything was heard is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn fine(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

/// A command, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) data: Value,
    pub(crate) answer: Option<Answer>,
}

#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    pub(crate) url: String,
    token: Option<String>,
    pub(crate) ledger: Vec<Asked>,
    seed: u64,
}

/// Longer than anything here takes, and shorter than the patience of whoever runs the tests.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How often a follower may hear nothing but that the line is alive before everything should have
/// come to rest: four seconds each, and inventories mend what was lost within two of theirs.
const QUIET_MAX: u32 = 15;

impl Client {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_WITHIN))
            .max_redirects(0);
        let agent = config.build().into();
        Self { agent, url: String::new(), token: None, ledger: Vec::new(), seed }
    }

    /// Somebody else, by the same sign-in, with ids and a ledger of their own.
    pub(crate) fn like(&self, seed: u64) -> Self {
        Self { url: self.url.clone(), token: self.token.clone(), ..Self::new(seed) }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Goes on at this server. Who was signed in still is.
    pub(crate) fn at(&mut self, url: &str, password: &str) -> Result<(), Gone> {
        url.clone_into(&mut self.url);
        if self.token.is_some() {
            let me = self.get("/v1/me")?;
            assert_eq!(me.status, 200, "a token that was given out is worth something: {me:?}");
            return Ok(());
        }
        let login = json!({ "username": "admin", "password": password, "realm": "admin" });
        let answer = self.post("/v1/login", &login, &[])?.fine();
        self.token = answer["token"].as_str().map(str::to_owned);
        assert!(self.token.is_some(), "{answer}");
        Ok(())
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, Gone> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answered(request.call())
    }

    pub(crate) fn post(
        &self,
        path: &str,
        data: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Gone> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answered(request.send_json(data))
    }

    pub(crate) fn send(&self, id: Uuid, name: &str, data: &Value) -> Result<Answer, Gone> {
        let id = id.to_string();
        self.post(&format!("/v1/commands/{name}"), data, &[("idempotency-key", &id)])
    }

    /// The same as [`Self::sends`], by somebody who has little patience.
    pub(crate) fn sends_within(&mut self, entry: usize, seconds: u64) -> Result<Answer, Gone> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(seconds)));
        let patient = std::mem::replace(&mut self.agent, config.build().into());
        let answer = self.sends(entry);
        self.agent = patient;
        answer
    }

    /// Enters a command into the ledger, to be sent.
    pub(crate) fn enters(&mut self, name: &str, data: Value) -> usize {
        let number = self.ledger.len() as u64;
        // Of version 7, as they should be.
        let id =
            Uuid::from_u64_pair(0x0199_c0de_0000_7000, (0b10 << 62) | self.seed << 32 | number);
        self.ledger.push(Asked { id, name: name.to_owned(), data, answer: None });
        self.ledger.len() - 1
    }

    /// Sends an entry, unless it was answered already.
    pub(crate) fn sends(&mut self, entry: usize) -> Result<Answer, Gone> {
        let asked = &self.ledger[entry];
        if let Some(answer) = &asked.answer {
            return Ok(answer.clone());
        }
        let answer = self.send(asked.id, &asked.name, &asked.data)?;
        // Nothing is known of it then.
        if answer.status != 504 && answer.status != 503 {
            self.ledger[entry].answer = Some(answer.clone());
        }
        Ok(answer)
    }

    /// Enters a command, sends it, and waits for everything that follows.
    pub(crate) fn does(&mut self, name: &str, data: Value) -> Result<Value, Gone> {
        let entry = self.enters(name, data);
        let answer = self.sends(entry)?;
        assert_eq!(answer.status, 202, "{name}: {answer:?}");
        self.follows(entry)?;
        Ok(answer.body)
    }

    /// Waits for the end of what an entry has begun.
    pub(crate) fn follows(&self, entry: usize) -> Result<(), Gone> {
        let id = self.ledger[entry].id;
        self.until(|client| {
            let seen = client.position()?;
            let operation = client.get(&format!("/v1/operations/{id}?min_position={seen}"))?;
            let state = operation.body["state"].as_str().unwrap_or_default();
            Ok(operation.status == 200 && !["running", "cancelling"].contains(&state))
        })
    }

    /// Looks again whenever there is a new fact.
    pub(crate) fn until(
        &self,
        mut is_so: impl FnMut(&Self) -> Result<bool, Gone>,
    ) -> Result<(), Gone> {
        let position = self.position()?;
        if is_so(self)? {
            return Ok(());
        }
        let mut quiet = 0;
        for line in self.facts(position)?.lines() {
            let Ok(line) = line else { return Err(Gone) };
            if line.starts_with(':') {
                quiet += 1;
                assert!(quiet < QUIET_MAX, "nothing happens any more: {}", self.under_way());
            } else if line.starts_with("data:") {
                quiet = 0;
            } else {
                continue;
            }
            if is_so(self)? {
                return Ok(());
            }
        }
        Err(Gone)
    }

    /// For whoever waits in vain.
    fn under_way(&self) -> String {
        let operations = self.get("/v1/operations?state=running,cancelling");
        let machines = self.get("/v1/machines?limit=5");
        format!("{operations:#?} {machines:#?}")
    }

    /// Facts behind a position, as they come.
    pub(crate) fn facts(&self, after: u64) -> Result<impl BufRead + use<>, Gone> {
        let mut request = self.agent.get(format!("{}/v1/events?after={after}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("accept", "text/event-stream");
        let request = request.config().timeout_global(None).build();
        let answer = request.call().map_err(|_| Gone)?;
        Ok(std::io::BufReader::new(answer.into_body().into_reader()))
    }

    /// Up to where facts are decided upon.
    pub(crate) fn position(&self) -> Result<u64, Gone> {
        Ok(self.get("/readyz")?.body["position"].as_u64().unwrap_or_default())
    }

    /// Waits until nothing is under way any more.
    pub(crate) fn rests(&self) -> Result<(), Gone> {
        self.until(Self::is_at_rest)
    }

    fn is_at_rest(&self) -> Result<bool, Gone> {
        let seen = format!("min_position={}", self.position()?);
        let running = self.get(&format!("/v1/operations?state=running,cancelling&{seen}"))?.fine();
        let machines = self.get(&format!("/v1/machines?limit=1000&{seen}"))?.fine();
        let none = |page: &Value| page["items"].as_array().is_some_and(Vec::is_empty);
        let still = |it: &Value| {
            let is_moving = ["starting", "stopping", "unknown"]
                .iter()
                .any(|state| it["state"].as_str() == Some(state));
            let is_ready = it["state"] != "running" || it["ready"] == true;
            let has_come = it["hypervisor"].is_null() || it["applied"] == it["generation"];
            let is_free =
                it["task"].is_null() && it["renewal"].is_null() && it["deleting"] == false;
            !is_moving && is_ready && has_come && is_free
        };
        let all = machines["items"].as_array().is_some_and(|all| all.iter().all(still));
        Ok(none(&running) && all)
    }
}

fn answered(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, Gone> {
    let mut answer = answer.map_err(|_| Gone)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(1 << 26).read_to_vec().map_err(|_| Gone)?;
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_else(|_| text()) })
}
