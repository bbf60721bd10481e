//! The one framing that host, workers and jobs speak: a length of eight bytes, little endian, and
//! that many bytes, with descriptors beside the first of them where the socket can pass them.
//!
//! Neither side blocks in here, and neither trusts the other: a length is checked against a limit
//! before anything is reserved for it, and memory grows only as bytes arrive.

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags,
    },
};
use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

/// The most descriptors that travel with one frame.
pub const MAX_DESCRIPTORS: usize = 2;

const LENGTH: usize = 8;
/// How much is read at once, at first, of a frame that is longer than that, and at most. Most frames
/// are short, and memory that is not touched costs nothing.
const FIRST_CHUNK: usize = 1 << 10;
const CHUNK: usize = 16 << 10;
const MAX_CHUNK: usize = 256 << 10;
/// How much is taken from a sender that never pauses before the receiver looks at anything else.
const AT_ONCE: usize = 1 << 20;

/// Why no frame could be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the connection, or died.
    #[error("the connection was closed")]
    Closed,
    /// The other side announced a frame that is too long.
    #[error("a frame of {len} bytes, at most {limit} are allowed")]
    TooLong {
        /// What was announced, in bytes.
        len: u64,
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// The frame's content is not what the protocol has here.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The kernel failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What arrived.
#[derive(Debug, Default)]
pub struct Frame {
    /// The content.
    pub bytes: Vec<u8>,
    /// The descriptors that came with it.
    pub descriptors: Vec<OwnedFd>,
}

/// Collects frames from a descriptor that does not block.
#[derive(Debug)]
pub struct FrameReader {
    limit: u64,
    buffer: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    may_have_more: bool,
}

impl FrameReader {
    /// A reader that refuses frames of more than `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, buffer: Vec::new(), descriptors: Vec::new(), may_have_more: false }
    }

    /// Changes the limit for frames yet to come.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Takes memory anew for what comes next, if nothing of it is here. That of up to now is not freed: the
    /// C library would give it to the thread that frees it, wherever it lies.
    pub fn leave_memory_behind(&mut self) {
        if !self.has_leftovers() {
            std::mem::forget(std::mem::take(&mut self.buffer));
        }
    }

    /// Whether part of a frame, or more than the frames asked for, has arrived.
    pub fn has_leftovers(&self) -> bool {
        !self.buffer.is_empty() || !self.descriptors.is_empty()
    }

    /// Whether the last look found no whole frame, and stopped before it had seen all that is there.
    pub fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// The next frame from a socket, or nothing if it has not arrived as a whole, or not within what
    /// is read at once: see [`may_have_more`](Self::may_have_more).
    ///
    /// # Errors
    ///
    /// See [`FrameError`]. After an error the connection is of no more use.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> Result<Option<Frame>, FrameError> {
        self.next(|buffer, descriptors| {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = rustix::net::recvmsg(
                socket,
                &mut [IoSliceMut::new(buffer)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
            )?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    descriptors.extend(rights);
                }
            }
            Ok(received.bytes)
        })
    }

    fn next(
        &mut self,
        mut read: impl FnMut(&mut [u8], &mut Vec<OwnedFd>) -> Result<usize, Errno>,
    ) -> Result<Option<Frame>, FrameError> {
        let mut taken = 0;
        self.may_have_more = false;
        loop {
            let total = self.announced()?;
            let wanted = match total {
                Some(total) if self.buffer.len() >= total => {
                    let descriptors = std::mem::take(&mut self.descriptors);
                    return Ok(Some(Frame { bytes: self.take(total), descriptors }));
                }
                // As much again as has come, never all that was announced. No more than the kernel gives
                // at once, either: the space is cleared each time.
                Some(total) => {
                    (total - self.buffer.len()).min(self.buffer.len().clamp(CHUNK, MAX_CHUNK))
                }
                None => FIRST_CHUNK,
            };
            if taken >= AT_ONCE {
                self.may_have_more = true;
                return Ok(None);
            }
            let filled = self.buffer.len();
            if self.buffer.capacity() < filled + wanted {
                // As a vector grows by itself, but never beyond the frame.
                let roomy = (2 * filled).min(total.unwrap_or(0));
                self.buffer.reserve_exact(roomy.max(filled + wanted) - filled);
            }
            self.buffer.resize(filled + wanted, 0);
            let result = read(&mut self.buffer[filled..], &mut self.descriptors);
            self.buffer.truncate(filled + *result.as_ref().unwrap_or(&0));
            match result {
                Ok(0) | Err(Errno::CONNRESET) => return Err(FrameError::Closed),
                Ok(len) => taken += len,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
            if self.descriptors.len() > MAX_DESCRIPTORS {
                return Err(FrameError::Malformed("too many descriptors".into()));
            }
        }
    }

    /// The content of the frame that is the first `total` bytes of the buffer. A short one leaves the
    /// buffer's memory to the next.
    fn take(&mut self, total: usize) -> Vec<u8> {
        if total <= FIRST_CHUNK {
            let bytes = self.buffer[LENGTH..total].to_vec();
            self.buffer.drain(..total);
            return bytes;
        }
        let rest = self.buffer.split_off(total);
        let mut bytes = std::mem::replace(&mut self.buffer, rest);
        bytes.drain(..LENGTH);
        bytes
    }

    /// The length of the frame whose beginning is in the buffer, with that of its header.
    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(length) = self.buffer.first_chunk::<LENGTH>() else { return Ok(None) };
        let len = u64::from_le_bytes(*length);
        if len > self.limit {
            return Err(FrameError::TooLong { len, limit: self.limit });
        }
        Ok(Some(LENGTH + len as usize))
    }
}

