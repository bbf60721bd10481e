//! The tests that no broken backend fails.

/// Their names, and why there is no such backend.
pub(crate) const NOT_BROKEN: &[(&str, &str)] = &[
    (
        "limits::the_native_stack_does_not_decide",
        "The guest's own stack, in its memory, is full long before any other: what decides about that is \
         tried with `webassembly::stack_as_recorded`.",
    ),
    (
        "through_the_host::a_job_has_one_thread",
        "A fork has one thread, and nothing of the backend runs in a job before the candidate is there.",
    ),
];
