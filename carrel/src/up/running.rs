//! Everything that runs, and how it ends: first nobody is let in any more, then what is under way
//! comes to its end, and the log is closed last.

use std::sync::Arc;
use std::time::Duration;

use carrel_api::edge::{Edge, Ports};
use carrel_api::limits::DRAIN_WITHIN;
use carrel_api::serve::{self, Bound};
use carrel_api::tls::Tls;
use carrel_api::upload::{NoUploads, Uploads};
use carrel_bus::memory::MemoryBus;
use carrel_bus::{Bus, MemoryPulse, Pulse};
use carrel_decider::{Decider, Shredder};
use carrel_keys::{DrawnAhead, Keys};
use carrel_model::name::Org;
use carrel_projections::Projector;
use carrel_relay::Relay;
use carrel_workers::limits::DRAIN_MAX;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::crew::{Crew, Drives};
use super::outside::{Drawn, WallClock};
use super::parts::Parts;
use super::simulated;
#[cfg(feature = "libvirt")]
use super::uploads::{HostUploads, sweep};
use crate::config::{Config, Driver};
use crate::failure::Failure;

/// The only one there is, so far.
const ORG: &str = "main";

/// After that long the rest is left to the next start, which finds it: requests that are under way
/// get their answers, then workers end the steps that they are at, then what is decided is written.
const END_WITHIN: Duration =
    DRAIN_WITHIN.saturating_add(DRAIN_MAX).saturating_add(Duration::from_secs(10));

/// What a task says when it ends, and whose it is.
type Ended = (&'static str, Result<(), String>);

pub(super) struct Running {
    edge: Edge,
    address: String,
    /// Why this machine can't work as a host yet, if it shall.
    missing: Option<String>,
    /// Lets nobody in any more.
    closing: watch::Sender<bool>,
    /// Ends everything behind the edge.
    ending: watch::Sender<bool>,
    server: JoinSet<Ended>,
    behind: JoinSet<Ended>,
    /// The decider and the ledger: they end when nobody has a handle on them.
    desks: JoinSet<Ended>,
}

/// Starts from the inside out: whoever comes in finds everything there.
pub(super) async fn start(parts: Parts, config: &Config) -> Result<Running, Failure> {
    let org = Org::new(ORG).map_err(|why| Failure::new("the organisation").because(why))?;
    let served = served(config);
    let bound = serve::bind(&served).map_err(|why| {
        let failure = Failure::new("the API can't be served").because(why);
        failure.next("say another address with --listen")
    })?;
    let (closing, ending) = (watch::Sender::new(false), watch::Sender::new(false));
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let pulse: Arc<dyn Pulse> = Arc::new(MemoryPulse::default());
    let Parts { log, keys, decider, models, world, .. } = parts;
    let mut desks = JoinSet::new();
    desks.spawn(async { ("the decider", text(parts.desk.run().await)) });
    desks.spawn(async { ("the ledger", text(parts.ledger_writer.run().await)) });
    let relay = Relay::start(carrel_relay::Parts {
        log: Arc::clone(&log),
        bus: Arc::clone(&bus),
        pulse: Arc::clone(&pulse),
        keys: keys.clone(),
        decider: decider.clone(),
        clock: Arc::new(WallClock),
        entropy: Box::<Drawn>::default(),
        snapshots: Some(parts.snapshots.clone()),
    });
    let relay = relay.await.map_err(|why| Failure::new("the relay can't start").because(why))?;
    parts.snapshots.have_started();
    let mut behind = followers(&ending, parts.shredder, parts.projector);
    let stopped = ending.subscribe();
    behind.spawn(async move { ("the relay", text(relay.run(stopped).await)) });
    let Hosts { drives, more, missing, uploads } = match config.driver {
        Driver::Sim => {
            simulated::found(&decider, &org, config.sim_hypervisors).await?;
            let drives: Box<Drives> = Box::new(move |host| Some(world.hypervisor(host)));
            let (more, missing, uploads) = (Arc::default(), None, Arc::new(NoUploads));
            Hosts { drives, more, missing, uploads }
        }
        Driver::Libvirt => {
            let site = (decider.clone(), keys.clone(), org.clone());
            local(config, site, &ending, &mut behind).await?
        }
    };
    let crew = Crew {
        decider: decider.clone(),
        drives,
        more,
        work_keys: watch::Sender::new(keys.verifying_keys()),
        keys: keys.clone(),
        bus: Arc::clone(&bus),
        ledger: parts.ledger,
    };
    let stopped = ending.subscribe();
    behind.spawn(async move { ("the workers", crew.run(stopped).await) });
    let edge = Edge::new(Ports {
        commands: Arc::new(decider),
        reads: Arc::new(models),
        log,
        keys,
        pulse,
        bus,
        clock: Arc::new(WallClock),
        entropy: Arc::new(DrawnAhead::default()),
        uploads,
        org,
    });
    let address = url(&bound, &served);
    let mut server = JoinSet::new();
    let (mut closed, inside) = (closing.subscribe(), edge.clone());
    server.spawn(async move {
        let stop = async { drop(closed.wait_for(|closing| *closing).await) };
        ("the API", text(bound.serve(&inside, stop).await))
    });
    Ok(Running { edge, address, missing, closing, ending, server, behind, desks })
}

/// By what machines are run, and where files are put.
struct Hosts {
    drives: Box<Drives>,
    /// Told when more can do things than before.
    more: Arc<Notify>,
    /// Why one can't do anything yet.
    missing: Option<String>,
    uploads: Arc<dyn Uploads>,
}

#[cfg(feature = "libvirt")]
async fn local(
    config: &Config,
    (decider, keys, org): (Decider, Keys, Org),
    ending: &watch::Sender<bool>,
    behind: &mut JoinSet<Ended>,
) -> Result<Hosts, Failure> {
    let site =
        super::here::Site { decider, keys, org, storages: Arc::default(), images: Arc::default() };
    let here = super::here::Here::look(config, &site).await?;
    let hosts = Hosts {
        drives: here.drives(),
        more: here.more(),
        missing: here.missing().map(str::to_owned),
        uploads: Arc::new(
            HostUploads::new(here.id(), config.upload_gib_max)
                .on(Arc::clone(&site.storages), Arc::clone(&site.images)),
        ),
    };
    let (mut stopped, sweeps) = (ending.subscribe(), sweep(site.decider.clone(), here.id()));
    behind.spawn(async move {
        tokio::select! {
            () = sweeps => {}
            _ = stopped.wait_for(|ending| *ending) => {}
        }
        ("what sweeps uploads", Ok(()))
    });
    if hosts.missing.is_some() {
        let mended = here.mend(config.clone(), site, ending.subscribe());
        behind.spawn(async {
            mended.await;
            ("this machine as a host", Ok(()))
        });
    }
    Ok(hosts)
}

#[cfg(not(feature = "libvirt"))]
async fn local(
    _: &Config,
    _: (Decider, Keys, Org),
    _: &watch::Sender<bool>,
    _: &mut JoinSet<Ended>,
) -> Result<Hosts, Failure> {
    Err(Failure::usage("this build knows no libvirt").next("build it with `--features libvirt`"))
}

/// Those that follow the log.
fn followers(
    ending: &watch::Sender<bool>,
    shredder: Shredder,
    projector: Projector,
) -> JoinSet<Ended> {
    let mut followers = JoinSet::new();
    let mut stopped = ending.subscribe();
    followers.spawn(async move {
        tokio::select! {
            ended = shredder.run() => ("the shredder", text(ended)),
            _ = stopped.wait_for(|ending| *ending) => ("the shredder", Ok(())),
        }
    });
    let mut stopped = ending.subscribe();
    followers.spawn(async move {
        projector.run(async { drop(stopped.wait_for(|ending| *ending).await) }).await;
        ("the projector", Ok(()))
    });
    followers
}

fn text<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

fn served(config: &Config) -> serve::Config {
    let listen = config.listen;
    let tls = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => {
            Tls::Files { certificate: certificate.clone(), key: key.clone() }
        }
        _ if listen.ip().is_loopback() => Tls::Off,
        _ => {
            let own = [Some("localhost".to_owned()), host_name()].into_iter().flatten();
            let address = (!listen.ip().is_unspecified()).then(|| listen.ip().to_string());
            let names = own.chain(address).collect();
            Tls::SelfSigned { folder: config.data.join("tls"), names }
        }
    };
    serve::Config { listen, tls }
}

