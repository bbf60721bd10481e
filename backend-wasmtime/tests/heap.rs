//! The threads of a prepare job have heaps that are filled with few faults. A test of its own, since that is
//! said for a whole process.

#![cfg(target_env = "gnu")]

use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::backend::Prepare;
use std::{fs, hint::black_box, thread};

/// How many pages the kernel has made for this thread because they were used.
fn faults() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let behind_name = &stat[stat.rfind(')').unwrap()..];
    // The tenth number of all, of which two and the name's end are not counted here.
    behind_name.split(' ').nth(8).unwrap().parse().unwrap()
}

/// The faults of this thread while it fills 32 MiB with small blocks.
fn faults_of_filling() -> u64 {
    let before = faults();
    let blocks: Vec<_> = (0..32 << 10).map(|at| vec![at as u8; 1 << 10]).collect();
    drop(black_box(blocks));
    faults() - before
}

#[test]
fn the_heaps_of_a_job_are_filled_with_few_faults() {
    let huge = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if !huge.is_ok_and(|huge| !huge.contains("[never]")) {
        eprintln!("skipped: this kernel makes no huge pages");
        return;
    }
    Wasmtime.start_threads(2).unwrap();
    // The pool's threads are still there, so another thread has a heap that no thread had before.
    let plain = thread::spawn(faults_of_filling).join().unwrap();
    for of_job in rayon::broadcast(|_| faults_of_filling()) {
        assert!(of_job * 5 < plain, "{of_job} and {plain}");
    }
    // So has the thread that asked for it all.
    let of_job = faults_of_filling();
    assert!(of_job * 5 < plain, "{of_job} and {plain}");
}
