//! Surroundings that lack what the host's measures need, such as those that containers are.
//!
//! A test names each of them as a [`Surrounding`]. Another process, of the tests' program
//! `pvf-test-surroundings`, brings that about for itself and becomes the program that is to be tried.
//! What a kernel does not have is played by a system call filter, which answers in the kernel's place.

mod filter;
mod old_landlock;
mod privileges;

use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

macro_rules! surroundings {
    ($($(#[doc = $about:literal])+ $variant:ident = $name:literal,)*) => {
        /// What a program finds, or misses. They are brought about in this order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Surrounding {
            $($(#[doc = $about])+ $variant,)*
        }

        impl Surrounding {
            const ALL: &[(&str, Self)] = &[$(($name, Self::$variant),)*];
        }
    };
}

surroundings! {
    /// A user namespace in which there can't be another. Takes root.
    NoMoreUserNamespaces = "no-more-user-namespaces",
    /// No system call that makes namespaces or mounts, as with the default profile of container
    /// runtimes.
    Container = "container",
    /// A kernel without Landlock.
    NoLandlock = "no-landlock",
    /// A kernel that was booted without Landlock.
    LandlockNotEnabled = "landlock-not-enabled",
    /// A kernel with the first version of Landlock: 5.13.
    LandlockAbi1 = "landlock-abi-1",
    /// A kernel with the third version of Landlock: 6.2.
    LandlockAbi3 = "landlock-abi-3",
    /// A kernel without filters for system calls.
    NoFilters = "no-filters",
    /// Root, with the capabilities that containers have. Takes root.
    ContainerRoot = "container-root",
    /// A user that is nobody in particular. Takes root.
    Nobody = "nobody",
}

/// The number of the user that is nobody in particular.
pub const NOBODY: u32 = 65534;

/// A command that runs `program` in these surroundings, of which each is there once. `launcher` is the
/// path of `pvf-test-surroundings`.
pub fn command(launcher: &Path, surroundings: &[Surrounding], program: &Path) -> Command {
    let mut command = Command::new(launcher);
    for (name, surrounding) in Surrounding::ALL {
        if surroundings.contains(surrounding) {
            command.arg(name);
        }
    }
    command.arg("--").arg(program);
    command
}

/// The `main` of `pvf-test-surroundings`.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    for name in arguments.by_ref().take_while(|argument| argument != "--") {
        let found = Surrounding::ALL.iter().find(|(known, _)| name == *known);
        let (_, surrounding) = found.unwrap_or_else(|| panic!("no surrounding: {name:?}"));
        if let Err(error) = surrounding.bring_about() {
            panic!("{surrounding:?} can't be had: {error}");
        }
    }
    let program = arguments.next().expect("a program is named");
    let error = Command::new(program).args(arguments).exec();
    panic!("the program can't be run: {error}");
}

impl Surrounding {
    fn bring_about(self) -> io::Result<()> {
        match self {
            Self::NoMoreUserNamespaces => privileges::enter_last_user_namespace(),
            Self::Container => filter::install(&filter::container()),
            Self::NoLandlock => filter::install(&filter::without_landlock(libc::ENOSYS)),
            Self::LandlockNotEnabled => {
                filter::install(&filter::without_landlock(libc::EOPNOTSUPP))
            }
            Self::LandlockAbi1 => old_landlock::play(1),
            Self::LandlockAbi3 => old_landlock::play(3),
            Self::NoFilters => filter::install(&filter::without_filters()),
            Self::ContainerRoot => privileges::keep_those_of_containers(),
            Self::Nobody => privileges::become_nobody(),
        }
    }
}

/// Takes the result of a call of the C library's.
fn done(result: i64) -> io::Result<i64> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
