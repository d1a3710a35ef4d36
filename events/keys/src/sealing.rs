//! Commands as they are sent become commands as they are decided.

use carrel_model::client::Provider;
use carrel_model::command::Command;
use carrel_model::fleet::Fleet;
use carrel_model::hash::KeyedHash;
use carrel_model::ids::{AdminId, ClientId, TerminalId};
use carrel_model::people::{PersonName, PersonRef, Seal, local};
use carrel_model::reference::{NamedId, Ref};
use carrel_model::rejection::Kind;
use carrel_model::sealed::{Purpose, SealedBox, Secret};
use carrel_model::terminal;
use carrel_model::wire;
use uuid::Uuid;

use crate::error::{KeysError, SealError};
use crate::keys::Keys;
use crate::limits::PLAIN_BYTES_MAX;
use crate::password::is_long_enough_and_not_too_long;
use crate::token::Token;

/// A command that may be decided, and what its sealing has made.
#[derive(Debug)]
pub struct SealedCommand {
    pub command: Command,
    /// For the one answer that shows it, once the command is accepted.
    pub token: Option<Token>,
    /// Who has a key now, and has to be forgotten unless the command makes them known: people and
    /// terminals.
    pub newcomers: Vec<Uuid>,
}

impl Keys {
    /// Seals everything about people and all secrets in a command. Whoever it names is looked up in
    /// `fleet`; ids of those who are new come from `fresh_id`.
    ///
    /// The command's id is looked up in the log before: a command that was accepted gets its first
    /// answer again, also when those whom it names are gone. It waits for disks and for hashing, so
    /// it is not called on an async thread.
    pub fn seal_command(
        &self,
        command: wire::Command,
        fleet: &Fleet,
        fresh_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<SealedCommand, SealError> {
        let made = Made::Lasting(Vec::new());
        let mut sealing = Sealing { keys: self, fleet, fresh_id, token: None, made };
        let sealed = command.seal(&mut sealing);
        let Sealing { token, made, .. } = sealing;
        let newcomers = match made {
            Made::Lasting(newcomers) => newcomers,
            Made::Nothing => Vec::new(),
        };
        match sealed {
            Ok(command) => Ok(SealedCommand { command, token, newcomers }),
            Err(error) => {
                // A key that stays is nobody's, and harms nobody.
                let _ = self.forget_all(&newcomers);
                Err(error)
            }
        }
    }

    /// The same for a command that is only tried out: nothing is kept, and there is nothing in its
    /// boxes. It waits for nothing.
    pub fn seal_to_try(
        &self,
        command: wire::Command,
        fleet: &Fleet,
        fresh_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Command, SealError> {
        let made = Made::Nothing;
        command.seal(&mut Sealing { keys: self, fleet, fresh_id, token: None, made })
    }

    /// For newcomers whose command was refused, or changed nothing. Not for one whose outcome is
    /// unknown.
    pub fn forget_all(&self, newcomers: &[Uuid]) -> Result<(), KeysError> {
        newcomers.iter().try_for_each(|person| self.forget(*person))
    }
}

/// One command that is being sealed.
struct Sealing<'a> {
    keys: &'a Keys,
    fleet: &'a Fleet,
    fresh_id: &'a mut dyn FnMut() -> Uuid,
    token: Option<Token>,
    made: Made,
}

/// What sealing leaves behind.
enum Made {
    /// Keys of these newcomers, and boxes that can be opened.
    Lasting(Vec<Uuid>),
    Nothing,
}

/// Looks like a box, and there is nothing in it.
fn empty_box(owner: Uuid, (given, max): (usize, usize)) -> Result<SealedBox, SealError> {
    if given > max {
        return Err(KeysError::TooLong { given, max }.into());
    }
    Ok(SealedBox { key: owner, data: String::new().into() })
}

fn no_such(kind: &'static str, named: &PersonRef) -> SealError {
    let given = match named {
        PersonRef::Id(id) => id.to_string(),
        // What is refused is traced, and a name is not.
        PersonRef::Name { provider, .. } => format!("of that name in {provider}"),
    };
    SealError::NoSuch { kind: Kind(kind), given }
}

impl Sealing<'_> {
    fn client_id(&self, named: &PersonRef) -> Option<ClientId> {
        match named {
            PersonRef::Id(id) => {
                let id = ClientId::new(*id);
                self.fleet.clients.contains(id).then_some(id)
            }
            PersonRef::Name { provider, name } => {
                let hash = self.keys.name_hash(provider, name);
                self.fleet.index.clients.get(&(provider.clone(), hash)).copied()
            }
        }
    }

    fn admin_id(&self, named: &PersonRef) -> Option<AdminId> {
        match named {
            PersonRef::Id(id) => {
                let id = AdminId::new(*id);
                self.fleet.admins.contains(id).then_some(id)
            }
            // No directory keeps them.
            PersonRef::Name { provider, name } if *provider == local() => {
                let hash = self.keys.name_hash(provider, name);
                self.fleet.index.admins.get(&hash).copied()
            }
            PersonRef::Name { .. } => None,
        }
    }
}

impl Seal for Sealing<'_> {
    type Error = SealError;

    fn new_id(&mut self) -> Result<Uuid, SealError> {
        let id = (self.fresh_id)();
        match &mut self.made {
            Made::Lasting(newcomers) => {
                self.keys.make_person(id)?;
                newcomers.push(id);
            }
            Made::Nothing => {}
        }
        Ok(id)
    }

    /// Only for those who are there: a key made for anybody else would be nobody's.
    fn person(&mut self, person: &PersonRef) -> Result<Uuid, SealError> {
        let id = self.client_id(person).ok_or_else(|| no_such("person", person))?;
        Ok(id.uuid())
    }

    fn admin(&mut self, admin: &PersonRef) -> Result<Uuid, SealError> {
        let id = self.admin_id(admin).ok_or_else(|| no_such("administrator", admin))?;
        Ok(id.uuid())
    }

    fn terminal(&mut self, named: &Ref<TerminalId>) -> Result<Uuid, SealError> {
        let id = terminal::called(self.fleet, named);
        let no_such =
            || SealError::NoSuch { kind: Kind(TerminalId::KIND), given: named.to_string() };
        Ok(id.ok_or_else(no_such)?.uuid())
    }

    fn new_token(&mut self) -> Result<KeyedHash, SealError> {
        let token = self.keys.new_token().map_err(KeysError::from)?;
        let hash = self.keys.token_hash(&token);
        self.token = Some(token);
        Ok(hash)
    }

    fn hash(&mut self, provider: &Provider, name: &PersonName) -> Result<KeyedHash, SealError> {
        Ok(self.keys.name_hash(provider, name))
    }

    fn seal(&mut self, owner: Uuid, purpose: Purpose, text: &str) -> Result<SealedBox, SealError> {
        match self.made {
            Made::Lasting(_) => Ok(self.keys.seal(owner, purpose, text)?),
            Made::Nothing => empty_box(owner, (text.len(), PLAIN_BYTES_MAX)),
        }
    }

    fn password(&mut self, person: Uuid, password: &Secret) -> Result<SealedBox, SealError> {
        match self.made {
            Made::Lasting(_) => Ok(self.keys.seal_password(person, password)?),
            Made::Nothing => {
                is_long_enough_and_not_too_long(password)?;
                empty_box(person, (0, PLAIN_BYTES_MAX))
            }
        }
    }
}
