//! The worker program of the tests: an ordinary one that has the scripted backends too, unless it was
//! taught bad manners.

fn main() -> std::process::ExitCode {
    pvf_tests::scripted::note_worker();
    pvf_tests::escape::note_worker();
    pvf_tests::manners::run_if_rude();
    pvf_tests::refusals::take_up();
    pvf_workers::worker_main()
}
