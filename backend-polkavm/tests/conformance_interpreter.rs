//! The conformance suite, on the interpreter.

pvf_conformance::conformance_tests! {
    backend = pvf_backend_polkavm::INTERPRETER_ID,
    guests = pvf_conformance::Guests::polkavm(),
}
