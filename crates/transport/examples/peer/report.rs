use std::time::Instant;

use serde_json::{Value, json};

pub(crate) struct Report {
    start: Instant,
    nanoseconds: Vec<u32>,
    errors: u64,
}

impl Report {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), nanoseconds: Vec::new(), errors: 0 }
    }

    pub(crate) fn add(&mut self, since: Instant, succeeded: bool) {
        if succeeded {
            let took = since.elapsed().as_nanos();
            self.nanoseconds.push(u32::try_from(took).unwrap_or(u32::MAX));
        } else {
            self.errors += 1;
        }
    }

    /// Times in microseconds.
    pub(crate) fn finish(&mut self) -> Value {
        let seconds = self.start.elapsed().as_secs_f64();
        self.nanoseconds.sort_unstable();
        json!({
            "requests": self.nanoseconds.len(),
            "errors": self.errors,
            "seconds": seconds,
            "latency": {
                "p50": self.percentile(0.5),
                "p90": self.percentile(0.9),
                "p99": self.percentile(0.99),
                "p999": self.percentile(0.999),
                "max": self.percentile(1.0),
            },
        })
    }

    fn percentile(&self, share: f64) -> f64 {
        let index = (self.nanoseconds.len() as f64 * share).ceil() as usize;
        let value = self.nanoseconds.get(index.max(1) - 1).or(self.nanoseconds.last());
        value.map_or(0.0, |nanoseconds| f64::from(*nanoseconds) / 1000.0)
    }
}
