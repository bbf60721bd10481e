#![expect(unsafe_code, reason = "changes what a process inherits")]

use super::*;
use std::{collections::BTreeSet, fs::File, io::Read, process::Command};

const CHILD: &str = "/proc/self/status";

/// Nothing is read, and nothing is kept of what is written.
fn nowhere() -> OwnedFd {
    File::options().read(true).write(true).open("/dev/null").unwrap().into()
}

/// Has a process write to a pipe until it has ended, and gives what it wrote.
fn output_of(
    starter: &mut Starter,
    program: &str,
    arguments: &[&str],
) -> (String, Child, Findings) {
    let (output, theirs) = io::pipe().unwrap();
    let descriptors = [nowhere(), theirs.into(), nowhere()];
    let (mut child, findings) = starter.start(program.as_ref(), arguments, descriptors).unwrap();
    let output = io::read_to_string(output).unwrap();
    child.wait().unwrap();
    assert!(child.status.unwrap().success(), "{output}");
    (output, child, findings)
}

fn output_under(measures: Measures, program: &str, arguments: &[&str]) -> String {
    output_of(&mut Starter::new(measures), program, arguments).0
}

fn all_but(measure: Measure) -> Measures {
    Measures::all().without(measure)
}

/// A line of a process's status.
fn line<'a>(status: &'a str, name: &str) -> Vec<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().split_whitespace().collect()
}

/// The numbers of its process group, its session and its terminal.
fn belongings(stat: &str) -> [i32; 3] {
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = fields.split(' ').collect();
    [2, 3, 4].map(|field| fields[field].parse().unwrap())
}

#[test]
fn a_process_is_the_first_of_its_namespace_or_it_is_said_why_not() {
    for _ in 0..2 {
        let mut starter = Starter::new(Measures::all());
        let mut numbers = BTreeSet::new();
        for _ in 0..3 {
            let (status, child, findings) = output_of(&mut starter, "/bin/cat", &[CHILD]);
            let pids = line(&status, "NSpid");
            assert_eq!(pids[0], child.pid().as_raw_pid().to_string());
            match findings.state(Measure::PidNamespace).unwrap() {
                State::Holds(_) => assert_eq!(pids[1..], ["1"]),
                State::Missing(reason) => {
                    println!("skipped: {reason}");
                    assert!(!reason.is_empty());
                    assert_eq!(pids.len(), 1);
                }
                other => panic!("{other:?}"),
            }
            numbers.insert(pids[0].to_owned());
        }
        assert_eq!(numbers.len(), 3);
    }
    let mut starter = Starter::new(Measures::none());
    let (status, _, findings) = output_of(&mut starter, "/bin/cat", &[CHILD]);
    assert_eq!(line(&status, "NSpid").len(), 1);
    for measure in [Measure::PidNamespace, Measure::OwnSession, Measure::EmptyEnvironment] {
        assert_eq!(findings.state(measure), Some(&State::SwitchedOff));
    }
}

#[test]
fn what_was_found_for_the_first_process_is_found_for_the_others() {
    let mut starter = Starter::new(Measures::all());
    let mut findings = || output_of(&mut starter, "/bin/true", &[]).2;
    let first = findings();
    assert_eq!(findings(), first);
    assert!(first.holds(Measure::OwnSession) && first.holds(Measure::EmptyEnvironment));
    // Those of root leave it to the worker to make a user namespace, unless they need it.
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(first.state(Measure::UserNamespace).is_none(), is_root);
}

#[test]
fn the_environment_is_empty_unless_that_is_switched_off() {
    let environment = ["/proc/self/environ"];
    assert_eq!(output_under(Measures::all(), "/bin/cat", &environment), "");
    let kept = output_under(all_but(Measure::EmptyEnvironment), "/bin/cat", &environment);
    let path = std::env::var("PATH").unwrap();
    assert!(kept.split('\0').any(|entry| entry == format!("PATH={path}")), "{kept}");
}

#[test]
fn a_process_has_a_session_of_its_own_and_no_terminal_or_else_a_group() {
    let stat = ["/proc/self/stat"];
    let (own, child, _) = output_of(&mut Starter::new(Measures::all()), "/bin/cat", &stat);
    let pid = child.pid().as_raw_pid();
    assert_eq!(belongings(&own), [pid, pid, 0]);
    let mut starter = Starter::new(all_but(Measure::OwnSession));
    let (own, child, _) = output_of(&mut starter, "/bin/cat", &stat);
    let [group, session, _] = belongings(&own);
    assert_eq!(group, child.pid().as_raw_pid());
    // 0 if these tests are in a PID namespace that is younger than their session.
    let [_, ours, _] = belongings(&std::fs::read_to_string("/proc/self/stat").unwrap());
    assert_eq!(session, ours);
}

