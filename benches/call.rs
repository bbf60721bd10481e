//! Calls of guests in this process, one after the other, each in an instance of its own.

mod common;
mod guests;
mod measured;

use criterion::{BenchmarkId, Criterion, Throughput};
use parity_scale_codec::Encode;
use pvf_tests::{
    guests::HOST_CALLS,
    host_calls::{Argument, Call, FUNCTIONS, Function},
    request,
};

fn main() {
    common::run(|criterion| {
        calls(criterion);
        host_calls(criterion);
    });
}

/// The least that a call can cost. The adder adds; a runtime traps at once.
fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    let input = guests::addition();
    for guest in guests::small_and_large() {
        let mut loaded = guest.load();
        group.bench_function(BenchmarkId::from_parameter(&guest.name), |bencher| {
            bencher.iter(|| assert_eq!(guests::call(&mut *loaded, &input), guest.returns));
        });
    }
}

/// Calls in which the guest makes so many calls of the host, of one kind. `none` is the same call
/// with none of these: what it costs goes off the others. Reading a call's arguments and noting its
/// result is the guest's work; `nothing` is a function that does nothing, so it shows that and the way
/// to the host and back. What a hash function returns is freed.
fn host_calls(criterion: &mut Criterion) {
    /// A script can name no more earlier calls than fit into a byte.
    const CALLS: u8 = 250;
    let pairs = (0..CALLS).map(|place| match place % 2 {
        0 => host_call("ext_allocator_malloc_version_1", Argument::Number(100)),
        _ => host_call("ext_allocator_free_version_1", Argument::Earlier(place - 1)),
    });
    let hash = |name: &'static str| {
        let bytes = Argument::Bytes(vec![0x5a; 64]);
        (0..CALLS).map(move |_| host_call(name, bytes.clone())).collect::<Vec<_>>()
    };
    let nothing = Call { function: function("ext_logging_max_level_version_1"), arguments: vec![] };
    let scripts = [
        ("none", vec![]),
        ("nothing", vec![nothing; CALLS.into()]),
        ("malloc and free", pairs.collect()),
        ("twox_128 of 64 bytes", hash("ext_hashing_twox_128_version_1")),
        ("blake2_256 of 64 bytes", hash("ext_hashing_blake2_256_version_1")),
    ];
    for guest in guests::on_each_backend(&HOST_CALLS) {
        let mut loaded = guest.load();
        let mut group = criterion.benchmark_group(&guest.name);
        for (name, calls) in &scripts {
            let input = request::params(calls.encode()).encode();
            group.throughput(Throughput::Elements(calls.len().max(1) as u64));
            group.bench_function(*name, |bencher| {
                bencher.iter(|| assert_eq!(guests::call(&mut *loaded, &input), guest.returns));
            });
        }
    }
}

fn host_call(name: &str, argument: Argument) -> Call {
    Call { function: function(name), arguments: vec![argument] }
}

fn function(name: &str) -> &'static Function {
    FUNCTIONS.iter().find(|function| function.name == name).expect("the guest imports it")
}
