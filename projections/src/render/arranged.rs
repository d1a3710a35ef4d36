//! Hosts and what they share.

use carrel_model::hypervisor::Reason;
use carrel_model::ids::{HypervisorId, MediaId, NetworkId, StorageId, TemplateId};

use super::{Render, Rendered, row, word};
use crate::doc;
use crate::memo::Memo;
use crate::row::Cell;

impl Render<'_> {
    pub(super) fn hypervisor(&self, id: HypervisorId, memo: &Memo) -> Rendered {
        let Some(host) = self.fleet.hypervisors.get(id) else { return Ok(None) };
        let usage = self.fleet.index.usage.get(&id).cloned().unwrap_or_default();
        let state = if host.maintenance.contains(&Reason::Lost) {
            doc::HypervisorState::Lost
        } else if host.maintenance.contains(&Reason::Silent) {
            doc::HypervisorState::Silent
        } else if host.enabled() {
            doc::HypervisorState::Enabled
        } else {
            doc::HypervisorState::Maintenance
        };
        let settings = &host.settings;
        let doc = doc::Hypervisor {
            id,
            name: host.name.clone(),
            version: host.version,
            state,
            maintenance: host.maintenance.clone(),
            memory_mib: settings.capacity.memory_mib,
            vcpus: settings.capacity.vcpus,
            counters: settings.capacity.counters.clone(),
            memory_percent: settings.overcommit.memory_percent,
            vcpus_percent: settings.overcommit.vcpus_percent,
            memory_mib_promised: usage.memory_mib,
            vcpus_promised: usage.vcpus,
            counters_promised: usage.counters.into_iter().collect(),
            machines_on: usage.machines,
            display_address: settings.display_address.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let state = word(&state);
        let cells = vec![Cell::Text(state.clone())];
        let row = row(id, &host.name, memo, cells, &doc)?.labelled(&settings.labels);
        Ok(Some(row.counted("state", &state)))
    }

    pub(super) fn host_name(&self, id: HypervisorId) -> Option<carrel_model::name::Name> {
        self.fleet.hypervisors.get(id).map(|host| host.name.clone())
    }

    pub(super) fn storage(&self, id: StorageId, memo: &Memo) -> Rendered {
        let Some(storage) = self.fleet.storages.get(id) else { return Ok(None) };
        let settings = &storage.settings;
        let hosts = settings.hosts.iter().map(|(host, path)| doc::HostOfStorage {
            hypervisor: *host,
            hypervisor_name: self.host_name(*host),
            path: path.clone(),
        });
        let doc = doc::Storage {
            id,
            name: storage.name.clone(),
            version: storage.version,
            roles: settings.roles.clone(),
            hosts: hosts.collect(),
            medium: settings.medium,
            low_space_mib: settings.low_space_mib,
            low_on_space: storage.low_on_space,
            free_mib: storage.free_mib,
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let cells = vec![Cell::Text(word(&settings.medium)), storage.low_on_space.into()];
        let row = row(id, &storage.name, memo, cells, &doc)?;
        let row = row.facets("role", settings.roles.iter().map(word));
        Ok(Some(row.facets("hypervisor", settings.hosts.keys()).labelled(&settings.labels)))
    }

    pub(super) fn network(&self, id: NetworkId, memo: &Memo) -> Rendered {
        let Some(network) = self.fleet.networks.get(id) else { return Ok(None) };
        let settings = &network.settings;
        let hosts = settings.hosts.iter().map(|(host, attachment)| doc::HostOfNetwork {
            hypervisor: *host,
            hypervisor_name: self.host_name(*host),
            attachment: attachment.clone(),
        });
        let doc = doc::Network {
            id,
            name: network.name.clone(),
            version: network.version,
            attachment: settings.attachment.clone(),
            hosts: hosts.collect(),
            addresses: settings.addresses.clone(),
            no_spoofing: settings.policy.no_spoofing,
            isolated: settings.policy.isolated,
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        Ok(Some(row(id, &network.name, memo, Vec::new(), &doc)?.labelled(&settings.labels)))
    }

    pub(super) fn media(&self, id: MediaId, memo: &Memo) -> Rendered {
        let Some(media) = self.fleet.media.get(id) else { return Ok(None) };
        let storage = self.fleet.storages.get(media.storage);
        let doc = doc::Media {
            id,
            name: media.name.clone(),
            version: media.version,
            kind: media.kind,
            format: media.format,
            storage: media.storage,
            storage_name: storage.map(|storage| storage.name.clone()),
            size_bytes: media.size_bytes,
            digest: media.digest,
            labels: media.labels.clone(),
            properties: media.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let cells = vec![Cell::Text(word(&media.kind)), Some(media.storage).into()];
        Ok(Some(row(id, &media.name, memo, cells, &doc)?.labelled(&media.labels)))
    }

    pub(super) fn template(&self, id: TemplateId, memo: &Memo) -> Rendered {
        let Some(template) = self.fleet.templates.get(id) else { return Ok(None) };
        let settings = &template.settings;
        let doc = doc::Template {
            id,
            name: template.name.clone(),
            version: template.version,
            hardware: settings.hardware.clone(),
            disk_gib: settings.disk_gib,
            display: settings.display.clone(),
            labels: settings.labels.clone(),
            properties: settings.properties.clone(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let cells = vec![Cell::Text(word(&settings.hardware.os))];
        Ok(Some(row(id, &template.name, memo, cells, &doc)?.labelled(&settings.labels)))
    }
}
