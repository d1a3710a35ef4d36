//! Machines come.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draft::{Draft, changed};
use super::new::{DISKS_MAX, Platform, Wanted, identity, storage_for_disks};
use super::rejection::Rejection as Refused;
use super::{Created, Disk, DiskRole, DiskSource, External, Format, Kind, Machine, Settings};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::fleet::{Fleet, Space};
use crate::ids::{DiskId, FromUuid, ImageId, MachineId, NetworkId, StorageId, TemplateId};
use crate::image;
use crate::name::{Name, PlatformName};
use crate::reference::{Patch, Ref};
use crate::rejection::{Rejection, general};
use crate::template::{self, Template};

/// Each machine is one fact; what follows from them fits into a decision, too.
pub(crate) const COUNT_MAX: u16 = 100;
/// What is chosen if nothing is named.
const DEFAULT: &str = "default";

/// What a new machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewKind {
    /// Not part of VDI.
    Simple,
    /// A golden installation.
    Source,
    /// A copy of a source, prepared for many. Its disk is filled by `CopyFromSource`.
    Initial,
    /// A child of an initial, on the version of its image that is tagged `default`, or else the
    /// newest.
    Vdi,
    /// A physical computer or a terminal server.
    External,
}

impl NewKind {
    fn word(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Source => "source",
            Self::Initial => "initial",
            Self::Vdi => "vdi",
            Self::External => "external",
        }
    }
}

/// What a disk beside the system disk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FurtherRole {
    Data,
    /// What a person keeps: their profile or their home.
    User,
}

/// A disk beside the system disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FurtherDisk {
    pub role: FurtherRole,
    pub gib: u32,
    /// If it is left out, beside the system disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Ref<StorageId>>,
}

/// Makes machines. A name and a kind are enough; everything else has a sensible value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMachine {
    pub name: Name,
    pub kind: NewKind,
    /// The source of an initial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ref<MachineId>>,
    /// The initial of a child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Ref<MachineId>>,
    /// The address, the protocols and the seats of an external machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// More than one: `<name>-1` and so on, with as many digits as the last one has.
    #[serde(default = "one")]
    pub count: u16,
    /// Instead of the one called `default`. A child has the hardware of its image, an initial that
    /// of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Ref<TemplateId>>,
    /// What differs from the template, the source or the image.
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Where its disks lie. If it is left out, the first by name that can have disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Ref<StorageId>>,
    /// The size of its system disk, if not that of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_gib: Option<u32>,
    /// Further disks of each of them, all empty; not for initials, which get those of their source.
    ///
    /// They are the machine's own: Populate and a reset make only the system disk anew and leave
    /// these as they are, a clone gets full copies of them, and they go when the machine is
    /// deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<FurtherDisk>,
    /// `q35`, if not said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<PlatformName>,
    /// `host-model`, if not said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<PlatformName>,
}

const fn one() -> u16 {
    1
}

/// All that the new machines have in common.
struct Plan {
    kind: Kind,
    /// None: those of its image.
    settings: Option<Settings>,
    platform: Platform,
    disks: Vec<NewDisk>,
}

struct NewDisk {
    role: DiskRole,
    storage: StorageId,
    source: DiskSource,
    size_gib: u32,
}

impl Decide for CreateMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let names = self.names()?;
        for name in &names {
            deciding.name_is_free::<MachineId>(name.as_str(), None)?;
        }
        self.has_the_fields_of_its_kind()?;
        let mut plan = self.plan(deciding)?;
        self.plan_further_disks(deciding, &mut plan.disks)?;
        // All of them are found before the first is made; each has one number more to choose from.
        for name in names {
            let mut platform = plan.platform.clone();
            if let Some(machine_type) = &self.machine_type {
                platform.machine_type = machine_type.clone();
            }
            if let Some(cpu_model) = &self.cpu_model {
                platform.cpu_model = cpu_model.clone();
            }
            let identity = identity(deciding, &name, platform)?;
            let disks = plan.disks.iter().map(|disk| Disk {
                id: deciding.fresh::<DiskId>(),
                role: disk.role,
                storage: disk.storage,
                source: disk.source.clone(),
                size_gib: disk.size_gib,
                overlay_generation: 0,
                format: Format::Qcow2,
                file: None,
            });
            let disks = disks.collect();
            let created = Created {
                name,
                kind: plan.kind.clone(),
                identity,
                settings: plan.settings.clone(),
                disks,
                adopted_from: None,
            };
            let id: MachineId = deciding.fresh();
            deciding.fact(id, Fact::Created(created));
        }
        Ok(())
    }
}

