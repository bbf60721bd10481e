//! Worker programs that are none, workers that are kept, and workers that die.

#![expect(unsafe_code, reason = "starts processes with fewer rights")]

use crate::{host, host_with, scratch};
use pvf_host_core::{
    ConfigBuilder, InternalError, PrepareError, StartError, ValidationError,
    primitives::{ExecutorParam, ExecutorParams, ValidationResult},
    sandbox::Sandbox,
    validate_with_retry,
    worker::{WorkerProgram, protocol::WorkerKind},
};
use pvf_tests::{
    ControlGroupDirectory, OnCall, OnLoad, OnPrepare, Programs, Scratch, Script, TestHost,
    eventually, processes, programs,
    request::{approval, hash_head},
    valid_head,
};
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

// Worker programs

async fn start_error(scratch: &Scratch) -> StartError {
    start_error_with(scratch, scratch.config()).await
}

async fn start_error_within(scratch: &Scratch, timeout: Duration) -> StartError {
    start_error_with(scratch, scratch.config().spawn_timeout(timeout)).await
}

async fn start_error_with(scratch: &Scratch, config: ConfigBuilder) -> StartError {
    let error = scratch.start(config).await.expect_err("there is no worker");
    scratch.assert_nothing_is_left().await;
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_program_that_is_not_there_or_cannot_be_started_is_an_error() {
    let scratch = scratch();
    scratch.remove_worker();
    assert!(matches!(start_error(&scratch).await, StartError::Worker(_)));
    // Neither can this.
    fs::write(scratch.worker(), "text").unwrap();
    assert!(matches!(start_error(&scratch).await, StartError::Worker(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_greet_as_a_worker_does_is_an_error() {
    let scratch = scratch();
    for script in [
        // It ends at once, with or without an excuse.
        "exit 0",
        "echo 'What do you want from me?' >&2; exit 3",
        // It talks, but to nobody.
        "echo 'Hello, host!'",
        "while :; do echo 'Hello, host!' >&2; done",
        // It says nothing that makes sense.
        "echo 'Hello, host!' >&0",
        // A frame without end.
        "printf '\\377\\377\\377\\377\\377\\377\\377\\177' >&0",
        // A greeting that breaks off.
        "printf '\\100\\0\\0\\0\\0\\0\\0\\0PVFWORK' >&0",
        // All that it hears.
        "exec cat <&0 >&0",
        // It hangs up and lingers.
        "exec 0<&-; exec sleep 1000",
    ] {
        scratch.install_script(script);
        // The one that talks to nobody does so until it is given up.
        let error = start_error_within(&scratch, Duration::from_secs(2)).await;
        assert!(matches!(error, StartError::Worker(_)), "{script}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_says_nothing_is_given_up_and_ended_with_all_that_it_started() {
    let scratch = scratch();
    for script in ["exec sleep 1000", "sleep 1000", "sleep 1000 & exec sleep 1000"] {
        scratch.install_script(script);
        let error = start_error_within(&scratch, Duration::from_millis(100)).await;
        assert!(matches!(error, StartError::Worker(_)), "{script}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stands_by_takes_the_first_artifact_and_is_replaced() {
    let host = host_with(|config| config.standby_worker(true)).await;
    let standby = host.worker(WorkerKind::Execute);
    assert!(host.jobs().is_empty(), "it has nothing to fork");
    let first = Script::default().pvf();
    let validation = host.validate(approval(first.clone())).await;
    assert!(!validation.execute.unwrap().hot);
    eventually("another one stands by", || host.workers(WorkerKind::Execute).len() == 2).await;
    assert!(host.workers(WorkerKind::Execute).contains(&standby));
    // It is not needed for what another one has loaded.
    let validation = host.validate(approval(first)).await;
    assert!(validation.execute.unwrap().hot);
    assert_eq!(host.workers(WorkerKind::Execute).len(), 2);
    assert_eq!(host.statistics().execute_workers_started, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_on_standby_is_missed_by_nobody() {
    let host = host_with(|config| config.standby_worker(true)).await;
    processes::kill(host.worker(WorkerKind::Execute)).await;
    valid_head(host.validate(approval(Script::default().pvf())).await);
    eventually("another one stands by", || host.workers(WorkerKind::Execute).len() == 2).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_no_process_not_even_one_that_has_left_its_session() {
    if !has_pid_namespaces() {
        println!("skipped: there are no PID namespaces here");
        return;
    }
    let scratch = scratch();
    // The second shell is known by the name that it is given.
    scratch.install_script("setsid /bin/sh -c 'sleep 1000; exit' \"$0\" & exec 0<&-; wait");
    let start = scratch.start(scratch.config());
    let has_left = eventually("a process has left the session", || {
        let processes = scratch.processes();
        let sessions: HashSet<_> = processes.iter().map(|process| process.session).collect();
        sessions.len() == 2
    });
    tokio::select! {
        _ = start => {},
        () = has_left => {},
    }
    scratch.assert_nothing_is_left().await;
}

/// Whether the host may make PID namespaces for its workers.
fn has_pid_namespaces() -> bool {
    let may_make = |namespaces| {
        let mut probe = Command::new("/bin/true");
        // SAFETY: the forked process runs this alone, which is one system call.
        unsafe { probe.pre_exec(move || result(libc::unshare(namespaces))) };
        probe.status().is_ok_and(|status| status.success())
    };
    may_make(libc::CLONE_NEWPID) || may_make(libc::CLONE_NEWPID | libc::CLONE_NEWUSER)
}

fn result(of_call: i32) -> io::Result<()> {
    if of_call == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_program_is_no_worker() {
    for program in ["/bin/cat", "/bin/true", "/bin/false"] {
        let scratch = scratch();
        let config = scratch.config().worker_program(WorkerProgram::Path(PathBuf::from(program)));
        let error = scratch.start(config).await.expect_err("it is no worker");
        assert!(matches!(error, StartError::Worker(_)), "{program}: {error:?}");
        scratch.assert_nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_program_with_other_backends_is_an_error() {
    let scratch = scratch();
    scratch.install_worker(programs!().bare_worker);
    assert!(matches!(start_error(&scratch).await, StartError::Backends { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_given_up_leaves_nothing() {
    let scratch = scratch();
    scratch.install_script("exec 0<&-; sleep 1000 & exec sleep 1000");
    let start = scratch.start(scratch.config());
    let is_started = eventually("the program has hung up", || {
        let processes = scratch.processes();
        let Some(shell) = processes.first() else { return false };
        !processes::has_descriptor(shell.pid, 0)
    });
    tokio::select! {
        _ = start => {},
        () = is_started => {},
    }
    scratch.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_program_that_vanishes_is_no_fault_of_the_candidate() {
    let host = host().await;
    let known = approval(Script::default().pvf());
    valid_head(host.validate(known.clone()).await);
    host.precheck(Script::salted(1).pvf()).await.unwrap();
    host.scratch().remove_worker();
    // Workers that are there go on.
    assert_eq!(valid_head(host.validate(known.clone()).await), hash_head(&known));
    let verdict = host.validate(approval(Script::salted(1).pvf())).await.verdict;
    assert!(is_replaced(&verdict), "{verdict:?}");
    processes::kill(host.worker(WorkerKind::Prepare)).await;
    let answer = host.precheck(Script::salted(2).pvf()).await;
    assert!(matches!(answer, Err(PrepareError::WorkerReplaced { .. })), "{answer:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_program_replaced_by_something_else_is_no_fault_of_the_candidate() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    host.scratch().install_script("exit 1");
    let verdict = host.validate(request.clone()).await.verdict;
    assert!(is_replaced(&verdict), "{verdict:?}");
    // It may be another build of the same, too. The worker that is there goes on, and the artifact that
    // it makes is not for a worker of that build.
    host.scratch().install_worker(programs!().worker);
    host.scratch().rebuild_worker();
    let other = approval(Script::salted(1).pvf());
    host.precheck(other.pvf.clone()).await.unwrap();
    for request in [&request, &other] {
        let verdict = validate_with_retry(&*host, request.clone()).await.verdict;
        assert!(is_replaced(&verdict), "{verdict:?}");
        let Err(error) = verdict else { unreachable!() };
        assert!(error.to_string().contains("restart the host"), "{error}");
    }
    let verdict = host.validate(request.clone()).await.verdict;
    assert!(is_replaced(&verdict), "{verdict:?}");
    // When it is back, the artifact is as good as before.
    host.scratch().install_worker(programs!().worker);
    let validation = host.validate(request.clone()).await;
    assert!(validation.prepare.as_ref().unwrap().cached);
    assert_eq!(valid_head(validation), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_started_by_another_is_known_by_its_own_bytes() {
    let scratch = scratch();
    let program = scratch.worker().with_extension("program");
    fs::rename(scratch.worker(), &program).unwrap();
    scratch.install_script(&format!("exec '{}' \"$@\"", program.display()));
    let host = scratch.start(scratch.config()).await.unwrap();
    let request = approval(Script::default().pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    // The same bytes in another file are the same program.
    scratch.copy_program(&program, "");
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.precheck(Script::salted(1).pvf()).await.unwrap();
    // Other bytes are not, though nothing has happened to the script.
    scratch.copy_program(&program, "x");
    let verdict = host.validate(approval(Script::salted(1).pvf())).await.verdict;
    assert!(is_replaced(&verdict), "{verdict:?}");
    host.shut_down().await;
}

fn is_replaced(verdict: &Result<ValidationResult, ValidationError>) -> bool {
    matches!(verdict, Err(ValidationError::Internal(InternalError::WorkerReplaced { .. })))
}

// Workers that are kept

#[tokio::test(flavor = "multi_thread")]
async fn the_second_candidate_of_some_code_finds_a_worker_that_has_it_loaded() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    for hot in [false, true, true] {
        let validation = host.validate(request.clone()).await;
        let report = validation.execute.unwrap();
        assert_eq!(report.hot, hot);
        assert_eq!(report.load.is_some_and(|load| load <= report.wall), !hot);
        assert_eq!(valid_head(validation), hash_head(&request));
    }
    let statistics = host.statistics();
    assert_eq!((statistics.execute_workers_started, statistics.hot_hits), (1, 2));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_that_was_not_used_for_longest_makes_room() {
    for (max, starts) in [(0, 4), (1, 4), (2, 3), (3, 3)] {
        let host = host_with(|config| config.hot_workers_max(max)).await;
        for salt in [0, 1, 0, 2] {
            valid_head(host.validate(approval(Script::salted(salt).pvf())).await);
        }
        assert_eq!(host.statistics().execute_workers_started, starts, "at most {max}");
        eventually("the others are gone", || host.workers(WorkerKind::Execute).len() == max.min(3))
            .await;
        host.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_kept_as_long_as_their_artifacts_together_are_small_enough() {
    let host = host_with(|config| config.hot_workers_max_size(2500)).await;
    for salt in 0..4 {
        let script = Script::prepare(OnPrepare::SucceedWithPadding(500)).salt(salt);
        let validation = host.validate(approval(script.pvf())).await;
        let size = validation.prepare.unwrap().artifact_size;
        assert!((2500 / 4..2500 / 3).contains(&size), "{size}");
    }
    eventually("the first is gone", || host.workers(WorkerKind::Execute).len() == 3).await;
    let last = approval(Script::prepare(OnPrepare::SucceedWithPadding(500)).salt(3).pvf());
    assert!(host.validate(last).await.execute.unwrap().hot);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_serves_only_the_parameters_that_it_was_loaded_with() {
    let host = host().await;
    let plain = Script::default().pvf();
    let pages = ExecutorParams::new(vec![ExecutorParam::MaxMemoryPages(100)]);
    valid_head(host.validate(approval(plain.clone())).await);
    let other = host.validate(approval(plain.with_params(pages))).await;
    // It is the same artifact all the same.
    assert!(other.prepare.as_ref().unwrap().cached);
    assert!(!other.execute.unwrap().hot);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_of_the_same_code_run_side_by_side() {
    let host = host().await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    let of = |call: OnCall| pvf_tests::request::approval_of(pvf.clone(), call.block());
    let sleeping = host.submit(of(OnCall::SleepForever)).await;
    host.busy_job().await;
    valid_head(host.validate(of(OnCall::HashInput)).await);
    assert_eq!(host.workers(WorkerKind::Execute).len(), 2);
    drop(sleeping);
    host.settle().await;
    host.shut_down().await;
}

// Workers that die

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_an_idle_worker_is_nobodys_business() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    valid_head(host.validate(request.clone()).await);
    host.rest().await;
    processes::kill(host.worker(WorkerKind::Execute)).await;
    let validation = host.validate(request.clone()).await;
    assert!(!validation.execute.unwrap().hot);
    assert_eq!(valid_head(validation), hash_head(&request));
    processes::kill(host.worker(WorkerKind::Prepare)).await;
    host.precheck(Script::salted(1).pvf()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_that_dies_is_reaped_without_a_request() {
    let host = host().await;
    valid_head(host.validate(approval(Script::default().pvf())).await);
    for kind in [WorkerKind::Execute, WorkerKind::Prepare] {
        let worker = host.worker(kind);
        processes::kill(worker).await;
        eventually("it is reaped", || processes::look(worker.as_raw_pid()).is_none()).await;
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deaths_of_jobs_that_wait_for_their_candidate_are_nobodys_business() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    for hot in [false, true, true] {
        let validation = host.validate(request.clone()).await;
        let report = validation.execute.unwrap();
        assert_eq!(report.hot, hot);
        assert_eq!(report.load.is_some_and(|load| load <= report.wall), !hot);
        assert_eq!(valid_head(validation), hash_head(&request));
        host.rest().await;
        for job in host.jobs() {
            processes::kill(job.pid).await;
        }
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_die_one_after_the_other_stop_nobody() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    for _ in 0..10 {
        assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
        host.rest().await;
        for worker in host.workers(WorkerKind::Execute) {
            processes::kill(worker).await;
        }
    }
    host.shut_down().await;
}

// The host's own end

/// Runs in a process of its own, started by the test below, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is no test, but the host of one"]
async fn a_host_to_be_killed() {
    let host = host_with(|config| config.prepare_workers_soft_max(2)).await;
    println!("{}", host.scratch().worker().display());
    host.heads_up([Script::prepare(OnPrepare::SpinForever).pvf()]).await;
    let sleeping = approval(Script::call(OnCall::SleepForever).pvf());
    valid_head(host.validate(sleeping).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_takes_all_its_processes_along() {
    let scratch = scratch();
    let output = scratch.cache().with_file_name("output");
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "workers::a_host_to_be_killed", "--nocapture"])
        .stdout(fs::File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let worker = pvf_tests::eventually_some("the host has told its worker program", || {
        let output = fs::read_to_string(&output).ok()?;
        // It was written by the test's own process, beside what the test framework writes.
        let (path, _) = output.split_once("/worker\n")?;
        Some(PathBuf::from(path.rsplit_once(['\n', ' ']).map_or(path, |(_, path)| path)))
    })
    .await;
    let busy = || {
        let mut busy = processes::naming(&worker);
        busy.retain(|process| process.cpu >= processes::VISIBLE_CPU_TIME);
        busy
    };
    eventually("both of its jobs are busy", || busy().len() == 2).await;
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("all of its processes are gone", || processes::naming(&worker).is_empty()).await;
    fs::remove_dir_all(worker).unwrap();
}

// Hosts with fewer rights, or more

/// Runs in a process of its own, started by the tests below, which give it a directory.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is no test, but the host of one"]
async fn a_host_of_somebody_else() {
    let leak = |path: PathBuf| -> &'static Path { Box::leak(path.into_boxed_path()) };
    let directory = PathBuf::from(std::env::var_os("PVF_TEST_DIRECTORY").expect("there is one"));
    let worker = leak(directory.join("worker"));
    let programs = Programs { worker, bare_worker: worker, scratch: leak(directory) };
    let host = TestHost::new(programs, |config| config).await;
    let request = approval(Script::default().pvf());
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    let reason = host.validate(approval(Script::load(OnLoad::Abort).pvf())).await.verdict;
    assert!(matches!(reason, Err(ValidationError::PossiblyInvalid(_))), "{reason:?}");
    let worker = host.worker(WorkerKind::Prepare);
    let is_first = processes::look(worker.as_raw_pid()).unwrap().inner_pid == 1;
    println!("<{is_first}>");
    host.shut_down().await;
}

/// Runs that as a user that owns nothing. Whether its workers were in PID namespaces. None if there
/// can't be such a host.
fn has_namespaces_as_nobody(user_namespaces: bool) -> Option<bool> {
    const NOBODY: u32 = 65534;
    let directory = tempfile::tempdir().unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let (host, worker) = (directory.path().join("host"), directory.path().join("worker"));
    for (from, to) in [(&*std::env::current_exe().unwrap(), &host), (programs!().worker, &worker)] {
        // By another process, like a script.
        assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
    }
    let mut command = Command::new(&host);
    command
        .args(["--ignored", "--exact", "workers::a_host_of_somebody_else", "--nocapture"])
        .env("PVF_TEST_DIRECTORY", directory.path());
    let (mut user, mut group) =
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if is_root {
        for path in [directory.path(), &host, &worker] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
        (user, group) = (NOBODY, NOBODY);
    }
    if !user_namespaces {
        let maps = [
            ("/proc/self/setgroups", "deny".to_owned()),
            ("/proc/self/gid_map", format!("{group} {group} 1")),
            ("/proc/self/uid_map", format!("{user} {user} 1")),
        ];
        let enter = move || {
            // SAFETY: neither takes a pointer. A process that has changed its user can't reach its own
            // files below without the first.
            unsafe {
                result(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))?;
                result(libc::unshare(libc::CLONE_NEWUSER))?;
            }
            maps.iter().try_for_each(|(path, content)| fs::write(path, content))?;
            fs::write("/proc/sys/user/max_user_namespaces", "0")
        };
        // SAFETY: the forked process runs this alone, and it makes system calls and no more.
        unsafe { command.pre_exec(enter) };
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: there can't be such a host: {error}");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text.contains("<true>"))
}

#[test]
fn a_host_that_is_not_root_has_workers_in_namespaces_like_any_other() {
    let has_namespaces = has_namespaces_as_nobody(true);
    if has_pid_namespaces() {
        assert_eq!(has_namespaces, Some(true));
    } else {
        println!("skipped: there are no PID namespaces here");
    }
}

#[test]
fn a_host_that_may_make_no_namespaces_does_its_work_without() {
    let has_namespaces = has_namespaces_as_nobody(false);
    assert_ne!(has_namespaces, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_is_in_a_control_group_of_its_own_as_long_as_it_lives() {
    let Some(directory) = ControlGroupDirectory::new("host") else {
        println!("skipped: there is no cgroup v2 directory that can be written to");
        return;
    };
    let groups = || directory.groups();
    let sandbox = Sandbox::default().in_control_group(directory.path());
    let host = host_with(|config| config.sandbox(sandbox)).await;
    valid_head(host.validate(approval(Script::default().pvf())).await);
    host.rest().await;
    // A prepare worker, and an execute worker with two jobs, the second of which it may not have yet.
    eventually("both jobs are there", || host.scratch().processes().len() == 4).await;
    let all = host.scratch().processes();
    let mut seen = HashMap::new();
    for process in &all {
        let groups = format!("/proc/{}/cgroup", process.pid.as_raw_pid());
        let groups = fs::read_to_string(groups).unwrap();
        let group = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned();
        seen.entry(group).or_insert_with(Vec::new).push(process.is_our_child());
    }
    let mut members: Vec<_> = seen.values().map(Vec::len).collect();
    members.sort_unstable();
    assert_eq!(members, [1, 3], "{seen:?}");
    assert_eq!(groups().len(), 2);
    for (group, members) in &seen {
        assert!(groups().iter().any(|path| path.ends_with(Path::new(group).file_name().unwrap())));
        assert_eq!(members.iter().filter(|is_worker| **is_worker).count(), 1);
    }
    processes::kill(host.worker(WorkerKind::Execute)).await;
    eventually("its group is gone", || groups().len() == 1).await;
    host.shut_down().await;
    assert_eq!(groups(), [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_group_that_is_none_keeps_no_host_from_its_work() {
    let scratch = scratch();
    let ordinary = scratch.cache().with_file_name("ordinary");
    fs::create_dir(&ordinary).unwrap();
    let sandbox = Sandbox::default().in_control_group(&ordinary);
    let host = scratch.start(scratch.config().sandbox(sandbox)).await.unwrap();
    valid_head(host.validate(approval(Script::default().pvf())).await);
    assert_eq!(fs::read_dir(ordinary).unwrap().count(), 0);
    host.shut_down().await;
}
