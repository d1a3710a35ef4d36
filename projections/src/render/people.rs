//! People, and what is offered to them where.

use std::collections::BTreeMap;

use carrel_model::admin::Bearer;
use carrel_model::ids::{AdminId, ClientId, GroupId, LabId, PoolId, TerminalId};
use carrel_model::name::Label;
use carrel_model::pool::{Holder, Pool};
use carrel_model::sealed::{Boxes, Purpose};

use super::{Render, RenderError, Rendered, row, word};
use crate::doc;
use crate::memo::Memo;
use crate::row::Cell;

impl Render<'_> {
    pub(super) fn pool(&self, id: PoolId, memo: &Memo) -> Rendered {
        let Some(pool) = self.fleet.pools.get(id) else { return Ok(None) };
        let settings = &pool.settings;
        let groups = groups_of(pool);
        let tally = self.fleet.index.tally.get(&id).cloned().unwrap_or_default();
        let follows = settings.image.as_ref().map(|follow| doc::Follows {
            initial: follow.initial,
            initial_name: self.machine_name(follow.initial),
            tag: follow.tag.clone(),
        });
        let doc = doc::Pool {
            id,
            name: pool.name.clone(),
            version: pool.version,
            mode: settings.mode,
            image: follows,
            reset: pool.reset(),
            return_after_seconds: settings.return_after_seconds,
            spares: pool.spares().clone(),
            display: settings.display.clone(),
            calendars: settings.calendars.clone(),
            closed: pool.closed(),
            limits: settings.limits.clone(),
            clients: (pool.holders.len() - groups.len()) as u64,
            groups,
            machines: tally.total(),
            ready: tally.ready,
            running: tally.running,
            stopped: tally.stopped,
            written: tally.written,
            leased: tally.leased,
            owned: tally.owned,
            in_maintenance: tally.maintenance,
            renewing: tally.renewing,
            busy: tally.busy,
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let initial = settings.image.as_ref().map(|follow| follow.initial);
        let cells = vec![Cell::Text(word(&settings.mode)), pool.closed().into(), initial.into()];
        let row = row(id, &pool.name, memo, cells, &doc)?.facets("group", &doc.groups);
        Ok(Some(row.labelled(&settings.labels)))
    }

    pub(super) fn client(&self, id: ClientId, memo: &Memo) -> Rendered {
        let Some(client) = self.fleet.clients.get(id) else { return Ok(None) };
        let name = self.open(Purpose::Name, &client.name)?;
        let details = client.details.as_deref();
        let details = details.map(|details| self.open(Purpose::Personal, details)).transpose()?;
        let doc = doc::Client {
            id,
            name: name.clone(),
            provider: client.provider.clone(),
            version: client.version,
            details: details.flatten(),
            blocked: client.blocked,
            has_password: client.password.is_some(),
            sessions_max: client.sessions_max,
            directory_groups: client.groups.clone(),
            labels: self.boxes(Purpose::Label, &client.labels)?,
            properties: self.boxes(Purpose::Property, &client.properties)?,
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let cells = vec![client.provider.as_str().into(), client.blocked.into()];
        let mut row = row(id, name.unwrap_or_default(), memo, cells, &doc)?;
        for (key, value) in &doc.labels {
            row.label(key.as_str(), value);
        }
        Ok(Some(row.facets("directory_group", &client.groups)))
    }

    fn boxes(
        &self,
        purpose: Purpose,
        boxes: &Boxes,
    ) -> Result<BTreeMap<Label, String>, RenderError> {
        let mut texts = BTreeMap::new();
        for (label, sealed) in boxes {
            if let Some(text) = self.open(purpose, sealed)? {
                texts.insert(label.clone(), text);
            }
        }
        Ok(texts)
    }

    pub(super) fn group(&self, id: GroupId, memo: &Memo) -> Rendered {
        let Some(group) = self.fleet.groups.get(id) else { return Ok(None) };
        let settings = &group.settings;
        let directory = settings.directory.as_ref();
        let doc = doc::Group {
            id,
            name: group.name.clone(),
            version: group.version,
            provider: directory.map(|it| it.provider.clone()),
            directory_group: directory.map(|it| it.group.as_str().to_owned()),
            sessions_max: settings.sessions_max,
            members: group.members.len() as u64,
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let cells = vec![directory.map_or(Cell::Null, |it| it.provider.as_str().into())];
        Ok(Some(row(id, &group.name, memo, cells, &doc)?.labelled(&settings.labels)))
    }

    pub(super) fn lab(&self, id: LabId, memo: &Memo) -> Rendered {
        let Some(lab) = self.fleet.labs.get(id) else { return Ok(None) };
        let settings = &lab.settings;
        let pools = settings.pools.iter().map(|pool| doc::OfferedPool {
            pool: *pool,
            pool_name: self.fleet.pools.get(*pool).map(|pool| pool.name.clone()),
        });
        let classes = settings.classes.iter().map(|(class, launcher)| doc::Launcher {
            class: class.clone(),
            template: launcher.template.as_str().to_owned(),
        });
        let doc = doc::Lab {
            id,
            name: lab.name.clone(),
            version: lab.version,
            pools: pools.collect(),
            start_instances: settings.start_instances,
            max_instances: settings.max_instances,
            restart_after_hours: settings.restart_after_hours,
            classes: classes.collect(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let row = row(id, &lab.name, memo, Vec::new(), &doc)?;
        Ok(Some(row.facets("pool", &settings.pools).labelled(&settings.labels)))
    }

    pub(super) fn terminal(&self, id: TerminalId, memo: &Memo) -> Rendered {
        let Some(terminal) = self.fleet.terminals.get(id) else { return Ok(None) };
        let settings = &terminal.settings;
        let doc = doc::Terminal {
            id,
            name: terminal.termid.clone(),
            version: terminal.version,
            lab: settings.lab,
            lab_name: self.fleet.labs.get(settings.lab).map(|lab| lab.name.clone()),
            class: settings.class.clone(),
            parameters: terminal.parameters.keys().cloned().collect(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let cells = vec![Some(settings.lab).into(), settings.class.as_str().into()];
        Ok(Some(row(id, &terminal.termid, memo, cells, &doc)?.labelled(&settings.labels)))
    }

    pub(super) fn admin(&self, id: AdminId, memo: &Memo) -> Rendered {
        let Some(admin) = self.fleet.admins.get(id) else { return Ok(None) };
        let name = self.open(Purpose::Name, &admin.name)?;
        let tokens = self.fleet.tokens_of(Bearer::Admin(id));
        let tokens = tokens.filter_map(|token| self.fleet.tokens.get(token));
        let doc = doc::Admin {
            id,
            name: name.clone(),
            version: admin.version,
            roles: admin.roles.clone(),
            tokens: tokens
                .map(|token| doc::AdminToken {
                    id: token.id,
                    name: token.name.clone(),
                    expires_at: token.expires_at,
                })
                .collect(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let row = row(id, name.unwrap_or_default(), memo, Vec::new(), &doc)?;
        Ok(Some(row.facets("role", admin.roles.iter().map(word))))
    }
}

/// Behind all people stand the groups.
fn groups_of(pool: &Pool) -> Vec<GroupId> {
    let groups = pool.holders.range(Holder::Group(GroupId::MIN)..);
    let groups = groups.filter_map(|holder| match holder {
        Holder::Group(group) => Some(*group),
        Holder::Client(_) => None,
    });
    groups.collect()
}