#[test]
fn no_descriptor_is_inherited_but_the_three() {
    let high = rustix::io::fcntl_dupfd_cloexec(nowhere(), 100).unwrap();
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).unwrap();
    let inherited = high.as_raw_fd().to_string();
    let open = |measures| output_under(measures, "/bin/ls", &["-f", "/proc/self/fd"]);
    let open = |measures| {
        let mut open: Vec<_> = open(measures).lines().map(str::to_owned).collect();
        open.retain(|entry| !entry.starts_with('.'));
        open.sort();
        open
    };
    // The last is the directory that is listed.
    assert_eq!(open(Measures::all()), ["0", "1", "2", "3"]);
    assert!(open(all_but(Measure::ClosedDescriptors)).contains(&inherited));
}

#[test]
fn the_three_descriptors_are_those_that_were_given() {
    let mut starter = Starter::new(Measures::all());
    assert_eq!(speak(&mut starter, |_, descriptor| descriptor), ["out: word", "err: word"]);
}

/// Says a word to a process, and gives what that makes of it on standard output and error. Its
/// descriptors go through `place` before.
fn speak(starter: &mut Starter, place: impl Fn(usize, OwnedFd) -> OwnedFd) -> [String; 2] {
    const SCRIPT: &str = "read -r word; echo \"out: $word\"; echo \"err: $word\" >&2";
    let (stdin, mut input) = io::pipe().unwrap();
    let (output, stdout) = io::pipe().unwrap();
    let (errors, stderr) = io::pipe().unwrap();
    let descriptors = [place(0, stdin.into()), place(1, stdout.into()), place(2, stderr.into())];
    let (mut child, _) = starter.start("/bin/sh".as_ref(), &["-c", SCRIPT], descriptors).unwrap();
    io::Write::write_all(&mut input, b"word\n").unwrap();
    drop(input);
    child.wait().unwrap();
    let said = |mut pipe: io::PipeReader| {
        let mut said = String::new();
        pipe.read_to_string(&mut said).unwrap();
        said.trim_end().to_owned()
    };
    [said(output), said(errors)]
}

/// Runs in a process of its own, started by the test below, because that loses its own descriptors.
#[test]
#[ignore = "is no test, but part of one"]
fn a_host_whose_first_descriptors_are_closed() {
    for numbers in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [1, 0, 2]] {
        let mut starter = Starter::new(Measures::all());
        for number in 0..3 {
            // SAFETY: nobody else uses them: this process has nothing more to say, and ends below.
            unsafe { libc::close(number) };
        }
        // Far from those, so that making one pipe does not close what another was placed at.
        let low: Vec<_> = std::iter::repeat_with(nowhere).take(3).collect();
        let said = speak(&mut starter, |index, descriptor| {
            let number = numbers[index];
            // SAFETY: what had this number is closed by nobody else: it is leaked below.
            unsafe {
                assert_eq!(libc::dup3(descriptor.as_raw_fd(), number, libc::O_CLOEXEC), number);
                OwnedFd::from_raw_fd(number)
            }
        });
        low.into_iter().for_each(std::mem::forget);
        let is_right = said == ["out: word", "err: word"];
        if !is_right {
            // SAFETY: ends the process; there is nobody to panic to.
            unsafe { libc::_exit(1) };
        }
    }
    // SAFETY: as above.
    unsafe { libc::_exit(42) };
}

#[test]
fn the_three_descriptors_are_those_that_were_given_even_if_the_hosts_own_are_closed() {
    let name = format!("{}::a_host_whose_first_descriptors_are_closed", module_path!());
    let (_, name) = name.split_once("::").unwrap();
    let host = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name])
        .output()
        .unwrap();
    assert_eq!(host.status.code(), Some(42), "{host:?}");
}

#[test]
fn no_signal_is_ignored_or_blocked_whatever_the_host_does() {
    extern "C" fn ignore(_: c_int) {}
    // SAFETY: nobody in the tests waits for this signal, and the handler does nothing.
    unsafe {
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        libc::signal(libc::SIGUSR2, ignore as extern "C" fn(c_int) as libc::sighandler_t);
    }
    let blocked = 1 << (libc::SIGTERM - 1) | 1 << (libc::SIGUSR2 - 1);
    let before = set_blocked_signals(blocked).unwrap();
    let status = output_under(Measures::all(), "/bin/cat", &[CHILD]);
    // Of this thread, and now as before.
    assert_eq!(set_blocked_signals(before), Some(blocked));
    let own = std::fs::read_to_string(CHILD).unwrap();
    assert_ne!(u64::from_str_radix(line(&own, "SigIgn")[0], 16).unwrap(), 0);
    for set in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
        assert_eq!(line(&status, set), ["0000000000000000"], "{set}");
    }
}

