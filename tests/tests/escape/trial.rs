//! Making attempts, and finding out what came of them.

use crate::{
    log::{self, Since},
    outside::Outside,
};
use pvf_host_core::{
    InvalidCandidate, PossiblyInvalid, PrepareError, Pvf, ValidationError, ValidationRequest,
    primitives::{ExecutorParam, ExecutorParams, PvfPrepKind},
    sandbox::{Findings, Sandbox},
    try_sandbox,
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    OnCall, OnLoad, OnPrepare, Scratch, Script, TestHost,
    escape::{Attempt, Escape, Report, Target, errno_name},
    eventually_some, processes, programs,
    request::{approval, approval_of, hash_head},
    valid_head,
};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The process that an attacker has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Job,
    PrepareJob,
    /// A worker that loads an artifact, which an attacker may have made in a prepare job.
    Worker,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Job, Self::PrepareJob, Self::Worker];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Job => "job",
            Self::PrepareJob => "prepare job",
            Self::Worker => "worker",
        })
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The filter for system calls has ended the process.
    Killed,
    /// The kernel has refused a call.
    Refused { call: String, errno: i32 },
    /// It did what it wanted, and nothing was to be seen of that outside.
    WithoutEffect,
    /// It was never heard of again, and its time is over.
    TimedOut,
    /// The process has ended otherwise.
    Died(String),
    /// It has reached what it should not.
    GotThrough(String),
}

impl Outcome {
    /// Whether something has stopped it: not that it was slow, or ended by itself.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self, Self::Killed | Self::Refused { .. } | Self::WithoutEffect)
    }

    /// Whether that was the end of it: that is what comes of a program that executes what it gets no
    /// privilege from, or of a process that ends with another.
    pub(crate) fn is_stopped_or_dead(&self) -> bool {
        self.is_stopped() || matches!(self, Self::Died(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Killed => "SIGSYS".into(),
            Self::Refused { call, errno } => format!("{call}: {}", errno_name(*errno)),
            Self::WithoutEffect => "no effect outside".into(),
            Self::TimedOut => "timed out".into(),
            Self::Died(how) => how.clone(),
            Self::GotThrough(_) => "got through".into(),
        };
        f.pad(&text)
    }
}

/// Makes otherwise equal code different, in all of this program.
static SALT: AtomicU64 = AtomicU64::new(1);

pub(crate) fn salt() -> u64 {
    SALT.fetch_add(1, Ordering::Relaxed)
}

/// Enough for what any attempt does before it is stopped.
const CPU_TIME: Duration = Duration::from_millis(300);

/// A host whose jobs an attacker takes over.
pub(crate) struct Ground {
    pub(crate) host: TestHost,
    pub(crate) findings: Findings,
    /// Its calls do what the block says.
    pvf: Pvf,
    bystander: Pvf,
}

impl Ground {
    pub(crate) async fn new(sandbox: Sandbox) -> Self {
        log::keep();
        let scratch = Scratch::new(programs!());
        // On the clock, a busy machine may take long.
        let config = scratch.config().sandbox(sandbox).wall_clock_factor(20);
        let findings = try_sandbox(&config.clone().build().unwrap()).await.unwrap();
        let host = scratch.start(config).await.unwrap();
        let pvf = Script::call(OnCall::AsTheBlockSays).salt(salt()).pvf();
        Self { host, findings, pvf, bystander: Script::salted(salt()).pvf() }
    }

    /// Has an attempt made, finds out what came of it, and that it has left no trace.
    pub(crate) async fn attempt(
        &self,
        role: Role,
        attempt: Attempt,
        outside: &mut Outside,
    ) -> Outcome {
        self.attempt_variants(role, attempt, (0, 0), outside).await
    }

    pub(crate) async fn attempt_variants(
        &self,
        role: Role,
        attempt: Attempt,
        variants: (u32, u32),
        outside: &mut Outside,
    ) -> Outcome {
        if attempt == Attempt::ReadCache {
            // So that there is one.
            self.assert_clean().await;
        }
        let target = Target { cache_file: self.cache_file(), variants, ..outside.target() };
        let escape = Box::new(Escape { attempt, target });
        let (report, end) = match role {
            Role::Job if attempt == Attempt::LeaveSessionAndSpin => {
                return self.outlive_worker(escape).await;
            }
            Role::Job => self.as_job(escape).await,
            Role::PrepareJob => self.as_prepare_job(escape).await,
            Role::Worker => self.as_worker(escape).await,
        };
        let seen = outside.evidence(attempt, report.as_ref());
        let outcome = match (seen, report, end) {
            (Some(Ok(evidence)), _, _) => Outcome::GotThrough(evidence),
            (Some(Err(())), Some(Report::GotThrough(_)), _) => Outcome::WithoutEffect,
            (_, Some(Report::GotThrough(evidence)), _) => Outcome::GotThrough(evidence),
            (_, Some(Report::Refused { call, errno }), _) => Outcome::Refused { call, errno },
            (_, None, end) => end,
        };
        match outcome {
            // What a program in memory does that was executed.
            Outcome::Died(how) if how.contains("exit status: 42") => Outcome::GotThrough(how),
            outcome => outcome,
        }
    }

