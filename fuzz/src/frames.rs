//! Frames, as they come through a socket.

use crate::meter;
use pvf_host_core::worker::frame::{FrameError, FrameReader, FrameWriter};
use std::{
    io::Write,
    os::{fd::AsFd, unix::net::UnixStream},
};

/// No frame may be longer.
const LIMIT: u64 = 1 << 20;
/// What a reader holds at most, in bytes, for what a target's input can be.
const HELD: usize = 2 << 20;

/// Sends bytes in pieces. What comes out is what the format says.
pub fn frames(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let piece = usize::from(*piece).max(1) * 16;
    let (expected, end) = parse(stream);

    let (mut sender, receiver) = UnixStream::pair().expect("a socket");
    let mut reader = FrameReader::new(LIMIT);
    let mut received = Vec::new();
    let mut error = None;
    meter::within(HELD + 4 * data.len(), || {
        for bytes in stream.chunks(piece) {
            sender.write_all(bytes).expect("the socket takes it");
            error = error.take().or_else(|| receive(&mut reader, &receiver, &mut received));
        }
    });
    drop(sender);
    let error = error.or_else(|| receive(&mut reader, &receiver, &mut received));

    assert_eq!(received, expected);
    match (end, error) {
        (End::Closed, Some(FrameError::Closed)) => {}
        (End::TooLong(expected), Some(FrameError::TooLong { len, limit: LIMIT })) => {
            assert_eq!(len, expected);
        }
        (_, error) => panic!("ended with {error:?}"),
    }

    let (sender, receiver) = UnixStream::pair().expect("a socket");
    let mut reader = FrameReader::new(LIMIT);
    for frame in &expected {
        assert!(FrameWriter::new(frame, &[]).send(sender.as_fd()).expect("the socket takes it"));
        let arrived = reader.receive(receiver.as_fd()).expect("a frame").expect("at once");
        assert_eq!(arrived.bytes, *frame);
    }
    assert!(!reader.has_leftovers());
}

/// Receives what is there.
fn receive(
    reader: &mut FrameReader,
    socket: &UnixStream,
    received: &mut Vec<Vec<u8>>,
) -> Option<FrameError> {
    loop {
        match reader.receive(socket.as_fd()) {
            Ok(Some(frame)) => received.push(frame.bytes),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

enum End {
    Closed,
    TooLong(u64),
}

/// The frames in a stream, and how it ends.
fn parse(mut stream: &[u8]) -> (Vec<Vec<u8>>, End) {
    let mut frames = Vec::new();
    while let Some((len, rest)) = stream.split_first_chunk() {
        let len = u64::from_le_bytes(*len);
        if len > LIMIT {
            return (frames, End::TooLong(len));
        }
        let Some((frame, rest)) = rest.split_at_checked(len as usize) else { break };
        frames.push(frame.to_vec());
        stream = rest;
    }
    (frames, End::Closed)
}