#[test]
fn a_program_that_can_not_be_executed_is_the_error_that_it_is_for_the_kernel() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "text").unwrap();
    let missing = directory.path().join("missing");
    let mut starter = Starter::new(Measures::all());
    for _ in 0..2 {
        for (program, errno) in [
            (missing.as_path(), libc::ENOENT),
            (&text, libc::EACCES),
            (directory.path(), libc::EACCES),
        ] {
            let error = starter.start(program, &[], [nowhere(), nowhere(), nowhere()]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno), "{error}");
        }
        // It is found so too by a starter that has made namespaces before.
        output_of(&mut starter, "/bin/true", &[]);
    }
    let nul = starter.start("a\0b".as_ref(), &[], [nowhere(), nowhere(), nowhere()]);
    assert_eq!(nul.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn how_a_process_ended_is_told_as_often_as_one_asks() {
    let mut starter = Starter::new(Measures::all());
    let script = ["-c", "read -r word; exit 7"];
    let (stdin, input) = io::pipe().unwrap();
    let descriptors = [stdin.into(), nowhere(), nowhere()];
    let (mut child, _) = starter.start("/bin/sh".as_ref(), &script, descriptors).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    drop(input);
    child.wait().unwrap();
    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
    let (mut child, _) =
        starter.start("/bin/sleep".as_ref(), &["1000"], [nowhere(), nowhere(), nowhere()]).unwrap();
    child.kill();
    child.wait().unwrap();
    assert_eq!(child.try_wait().unwrap().unwrap().signal(), Some(libc::SIGKILL));
    // It is somebody else's number now.
    child.kill();
}

#[test]
fn less_is_tried_after_more() {
    let (none, pid) = (Namespaces::NONE, Namespaces { user: false, pid: true });
    let (user, both) =
        (Namespaces { user: true, pid: false }, Namespaces { user: true, pid: true });
    let of = |measures: &[Measure], is_root| {
        let measures = measures.iter().fold(Measures::none(), |set, measure| set.with(*measure));
        Namespaces::to_try(measures, is_root)
    };
    use Measure::{PidNamespace, UserNamespace};
    assert_eq!(of(&[PidNamespace, UserNamespace], true), [pid, both, none]);
    assert_eq!(of(&[PidNamespace], true), [pid, none]);
    assert_eq!(of(&[UserNamespace], true), [none]);
    assert_eq!(of(&[PidNamespace, UserNamespace], false), [both, user, pid, none]);
    assert_eq!(of(&[PidNamespace], false), [pid, none]);
    assert_eq!(of(&[UserNamespace], false), [user, none]);
    assert_eq!(of(&[], false), [none]);
}

#[test]
fn what_was_refused_is_missing_and_why_is_said() {
    let refused = |namespaces: Namespaces, errno| (namespaces, namespaces.refusal(None, errno));
    let (pid, both) = (Namespaces { user: false, pid: true }, Namespaces { user: true, pid: true });
    let refusals = [refused(both, libc::ENOSPC), refused(pid, libc::EPERM)];
    let findings = Namespaces::NONE.findings(Measures::all(), false, &refusals);
    let reason = |measure| match findings.state(measure) {
        Some(State::Missing(reason)) => reason.clone(),
        other => panic!("{other:?}"),
    };
    let user = reason(Measure::UserNamespace);
    assert!(user.contains("No space left on device") && !user.contains("Operation"), "{user}");
    let both = reason(Measure::PidNamespace);
    assert!(both.contains("No space left on device") && both.contains("Operation"), "{both}");
    // Without the measure that it takes.
    let measures = all_but(Measure::UserNamespace);
    let findings = Namespaces::NONE.findings(measures, false, &refusals[1..]);
    let said = findings.state(Measure::PidNamespace).unwrap().to_string();
    assert!(said.contains("switched off"), "{said}");
    assert_eq!(findings.state(Measure::UserNamespace), Some(&State::SwitchedOff));
}

// Machines with fewer rights

/// Who a host is, and what it may not do.
#[derive(Debug, Clone, Copy)]
struct Circumstances {
    user: u32,
    may_administrate: bool,
    user_namespaces: bool,
}

/// Runs in a process of its own, started by the test below, in a user namespace.
#[test]
#[ignore = "is no test, but part of one"]
fn a_host_elsewhere() {
    let mut starter = Starter::new(Measures::all());
    let (status, _, findings) = output_of(&mut starter, "/bin/cat", &[CHILD]);
    let (map, _, _) = output_of(&mut starter, "/bin/cat", &["/proc/self/uid_map"]);
    let is_first = line(&status, "NSpid").last() == Some(&"1");
    assert_eq!(is_first, findings.holds(Measure::PidNamespace));
    let said = |measure| findings.state(measure).map_or("nobody".into(), State::to_string);
    println!("<{}>", said(Measure::PidNamespace));
    println!("<{}>", said(Measure::UserNamespace));
    println!("<{}>", map.split_whitespace().collect::<Vec<_>>().join(" "));
    println!("<{}>", line(&status, "CapEff")[0]);
}

/// What that says: of the two namespaces, the map of users and the capabilities. None if there
/// can't be such a host.
fn said_by_host(circumstances: Circumstances) -> Option<[String; 4]> {
    let Circumstances { user, may_administrate, user_namespaces } = circumstances;
    let (own_user, own_group) = (rustix::process::geteuid(), rustix::process::getegid());
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/gid_map", format!("{user} {} 1", own_group.as_raw())),
        ("/proc/self/uid_map", format!("{user} {} 1", own_user.as_raw())),
    ];
    let mut host = Command::new(std::env::current_exe().unwrap());
    let name = format!("{}::a_host_elsewhere", module_path!());
    host.args(["--ignored", "--exact", name.split_once("::").unwrap().1, "--nocapture"]);
    let enter = move || {
        // SAFETY: takes no pointer.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER) } == -1 {
            return Err(io::Error::last_os_error());
        }
        for (path, content) in &maps {
            std::fs::write(path, content)?;
        }
        if !user_namespaces {
            std::fs::write("/proc/sys/user/max_user_namespaces", "0")?;
        }
        const CAP_SYS_ADMIN: libc::c_ulong = 21;
        if !may_administrate {
            // SAFETY: takes no pointer.
            assert_eq!(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) }, 0);
        }
        Ok(())
    };
    // SAFETY: the forked process runs this alone, and it makes system calls and no more.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut host, enter) };
    let output = match host.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: there can't be such a host: {error}");
            return None;
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{circumstances:?}: {text}");
    let said: Vec<_> = text.split(['<', '>']).skip(1).step_by(2).map(str::to_owned).collect();
    Some(said.try_into().unwrap())
}