impl CreateMachine {
    fn names(&self) -> Result<Vec<Name>, Rejection> {
        let (given, most) = (self.count, COUNT_MAX);
        let all: RangeInclusive<u16> = match given {
            0 => return Err(Refused::BadCount { given, most }.into()),
            1 => return Ok(vec![self.name.clone()]),
            count if count > most => return Err(Refused::BadCount { given, most }.into()),
            count => 1..=count,
        };
        let digits = given.to_string().len();
        all.map(|number| {
            Name::new(&format!("{}-{number:0digits$}", self.name))
                .map_err(|_| Refused::NameTooLong { name: self.name.clone() }.into())
        })
        .collect()
    }

    fn has_the_fields_of_its_kind(&self) -> Result<(), Rejection> {
        let kind = self.kind.word();
        let fields = [
            ("source", self.source.is_some(), self.kind == NewKind::Initial),
            ("initial", self.initial.is_some(), self.kind == NewKind::Vdi),
            ("external", self.external.is_some(), self.kind == NewKind::External),
        ];
        let has_others = matches!(self.kind, NewKind::Initial | NewKind::External);
        if has_others && !self.disks.is_empty() {
            return Err(Refused::KindHasNo { kind, field: "disks" }.into());
        }
        for (field, given, needed) in fields {
            if needed && !given {
                return Err(Refused::KindNeeds { kind, field }.into());
            }
            if given && !needed {
                return Err(Refused::KindHasNo { kind, field }.into());
            }
        }
        Ok(())
    }

    fn plan(&self, deciding: &Deciding<'_>) -> Result<Plan, Rejection> {
        match (self.kind, &self.source, &self.initial, &self.external) {
            (NewKind::Initial, Some(source), ..) => self.plan_initial(deciding, source),
            (NewKind::Vdi, _, Some(initial), _) => self.plan_child(deciding, initial),
            (NewKind::External, _, _, Some(external)) => {
                template::check_seats(external.seats)?;
                Ok(Plan {
                    kind: Kind::External(Box::new(external.clone())),
                    settings: Some(changed(deciding, &self.settings, &Settings::default())?),
                    platform: Platform::default(),
                    disks: Vec::new(),
                })
            }
            (NewKind::Source, ..) => self.plan_from_template(deciding, Kind::Source),
            _ => self.plan_from_template(deciding, Kind::Simple),
        }
    }

    fn plan_from_template(&self, deciding: &Deciding<'_>, kind: Kind) -> Result<Plan, Rejection> {
        let template = template(deciding, self.template.as_ref())?;
        let settings = Settings {
            hardware: template.hardware.clone(),
            display: template.display.clone(),
            labels: template.labels.clone(),
            networks: default_network(&deciding.fleet).into_iter().collect(),
            ..Settings::default()
        };
        let disk = NewDisk {
            role: DiskRole::System,
            storage: storage_for_disks(deciding, self.storage.as_ref().into(), &[])?,
            source: DiskSource::Blank,
            size_gib: self.disk_size(template.disk_gib)?,
        };
        Ok(Plan {
            kind,
            settings: Some(changed(deciding, &self.settings, &settings)?),
            platform: Platform::default(),
            disks: vec![disk],
        })
    }

    /// The same disks as its source has, all empty until they are copied.
    fn plan_initial(
        &self,
        deciding: &Deciding<'_>,
        source: &Ref<MachineId>,
    ) -> Result<Plan, Rejection> {
        let (id, source) = deciding.find::<Machine>(source)?;
        if source.kind != Kind::Source {
            let machine = source.name.clone();
            return Err(Refused::WrongKind { machine, needed: "source" }.into());
        }
        let beside: Vec<StorageId> = source.disks.iter().map(|disk| disk.storage).collect();
        let storage = storage_for_disks(deciding, self.storage.as_ref().into(), &[beside])?;
        let disks = source.disks.iter().map(|disk| NewDisk {
            role: disk.role,
            storage,
            source: DiskSource::Blank,
            size_gib: disk.size_gib,
        });
        Ok(Plan {
            kind: Kind::Initial { source: Some(id) },
            settings: Some(changed(deciding, &self.settings, &source.settings)?),
            platform: Platform::from(&source.identity),
            disks: disks.collect(),
        })
    }

