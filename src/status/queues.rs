//! The jobs that wait, run and have failed in the bench's queues: read at each scrape, in one pipeline.

use std::collections::BTreeMap;
use std::fmt;

use redis::Pipeline;

use crate::frappe::queues::{self, BenchQueues, epoch_s};
use crate::redis_client::Link;

/// The figures of one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub name: String,
    pub waiting: u64,
    /// The wait of the oldest job in seconds; 0 if none waits.
    pub oldest_s: f64,
    pub running: u64,
    /// RQ keeps finished jobs for 10 minutes, failed ones for 7 days (Frappe's settings).
    pub finished: u64,
    pub failed: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    pub queues: Vec<Queue>,
    /// The number of this bench's workers, over all pods, by RQ's state.
    pub workers: BTreeMap<String, u64>,
}

/// The connection, and the queues to read.
#[derive(Clone)]
pub struct Source {
    pub link: Link,
    pub queues: BenchQueues,
    pub names: Vec<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.names.join(","))
    }
}

type OfOneQueue = (u64, Vec<Option<String>>, u64, u64, u64, Vec<Option<String>>);

impl Source {
    /// Reads the figures of all queues.
    ///
    /// # Errors
    /// The reason why Redis did not answer.
    pub async fn read(&self, now_s: f64) -> Result<Figures, String> {
        let mut pipeline = Pipeline::new();
        for name in &self.names {
            let queue = self.queues.queue(name);
            pipeline.cmd("LLEN").arg(&queue);
            // The oldest job's time, without a second round trip.
            pipeline.cmd("SORT").arg(&queue).arg("BY").arg("nosort").arg("LIMIT").arg(0).arg(1);
            pipeline.arg("GET").arg(queues::job("*->enqueued_at"));
            for registry in ["wip", "finished", "failed"] {
                pipeline.cmd("ZCARD").arg(self.queues.registry(registry, name));
            }
            pipeline.cmd("SORT").arg(self.queues.workers(name)).arg("BY").arg("nosort");
            pipeline.arg("GET").arg("#").arg("GET").arg("*->state");
        }
        let answers: Vec<redis::Value> = self.link.query(&pipeline).await?;
        let mut figures = Figures::default();
        let mut workers: BTreeMap<String, String> = BTreeMap::new();
        for (name, answer) in self.names.iter().zip(answers.chunks(6)) {
            let answer = redis::Value::Array(answer.to_vec());
            let (waiting, times, running, finished, failed, states): OfOneQueue =
                redis::from_redis_value(answer).map_err(|error| error.to_string())?;
            let enqueued_s = times.into_iter().flatten().next().as_deref().and_then(epoch_s);
            let oldest_s = enqueued_s.map_or(0.0, |then| (now_s - then).max(0.0));
            figures.queues.push(Queue { name: name.clone(), waiting, oldest_s, running, finished, failed });
            for pair in states.chunks(2) {
                if let [Some(worker), state] = pair {
                    // A dead worker stays in the set, but its hash expires.
                    workers.insert(worker.clone(), state.clone().unwrap_or_else(|| "unknown".into()));
                }
            }
        }
        for state in workers.into_values() {
            *figures.workers.entry(state).or_default() += 1;
        }
        Ok(figures)
    }
}
