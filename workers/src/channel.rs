//! The worker's end of its connection to the host.

#![expect(unsafe_code, reason = "takes over standard input")]

use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_host_core::{
    failpoint::{self, Point},
    worker::{
        frame::{Frame, FrameError, FrameReader, FrameWriter},
        protocol::MAX_FRAME,
    },
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// There is no host to work for any more.
#[derive(Debug)]
pub(crate) enum HostGone {
    /// It closed the connection, or died.
    Closed,
    /// It can't be understood, or the kernel failed.
    Broken(String),
}

impl From<FrameError> for HostGone {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed => Self::Closed,
            error => Self::Broken(error.to_string()),
        }
    }
}

impl From<Errno> for HostGone {
    fn from(errno: Errno) -> Self {
        Self::Broken(errno.to_string())
    }
}

#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    reader: FrameReader,
}

impl Channel {
    /// Takes over standard input, which the host has made a socket.
    pub(crate) fn from_stdin() -> io::Result<Self> {
        // SAFETY: descriptor 0 was given to this process to be its connection, and nothing else in a
        // worker uses standard input.
        let socket = unsafe { OwnedFd::from_raw_fd(0) };
        rustix::net::sockopt::socket_type(&socket).map_err(|_| {
            io::Error::other(
                "standard input is no socket: a worker is started by a validation host",
            )
        })?;
        Ok(Self { socket, reader: FrameReader::new(MAX_FRAME) })
    }

    /// Waits for a message.
    pub(crate) fn receive<M: Decode>(&mut self) -> Result<(M, Vec<OwnedFd>), HostGone> {
        loop {
            if let Some(message) = self.try_receive()? {
                return Ok(message);
            }
            wait(self.as_fd(), PollFlags::IN)?;
        }
    }

    /// Reserves no more of the memory of the thread that has used it up to now.
    pub(crate) fn leave_memory_behind(&mut self) {
        self.reader.leave_memory_behind();
    }

    /// Whether a part of what the host said has been read and not been taken yet: of that, its descriptor
    /// does not tell.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.reader.has_leftovers()
    }

    /// The next message, if it is there.
    pub(crate) fn try_receive<M: Decode>(&mut self) -> Result<Option<(M, Vec<OwnedFd>)>, HostGone> {
        let Some(Frame { bytes, descriptors }) = self.reader.receive(self.socket.as_fd())? else {
            return Ok(None);
        };
        failpoint::reach(Point::WorkerReceive).map_err(FrameError::from)?;
        let message = M::decode_all(&mut &bytes[..])
            .map_err(|error| HostGone::Broken(format!("malformed message: {error}")))?;
        Ok(Some((message, descriptors)))
    }

    /// Sends a message.
    pub(crate) fn send(
        &mut self,
        message: &impl Encode,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), HostGone> {
        failpoint::reach(Point::WorkerSend).map_err(FrameError::from)?;
        let bytes = message.encode();
        let mut writer = FrameWriter::new(&bytes, descriptors);
        while !writer.send(self.socket.as_fd())? {
            wait(self.as_fd(), PollFlags::OUT)?;
        }
        Ok(())
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn wait(descriptor: BorrowedFd<'_>, events: PollFlags) -> Result<(), Errno> {
    match poll(&mut [PollFd::from_borrowed_fd(descriptor, events)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}