    fn plan_child(
        &self,
        deciding: &Deciding<'_>,
        initial: &Ref<MachineId>,
    ) -> Result<Plan, Rejection> {
        let fleet = &deciding.fleet;
        let (id, initial) = deciding.find::<Machine>(initial)?;
        let name = initial.name.clone();
        let Kind::Initial { .. } = initial.kind else {
            return Err(Refused::WrongKind { machine: name, needed: "initial" }.into());
        };
        initial.is_not_going()?;
        let image = version_for_children(fleet, id);
        let Some(image) = image.and_then(|image| fleet.images.get(image)) else {
            return Err(Refused::NoVersion { initial: name }.into());
        };
        let settings = changed(deciding, &self.settings, &image.settings)?;
        let Some(base) = image.base_for_new(fleet) else {
            return Err(Refused::NoVersion { initial: name }.into());
        };
        let beside = crate::work::storages_of(fleet, base);
        let disk = NewDisk {
            role: DiskRole::System,
            storage: storage_for_disks(deciding, self.storage.as_ref().into(), beside.as_slice())?,
            source: DiskSource::Overlay(base),
            size_gib: self.disk_size(image.size_gib)?.max(image.size_gib),
        };
        Ok(Plan {
            kind: Kind::Vdi { initial: id },
            settings: (settings != *image.settings).then_some(settings),
            platform: Platform::from(&initial.identity),
            disks: vec![disk],
        })
    }

    fn plan_further_disks(
        &self,
        deciding: &Deciding<'_>,
        disks: &mut Vec<NewDisk>,
    ) -> Result<(), Rejection> {
        let (given, most) = (self.disks.len(), DISKS_MAX - 1);
        if given > most {
            return Err(general::Rejection::TooMany { given, most }.into());
        }
        for disk in &self.disks {
            template::check_disk(disk.gib)?;
            let beside: Vec<StorageId> = disks.iter().map(|disk| disk.storage).collect();
            let near = disks.first().map_or(Wanted::Anywhere, |disk| Wanted::Near(disk.storage));
            let wanted = disk.storage.as_ref().map_or(near, Wanted::Named);
            disks.push(NewDisk {
                role: match disk.role {
                    FurtherRole::Data => DiskRole::Data,
                    FurtherRole::User => DiskRole::User,
                },
                storage: storage_for_disks(deciding, wanted, &[beside])?,
                source: DiskSource::Blank,
                size_gib: disk.gib,
            });
        }
        Ok(())
    }

    fn disk_size(&self, usual: u32) -> Result<u32, Rejection> {
        let size = self.disk_gib.unwrap_or(usual);
        template::check_disk(size).map(|()| size)
    }
}

/// The one that is named, or else that of the name `default`, or else what is built in.
fn template(
    deciding: &Deciding<'_>,
    named: Option<&Ref<TemplateId>>,
) -> Result<template::Settings, Rejection> {
    if let Some(named) = named {
        let (_, template) = deciding.find::<Template>(named)?;
        return Ok(template.settings.clone());
    }
    let id = deciding.fleet.index.names.get(&(Space::Template, DEFAULT.into())).copied();
    let template = id.and_then(|id| deciding.fleet.templates.get(TemplateId::from_uuid(id)));
    Ok(template.map(|template| template.settings.clone()).unwrap_or_default())
}

/// The network called `default`, or the only one there is.
pub(crate) fn default_network(fleet: &Fleet) -> Option<NetworkId> {
    let named = fleet.index.names.get(&(Space::Network, DEFAULT.into())).copied();
    let only = || {
        let mut all = fleet.networks.iter().map(|(id, _)| id);
        all.next().filter(|_| all.next().is_none())
    };
    named.map(NetworkId::from_uuid).or_else(only)
}

/// The version tagged `default`, or else the newest that can be used.
fn version_for_children(fleet: &Fleet, initial: MachineId) -> Option<ImageId> {
    let tag = Name::new(image::DEFAULT).ok()?;
    let tagged = fleet.index.tags.get(&(initial, tag)).copied();
    let tagged = tagged.filter(|image| fleet.is_usable(*image));
    tagged.or_else(|| fleet.usable_versions_of(initial).next())
}
