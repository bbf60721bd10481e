//! From a fork of a process that holds a loaded artifact until the child is reaped: the floor below
//! each execution.
//!
//! * `bare`: the child answers at once, and takes no measure against itself.
//! * `confined`: it first takes those of a job, the filter for system calls among them. A job that is
//!   forked ahead has done so before a request comes.
//! * `call`: it does, and calls the guest. The adder adds; a runtime traps at once.

mod common;
mod guests;
mod measured;

use criterion::{BenchmarkId, Criterion};
use pvf_workers::parts;

fn main() {
    common::run(forks);
}

fn forks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fork");
    let input = guests::addition();
    for guest in guests::small_and_large() {
        let mut loaded = guest.load();
        let mut bench = |what, work: &mut dyn FnMut()| {
            let id = BenchmarkId::new(what, &guest.name);
            group.bench_function(id, |bencher| bencher.iter(&mut *work));
        };
        bench("bare", &mut || parts::fork(false, || ()).expect("it answers"));
        bench("confined", &mut || parts::fork(true, || ()).expect("it answers"));
        bench("call", &mut || {
            let returned = parts::fork(true, || guests::call(&mut *loaded, &input));
            assert_eq!(returned, Ok(guest.returns));
        });
    }
}