/// Waits for one frame, with no descriptors beside it, on a descriptor that blocks. The `buffer` has to hold
/// it with its length; no memory is reserved.
///
/// # Errors
///
/// When the other side has closed the connection, sends a frame that is longer, or more than one.
pub fn read_short<'a>(pipe: BorrowedFd<'_>, buffer: &'a mut [u8]) -> Result<&'a [u8], FrameError> {
    let limit = buffer.len().saturating_sub(LENGTH);
    let mut filled = 0;
    let end = loop {
        if let Some(length) = buffer[..filled].first_chunk::<LENGTH>() {
            let len = u64::from_le_bytes(*length);
            if len > limit as u64 {
                return Err(FrameError::TooLong { len, limit: limit as u64 });
            }
            let end = LENGTH + len as usize;
            if filled > end {
                return Err(FrameError::Malformed("more than one frame".into()));
            }
            if filled == end {
                break end;
            }
        }
        match rustix::io::read(pipe, &mut buffer[filled..]) {
            Ok(0) | Err(Errno::CONNRESET) => return Err(FrameError::Closed),
            Ok(len) => filled += len,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
    };
    Ok(&buffer[LENGTH..end])
}

/// Sends one frame, however many pieces the kernel takes it in.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    header: [u8; LENGTH],
    bytes: &'a [u8],
    descriptors: &'a [BorrowedFd<'a>],
    sent: usize,
}

