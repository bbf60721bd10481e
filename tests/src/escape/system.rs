//! System calls as an attacker makes them: by number, with whatever arguments.

#![expect(unsafe_code, reason = "does what an attacker would")]

use std::{ffi::CString, io, ptr};

/// What stopped an attempt.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) call: &'static str,
    pub(super) errno: i32,
}

impl Refusal {
    pub(super) fn new(call: &'static str, errno: i32) -> Self {
        Self { call, errno }
    }
}

/// What came of an attempt: what it got.
pub(super) type Tried = Result<String, Refusal>;

/// A system call of this name, with up to six numbers or pointers.
macro_rules! call {
    ($call:ident $(, $argument:expr)* $(,)?) => {
        $crate::escape::system::by_number(
            stringify!($call),
            libc::$call,
            &[$($argument as i64),*],
        )
    };
}
pub(super) use call;

/// A system call by its number. Those that a processor does not have are -1.
pub(super) fn by_number(
    name: &'static str,
    number: i64,
    arguments: &[i64],
) -> Result<i64, Refusal> {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: this process is one that an attacker has taken over, and the attempt is what it does in
    // it. Pointers among the arguments are to what lives until the call is over; where memory or
    // descriptors of others could be changed, the attempts use their own.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 { Err(last_refusal(name)) } else { Ok(result) }
}

fn last_refusal(name: &'static str) -> Refusal {
    let name = name.strip_prefix("SYS_").unwrap_or(name);
    Refusal::new(name, io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// The number of a call that only x86-64 has.
pub(super) const fn on_x86_64(number: i64) -> i64 {
    if cfg!(target_arch = "x86_64") { number } else { -1 }
}

pub(super) fn path(path: &str) -> CString {
    CString::new(path).expect("the tests' paths have no zero byte")
}

/// Opens a file by `openat`.
pub(super) fn open(name: &str, flags: i32) -> Result<i32, Refusal> {
    let name = path(name);
    let descriptor = call!(SYS_openat, libc::AT_FDCWD, name.as_ptr(), flags, 0o600)?;
    Ok(descriptor as i32)
}

/// The beginning of what a descriptor gives.
pub(super) fn read(descriptor: i32) -> Tried {
    let mut buffer = [0_u8; 64];
    let len = call!(SYS_read, descriptor, buffer.as_mut_ptr(), buffer.len())?;
    Ok(one_line(&buffer[..len as usize]))
}

pub(super) fn read_file(name: &str) -> Tried {
    let descriptor = open(name, libc::O_RDONLY)?;
    read(descriptor)
}

/// How many entries a directory has besides itself and its parent.
pub(super) fn list(name: &str) -> Tried {
    const ITSELF_AND_PARENT: usize = 2;
    let descriptor = open(name, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let mut buffer = [0_u8; 4096];
    let len = call!(SYS_getdents64, descriptor, buffer.as_mut_ptr(), buffer.len())?;
    let (mut at, mut count) = (0, 0);
    while at < len as usize {
        // A 64-bit number and a 64-bit offset come before the entry's length.
        at += usize::from(u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]));
        count += 1;
    }
    if count > ITSELF_AND_PARENT {
        Ok(format!("{} entries", count - ITSELF_AND_PARENT))
    } else {
        Err(Refusal::new("getdents64", libc::ENOENT))
    }
}

pub(super) fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(|c: char| c.is_control(), " ").trim().to_owned()
}

/// The name of an error number.
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EIO => "EIO",
        libc::EBADF => "EBADF",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::ENODEV => "ENODEV",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::ENOTTY => "ENOTTY",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::EXDEV => "EXDEV",
        libc::ENOSYS => "ENOSYS",
        libc::ENOKEY => "ENOKEY",
        libc::EDQUOT => "EDQUOT",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        other => return format!("error {other}"),
    };
    name.to_owned()
}

/// Makes a process or a thread by the call with this number and these arguments. It ends at once, or
/// when it is `kept`, sleeps until it is killed. Gives its number.
#[cfg(target_arch = "x86_64")]
pub(super) fn multiply(
    name: &'static str,
    number: i64,
    arguments: [i64; 2],
    is_kept: bool,
) -> Result<i64, Refusal> {
    let result: i64;
    // SAFETY: the new process or thread may share this one's memory and have its stack, so it writes
    // neither: it makes calls that take no memory until it ends.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 4f",
            "2:",
            "test r12, r12",
            "jz 3f",
            // pause
            "mov eax, 34",
            "syscall",
            "jmp 2b",
            "3:",
            "xor edi, edi",
            // exit
            "mov eax, 60",
            "syscall",
            "jmp 3b",
            "4:",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            in("r12") i64::from(is_kept),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 { Err(Refusal::new(name, -result as i32)) } else { Ok(result) }
}

/// Nobody has written this for another processor.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn multiply(name: &'static str, _: i64, _: [i64; 2], _: bool) -> Result<i64, Refusal> {
    Err(Refusal::new(name, libc::ENOSYS))
}

/// The call with this number of the 32-bit interface, without arguments.
#[cfg(target_arch = "x86_64")]
pub(super) fn call_32_bit(name: &'static str, number: i64) -> Result<i64, Refusal> {
    let result: i64;
    // SAFETY: the calls that are made so take no pointer, and change nothing but this process.
    unsafe {
        std::arch::asm!(
            "push rbx",
            "xor ebx, ebx",
            "int 0x80",
            "pop rbx",
            inlateout("rax") number => result,
            in("rcx") 0,
            in("rdx") 0,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    let result = result as i32;
    if result < 0 { Err(Refusal::new(name, -result)) } else { Ok(result.into()) }
}

/// There is no such interface.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn call_32_bit(name: &'static str, _: i64) -> Result<i64, Refusal> {
    Err(Refusal::new(name, libc::ENOSYS))
}

/// A function that gives 42.
#[cfg(target_arch = "x86_64")]
pub(super) const FUNCTION: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];
#[cfg(target_arch = "aarch64")]
pub(super) const FUNCTION: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];

/// Writes it to memory that was mapped just now, to write.
pub(super) fn write_function(memory: i64) {
    // SAFETY: the caller has mapped a page there.
    unsafe { ptr::copy_nonoverlapping(FUNCTION.as_ptr(), memory as *mut u8, FUNCTION.len()) };
}

/// Runs it where it was written, and the memory was made executable.
pub(super) fn run_function(memory: i64) -> String {
    // SAFETY: the page holds a function that takes nothing and gives a number, and may be executed.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(memory as *const ()) };
    format!("its code gave {}", function())
}

/// Writes to memory that was mapped just now.
pub(super) fn write_mark(memory: i64) {
    // SAFETY: the caller has mapped at least a page there.
    unsafe { ptr::write_volatile(memory as *mut u8, 1) };
}

/// The beginning of a shared memory segment that was attached just now.
pub(super) fn look(memory: i64) -> [u8; 16] {
    // SAFETY: the kernel has put a page there.
    unsafe { ptr::read_volatile(memory as *const [u8; 16]) }
}