fn url(bound: &Bound, served: &serve::Config) -> String {
    let scheme = if served.tls == Tls::Off { "http" } else { "https" };
    let address = bound.address();
    if address.ip().is_unspecified() {
        let host = host_name().unwrap_or_else(|| "localhost".to_owned());
        return format!("{scheme}://{host}:{}", address.port());
    }
    format!("{scheme}://{address}")
}

/// By which others may reach this machine.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "localhost")
}

impl Running {
    pub(super) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(super) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    pub(super) fn url(&self) -> String {
        self.address.clone()
    }

    /// Until somebody says so, or something ends that shouldn't.
    pub(super) async fn until_told(&mut self) -> Result<(), Failure> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            Some(ended) = self.server.join_next() => Err(unasked(ended)),
            Some(ended) = self.behind.join_next() => Err(unasked(ended)),
            Some(ended) = self.desks.join_next() => Err(unasked(ended)),
        }
    }

    pub(super) async fn end(self) -> Result<(), Failure> {
        let Self { edge, closing, ending, mut server, mut behind, mut desks, .. } = self;
        tracing::info!("ending: what is under way comes to its end");
        closing.send_replace(true);
        let ended = async {
            drained(&mut server).await?;
            drop(edge);
            ending.send_replace(true);
            drained(&mut behind).await?;
            drained(&mut desks).await
        };
        match tokio::time::timeout(END_WITHIN, ended).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!("it takes too long; the next start finds what is left");
                Ok(())
            }
        }
    }
}

async fn drained(tasks: &mut JoinSet<Ended>) -> Result<(), Failure> {
    while let Some(ended) = tasks.join_next().await {
        if let Ok((what, Err(why))) = ended {
            return Err(Failure::new(format!("{what} has failed")).because(why));
        }
    }
    Ok(())
}

fn unasked(ended: Result<Ended, tokio::task::JoinError>) -> Failure {
    let next = "everything that was accepted is in the log; start Carrel again";
    match ended {
        Ok((what, Err(why))) => Failure::new(format!("{what} has failed")).because(why).next(next),
        Ok((what, Ok(()))) => Failure::new(format!("{what} has ended")).next(next),
        Err(panic) => Failure::new("a part of Carrel has panicked").because(panic).next(next),
    }
}
