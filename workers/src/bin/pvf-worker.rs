//! A worker program of its own, for nodes that don't start themselves again.

fn main() -> std::process::ExitCode {
    pvf_workers::worker_main()
}
