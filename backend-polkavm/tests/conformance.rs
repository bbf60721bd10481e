//! The conformance suite, on the compiler.

pvf_conformance::conformance_tests! {
    backend = pvf_backend_polkavm::ID,
    guests = pvf_conformance::Guests::polkavm(),
}
