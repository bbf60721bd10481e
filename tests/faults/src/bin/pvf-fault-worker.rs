//! The worker program of these tests: an ordinary one that has the scripted backends too, and looks at
//! the board.

fn main() -> std::process::ExitCode {
    pvf_fault_injection::board::watch_in_worker();
    pvf_workers::worker_main()
}
