//! This machine as a host: at once, or as soon as it can be one again. A site that has a host here
//! already is answered for while that can't work: its people, its log and its other hosts are
//! there all the same.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use carrel_decider::Decider;
use carrel_driver::Hypervisor;
use carrel_driver::libvirt::Storages;
use carrel_images::Images;
use carrel_keys::Keys;
use carrel_model::ids::HypervisorId;
use carrel_model::name::Org;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::crew::Drives;
use super::local;
use crate::config::Config;
use crate::failure::Failure;

/// A host that can't work is tried again so soon, and then after twice as long each time: each try
/// may start a guest.
const AGAIN_FIRST: Duration = Duration::from_secs(2);
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// Whose host it is.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) decider: Decider,
    pub(super) keys: Keys,
    pub(super) org: Org,
    pub(super) storages: Arc<Storages>,
    pub(super) images: Arc<Images>,
}

pub(super) struct Here {
    id: HypervisorId,
    found: Arc<OnceLock<Arc<dyn Hypervisor>>>,
    /// Somebody waits for it.
    more: Arc<Notify>,
    /// Why it could not work at first.
    missing: Option<String>,
}

impl Here {
    /// # Errors
    ///
    /// It can't be a host, and never was one.
    pub(super) async fn look(config: &Config, site: &Site) -> Result<Self, Failure> {
        let (id, found, missing) = match try_once(config, site).await {
            Ok((id, hypervisor)) => (id, OnceLock::from(hypervisor), None),
            Err(why) => {
                let fleet = site.decider.standing().fleet;
                let Some(id) = local::known_id(&config.data, &fleet)? else { return Err(why) };
                tracing::error!(%why, "this machine can't work as a host now; it is tried again");
                (id, OnceLock::new(), Some(why.to_string()))
            }
        };
        Ok(Self { id, found: Arc::new(found), more: Arc::default(), missing })
    }

    pub(super) fn id(&self) -> HypervisorId {
        self.id
    }

    pub(super) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Told when this machine can work.
    pub(super) fn more(&self) -> Arc<Notify> {
        Arc::clone(&self.more)
    }

    pub(super) fn drives(&self) -> Box<Drives> {
        let (id, found) = (self.id, Arc::clone(&self.found));
        Box::new(move |host| found.get().filter(|_| host == id).map(Arc::clone))
    }

    /// Until it can work, or nobody wants it any more.
    pub(super) async fn mend(self, config: Config, site: Site, mut stop: watch::Receiver<bool>) {
        let mut again = AGAIN_FIRST;
        while self.found.get().is_none() {
            if timeout(again, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
            again = (again * 2).min(AGAIN_MAX);
            match try_once(&config, &site).await {
                Ok((_, hypervisor)) => {
                    let _ = self.found.set(hypervisor);
                    self.more.notify_one();
                    tracing::info!("this machine works as a host again");
                }
                Err(why) => tracing::warn!(%why, "this machine still can't work as a host"),
            }
        }
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

async fn try_once(
    config: &Config,
    site: &Site,
) -> Result<(HypervisorId, Arc<dyn Hypervisor>), Failure> {
    let local = local::find(config, site).await?;
    let id = local.found(&site.decider, &site.org).await?;
    Ok((id, local.hypervisor()))
}
