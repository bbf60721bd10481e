//! The host's end of a worker's socket.

#![expect(unsafe_code, reason = "has the runtime watch descriptors")]

use super::{
    frame::{Frame, FrameError, FrameReader, FrameWriter},
    protocol::{MAX_FRAME, Numbered},
};
use crate::{
    TraceId,
    failpoint::{self, Point},
};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    task::{Context, Poll},
};
use tokio::io::unix::AsyncFd;

#[derive(Debug)]
pub(crate) struct Connection {
    socket: AsyncFd<OwnedFd>,
    reader: FrameReader,
    requests: u64,
}

impl Connection {
    /// Takes a socket that does not block.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket: watch(socket)?, reader: FrameReader::new(MAX_FRAME), requests: 0 })
    }

    /// Accepts frames of up to `limit` bytes from here on.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.reader.set_limit(limit);
    }

    /// The number of the next request. An error if the other side, of which nothing was expected, has
    /// died or spoken: then what it said could be taken for an answer.
    pub(crate) fn number_request(&mut self) -> Result<u64, FrameError> {
        self.check_silence()?;
        self.requests += 1;
        Ok(self.requests)
    }

    /// Sends a message. If the future is dropped half way, the connection is of no more use.
    pub(crate) async fn send(
        &self,
        message: &impl Encode,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), FrameError> {
        failpoint::reach(Point::HostSend)?;
        let bytes = message.encode();
        let mut writer = FrameWriter::new(&bytes, descriptors);
        while !writer.send(self.socket.get_ref().as_fd())? {
            // The write ended because the socket was full, which the readiness must forget first.
            self.socket.writable().await?.clear_ready();
        }
        Ok(())
    }

    /// Waits for the next message. Nothing is lost if the future is dropped.
    pub(crate) async fn receive<M: Decode>(&mut self) -> Result<(M, Vec<OwnedFd>), FrameError> {
        failpoint::reach(Point::HostReceive)?;
        let frame = self.receive_frame().await?;
        let message = M::decode_all(&mut &frame.bytes[..])
            .map_err(|error| FrameError::Malformed(error.to_string()))?;
        Ok((message, frame.descriptors))
    }

    /// Waits for the response to a request on behalf of `trace`, with at most `descriptors` beside it. Nothing is lost if
    /// the future is dropped.
    pub(crate) async fn receive_response<M: Decode>(
        &mut self,
        id: u64,
        trace: TraceId,
        descriptors: usize,
    ) -> Result<(M, Vec<OwnedFd>), FrameError> {
        let (response, received) = self.receive::<Numbered<M>>().await?;
        if response.id != id {
            let reason = format!("a response to request {}, not to {id}", response.id);
            return Err(FrameError::Malformed(reason));
        }
        if response.trace != trace {
            let reason = format!("a response on behalf of {}, not of {trace}", response.trace);
            return Err(FrameError::Malformed(reason));
        }
        if received.len() > descriptors {
            return Err(FrameError::Malformed("descriptors that nobody asked for".into()));
        }
        Ok((response.message, received))
    }

    async fn receive_frame(&mut self) -> Result<Frame, FrameError> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Some(frame) = self.reader.receive(ready.get_inner().as_fd())? {
                return Ok(frame);
            }
            if self.reader.may_have_more() {
                drop(ready);
                tokio::task::yield_now().await;
            } else {
                ready.clear_ready();
            }
        }
    }

    /// Whether the other side, of which nothing is expected, has died or spoken, even if the runtime
    /// has not been told yet.
    pub(crate) fn is_disturbed(&mut self) -> bool {
        self.check_silence().is_err()
    }

    fn check_silence(&mut self) -> Result<(), FrameError> {
        match self.reader.receive(self.socket.get_ref().as_fd())? {
            None if !self.reader.has_leftovers() => Ok(()),
            _ => Err(FrameError::Malformed("it spoke before it was asked".into())),
        }
    }

    /// Ready once the other side, of which nothing is expected, has died or spoken.
    pub(crate) fn poll_disturbed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut ready = match self.socket.poll_read_ready(context) {
                Poll::Ready(Ok(ready)) => ready,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending if self.reader.has_leftovers() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            };
            // Readiness from an earlier message is forgotten; what is really there is not.
            match self.reader.receive(ready.get_inner().as_fd()) {
                Ok(None) if !self.reader.has_leftovers() => ready.clear_ready(),
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// Has the runtime watch a descriptor.
pub(super) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open, and the same one, for as long as the `AsyncFd` that
    // takes it exists.
    unsafe { AsyncFd::register(descriptor) }.map_err(io::Error::from)
}
