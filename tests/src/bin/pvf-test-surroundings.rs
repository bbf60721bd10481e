//! Runs a program in surroundings that lack what measures need.

fn main() -> std::process::ExitCode {
    pvf_tests::surroundings::main()
}
