//! What keeps a worker, and the jobs that it forks, from the rest of the machine.
//!
//! A [`Measure`] is one thing that is taken from a worker or held against its jobs. The host takes some
//! of them while it starts the process, the worker takes the rest from itself before it reads anything
//! that an attacker made, and says for each of them in a [`Finding`] what came of it. A host whose
//! workers are not [secure](Findings::is_secure) does not start, unless it was
//! [told to](Sandbox::accept_insecure).

use crate::text;
use parity_scale_codec::{Decode, Encode};
use std::{fmt, path::PathBuf};

macro_rules! measures {
    ($(
        $(#[doc = $about:literal])+
        $variant:ident = $name:literal, needs $hint:literal;
    )*) => {
        /// One thing that is taken from a worker, or held against its jobs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[non_exhaustive]
        pub enum Measure {
            $($(#[doc = $about])+ $variant,)*
        }

        impl Measure {
            /// All of them, in the order in which people read about them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, in lower case with hyphens.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it takes away, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($about,)+).trim(),)* }
            }

            /// What a machine needs for it, for people who wonder why it is missing.
            pub const fn needs(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

measures! {
    /// A seccomp filter for the worker and a stricter one for each job: any system call that is not
    /// listed ends the process.
    SystemCallFilter = "system-call-filter",
        needs "a kernel with CONFIG_SECCOMP_FILTER; in a container or a service, a system call profile \
               that allows seccomp and prctl";
    /// The root directory is an empty one that can't be written to, in a mount namespace.
    EmptyRoot = "empty-root",
        needs "the measure user-namespace, or root with CAP_SYS_ADMIN; in a container, a seccomp \
               profile that allows unshare, mount, umount2 and pivot_root, and an AppArmor profile \
               that allows mount and pivot_root";
    /// A Landlock domain without a right: no file, no TCP port, and no signal or abstract socket that
    /// leaves the worker.
    Landlock = "landlock",
        needs "a kernel from 5.13 with CONFIG_SECURITY_LANDLOCK, and landlock in CONFIG_LSM or in its \
               boot parameter lsm=; rules for TCP come with 6.7, for signals and abstract sockets \
               with 6.12; in a container, a seccomp profile that allows landlock_create_ruleset and \
               landlock_restrict_self";
    /// A user namespace, in which the worker has no capability.
    UserNamespace = "user-namespace",
        needs "a kernel with CONFIG_USER_NS; sysctl user.max_user_namespaces above 0; on Debian \
               sysctl kernel.unprivileged_userns_clone=1; on Ubuntu an AppArmor profile for this \
               program with the rule userns, or sysctl \
               kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile \
               that allows clone and unshare with CLONE_NEWUSER; in a systemd service, no \
               RestrictNamespaces=";
    /// A PID namespace whose first process is the worker: no other process can be named, and none is
    /// left once the worker has ended.
    PidNamespace = "pid-namespace",
        needs "a kernel with CONFIG_PID_NS; the measure user-namespace, or root with CAP_SYS_ADMIN";
    /// A network namespace without a single interface that is up.
    NetworkNamespace = "network-namespace",
        needs "a kernel with CONFIG_NET_NS; the measure user-namespace, or root with CAP_SYS_ADMIN";
    /// An IPC namespace: no shared memory segments, semaphores and message queues of others.
    IpcNamespace = "ipc-namespace",
        needs "a kernel with CONFIG_IPC_NS; the measure user-namespace, or root with CAP_SYS_ADMIN";
    /// A UTS namespace: the machine's name can't be changed.
    UtsNamespace = "uts-namespace",
        needs "a kernel with CONFIG_UTS_NS; the measure user-namespace, or root with CAP_SYS_ADMIN";
    /// A cgroup namespace: the names of the host's control groups can't be seen.
    CgroupNamespace = "cgroup-namespace",
        needs "a kernel with CONFIG_CGROUPS; the measure user-namespace, or root with CAP_SYS_ADMIN";
    /// A user that owns nothing, instead of root.
    OwnUser = "own-user",
        needs "root with CAP_SETUID and CAP_SETGID; a host that is not root can't give its workers \
               another user";
    /// No capability, in no set.
    NoCapabilities = "no-capabilities",
        needs "any kernel that this program runs on";
    /// No privilege is gained by executing a file.
    NoNewPrivileges = "no-new-privileges",
        needs "any kernel that this program runs on";
    /// Memory that was ever writable never becomes executable, once the artifact is loaded.
    NoWriteExecute = "no-write-execute",
        needs "a kernel from 6.3";
    /// No core dump, no file that grows, few descriptors, few threads.
    ResourceLimits = "resource-limits",
        needs "any kernel that this program runs on";
    /// A bound on the private memory of each execute worker and each job.
    MemoryLimit = "memory-limit",
        needs "any kernel that this program runs on";
    /// A control group for each worker, with a bound on the memory and the processes of it all.
    ControlGroup = "control-group",
        needs "a cgroup v2 directory that was delegated to the host (Delegate=yes in a systemd \
               service), has no process in it, has the controllers memory and pids, and is named with \
               --control-group or in the host's configuration";
    /// No descriptor from the host but the socket and the pipe for last words; a job has its own
    /// socket alone.
    ClosedDescriptors = "closed-descriptors",
        needs "a kernel from 5.9";
    /// An empty environment.
    EmptyEnvironment = "empty-environment",
        needs "any kernel that this program runs on";
    /// A session of its own, without a terminal.
    OwnSession = "own-session",
        needs "any kernel that this program runs on";
    /// The kernel kills the worker when the host ends, and the job when the worker does.
    EndsWithHost = "ends-with-host",
        needs "any kernel that this program runs on";
}

impl Measure {
    /// What it takes to keep untrusted code in: of each of these, one measure.
    pub const NEEDED: [&[Self]; 2] =
        [&[Self::SystemCallFilter], &[Self::EmptyRoot, Self::Landlock]];

    /// The measures without which this one can't be had, on some machines or on all: to try it alone,
    /// try it with these.
    pub const fn presupposes(self) -> &'static [Self] {
        match self {
            Self::SystemCallFilter | Self::Landlock => &[Self::NoNewPrivileges],
            Self::PidNamespace => &[Self::UserNamespace],
            // A host that may make no other namespace makes all of them in a user namespace, which its
            // workers start in.
            Self::EmptyRoot
            | Self::NetworkNamespace
            | Self::IpcNamespace
            | Self::UtsNamespace
            | Self::CgroupNamespace => &[Self::UserNamespace, Self::PidNamespace],
            _ => &[],
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of measures.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Measures(u32);

impl Measures {
    /// All of them.
    pub fn all() -> Self {
        Measure::ALL.iter().fold(Self::none(), |set, measure| set.with(*measure))
    }

    /// None of them.
    pub const fn none() -> Self {
        Self(0)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, measure: Measure) -> Self {
        Self(self.0 | 1 << measure as u32)
    }

    /// These but for one.
    #[must_use]
    pub const fn without(self, measure: Measure) -> Self {
        Self(self.0 & !(1 << measure as u32))
    }

    /// Whether it is one of them.
    pub const fn contains(self, measure: Measure) -> bool {
        self.0 & 1 << measure as u32 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Measure> {
        Measure::ALL.iter().copied().filter(move |measure| self.contains(*measure))
    }
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Which measures a host takes, and what it does when they can't all be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    measures: Measures,
    accepts_insecure: bool,
    control_group: Option<PathBuf>,
}

impl Default for Sandbox {
    /// Everything that this machine has; a host refuses to start when that is not
    /// [secure](Findings::is_secure).
    fn default() -> Self {
        Self { measures: Measures::all(), accepts_insecure: false, control_group: None }
    }
}

impl Sandbox {
    /// The measures that are tried.
    pub fn measures(&self) -> Measures {
        self.measures
    }

    /// Does not try a measure. For finding out what it costs or does: leave all of them on.
    #[must_use]
    pub fn without(mut self, measure: Measure) -> Self {
        self.measures = self.measures.without(measure);
        self
    }

    /// Tries these measures and no others.
    #[must_use]
    pub fn only(mut self, measures: Measures) -> Self {
        self.measures = measures;
        self
    }

    /// Starts even if untrusted code is not kept in. Each missing measure is named in a warning.
    #[must_use]
    pub fn accept_insecure(mut self) -> Self {
        self.accepts_insecure = true;
        self
    }

    /// Whether a host starts even then.
    pub fn accepts_insecure(&self) -> bool {
        self.accepts_insecure
    }

    /// Makes control groups for the workers in this directory of a cgroup v2 file system. It has to be
    /// delegated to the host's user, and may have no process of its own.
    #[must_use]
    pub fn in_control_group(mut self, directory: impl Into<PathBuf>) -> Self {
        self.control_group = Some(directory.into());
        self
    }

    /// The directory for the workers' control groups.
    pub fn control_group(&self) -> Option<&std::path::Path> {
        self.control_group.as_deref()
    }
}

/// What came of a measure in a worker.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Finding {
    /// Which one.
    pub measure: Measure,
    /// What came of it.
    pub state: State,
}

/// What came of a measure.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum State {
    /// It holds; more about it, or nothing.
    Holds(String),
    /// There is nothing that it would take away, and why.
    NotNeeded(String),
    /// It was not tried.
    SwitchedOff,
    /// It could not be had, and why.
    Missing(String),
    /// It holds, but for something that it does not take away; more about it.
    HoldsInPart(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.measure, self.state)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds(more) if more.is_empty() => f.write_str("holds"),
            Self::Holds(more) | Self::HoldsInPart(more) => write!(f, "holds: {more}"),
            Self::NotNeeded(why) => write!(f, "not needed: {why}"),
            Self::SwitchedOff => f.write_str("switched off"),
            Self::Missing(why) => write!(f, "missing: {why}"),
        }
    }
}

/// Says that workers which lack these measures do not keep untrusted code in.
pub(crate) struct NotKeptIn<'a>(pub(crate) &'a [Finding]);

impl fmt::Display for NotKeptIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed: Vec<_> = Measure::NEEDED
            .iter()
            .map(|one_of| one_of.iter().map(|it| it.name()).collect::<Vec<_>>().join(" or "))
            .collect();
        let needed = needed.join(", and ");
        write!(f, "untrusted code is not kept in here: that takes {needed}")?;
        for Finding { measure, state } in self.0 {
            write!(f, "\n  {measure} is {state}")?;
        }
        Ok(())
    }
}

/// What came of each measure in a worker, one finding for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds what came of a measure, in place of what was said of it before.
    pub fn record(&mut self, measure: Measure, state: State) {
        self.0.retain(|finding| finding.measure != measure);
        self.0.push(Finding { measure, state });
    }

    /// Tries a measure if it is among `wanted`, and records what came of it.
    pub fn attempt(
        &mut self,
        wanted: Measures,
        measure: Measure,
        take: impl FnOnce() -> Result<State, String>,
    ) {
        let state = if wanted.contains(measure) {
            take().unwrap_or_else(State::Missing)
        } else {
            State::SwitchedOff
        };
        self.record(measure, state);
    }

    /// Makes what a worker has said harmless.
    pub(crate) fn clean(&mut self) {
        for finding in &mut self.0 {
            match &mut finding.state {
                State::Holds(text)
                | State::HoldsInPart(text)
                | State::NotNeeded(text)
                | State::Missing(text) => {
                    *text = text::clean_and_cut(text);
                }
                State::SwitchedOff => {}
            }
        }
    }

    /// What came of a measure. Nothing if nobody has said.
    pub fn state(&self, measure: Measure) -> Option<&State> {
        self.0.iter().find(|finding| finding.measure == measure).map(|finding| &finding.state)
    }

    /// Whether a measure holds.
    pub fn holds(&self, measure: Measure) -> bool {
        matches!(self.state(measure), Some(State::Holds(_) | State::HoldsInPart(_)))
    }

    /// All findings, in the order of [`Measure::ALL`]. A measure of which nothing was said is missing.
    pub fn iter(&self) -> impl Iterator<Item = Finding> + '_ {
        Measure::ALL.iter().map(|&measure| Finding {
            measure,
            state: self
                .state(measure)
                .cloned()
                .unwrap_or_else(|| State::Missing("nobody has tried it".into())),
        })
    }

    /// The measures that neither hold nor are needless.
    pub fn wanting(&self) -> impl Iterator<Item = Finding> + '_ {
        self.iter().filter(|it| !self.holds(it.measure) && !matches!(it.state, State::NotNeeded(_)))
    }

    /// Whether untrusted code is kept in: its system calls are filtered, and besides it can reach no
    /// file, because the root directory is empty or because Landlock denies them all.
    pub fn is_secure(&self) -> bool {
        self.still_needed().next().is_none()
    }

    /// What keeps this from being [secure](Self::is_secure): of each of these, one measure has to hold.
    pub fn still_needed(&self) -> impl Iterator<Item = &'static [Measure]> + '_ {
        let holds = |measure: &Measure| self.holds(*measure);
        Measure::NEEDED.into_iter().filter(move |one_of| !one_of.iter().any(holds))
    }

    /// The first measure that holds here and not in `other`.
    pub fn first_lost_in(&self, other: &Self) -> Option<Finding> {
        other.wanting().find(|finding| self.holds(finding.measure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(holding: &[Measure]) -> Findings {
        let mut findings = Findings::default();
        for measure in holding {
            findings.record(*measure, State::Holds(String::new()));
        }
        findings
    }

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        assert_eq!(Measures::all().iter().collect::<Vec<_>>(), Measure::ALL);
        let set = Measures::none().with(Measure::Landlock).with(Measure::OwnUser);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Measure::Landlock, Measure::OwnUser]);
        assert_eq!(set.without(Measure::Landlock), Measures::none().with(Measure::OwnUser));
    }

    #[test]
    fn it_takes_the_filter_and_one_of_two_others_to_be_secure() {
        use Measure::{EmptyRoot, Landlock, SystemCallFilter};
        assert!(findings(&[SystemCallFilter, EmptyRoot]).is_secure());
        assert!(findings(&[SystemCallFilter, Landlock]).is_secure());
        assert!(!findings(&[EmptyRoot, Landlock]).is_secure());
        assert!(!findings(&[SystemCallFilter]).is_secure());
        let all_but_filter: Vec<_> = Measures::all().without(SystemCallFilter).iter().collect();
        assert!(!findings(&all_but_filter).is_secure());
    }

    #[test]
    fn what_is_still_needed_is_said() {
        let needed = |holding: &[Measure]| findings(holding).still_needed().collect::<Vec<_>>();
        assert_eq!(needed(&[]), Measure::NEEDED);
        assert_eq!(needed(&[Measure::Landlock]), [[Measure::SystemCallFilter]]);
        assert_eq!(needed(&[Measure::SystemCallFilter]), [[Measure::EmptyRoot, Measure::Landlock]]);
    }

    #[test]
    fn a_measure_of_which_nobody_speaks_is_missing() {
        let findings = findings(&[Measure::Landlock]);
        assert_eq!(findings.wanting().count(), Measure::ALL.len() - 1);
    }

    #[test]
    fn what_held_before_and_does_not_now_is_found() {
        let before = findings(&[Measure::Landlock, Measure::OwnUser]);
        let mut now = findings(&[Measure::OwnUser]);
        assert_eq!(before.first_lost_in(&now).unwrap().measure, Measure::Landlock);
        now.record(Measure::Landlock, State::Holds("ABI 7".into()));
        assert_eq!(before.first_lost_in(&now), None);
    }

    #[test]
    fn what_a_worker_says_is_made_harmless() {
        let mut findings = Findings::default();
        findings.record(Measure::Landlock, State::Missing("a\nb\x1b[2J".into()));
        findings.clean();
        let cleaned = State::Missing("a\\nb\\u{1b}[2J".into());
        assert_eq!(findings.state(Measure::Landlock), Some(&cleaned));
    }

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Measure::ALL.iter().map(|measure| measure.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Measure::ALL.len());
    }
}
