//! Whether every host function is called from inside a guest. What comes of the calls is looked at by the
//! conformance suite, for each backend.

use pvf_host_functions::{Availability, HOST_FUNCTIONS, ValueType};
use pvf_tests::host_calls::{Case, FUNCTIONS, Outcome};

#[test]
fn each_host_function_has_a_case() {
    let cases = Case::all();
    for function in HOST_FUNCTIONS {
        let name = function.name;
        let imported = FUNCTIONS.iter().find(|imported| imported.name == name);
        let imported = imported.unwrap_or_else(|| panic!("the guest does not import {name}"));
        let ty = |ty: &&str| if *ty == "u64" { ValueType::I64 } else { ValueType::I32 };
        let params: Vec<_> = imported.arguments.iter().map(ty).collect();
        assert_eq!(params, function.params, "{name}");
        assert_eq!(imported.result.as_ref().map(ty), function.result, "{name}");

        let calls = |case: &&Case| case.calls.iter().any(|call| call.function.name == name);
        let mut cases = cases.iter().filter(calls);
        let is_covered = match function.availability {
            Availability::Always => cases.any(|case| case.outcome == Outcome::Valid),
            Availability::Traps => cases.any(|case| matches!(case.outcome, Outcome::Trap(_))),
            Availability::Untyped => cases.any(|case| matches!(case.outcome, Outcome::Panic(_))),
            Availability::Enabled(_) => {
                let mut of_both_kinds = cases.map(|case| (&case.outcome, case.elliptic_curves));
                of_both_kinds.clone().any(|case| case == (&Outcome::Valid, true))
                    && of_both_kinds.any(|(outcome, on)| matches!(outcome, Outcome::Trap(_)) && !on)
            }
        };
        assert!(is_covered, "{name} has no case that shows what it does");
    }
}
