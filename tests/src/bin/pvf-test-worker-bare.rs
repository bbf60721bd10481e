//! A worker program that lacks the scripted backends, and so does not fit the tests' host.

fn main() -> std::process::ExitCode {
    pvf_workers::worker_main()
}
