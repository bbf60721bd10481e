//! Execute workers that have nothing to do, kept because they hold an artifact.

use crate::{
    artifact::ArtifactId, metrics::Meters, primitives::ExecutorParamsHash,
    worker::execute::ExecuteWorker,
};
use rustix::process::Resource;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

/// How many descriptors of this process a worker takes.
const DESCRIPTORS: u64 = 3;

/// How many workers may be kept, of `max` at most, so that they leave half of this process's descriptors
/// to others.
pub(crate) fn that_fit(max: usize) -> usize {
    let descriptors = rustix::process::getrlimit(Resource::Nofile).current;
    let fit = descriptors.map_or(usize::MAX, |all| (all / 2 / DESCRIPTORS) as usize);
    if fit < max {
        tracing::info!(
            fit,
            max,
            "this process may open so few descriptors that not all hot workers can be kept"
        );
    }
    max.min(fit)
}

/// What a worker holds: an artifact, under some parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) artifact: ArtifactId,
    pub(crate) params: ExecutorParamsHash,
}

#[derive(Debug)]
struct Entry {
    load: Load,
    size: u64,
    worker: ExecuteWorker,
}

/// Idle workers, the most recently used last.
#[derive(Debug)]
pub(crate) struct HotSet {
    entries: VecDeque<Entry>,
    /// The sizes of their artifacts together, in bytes.
    size: u64,
    max_count: usize,
    max_size: u64,
    meters: Arc<Meters>,
}

impl HotSet {
    pub(crate) fn new(max_count: usize, max_size: u64, meters: Arc<Meters>) -> Self {
        Self { entries: VecDeque::new(), size: 0, max_count, max_size, meters }
    }

    /// How many workers there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The sizes of their artifacts together, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the worker out that used this load last.
    pub(crate) fn take(&mut self, load: &Load) -> Option<ExecuteWorker> {
        loop {
            let at = self.entries.iter().rposition(|entry| entry.load == *load)?;
            let Entry { size, mut worker, .. } = self.entries.remove(at)?;
            self.size -= size;
            if !worker.is_disturbed() {
                return Some(worker);
            }
        }
    }

    /// Keeps a worker, and lets those go that were not used for longest if there is no room. `size`
    /// is that of its artifact, in bytes.
    pub(crate) fn insert(&mut self, load: Load, size: u64, worker: ExecuteWorker) {
        self.entries.push_back(Entry { load, size, worker });
        self.size += size;
        while self.entries.len() > self.max_count || self.size > self.max_size {
            let Some(evicted) = self.entries.pop_front() else { break };
            self.size -= evicted.size;
            self.meters.hot_evictions_for_room.inc();
            tracing::debug!(worker_pid = evicted.worker.pid(), "hot worker makes room");
        }
    }

    /// Lets half of the workers go, those that were not used for longest. Whether there were any.
    pub(crate) fn make_room(&mut self) -> bool {
        let count = self.entries.len().div_ceil(2);
        self.size -= self.entries.drain(..count).map(|entry| entry.size).sum::<u64>();
        self.meters.hot_evictions_for_room.inc_by(count as u64);
        count > 0
    }

    /// Lets all workers go that hold an artifact.
    pub(crate) fn discard(&mut self, artifact: &ArtifactId) {
        let before = self.entries.len();
        self.retain(|entry| entry.load.artifact != *artifact);
        let evicted = before - self.entries.len();
        self.meters.hot_evictions_of_artifact.inc_by(evicted as u64);
    }

    /// Lets those go that have died or spoken out of turn, and wakes the task when another does.
    pub(crate) fn poll_disturbed(&mut self, context: &mut Context<'_>) {
        self.retain(|entry| {
            let disturbed = matches!(entry.worker.poll_disturbed(context), Poll::Ready(()));
            if disturbed {
                tracing::warn!(worker_pid = entry.worker.pid(), "idle execute worker died");
            }
            !disturbed
        });
    }

    fn retain(&mut self, mut stays: impl FnMut(&mut Entry) -> bool) {
        let size = &mut self.size;
        self.entries.retain_mut(|entry| {
            let stays = stays(entry);
            if !stays {
                *size -= entry.size;
            }
            stays
        });
    }
}
