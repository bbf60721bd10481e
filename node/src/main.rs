//! `pvf`, with the backends that its features name.

fn main() -> std::process::ExitCode {
    pvf_node::main()
}
