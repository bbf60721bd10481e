//! Frames through a pair of sockets, from writing to reading, and the messages in them.
//!
//! Each execution takes two frames between host and worker, and three between worker and job. The
//! process that waits is left out here: what it costs to wake it is in `fork` and in `pvf bench`.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput};
use parity_scale_codec::{DecodeAll, Encode};
use pvf_host_core::{
    TraceId,
    backend::{LogLevel, memory_file},
    worker::{
        frame::{Frame, FrameReader, FrameWriter, MAX_DESCRIPTORS},
        protocol::{
            ExecuteMessage, ExecuteRequest, ExecuteResponse, ExecuteSteps, JobOutcome, JobUsage,
            KeptLog, LogLine, Numbered,
        },
    },
};
use std::{
    hint::black_box,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

fn main() {
    common::run(|criterion| {
        frames(criterion);
        frames_with_descriptors(criterion);
        messages(criterion);
    });
}

/// Both ends of a connection.
struct Connection {
    ours: UnixStream,
    theirs: UnixStream,
    reader: FrameReader,
}

impl Connection {
    fn new() -> Self {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        Self { ours, theirs, reader: FrameReader::new(64 << 20) }
    }

    /// Sends a frame and takes it at the other end, in as many pieces as the socket needs.
    fn pass(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Frame {
        let mut writer = FrameWriter::new(bytes, descriptors);
        loop {
            writer.send(self.ours.as_fd()).expect("the other end is open");
            if let Some(frame) = self.reader.receive(self.theirs.as_fd()).expect("it is a frame") {
                return frame;
            }
        }
    }
}

/// Frames as short as a request or its answer, and as long as a result with new code.
fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for len in [64, 1 << 10, 64 << 10, 4 << 20] {
        let (mut connection, bytes) = (Connection::new(), vec![0x5a; len]);
        assert_eq!(connection.pass(&bytes, &[]).bytes, bytes);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| connection.pass(black_box(&bytes), &[]));
        });
    }
}

/// A short frame with as many memory files as it can have, which the receiver closes: what a worker is
/// sent when it loads an artifact.
fn frames_with_descriptors(criterion: &mut Criterion) {
    let mut connection = Connection::new();
    let files = [(); MAX_DESCRIPTORS].map(|()| memory_file("bench").expect("there is room"));
    let descriptors = files.each_ref().map(AsFd::as_fd);
    assert_eq!(connection.pass(&[1; 64], &descriptors).descriptors.len(), MAX_DESCRIPTORS);
    criterion.bench_function("frame/64 with descriptors", |bencher| {
        bencher.iter(|| connection.pass(black_box(&[1; 64]), &descriptors));
    });
}

/// What the host sends to have a candidate executed, and what it gets: encoded and decoded again.
fn messages(criterion: &mut Criterion) {
    let request = ExecuteMessage::Execute(Numbered {
        trace: TraceId::from_u64(1),
        id: 1000,
        message: ExecuteRequest {
            input_len: 5 << 20,
            compressed_block: Some((100..5 << 20).into()),
            pov_limit: 16 << 20,
            cpu_limit: Duration::from_secs(12),
        },
    });
    criterion.bench_function("message/request", |bencher| {
        bencher.iter(|| ExecuteMessage::decode_all(&mut &black_box(&request).encode()[..]));
    });
    let mut group = criterion.benchmark_group("message/response with a result");
    for len in [200, 64 << 10] {
        let response = response(len, KeptLog::default());
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| {
                Numbered::<ExecuteResponse>::decode_all(&mut &black_box(&response).encode()[..])
            });
        });
    }
    group.finish();
    let mut log = KeptLog::default();
    for _ in 0..10 {
        let message = "a line as a runtime logs it when it is told to say more".to_owned();
        log.push(LogLine { level: LogLevel::Info, target: "runtime".into(), message });
    }
    let response = response(200, log);
    criterion.bench_function("message/response with ten lines of log", |bencher| {
        bencher.iter(|| {
            Numbered::<ExecuteResponse>::decode_all(&mut &black_box(&response).encode()[..])
        });
    });
}

fn response(len: usize, log: KeptLog) -> Numbered<ExecuteResponse> {
    let usage = JobUsage { cpu: Duration::from_micros(200), peak_memory: 8 << 20 };
    let outcome = JobOutcome::Result(vec![0x5a; len]);
    let steps = ExecuteSteps::default();
    let message = ExecuteResponse { outcome, usage, gas_used: None, steps, log };
    Numbered { id: 1000, trace: TraceId::from_u64(1), message }
}
