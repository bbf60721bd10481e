//! The command line with the scripted backends too.

use pvf_tests::refusals;

fn main() -> std::process::ExitCode {
    refusals::take_up();
    pvf_node::main()
}
