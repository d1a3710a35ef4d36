//! What a new machine is made of: an identity of its own, disks on a storage with room.

use uuid::Uuid;

use super::Identity;
use super::rejection::Rejection as Refused;
use crate::deciding::Deciding;
use crate::fleet::Fleet;
use crate::ids::{CommandId, HypervisorId, StorageId};
use crate::mac::Mac;
use crate::name::{Hostname, Name, PlatformName};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::storage::Storage;
use crate::version::latest::storage::Role;

/// An unused address is looked for at a random place and from there on so far: the prefix would
/// have to be nearly full for all of these to be taken.
pub(crate) const MACS_TRIED_MAX: u32 = 4096;

/// Machines with more disks exist, but none of them is a desktop.
pub(super) const DISKS_MAX: usize = 16;

/// The hardware that a guest believes to run on, whatever its disks hold.
#[derive(Clone, Debug)]
pub(crate) struct Platform {
    pub(crate) machine_type: PlatformName,
    pub(crate) cpu_model: PlatformName,
}

impl Default for Platform {
    /// PCI Express, and the processor that the host has, as libvirt describes it.
    #[expect(clippy::expect_used, reason = "literals that the tests have seen")]
    fn default() -> Self {
        Self {
            machine_type: PlatformName::new("q35").expect("`q35` is a name"),
            cpu_model: PlatformName::new("host-model").expect("`host-model` is a name"),
        }
    }
}

impl From<&Identity> for Platform {
    fn from(identity: &Identity) -> Self {
        Self { machine_type: identity.machine_type.clone(), cpu_model: identity.cpu_model.clone() }
    }
}

/// An identity that no other machine has.
pub(crate) fn identity(
    deciding: &mut Deciding<'_>,
    name: &Name,
    platform: Platform,
) -> Result<Identity, Rejection> {
    let uuid = deciding.fresh::<CommandId>().uuid();
    Ok(Identity {
        uuid,
        mac: unused_mac(&deciding.fleet, uuid)?,
        further_macs: Box::default(),
        serial: serial(uuid),
        hostname: hostname(name),
        machine_type: platform.machine_type,
        cpu_model: platform.cpu_model,
    })
}

fn unused_mac(fleet: &Fleet, drawn: Uuid) -> Result<Mac, Rejection> {
    let [.., a, b, c] = drawn.into_bytes();
    let first = u32::from_be_bytes([0, a, b, c]);
    let tried = (0..MACS_TRIED_MAX).map(|step| Mac::of_guest(first.wrapping_add(step)));
    let mut unused = tried.filter(|mac| !fleet.index.macs.contains_key(mac));
    unused.next().ok_or_else(|| Refused::NoMacLeft.into())
}

#[expect(clippy::expect_used, reason = "32 hexadecimal digits are a name")]
pub(crate) fn serial(uuid: Uuid) -> PlatformName {
    PlatformName::new(&uuid.simple().to_string()).expect("hexadecimal digits are a name")
}

/// The machine's name as a guest can have it: what a host name can't contain becomes `-`, and what
/// is too long is cut, in front of the number if it ends in one.
pub(crate) fn hostname(name: &Name) -> Hostname {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let letters: String = name.as_str().chars().map(allowed).collect();
    let words = letters.trim_matches('-');
    let front = words.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = words.get(front.len()..).unwrap_or_default();
    let room = Hostname::LENGTH_MAX.saturating_sub(number.len());
    let cut = if room == 0 || number.is_empty() {
        words.get(..Hostname::LENGTH_MAX).unwrap_or(words).to_owned()
    } else {
        format!("{}{number}", front.get(..room).unwrap_or(front))
    };
    let cut = cut.trim_matches('-');
    Hostname::new(cut).unwrap_or_else(|_| numbered_hostname(cut))
}

/// A name of digits alone would be taken for an address; one without any letter or digit is none.
#[expect(clippy::expect_used, reason = "at most 15 letters and digits that begin with a letter")]
fn numbered_hostname(digits: &str) -> Hostname {
    let digits: String = digits.chars().filter(char::is_ascii_digit).take(12).collect();
    Hostname::new(&format!("vm{digits}")).expect("`vm` and digits are a host name")
}

/// Where a new machine's disks are to lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Named(&'a Ref<StorageId>),
    /// There, if it has room, or else wherever there is some.
    Near(StorageId),
    Anywhere,
}

impl<'a> From<Option<&'a Ref<StorageId>>> for Wanted<'a> {
    fn from(named: Option<&'a Ref<StorageId>>) -> Self {
        named.map_or(Self::Anywhere, Self::Named)
    }
}

/// A storage for disks with room for them. Some host has to see it together with one of these
/// groups of storages. Of several, the first by name.
pub(crate) fn storage_for_disks(
    deciding: &Deciding<'_>,
    wanted: Wanted<'_>,
    beside: &[Vec<StorageId>],
) -> Result<StorageId, Rejection> {
    let fleet = &deciding.fleet;
    let fits = |storage: &&Storage| why_not(fleet, storage, beside).is_none();
    let near = match wanted {
        Wanted::Named(named) => {
            let (id, storage) = deciding.find::<Storage>(named)?;
            return match why_not(fleet, &storage, beside) {
                None => Ok(id),
                Some(why) => {
                    Err(Refused::WrongStorage { storage: storage.name.clone(), why }.into())
                }
            };
        }
        Wanted::Near(near) => fleet.storages.get(near).filter(fits),
        Wanted::Anywhere => None,
    };
    let all = fleet.storages.iter().map(|(_, storage)| storage);
    let first = || all.filter(fits).min_by(|one, other| one.name.cmp(&other.name));
    let found = near.or_else(first);
    found.map(|storage| storage.id).ok_or_else(|| Refused::NoStorage.into())
}

fn why_not(fleet: &Fleet, storage: &Storage, beside: &[Vec<StorageId>]) -> Option<&'static str> {
    if !storage.settings.roles.contains(&Role::Disks) {
        return Some("it doesn't have the role `disks`");
    }
    if storage.low_on_space {
        return Some("it is low on space");
    }
    let seen = some_host_sees(fleet, storage, beside);
    (!seen).then_some("no host sees it together with the machine's other files")
}

fn some_host_sees(fleet: &Fleet, storage: &Storage, beside: &[Vec<StorageId>]) -> bool {
    let sees_all =
        |host: HypervisorId, group: &Vec<_>| group.iter().all(|id| fleet.sees(host, *id));
    let hosts = storage.settings.hosts.keys().copied();
    let mut hosts = hosts.filter(|host| fleet.hypervisors.contains(*host));
    beside.is_empty() || hosts.any(|host| beside.iter().any(|group| sees_all(host, group)))
}
