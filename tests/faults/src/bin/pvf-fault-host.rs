//! A process with a host in it, for tests to kill. See `pvf_fault_injection::host`.

fn main() {
    pvf_fault_injection::host::run();
}
