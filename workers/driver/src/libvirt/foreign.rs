//! Domains of others, for people who want to adopt one.

use carrel_domain::FoundDisk;
use carrel_libvirt::{Foreign, State};
use carrel_model::foreign::{ForeignDisk, ForeignDomain, ForeignState};
use carrel_model::machine::Format;
use carrel_model::text::Text;

pub(super) fn told(it: &Foreign) -> ForeignDomain {
    let found = &it.found;
    let (sockets, cores, threads) = found.topology();
    let macs = found.cards.iter().filter_map(|card| card.mac?.to_string().parse().ok());
    ForeignDomain {
        uuid: found.uuid,
        name: Text::cut(&found.name),
        state: match it.state {
            State::Off(_) => ForeignState::Off,
            State::Running => ForeignState::Running,
            State::Paused(_) | State::Asleep => ForeignState::Paused,
        },
        memory_mib: found.memory_mib,
        sockets,
        cores,
        threads,
        uefi: found.is_uefi,
        tpm: found.has_tpm,
        clock_is_local: found.clock_is_local,
        emulator: found.emulator.as_deref().map(Text::cut),
        macs: macs.collect(),
        card_model: found.cards.first().and_then(|card| card.model.as_deref()).map(Text::cut),
        disks: found.fixed_disks().map(|disk| told_disk(disk, it)).collect(),
    }
}

fn told_disk(disk: &FoundDisk, of: &Foreign) -> ForeignDisk {
    ForeignDisk {
        target: Text::cut(&disk.target),
        bus: Text::cut(&disk.bus),
        file: disk.file.as_deref().map(Text::cut),
        format: disk.format.map(format),
        size_bytes: of.size_of(&disk.target),
        backing: disk.backing.iter().map(|(file, _)| Text::cut(file)).collect(),
    }
}

const fn format(of: carrel_domain::Format) -> Format {
    match of {
        carrel_domain::Format::Raw => Format::Raw,
        carrel_domain::Format::Qcow2 => Format::Qcow2,
    }
}
