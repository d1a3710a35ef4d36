//! `log-writer write`.

use std::sync::Arc;

use carrel_log::EventLog;
use carrel_log::embedded::EmbeddedLog;
use tokio::task::JoinSet;

use crate::ledger::Account;
use crate::submit::Submitter;
use crate::{Ended, Place, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Write {
    #[command(flatten)]
    place: Place,
    /// How many append at once.
    #[arg(long, default_value_t = 16)]
    writers: u64,
    #[command(flatten)]
    length: Length,
    /// Acknowledge what is not on disk. Only to see whether a test notices.
    #[arg(long)]
    no_sync: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Length {
    /// So many steps for each writer.
    #[arg(long)]
    units: Option<u64>,
    /// Until somebody ends it.
    #[arg(long)]
    forever: bool,
}

impl Write {
    pub(crate) async fn run(&self) -> Result<(), Ended> {
        let ledger = self.place.ledger()?;
        let log = self.place.open(self.no_sync).await?;
        let steps = self.length.units.unwrap_or(u64::MAX);
        let mut writers = JoinSet::new();
        for writer in 0..self.writers {
            let (log, account) = (Arc::clone(&log), ledger.account(writer));
            writers.spawn(append(log, self.place.seed, writer, account, steps));
        }
        let ended = tokio::select! {
            // The failure counts, whatever a writer makes of it.
            biased;
            cause = log.failed() => Err(Ended::Failed(cause)),
            ended = first_error(&mut writers) => ended,
        };
        if matches!(ended, Err(Ended::Failed(_))) {
            // Whatever was acknowledged stands before this.
            let head = log.head().await.map_err(Ended::refused)?;
            say(format_args!("failed {}", head.position))?;
        }
        ended?;
        log.close().await.map_err(Ended::refused)?;
        say("closed")
    }
}

async fn append(
    log: Arc<EmbeddedLog>,
    seed: u64,
    writer: u64,
    account: Account,
    steps: u64,
) -> Result<(), Ended> {
    let mut submitter = Submitter::new(&log, seed, writer, &account);
    for _ in 0..steps {
        submitter.step().await?;
    }
    Ok(())
}

async fn first_error(writers: &mut JoinSet<Result<(), Ended>>) -> Result<(), Ended> {
    while let Some(ended) = writers.join_next().await {
        ended.map_err(|panic| Ended::Broken(vec![panic.to_string()]))??;
    }
    Ok(())
}