    /// Checks that candidates are judged as if nothing had been.
    pub(crate) async fn assert_clean(&self) {
        let same = approval_of(self.pvf.clone(), OnCall::HashInput.block());
        assert_eq!(valid_head(self.host.validate(same.clone()).await), hash_head(&same));
        let other = approval(self.bystander.clone());
        assert_eq!(valid_head(self.host.validate(other.clone()).await), hash_head(&other));
    }

    /// The path of some file of the cache.
    fn cache_file(&self) -> String {
        let entries = self.host.scratch().entries();
        entries.first().map_or_else(String::new, |entry| entry.path.to_str().unwrap().to_owned())
    }

    pub(crate) fn request(&self, escape: Box<Escape>) -> ValidationRequest {
        let request = approval_of(self.pvf.clone(), OnCall::Escape(escape).block());
        request.with_timeout(CPU_TIME)
    }

    /// How logs name the artifact of its calls.
    pub(crate) fn artifact(&self) -> String {
        hash(&self.pvf)
    }

    async fn as_job(&self, escape: Box<Escape>) -> (Option<Report>, Outcome) {
        let request = self.request(escape);
        let artifact = self.artifact();
        let log = Since::now();
        match self.host.validate(request).await.verdict {
            Ok(result) => {
                let head = String::from_utf8(result.head_data.0).unwrap();
                (Some(Report::parse(&head).expect("it is a report")), Outcome::WithoutEffect)
            }
            Err(ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousJobDeath(how))) => {
                assert!(log.has(&[&artifact, &how]), "{how}");
                (None, ended(how))
            }
            Err(ValidationError::Invalid(InvalidCandidate::HardTimeout)) => {
                (None, Outcome::TimedOut)
            }
            Err(other) => panic!("not to be judged so: {other:?}"),
        }
    }

    async fn as_prepare_job(&self, escape: Box<Escape>) -> (Option<Report>, Outcome) {
        let pvf = Script::prepare(OnPrepare::Escape(escape)).salt(salt()).pvf();
        let limit =
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, CPU_TIME.as_millis() as u64);
        let pvf = pvf.with_params(ExecutorParams::new(vec![limit]));
        let log = Since::now();
        match self.host.precheck(pvf.clone()).await {
            Err(PrepareError::Compilation(report)) => {
                (Some(Report::parse(&report).expect("it is a report")), Outcome::WithoutEffect)
            }
            Err(PrepareError::JobDied(how)) => {
                assert!(log.has(&[&hash(&pvf), &how]), "{how}");
                (None, ended(how))
            }
            Err(PrepareError::TimedOut { .. }) => (None, Outcome::TimedOut),
            other => panic!("not to be judged so: {other:?}"),
        }
    }

    async fn as_worker(&self, escape: Box<Escape>) -> (Option<Report>, Outcome) {
        let pvf = Script::load(OnLoad::Escape(escape)).salt(salt()).pvf();
        let log = Since::now();
        match self.host.validate(approval(pvf.clone())).await.verdict {
            Err(ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(error))) => {
                let text = error.0;
                match Report::parse(&text) {
                    Some(report) => (Some(report), Outcome::WithoutEffect),
                    None => {
                        let signal = "signal: 31";
                        assert!(!text.contains(signal) || log.has(&[&hash(&pvf), signal]));
                        (None, ended(text))
                    }
                }
            }
            Err(ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousWorkerDeath(how))) => {
                (None, ended(how))
            }
            other => panic!("not to be judged so: {other:?}"),
        }
    }

    /// Ends the worker of a job that has left its session, and looks whether the job goes on.
    async fn outlive_worker(&self, escape: Box<Escape>) -> Outcome {
        let request = self.request(escape).with_timeout(None);
        // Dropped, it would cancel the job.
        let mut verdict = self.host.submit(request).await;
        let job = tokio::select! {
            job = self.host.busy_job() => job,
            validation = &mut verdict => match validation.verdict {
                Err(ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousJobDeath(how))) => {
                    return ended(how);
                }
                other => panic!("not to be judged so: {other:?}"),
            },
        };
        for worker in self.host.workers(WorkerKind::Execute) {
            processes::kill(worker).await;
        }
        let cpu = processes::look(job.as_raw_pid()).map(|job| job.cpu);
        let goes_on = eventually_some("the job has ended, or runs on", || {
            if processes::has_ended(job) {
                return Some(false);
            }
            let job = processes::look(job.as_raw_pid())?;
            let since = job.cpu.saturating_sub(cpu?);
            (since > 2 * processes::VISIBLE_CPU_TIME).then_some(true)
        })
        .await;
        if goes_on {
            processes::kill(job).await;
            Outcome::GotThrough("it runs on without its worker".into())
        } else {
            Outcome::Died("ended with its worker".into())
        }
    }
}

fn ended(how: String) -> Outcome {
    if how.contains("signal: 31") { Outcome::Killed } else { Outcome::Died(how) }
}

/// How logs name the code.
pub(crate) fn hash(pvf: &Pvf) -> String {
    pvf.code.hash().to_string().trim_start_matches("0x").to_owned()
}
