//! What is outside of the sandbox, for attempts to reach, and for the test to see whether they have.

#![expect(
    unsafe_code,
    reason = "makes a shared memory segment, and descriptors that are inherited"
)]

use pvf_tests::{
    escape::{Attempt, Report, Target},
    processes::{look, own_pid},
};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Read,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::{OpenOptionsExt, PermissionsExt},
            net::{SocketAddr, UnixListener},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        OnceLock,
        atomic::{AtomicI32, Ordering},
    },
};
use tempfile::TempDir;

const SECRET: &str = "a secret";
const NOBODY: u32 = 65534;

/// Whether the test runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Everything that there is to be reached.
pub(crate) struct Outside {
    directory: TempDir,
    tcp: TcpListener,
    udp: UdpSocket,
    abstract_socket: UnixListener,
    socket: UnixListener,
    _segment: Segment,
    victim: Victim,
    sibling: Victim,
    /// Every program that this one starts inherits these.
    leaked_file: File,
    leaked_pipe: rustix::fd::OwnedFd,
    _leaked_end: rustix::fd::OwnedFd,
    domain: String,
    target: Target,
}

impl Outside {
    pub(crate) fn new() -> Self {
        // Where anybody can get to.
        let directory = tempfile::Builder::new().prefix("pvf-escape-").tempdir_in("/tmp").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let at = |name: &str| directory.path().join(name);
        mode(directory.path(), 0o777);
        fs::write(at("public"), SECRET).unwrap();
        mode(&at("public"), 0o666);
        fs::write(at("private"), SECRET).unwrap();
        mode(&at("private"), 0o600);
        fs::create_dir(at("closed")).unwrap();
        mode(&at("closed"), 0o700);
        let copied = Command::new("cp").arg("/usr/bin/touch").arg(at("touch")).status().unwrap();
        assert!(copied.success());
        mode(&at("touch"), 0o4755);

        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = UnixListener::bind(at("socket")).unwrap();
        mode(&at("socket"), 0o600);
        let abstract_name = at("abstract").to_str().unwrap().to_owned();
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let abstract_socket = UnixListener::bind_addr(&address).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        abstract_socket.set_nonblocking(true).unwrap();

        let leaked_file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(at("leaked")).unwrap();
        let (leaked_pipe, leaked_end) = rustix::pipe::pipe().unwrap();
        rustix::fs::fcntl_setfl(&leaked_pipe, rustix::fs::OFlags::NONBLOCK).unwrap();
        rustix::io::fcntl_setfd(&leaked_pipe, rustix::io::FdFlags::CLOEXEC).unwrap();
        rustix::io::fcntl_setfd(&leaked_file, rustix::io::FdFlags::empty()).unwrap();

        let segment = Segment::new();
        let (victim, sibling) = (Victim::new(false), Victim::new(is_root()));
        let domain = fs::read_to_string("/proc/sys/kernel/domainname").unwrap().trim().to_owned();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let target = Target {
            host: std::process::id() as i32,
            directory: text(directory.path().to_owned()),
            public_file: text(at("public")),
            private_file: text(at("private")),
            private_place: text(at("closed/created")),
            set_user_id: text(at("touch")),
            tcp: tcp.local_addr().unwrap().port(),
            udp: udp.local_addr().unwrap().port(),
            socket: text(at("socket")),
            abstract_socket: abstract_name,
            segment: segment.key,
            domain: "pvf-escaped".into(),
            // The file last, for a limit may end who writes to it.
            leaked: vec![leaked_end.as_raw_fd(), leaked_file.as_raw_fd()],
            ..Target::default()
        };
        Self {
            directory,
            tcp,
            udp,
            abstract_socket,
            socket,
            _segment: segment,
            victim,
            sibling,
            leaked_file,
            leaked_pipe,
            _leaked_end: leaked_end,
            domain,
            target,
        }
    }

    /// What there is to be reached now.
    pub(crate) fn target(&self) -> Target {
        Target { victim: self.victim.pid(), sibling: self.sibling.pid(), ..self.target.clone() }
    }

