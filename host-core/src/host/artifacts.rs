//! What the host knows about each artifact: a pure table, without disk or process.

use crate::{
    PrepareError,
    artifact::{ArtifactId, CacheEntry, EntryContent, PrepareCost, PruneLimits, prune},
    backend::{CodePrefix, FunctionCounts},
    primitives::CodeHash,
};
use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

/// Names a request from its arrival to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

#[derive(Debug)]
enum State {
    /// It is being prepared, or waits for it.
    Preparing { waiting: Vec<RequestId>, failures: u32 },
    /// It is on disk.
    Prepared(PreparedArtifact),
    /// Preparing failed.
    Failed { error: PrepareError, failures: u32, last_failed: Instant },
}

/// An artifact that is on disk.
#[derive(Debug, Clone)]
pub(crate) struct PreparedArtifact {
    /// Tells this file from an earlier one of the same identity, so that what is learnt about the
    /// one is not held against the other.
    pub(crate) generation: u64,
    pub(crate) size: u64,
    pub(crate) cost: PrepareCost,
    /// The length of the file of functions that is kept beside it, in bytes. Zero if there is none.
    functions_size: u64,
    /// How many functions were reused when this host prepared it.
    pub(crate) counts: Option<FunctionCounts>,
    last_needed: SystemTime,
    /// When that was last noted on disk.
    last_touched: SystemTime,
    /// Executions that may yet read the file.
    users: usize,
}

/// What all artifacts come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many are on disk.
    pub(crate) artifacts: usize,
    /// How many failures are remembered.
    pub(crate) failures: usize,
    /// The lengths of the files of the former and of their functions, in bytes.
    pub(crate) size: u64,
}

/// What a preparation has put on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// The length of the artifact's file, in bytes.
    pub(crate) size: u64,
    /// The length of the file of functions beside it, in bytes. Zero if there is none.
    pub(crate) functions_size: u64,
    pub(crate) counts: Option<FunctionCounts>,
    pub(crate) cost: PrepareCost,
}

/// What to do about an artifact that somebody needs.
#[derive(Debug)]
pub(crate) enum Need {
    /// It is there.
    Ready(PreparedArtifact),
    /// It is on its way; the request was noted.
    Wait,
    /// Somebody has to prepare it. See [`Artifacts::begin`].
    Prepare,
    /// It can't be had.
    Failed(PrepareError),
}

/// When preparing is tried again after a failure that may pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) interval: Duration,
    pub(crate) retries: u32,
}

/// All artifacts of this host.
#[derive(Debug)]
pub(crate) struct Artifacts {
    states: HashMap<ArtifactId, State>,
    /// How code begins of which some artifact is known: enough to select its backend again.
    prefixes: HashMap<CodeHash, CodePrefix>,
    retry: RetryPolicy,
    next_generation: u64,
}

impl Artifacts {
    /// The table as the disk has it.
    pub(crate) fn new(entries: Vec<CacheEntry>, retry: RetryPolicy, now: Instant) -> Self {
        let mut table =
            Self { states: HashMap::new(), prefixes: HashMap::new(), retry, next_generation: 0 };
        for entry in entries {
            let (prefix, state) = match entry.content {
                Ok(EntryContent::Artifact(header)) => (
                    header.code_prefix,
                    State::Prepared(PreparedArtifact {
                        generation: table.generation(),
                        size: entry.size,
                        cost: header.cost,
                        functions_size: entry.functions.map_or(0, |functions| functions.size),
                        counts: None,
                        last_needed: entry.last_needed,
                        last_touched: entry.last_needed,
                        users: 0,
                    }),
                ),
                // A host that ended in between has prepared what had failed before, and not said so.
                // If the failure comes first, the artifact replaces it.
                Ok(EntryContent::Failure(..)) if table.states.contains_key(&entry.id) => continue,
                Ok(EntryContent::Failure(error, prefix)) => {
                    (prefix, State::Failed { error, failures: 1, last_failed: now })
                }
                Err(_) => continue,
            };
            table.prefixes.insert(entry.id.code_hash, prefix);
            table.states.insert(entry.id, state);
        }
        table
    }

