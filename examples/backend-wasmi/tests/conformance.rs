//! The conformance suite.

pvf_conformance::conformance_tests! {
    backend = pvf_backend_wasmi::ID,
    guests = pvf_conformance::Guests::webassembly(),
}
