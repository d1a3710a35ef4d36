//! Turns of those who are asked over HTTP, and what is told of them.

use std::net::SocketAddr;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::http::{As, Connection};
use crate::Failure;
use crate::figures::Spread;
use crate::load::{Load, Sample, Writer, at_rate, metered, together};
use crate::report::number;

/// All turns of one of those who take part.
pub(super) struct Turns {
    pub(super) who: String,
    pub(super) samples: Vec<Sample>,
}

/// Each writer asks again as soon as it has its answer.
pub(super) fn full<W: Writer>(
    runtime: &Runtime,
    load: &Load,
    pid: u32,
    writers: Vec<W>,
) -> Result<Sample, Failure> {
    metered(load, Some(pid), |span| runtime.block_on(together(span, writers)))
}

/// All writers together ask so often in a second.
pub(super) fn paced<W: Writer>(
    runtime: &Runtime,
    load: &Load,
    (pid, rate): (u32, f64),
    writers: Vec<W>,
) -> Result<Sample, Failure> {
    metered(load, Some(pid), |span| runtime.block_on(at_rate(span, rate, writers)))
}

/// Reads the same again and again.
pub(super) struct Reader {
    connection: Connection,
    path: String,
}

impl Writer for Reader {
    async fn append(&mut self) -> Result<(), Failure> {
        self.connection.get(&self.path).await?.must_be(StatusCode::OK).map(drop)
    }
}

/// One for each of those who ask.
pub(super) async fn readers(
    to: SocketAddr,
    who: impl IntoIterator<Item = As>,
    path: &str,
) -> Result<Vec<Reader>, Failure> {
    let mut readers = Vec::new();
    for who in who {
        readers
            .push(Reader { connection: Connection::open(to, who).await?, path: path.to_owned() });
    }
    Ok(readers)
}

impl Turns {
    pub(super) fn of(who: impl Into<String>) -> Self {
        Self { who: who.into(), samples: Vec::new() }
    }

    pub(super) fn rate(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.rate).collect())
    }

    /// Milliseconds, of all turns together.
    pub(super) fn millis(&self, quantile: f64) -> f64 {
        let mut all = hdrhistogram::Histogram::<u64>::new(3).ok();
        for sample in &self.samples {
            all = all.and_then(|mut all| all.add(&sample.waited).is_ok().then_some(all));
        }
        all.map_or(f64::NAN, |all| all.value_at_quantile(quantile) as f64 / 1e6)
    }

    /// How many times as fast as another it was, turn by turn.
    pub(super) fn times(&self, other: &Self) -> Spread {
        let pairs = self.samples.iter().zip(&other.samples);
        Spread::of(pairs.map(|(own, other)| own.rate / other.rate).collect())
    }

    pub(super) const COLUMNS: [&'static str; 7] =
        ["", "requests/s", "min..max", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs/request"];

    pub(super) fn row(&self) -> Vec<String> {
        let (rate, cpu) = (self.rate(), self.cpu_micros());
        let range = format!("{}..{}", number(rate.min), number(rate.max));
        let millis = |quantile| number(self.millis(quantile));
        let waited = [millis(0.5), millis(0.99), millis(0.999)];
        [self.who.clone(), number(rate.median), range]
            .into_iter()
            .chain(waited)
            .chain([number(cpu)])
            .collect()
    }

    fn cpu_micros(&self) -> f64 {
        Spread::of(self.samples.iter().map(|it| it.cpu.as_secs_f64() * 1e6).collect()).median
    }

    pub(super) fn figures(&self) -> Value {
        let rates: Vec<f64> = self.samples.iter().map(|sample| sample.rate).collect();
        json!({
            "who": self.who, "requests_per_second": rates, "p50_ms": self.millis(0.5),
            "p99_ms": self.millis(0.99), "cpu_micros": self.cpu_micros(),
        })
    }
}