#[test]
fn a_host_that_is_not_root_makes_a_user_namespace_if_it_may() {
    let ordinary = Circumstances { user: 1000, may_administrate: false, user_namespaces: true };
    let Some([pid, user, map, capabilities]) = said_by_host(ordinary) else { return };
    assert_eq!([&*pid, &*user, &*map], ["holds", "holds", "0 1000 1"]);
    // It keeps those of its namespace.
    assert_ne!(u64::from_str_radix(&capabilities, 16).unwrap(), 0);

    let denied = Circumstances { user_namespaces: false, ..ordinary };
    let Some([pid, user, _, capabilities]) = said_by_host(denied) else { return };
    for said in [pid, user] {
        assert!(said.starts_with("missing:") && said.contains("No space left"), "{said}");
    }
    assert_eq!(u64::from_str_radix(&capabilities, 16).unwrap(), 0);
}

#[test]
fn a_host_that_is_root_makes_a_user_namespace_only_if_it_must() {
    let root = Circumstances { user: 0, may_administrate: true, user_namespaces: true };
    for user_namespaces in [true, false] {
        let root = Circumstances { user_namespaces, ..root };
        let Some([pid, user, ..]) = said_by_host(root) else { return };
        assert_eq!([&*pid, &*user], ["holds", "nobody"]);
    }
    let weak = Circumstances { may_administrate: false, ..root };
    let Some([pid, user, map, _]) = said_by_host(weak) else { return };
    assert_eq!([&*pid, &*user, &*map], ["holds", "holds", "0 0 1"]);
    let weakest = Circumstances { user_namespaces: false, ..weak };
    let Some([pid, user, ..]) = said_by_host(weakest) else { return };
    assert!(pid.contains("No space left") && pid.contains("not permitted"), "{pid}");
    assert_eq!(user, "nobody");
}