impl<'a> FrameWriter<'a> {
    /// Prepares to send `bytes` with `descriptors` beside them, at most [`MAX_DESCRIPTORS`].
    pub fn new(bytes: &'a [u8], descriptors: &'a [BorrowedFd<'a>]) -> Self {
        assert!(descriptors.len() <= MAX_DESCRIPTORS, "too many descriptors for one frame");
        Self { header: (bytes.len() as u64).to_le_bytes(), bytes, descriptors, sent: 0 }
    }

    /// Sends as much to a socket as it takes now; `true` when that was the rest.
    ///
    /// # Errors
    ///
    /// See [`FrameError`].
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> Result<bool, FrameError> {
        self.advance(|parts, descriptors| {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            rustix::net::sendmsg(
                socket,
                parts,
                &mut control,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            )
        })
    }

    /// The same to a pipe, which passes no descriptors.
    ///
    /// # Errors
    ///
    /// See [`FrameError`].
    pub fn write(&mut self, pipe: BorrowedFd<'_>) -> Result<bool, FrameError> {
        self.advance(|parts, _| rustix::io::writev(pipe, parts))
    }

    fn advance(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>], &[BorrowedFd<'_>]) -> Result<usize, Errno>,
    ) -> Result<bool, FrameError> {
        while self.sent < LENGTH + self.bytes.len() {
            let header = &self.header[self.sent.min(LENGTH)..];
            let bytes = &self.bytes[self.sent.saturating_sub(LENGTH)..];
            let descriptors = if self.sent == 0 { self.descriptors } else { &[] };
            match write(&[IoSlice::new(header), IoSlice::new(bytes)], descriptors) {
                Ok(sent) => self.sent += sent,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(FrameError::Closed),
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::os::fd::AsFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
    }

    fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        assert!(FrameWriter::new(bytes, descriptors).send(socket.as_fd()).unwrap());
    }

    #[test]
    fn frames_arrive_in_order_and_one_by_one() {
        let (a, b) = pair();
        let mut reader = FrameReader::new(100);
        assert!(reader.receive(b.as_fd()).unwrap().is_none());
        for bytes in [&b"first"[..], b"", b"third"] {
            send(&a, bytes, &[]);
        }
        for bytes in [&b"first"[..], b"", b"third"] {
            assert_eq!(reader.receive(b.as_fd()).unwrap().unwrap().bytes, bytes);
        }
        assert!(!reader.has_leftovers());
        drop(a);
        assert!(matches!(reader.receive(b.as_fd()), Err(FrameError::Closed)));
    }

    #[test]
    fn a_frame_that_arrives_byte_by_byte_is_whole_in_the_end() {
        let (a, b) = pair();
        let mut reader = FrameReader::new(100);
        let mut wire = 3u64.to_le_bytes().to_vec();
        wire.extend(b"abc");
        let (last, rest) = wire.split_last().unwrap();
        for byte in rest {
            rustix::io::write(&a, &[*byte]).unwrap();
            assert!(reader.receive(b.as_fd()).unwrap().is_none());
        }
        rustix::io::write(&a, &[*last]).unwrap();
        assert_eq!(reader.receive(b.as_fd()).unwrap().unwrap().bytes, b"abc");
    }

    #[test]
    fn a_short_frame_is_taken_into_a_buffer_and_nothing_else_is() {
        let frame = |length: u64, bytes: &[u8]| [&length.to_le_bytes()[..], bytes].concat();
        let read = |wire: &[u8]| {
            let (a, b) = pair();
            assert_eq!(rustix::io::write(&a, wire).unwrap(), wire.len());
            drop(a);
            read_short(b.as_fd(), &mut [0; LENGTH + 3]).map(<[u8]>::to_vec)
        };
        for bytes in [&b""[..], b"a", b"abc"] {
            assert_eq!(read(&frame(bytes.len() as u64, bytes)).unwrap(), bytes);
        }
        for (length, bytes) in [(4, &b"abc"[..]), (u64::MAX, b"")] {
            let error = read(&frame(length, bytes)).unwrap_err();
            assert!(matches!(error, FrameError::TooLong { limit: 3, .. }), "{error}");
        }
        assert!(matches!(read(&frame(1, b"ab")), Err(FrameError::Malformed(_))));
        for wire in [&b""[..], b"1234567", &frame(3, b"ab")] {
            assert!(matches!(read(wire), Err(FrameError::Closed)));
        }
    }

    #[test]
    fn a_long_frame_crosses_in_pieces() {
        let (a, b) = pair();
        let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
        let mut writer = FrameWriter::new(&bytes, &[]);
        let mut reader = FrameReader::new(bytes.len() as u64);
        let mut pieces = 0;
        let frame = loop {
            pieces += 1;
            writer.send(a.as_fd()).unwrap();
            if let Some(frame) = reader.receive(b.as_fd()).unwrap() {
                break frame;
            }
        };
        assert!(pieces > 1);
        assert_eq!(frame.bytes, bytes);
    }

    #[test]
    fn a_sender_that_never_pauses_leaves_time_for_others() {
        let mut reader = FrameReader::new(u64::MAX);
        let mut sent = 0;
        let mut endless = |buffer: &mut [u8], _: &mut Vec<OwnedFd>| {
            buffer.fill(0x01);
            sent += buffer.len();
            Ok(buffer.len())
        };
        assert!(reader.next(&mut endless).unwrap().is_none());
        assert!(reader.may_have_more());
        assert!(sent < 2 * AT_ONCE, "{sent}");
        assert!(reader.buffer.capacity() <= 4 * AT_ONCE);
        // Once it pauses, there is nothing more.
        assert!(reader.next(|_, _| Err(Errno::AGAIN)).unwrap().is_none());
        assert!(!reader.may_have_more());
        assert!(reader.has_leftovers());
    }

    #[test]
    fn an_absurd_length_is_refused_before_memory_is_reserved() {
        let (a, b) = pair();
        rustix::io::write(&a, &(1u64 << 63).to_le_bytes()).unwrap();
        let mut reader = FrameReader::new(1 << 30);
        let error = reader.receive(b.as_fd()).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { len, .. } if len == 1 << 63));

        let (a, b) = pair();
        rustix::io::write(&a, &(1u64 << 30).to_le_bytes()).unwrap();
        let mut reader = FrameReader::new(1 << 30);
        assert!(reader.receive(b.as_fd()).unwrap().is_none());
        assert!(reader.buffer.capacity() < 1 << 20);
    }

    #[test]
    fn descriptors_travel_with_their_frame() {
        let (a, b) = pair();
        let (c, d) = pair();
        send(&a, b"take this", &[c.as_fd()]);
        let mut reader = FrameReader::new(100);
        let frame = reader.receive(b.as_fd()).unwrap().unwrap();
        assert_eq!(frame.bytes, b"take this");
        let [received] = &frame.descriptors[..] else { panic!("one descriptor") };
        send(received, b"through it", &[]);
        let mut other = FrameReader::new(100);
        assert_eq!(other.receive(d.as_fd()).unwrap().unwrap().bytes, b"through it");
    }
}
