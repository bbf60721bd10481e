//! Parts of the host, one by one, for benchmarks. No interface: they change with it.

use crate::{
    artifact::{ArtifactId, ArtifactStore, CacheLock, Environment, PrepareCost},
    backend::{Artifact, CodePrefix},
    host::queue::{self, ExecuteClass, PreparePriority},
};
use std::path::Path;

/// Executions that wait for a worker: numbers, which are of all classes in turn.
#[derive(Debug)]
pub struct ExecuteQueue(queue::ExecuteQueue<usize>);

impl ExecuteQueue {
    /// A queue with the first so many numbers.
    pub fn filled(len: usize) -> Self {
        let mut queue = Self(queue::ExecuteQueue::new());
        (0..len).for_each(|number| queue.push(number));
        queue
    }

    /// Adds a number.
    pub fn push(&mut self, number: usize) {
        self.0.push(number, ExecuteClass::ALL[number % ExecuteClass::ALL.len()]);
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<usize> {
        self.0.pop()
    }

    /// Takes out what is unwanted.
    pub fn remove(&mut self, unwanted: impl FnMut(&usize) -> bool) {
        self.0.remove(unwanted);
    }
}

/// Artifacts that wait to be prepared, none of them critical.
#[derive(Debug)]
pub struct PrepareQueue(queue::PrepareQueue<ArtifactId, ()>);

impl PrepareQueue {
    /// A queue of these.
    pub fn filled<'a>(ids: impl IntoIterator<Item = &'a ArtifactId>) -> Self {
        let mut queue = Self(queue::PrepareQueue::new(1, 1));
        ids.into_iter().for_each(|id| queue.push(id.clone()));
        queue
    }

    /// Adds one.
    pub fn push(&mut self, id: ArtifactId) {
        self.0.push(id, (), PreparePriority::Normal);
    }

    /// Makes one critical, if it is there.
    pub fn raise(&mut self, id: &ArtifactId) {
        self.0.raise(id);
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<ArtifactId> {
        self.0.pop(0).map(|(id, ())| id)
    }
}

/// The artifacts on disk.
#[derive(Debug)]
pub struct Store(ArtifactStore);

impl Store {
    /// Opens a cache, and says how many artifacts are in it.
    ///
    /// # Errors
    ///
    /// When it can't be used.
    pub fn open(root: &Path, environment: Environment) -> Result<(Self, usize), String> {
        let lock = CacheLock::acquire(root).map_err(|error| error.to_string())?;
        let opened = ArtifactStore::open(lock, environment).map_err(|error| error.to_string())?;
        Ok((Self(opened.0), opened.1.iter().filter(|entry| entry.content.is_ok()).count()))
    }

    /// Writes an artifact. Gives the length of its file, in bytes.
    ///
    /// # Errors
    ///
    /// When the disk refuses it.
    pub fn write(&self, id: &ArtifactId, artifact: &Artifact) -> Result<u64, String> {
        let (prefix, cost) = (CodePrefix::of(b""), PrepareCost::default());
        let written = self.0.write(id, artifact, None, &prefix, cost);
        written.map(|sizes| sizes.artifact).map_err(|error| error.to_string())
    }

    /// Reads an artifact into memory of its own.
    ///
    /// # Errors
    ///
    /// When it does not hold.
    pub fn read(&self, id: &ArtifactId) -> Result<Artifact, String> {
        self.0.read(id).map(|stored| stored.artifact).map_err(|error| error.to_string())
    }
}
