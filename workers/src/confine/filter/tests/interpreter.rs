//! Classic BPF, as far as the programs go.

use libc::sock_filter;

/// What the kernel shows a program: `struct seccomp_data`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) number: u32,
    pub(super) architecture: u32,
    pub(super) arguments: [u64; 6],
}

impl Request {
    /// The four bytes at this offset, on a machine that is little endian.
    fn load(&self, offset: u32) -> u32 {
        assert_eq!(offset % 4, 0, "the kernel refuses such an offset");
        match offset {
            0 => self.number,
            4 => self.architecture,
            16..64 => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                (argument >> (8 * (offset % 8))) as u32
            }
            _ => panic!("the programs look at nothing else"),
        }
    }
}

/// What a program returns.
pub(super) fn run(code: &[sock_filter], request: &Request) -> u32 {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const NOT_BELOW: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

    let (mut at, mut value) = (0, 0);
    loop {
        let sock_filter { code, jt, jf, k } = code[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            LOAD => value = request.load(k),
            AND => value &= k,
            EQUAL => at += jump(value == k),
            NOT_BELOW => at += jump(value >= k),
            RETURN => return k,
            other => panic!("the programs have no instruction {other:#x}"),
        }
    }
}