    /// What can be seen here of an attempt that reported this, or of one that did not live to report.
    /// None if there is nothing to be seen of it but its report. All is as before after this.
    pub(crate) fn evidence(
        &mut self,
        attempt: Attempt,
        report: Option<&Report>,
    ) -> Option<Result<String, ()>> {
        let at = |name: &str| self.directory.path().join(name);
        let made = |path: PathBuf| {
            let is_there = fs::symlink_metadata(&path).is_ok();
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            Some(if is_there { Ok(format!("{} is there", path.display())) } else { Err(()) })
        };
        let arrived = |is_so: bool, what: &str| Some(if is_so { Ok(what.into()) } else { Err(()) });
        match attempt {
            Attempt::CreateFile => made(at("created")),
            Attempt::MakeDirectory => made(at("directory")),
            Attempt::MakeNode => made(at("node")),
            Attempt::Link => made(at("link")),
            Attempt::LinkSymbolically => made(at("symlink")),
            Attempt::Execute => made(at("executed")),
            Attempt::ExecuteSetUserId => made(at("closed/created")),
            Attempt::WriteFile | Attempt::Rename | Attempt::Unlink | Attempt::Truncate => {
                let _ = fs::remove_file(at("renamed"));
                let is_unchanged =
                    fs::read_to_string(at("public")).is_ok_and(|content| content == SECRET);
                if !is_unchanged {
                    fs::write(at("public"), SECRET).unwrap();
                    fs::set_permissions(at("public"), Permissions::from_mode(0o666)).unwrap();
                }
                arrived(!is_unchanged, "the file has changed")
            }
            Attempt::ConnectTcp => arrived(self.tcp.accept().is_ok(), "the host was called"),
            Attempt::SendUdp => {
                arrived(self.udp.recv(&mut [0; 64]).is_ok(), "the packet has arrived")
            }
            Attempt::ConnectAbstract => {
                arrived(self.abstract_socket.accept().is_ok(), "the host was called")
            }
            Attempt::ConnectPath => arrived(self.socket.accept().is_ok(), "the host was called"),
            Attempt::KillVictim => arrived(self.victim.has_ended(), "the process has ended"),
            Attempt::KillSibling => arrived(self.sibling.has_ended(), "the process has ended"),
            Attempt::WriteEverywhere => {
                let mut buffer = [0; 4096];
                let in_pipe = rustix::io::read(&self.leaked_pipe, &mut buffer[..]).is_ok();
                let in_file = self.leaked_file.metadata().unwrap().len() > 0;
                self.leaked_file.set_len(0).unwrap();
                arrived(in_pipe || in_file, "it has arrived in a file or a pipe of the host's")
            }
            Attempt::SetDomain => {
                let domain = fs::read_to_string("/proc/sys/kernel/domainname").unwrap();
                let has_changed = domain.trim() == self.target.domain;
                if has_changed {
                    fs::write("/proc/sys/kernel/domainname", &self.domain).unwrap();
                }
                arrived(has_changed, "the machine has another domain name")
            }
            Attempt::AttachSegment => {
                let is_ours = matches!(report, Some(Report::GotThrough(it)) if it.contains(SECRET));
                arrived(is_ours, "it has read the host's segment")
            }
            Attempt::ReadControlGroup => {
                let mut own = String::new();
                File::open("/proc/self/cgroup").unwrap().read_to_string(&mut own).unwrap();
                // In a namespace of its own, all of them are the root.
                let mut groups = own.lines().filter_map(|line| line.rsplit(':').next());
                let group = groups.find(|group| *group != "/");
                let is_ours = |it: &str| group.is_some_and(|group| it.contains(group));
                let is_ours = matches!(report, Some(Report::GotThrough(it)) if is_ours(it));
                arrived(is_ours, "it knows the host's control groups")
            }
            Attempt::AskSession => {
                let is_ours = |it: &str| Self::session().is_some_and(|own| it == own.to_string());
                let is_ours = matches!(report, Some(Report::GotThrough(it)) if is_ours(it));
                arrived(is_ours, "it is in the host's session")
            }
            _ => None,
        }
    }

    /// The number of the host's session. None if it has none here, since these tests are in a PID
    /// namespace that is younger than their session, and can't be given one that has.
    pub(crate) fn session() -> Option<i32> {
        let look = || look(own_pid() as i32).expect("this process is there").session;
        static SESSION: OnceLock<i32> = OnceLock::new();
        let session = *SESSION.get_or_init(|| {
            if look() == 0 {
                // Fails for the leader of a process group.
                let _ = rustix::process::setsid();
            }
            look()
        });
        (session != 0).then_some(session)
    }

    /// Whether the host is in control groups that can be told from none.
    pub(crate) fn has_control_groups() -> bool {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        own.lines().any(|line| !line.ends_with(":/"))
    }
}

/// A process that is there to be ended.
struct Victim {
    child: Child,
    is_nobody: bool,
}

impl Victim {
    fn new(is_nobody: bool) -> Self {
        let mut command = Command::new("sleep");
        command.arg("100000");
        if is_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        Self { child: command.spawn().unwrap(), is_nobody }
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Whether somebody has ended it. Then there is another one.
    fn has_ended(&mut self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // A signal that was sent may not have been acted on yet.
        let pending =
            fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let is_doomed = ["SigPnd:", "ShdPnd:"].iter().any(|name| {
            let set = pending.lines().find_map(|line| line.strip_prefix(name));
            set.is_some_and(|set| set.trim().chars().any(|digit| digit != '0'))
        });
        let is_zombie = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
        if !is_doomed && !is_zombie && self.child.try_wait().unwrap().is_none() {
            return false;
        }
        self.child.wait().unwrap();
        *self = Self::new(self.is_nobody);
        true
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A shared memory segment that anybody may attach.
struct Segment {
    key: i32,
    id: i32,
}

impl Segment {
    fn new() -> Self {
        /// Each test has its own.
        static NEXT: AtomicI32 = AtomicI32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let key = (std::process::id() as i32) << 6 | 0x4000_0000 | number;
        // SAFETY: the segment is new, is a page long, and is detached when it has been written to.
        let id = unsafe {
            let id = libc::shmget(key, 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o666);
            assert_ne!(id, -1, "{}", std::io::Error::last_os_error());
            let memory = libc::shmat(id, std::ptr::null(), 0).cast::<u8>();
            memory.copy_from_nonoverlapping(SECRET.as_ptr(), SECRET.len());
            libc::shmdt(memory.cast());
            id
        };
        Self { key, id }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the call takes numbers alone for this command.
        unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