    fn generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation
    }

    /// How some code begins, if an artifact of it is known.
    pub(crate) fn prefix(&self, code: &CodeHash) -> Option<&CodePrefix> {
        self.prefixes.get(code)
    }

    /// Says how things stand with an artifact, and notes that `request` waits for it if it is on its
    /// way. A precheck does not try again what has failed.
    pub(crate) fn need(
        &mut self,
        id: &ArtifactId,
        request: RequestId,
        may_retry: bool,
        now: Instant,
    ) -> Need {
        match self.states.get_mut(id) {
            None => Need::Prepare,
            Some(State::Preparing { waiting, .. }) => {
                waiting.push(request);
                Need::Wait
            }
            Some(State::Prepared(prepared)) => {
                prepared.last_needed = SystemTime::now();
                Need::Ready(prepared.clone())
            }
            Some(State::Failed { error, failures, last_failed, .. }) => {
                let due = error.is_trouble_of_host()
                    || may_retry
                        && !error.is_deterministic()
                        && *failures <= self.retry.retries
                        && now.duration_since(*last_failed) >= self.retry.interval;
                if due { Need::Prepare } else { Need::Failed(error.clone()) }
            }
        }
    }

    /// Which artifacts have functions beside them that a preparation of `id` may reuse, the best first:
    /// those of its predecessor, and those of the same code under other parameters.
    pub(crate) fn functions_for(
        &self,
        id: &ArtifactId,
        predecessor: Option<CodeHash>,
    ) -> Vec<ArtifactId> {
        let rank = |other: &ArtifactId| match other.code_hash {
            _ if other.backend != id.backend || other == id => None,
            hash if Some(hash) == predecessor => Some(other.prep_hash != id.prep_hash),
            hash if hash == id.code_hash => Some(true),
            _ => None,
        };
        let mut found: Vec<_> = self
            .states
            .iter()
            .filter(|(_, state)| matches!(state, State::Prepared(p) if p.functions_size > 0))
            .filter_map(|(other, _)| Some((rank(other)?, other.clone())))
            .collect();
        found.sort();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Notes that the functions beside an artifact were of no use, and are gone.
    pub(crate) fn forget_functions(&mut self, id: &ArtifactId) {
        if let Some(State::Prepared(prepared)) = self.states.get_mut(id) {
            prepared.functions_size = 0;
        }
    }

    /// Notes that the artifact is now being prepared for `request`.
    pub(crate) fn begin(&mut self, id: &ArtifactId, request: RequestId, prefix: CodePrefix) {
        let failures = match self.states.get(id) {
            Some(State::Failed { failures, .. }) => *failures,
            _ => 0,
        };
        self.prefixes.insert(id.code_hash, prefix);
        let state = State::Preparing { waiting: vec![request], failures };
        self.states.insert(id.clone(), state);
    }

    /// Notes that a request no longer waits. `true` if nobody waits any more, and the artifact has
    /// been forgotten.
    pub(crate) fn abandon(&mut self, id: &ArtifactId, request: RequestId) -> bool {
        let Some(State::Preparing { waiting, .. }) = self.states.get_mut(id) else {
            return false;
        };
        waiting.retain(|waiting| *waiting != request);
        let forgotten = waiting.is_empty();
        if forgotten {
            self.forget(id);
        }
        forgotten
    }

    /// Notes how preparing ended, and says who waited for it.
    pub(crate) fn finish(
        &mut self,
        id: &ArtifactId,
        result: Result<Written, PrepareError>,
        now: Instant,
    ) -> Vec<RequestId> {
        let generation = self.generation();
        let Some(state) = self.states.get_mut(id) else { return vec![] };
        let State::Preparing { waiting, failures } = state else { return vec![] };
        let (waiting, failures) = (std::mem::take(waiting), *failures);
        *state = match result {
            Ok(Written { size, functions_size, counts, cost }) => {
                let now = SystemTime::now();
                State::Prepared(PreparedArtifact {
                    generation,
                    size,
                    cost,
                    functions_size,
                    counts,
                    last_needed: now,
                    last_touched: now,
                    users: 0,
                })
            }
            Err(error) => {
                // What says nothing about the code never counts against it for good.
                let is_about_code =
                    !error.is_trouble_of_host() && !matches!(error, PrepareError::Machine(_));
                let failures = failures + u32::from(is_about_code);
                State::Failed { error, failures, last_failed: now }
            }
        };
        waiting
    }

    /// Notes that an execution will read the artifact, which keeps it from being pruned.
    pub(crate) fn acquire(&mut self, id: &ArtifactId) {
        if let Some(State::Prepared(prepared)) = self.states.get_mut(id) {
            prepared.users += 1;
        }
    }

    /// The end of what [`acquire`](Self::acquire) began.
    pub(crate) fn release(&mut self, id: &ArtifactId, generation: u64) {
        if let Some(State::Prepared(prepared)) = self.states.get_mut(id)
            && prepared.generation == generation
        {
            prepared.users -= 1;
        }
    }

    /// Whether the artifact on disk is the one of this generation.
    pub(crate) fn is_current(&self, id: &ArtifactId, generation: u64) -> bool {
        matches!(
            self.states.get(id),
            Some(State::Prepared(prepared)) if prepared.generation == generation
        )
    }

    /// Forgets an artifact that could not be used. `false` if it has been replaced since.
    pub(crate) fn discard(&mut self, id: &ArtifactId, generation: u64) -> bool {
        let same = self.is_current(id, generation);
        if same {
            self.forget(id);
        }
        same
    }

    /// Whether it is time to note on disk when the artifact was last needed.
    pub(crate) fn should_touch(&mut self, id: &ArtifactId) -> bool {
        /// Far below the least age at which artifacts are pruned.
        const INTERVAL: Duration = Duration::from_secs(60 * 60);
        let Some(State::Prepared(prepared)) = self.states.get_mut(id) else { return false };
        let age = prepared.last_needed.duration_since(prepared.last_touched).unwrap_or_default();
        if age >= INTERVAL {
            prepared.last_touched = prepared.last_needed;
        }
        age >= INTERVAL
    }

    /// Forgets the artifacts that have to make room, and says which they are.
    pub(crate) fn prune(&mut self, limits: &PruneLimits) -> Vec<ArtifactId> {
        let artifacts = self.states.iter().filter_map(|(id, state)| match state {
            State::Prepared(p) => {
                // What is about to be read counts as needed just now.
                let last_needed = if p.users > 0 { SystemTime::now() } else { p.last_needed };
                Some(((id.clone(), p.users), p.size + p.functions_size, last_needed))
            }
            _ => None,
        });
        let mut pruned = prune(artifacts, limits, SystemTime::now());
        pruned.retain(|(_, users)| *users == 0);
        let pruned: Vec<_> = pruned.into_iter().map(|(id, _)| id).collect();
        for id in &pruned {
            self.forget(id);
        }
        pruned
    }

    /// What all of them come to.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for state in self.states.values() {
            match state {
                State::Preparing { .. } => {}
                State::Prepared(prepared) => {
                    totals.artifacts += 1;
                    totals.size += prepared.size + prepared.functions_size;
                }
                State::Failed { .. } => totals.failures += 1,
            }
        }
        totals
    }

    fn forget(&mut self, id: &ArtifactId) {
        self.states.remove(id);
        if !self.states.keys().any(|other| other.code_hash == id.code_hash) {
            self.prefixes.remove(&id.code_hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::format::{BackendVersion, Checksum, Header},
        backend::BackendId,
        primitives::Hash,
    };

    const POLICY: RetryPolicy = RetryPolicy { interval: Duration::from_secs(900), retries: 5 };

    fn table() -> Artifacts {
        Artifacts::new(vec![], POLICY, Instant::now())
    }

    fn id(n: u8) -> ArtifactId {
        ArtifactId {
            code_hash: Hash([n; 32]).into(),
            prep_hash: Hash([0; 32]).into(),
            backend: BackendId::from_static("test"),
        }
    }

    fn begin(table: &mut Artifacts, n: u8, request: u64) {
        table.begin(&id(n), RequestId(request), CodePrefix::of(b"code"));
    }

    fn passing() -> PrepareError {
        PrepareError::JobDied("killed".into())
    }

    const DONE: Result<Written, PrepareError> = written(0);

    const fn written(functions_size: u64) -> Result<Written, PrepareError> {
        let cost = PrepareCost { wall: Duration::ZERO, cpu: Duration::ZERO, peak_memory: 0 };
        Ok(Written { size: 10, functions_size, counts: None, cost })
    }

    fn generation(table: &mut Artifacts, n: u8) -> u64 {
        match table.need(&id(n), RequestId(0), true, Instant::now()) {
            Need::Ready(prepared) => prepared.generation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_who_ask_while_an_artifact_is_prepared_learn_how_it_ended() {
        let (mut table, now) = (table(), Instant::now());
        assert!(matches!(table.need(&id(1), RequestId(1), true, now), Need::Prepare));
        begin(&mut table, 1, 1);
        for request in [2, 3] {
            assert!(matches!(table.need(&id(1), RequestId(request), true, now), Need::Wait));
        }
        assert_eq!(table.finish(&id(1), DONE, now), [1, 2, 3].map(RequestId));
        assert!(matches!(table.need(&id(1), RequestId(4), true, now), Need::Ready(_)));
    }

    #[test]
    fn a_failure_that_may_pass_is_tried_again_later_and_only_so_often() {
        let (mut table, mut now) = (table(), Instant::now());
        for _ in 0..=POLICY.retries {
            assert!(matches!(table.need(&id(1), RequestId(1), true, now), Need::Prepare));
            begin(&mut table, 1, 1);
            table.finish(&id(1), Err(passing()), now);
            let early = now + POLICY.interval - Duration::from_secs(1);
            assert!(matches!(table.need(&id(1), RequestId(1), true, early), Need::Failed(_)));
            now += POLICY.interval;
            assert!(matches!(table.need(&id(1), RequestId(1), false, now), Need::Failed(_)));
        }
        assert!(matches!(table.need(&id(1), RequestId(1), true, now), Need::Failed(_)));
    }

    #[test]
    fn a_deterministic_failure_is_final() {
        let (mut table, now) = (table(), Instant::now());
        begin(&mut table, 1, 1);
        table.finish(&id(1), Err(PrepareError::Prevalidation("text".into())), now);
        let later = now + POLICY.interval * 100;
        let need = table.need(&id(1), RequestId(1), true, later);
        assert!(matches!(need, Need::Failed(PrepareError::Prevalidation(_))));
    }

    #[test]
    fn an_artifact_is_forgotten_when_the_last_who_waited_goes_away() {
        let (mut table, now) = (table(), Instant::now());
        begin(&mut table, 1, 1);
        table.need(&id(1), RequestId(2), true, now);
        assert!(!table.abandon(&id(1), RequestId(1)));
        assert!(table.abandon(&id(1), RequestId(2)));
        assert!(matches!(table.need(&id(1), RequestId(3), true, now), Need::Prepare));
        assert!(table.prefix(&id(1).code_hash).is_none());
    }

    #[test]
    fn what_is_learnt_about_an_earlier_file_is_not_held_against_the_present_one() {
        let (mut table, now) = (table(), Instant::now());
        begin(&mut table, 1, 1);
        table.finish(&id(1), DONE, now);
        let old = generation(&mut table, 1);
        assert!(table.discard(&id(1), old));
        assert!(!table.discard(&id(1), old));
        begin(&mut table, 1, 1);
        table.finish(&id(1), DONE, now);
        assert!(!table.discard(&id(1), old));
        assert_ne!(generation(&mut table, 1), old);
    }

    #[test]
    fn an_artifact_counts_more_than_an_earlier_failure() {
        let header = Header {
            code_prefix: CodePrefix::of(b"code"),
            payload_len: 10,
            payload_checksum: Checksum([0; 32]),
            cost: PrepareCost::default(),
            backend_version: BackendVersion::new("1"),
        };
        let error = PrepareError::OutOfMemory { limit: 1 };
        let contents =
            [EntryContent::Failure(error, CodePrefix::of(b"code")), EntryContent::Artifact(header)];
        let entries = contents.map(|content| CacheEntry {
            id: id(1),
            path: "file".into(),
            size: 10,
            last_needed: SystemTime::now(),
            content: Ok(content),
            functions: None,
        });
        let now = Instant::now();
        let mut table = Artifacts::new(entries.into(), POLICY, now);
        assert!(matches!(table.need(&id(1), RequestId(1), true, now), Need::Ready(_)));
    }

    #[test]
    fn functions_are_reused_of_the_predecessor_and_of_the_same_code_alone() {
        let (mut table, now) = (table(), Instant::now());
        let with = |n: u8, prep: u8, backend: &'static str| ArtifactId {
            prep_hash: Hash([prep; 32]).into(),
            backend: BackendId::from_static(backend),
            ..id(n)
        };
        let mut add = |id: &ArtifactId, functions_size| {
            table.begin(id, RequestId(1), CodePrefix::of(b"code"));
            table.finish(id, written(functions_size), now);
        };
        for (n, prep, backend) in [(1, 0, "test"), (1, 1, "test"), (1, 0, "other"), (3, 0, "test")]
        {
            add(&with(n, prep, backend), 1);
        }
        // Another artifact of the new code, and one without functions.
        add(&with(2, 1, "test"), 1);
        add(&with(2, 2, "test"), 0);
        let new = with(2, 0, "test");
        let same_code = with(2, 1, "test");
        assert_eq!(table.functions_for(&new, None), std::slice::from_ref(&same_code));
        let all = [with(1, 0, "test"), with(1, 1, "test"), same_code.clone()];
        assert_eq!(table.functions_for(&new, Some(id(1).code_hash)), all);
        table.forget_functions(&same_code);
        assert_eq!(table.functions_for(&new, None), []);
        assert_eq!(table.functions_for(&with(4, 0, "test"), Some(id(5).code_hash)), []);
    }

    #[test]
    fn functions_beside_an_artifact_count_when_room_is_made() {
        let (mut table, now) = (table(), Instant::now());
        begin(&mut table, 1, 1);
        table.finish(&id(1), written(90), now);
        let limits = |max_size| PruneLimits { max_size, min_age: Duration::ZERO };
        assert_eq!(table.prune(&limits(100)), []);
        assert_eq!(table.prune(&limits(99)), [id(1)]);
    }

    #[test]
    fn an_artifact_that_is_about_to_be_read_is_not_pruned() {
        let (mut table, now) = (table(), Instant::now());
        for n in [1, 2] {
            begin(&mut table, n, 1);
            table.finish(&id(n), DONE, now);
        }
        table.acquire(&id(1));
        let used = generation(&mut table, 1);
        let limits = PruneLimits { max_size: 0, min_age: Duration::ZERO };
        assert_eq!(table.prune(&limits), [id(2)]);
        table.release(&id(1), used);
        assert_eq!(table.prune(&limits), [id(1)]);
    }
}
