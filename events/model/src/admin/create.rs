//! Those who run the system come, change and go.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection as Refused;
use super::token::end_tokens;
use super::{Admin, Bearer, Role};
use crate::deciding::{Decide, Deciding};
use crate::event::AdminFact as Fact;
use crate::ids::{AdminId, FromUuid};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, SealedPersonRef, local};
use crate::rejection::{Kind, Rejection, general};
use crate::version::latest::Nothing;
use crate::version::latest::admin::{Created, PasswordSet, RolesSet};

/// Makes somebody known who runs the system. If nothing is said, they only look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "CreateAdmin", bound = "")]
pub struct CreateAdmin<F: Form = Sealed> {
    /// Made when the command is sealed.
    #[serde(default)]
    #[schemars(skip)]
    pub id: F::NewId,
    pub name: F::Name,
    pub password: F::Password,
    #[serde(default = "looks")]
    pub roles: BTreeSet<Role>,
}

fn looks() -> BTreeSet<Role> {
    BTreeSet::from([Role::Viewer])
}

impl SealCommand for CreateAdmin<Plain> {
    type Sealed = CreateAdmin;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<CreateAdmin, S::Error> {
        let id = seal.new_id()?;
        Ok(CreateAdmin {
            id,
            name: seal.name(id, &local(), &self.name)?,
            password: seal.password(id, &self.password)?,
            roles: self.roles,
        })
    }
}

impl Decide for CreateAdmin {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let id = AdminId::from_uuid(self.id);
        let kind = Kind("administrator");
        if deciding.fleet.admins.contains(id) {
            return Err(general::Rejection::IdTaken { kind }.into());
        }
        if deciding.fleet.index.admins.contains_key(&self.name.hash) {
            let name = "of that name".to_owned();
            return Err(general::Rejection::NameTaken { kind, name }.into());
        }
        has_role(&self.roles)?;
        let created = Created {
            name_hash: self.name.hash,
            name: self.name.sealed.clone(),
            password: self.password.clone(),
            roles: self.roles.clone(),
        };
        deciding.fact(id, Fact::Created(created));
        Ok(())
    }
}

fn has_role(roles: &BTreeSet<Role>) -> Result<(), Refused> {
    if roles.is_empty() { Err(Refused::NoRole) } else { Ok(()) }
}

/// Gives an administrator another password. All their tokens end: who knew the old one is out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "SetAdminPassword", bound = "")]
pub struct SetAdminPassword<F: Form = Sealed> {
    pub admin: F::Person,
    pub password: F::Password,
}

impl SealCommand for SetAdminPassword<Plain> {
    type Sealed = SetAdminPassword;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<SetAdminPassword, S::Error> {
        let id: Uuid = seal.admin(&self.admin)?;
        let password = seal.password(id, &self.password)?;
        Ok(SetAdminPassword { admin: SealedPersonRef::Id(id), password })
    }
}

impl Decide for SetAdminPassword {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find_admin(&self.admin)?;
        self.password.is_of(id.uuid())?;
        deciding.fact(id, Fact::PasswordSet(PasswordSet { password: self.password.clone() }));
        end_tokens(deciding, Bearer::Admin(id));
        Ok(())
    }
}

/// Says what an administrator may do. It holds at once, for their tokens, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "SetAdminRoles", bound = "")]
pub struct SetAdminRoles<F: Form = Sealed> {
    pub admin: F::Person,
    /// Each includes the ones before: `viewer`, `operator`, `admin`.
    pub roles: BTreeSet<Role>,
}

impl SealCommand for SetAdminRoles<Plain> {
    type Sealed = SetAdminRoles;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<SetAdminRoles, S::Error> {
        Ok(SetAdminRoles { admin: seal.reference(&self.admin)?, roles: self.roles })
    }
}

impl Decide for SetAdminRoles {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, admin) = deciding.find_admin(&self.admin)?;
        has_role(&self.roles)?;
        if admin.roles == self.roles {
            return Ok(());
        }
        if !self.roles.contains(&Role::Admin) {
            somebody_else_may_do_everything(deciding, &admin)?;
        }
        deciding.fact(id, Fact::RolesSet(RolesSet { roles: self.roles.clone() }));
        Ok(())
    }
}

/// Forgets an administrator. Their tokens end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "DeleteAdmin", bound = "")]
pub struct DeleteAdmin<F: Form = Sealed> {
    pub admin: F::Person,
}

impl SealCommand for DeleteAdmin<Plain> {
    type Sealed = DeleteAdmin;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<DeleteAdmin, S::Error> {
        Ok(DeleteAdmin { admin: seal.reference(&self.admin)? })
    }
}

impl Decide for DeleteAdmin {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, admin) = deciding.find_admin(&self.admin)?;
        somebody_else_may_do_everything(deciding, &admin)?;
        end_tokens(deciding, Bearer::Admin(id));
        deciding.fact(id, Fact::Deleted(Nothing {}));
        Ok(())
    }
}

fn somebody_else_may_do_everything(deciding: &Deciding<'_>, but: &Admin) -> Result<(), Refused> {
    let may = |admin: &Admin| admin.roles.contains(&Role::Admin);
    let mut admins = deciding.fleet.admins.iter();
    if !may(but) || admins.any(|(id, admin)| id != but.id && may(admin)) {
        return Ok(());
    }
    Err(Refused::LastAdmin)
}
