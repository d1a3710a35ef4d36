//! What a guest can read.

use crate::fleet::Fleet;
use crate::machine::{Machine, Settings};
use crate::sealed::Boxes;
use crate::session::{Session, Subject};
use crate::version::latest::Properties;

/// What is nearer to the person wins: image, pool, machine. A child's settings begin as its
/// image's, so what is the same in both is the image's.
pub(super) fn properties(fleet: &Fleet, machine: &Machine, settings: &Settings) -> Properties {
    let image = machine.image().and_then(|image| fleet.images.get(image));
    let mut properties = image.map(|it| it.settings.properties.clone()).unwrap_or_default();
    let own =
        settings.properties.iter().filter(|(key, value)| properties.get(*key) != Some(*value));
    let own: Properties = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(pool) = machine.pool.and_then(|pool| fleet.pools.get(pool)) {
        properties.extend(pool.settings.properties.clone());
    }
    properties.extend(own);
    properties
}

/// What is known of the people there.
pub(super) fn personal(fleet: &Fleet, sessions: &[&Session]) -> Boxes {
    let mut boxes = Boxes::new();
    for session in sessions {
        if let Subject::Client(client) = session.subject
            && let Some(client) = fleet.clients.get(client)
        {
            boxes.extend(client.properties.clone());
        }
    }
    boxes
}
