//! WebAssembly guests, through the whole host.

use crate::{host, host_with};
use parity_scale_codec::Encode;
use pvf_host_core::{
    Code, InvalidCandidate, PrepareError, Pvf, ValidationError,
    backend::ExecuteError,
    primitives::{ExecutorParam, ExecutorParams, compression},
};
use pvf_tests::{request::approval, valid_head};
use std::time::Duration;

fn guest(text: &str) -> Pvf {
    Pvf::new(Code::new(wat::parse_str(text).unwrap()))
}

/// A guest with memory and heap, whose entry point is as given.
fn guest_with(entry_point: &str) -> Pvf {
    guest(&format!(
        r#"(module
            (memory (export "memory") 1)
            (global (export "__heap_base") i32 (i32.const 4096))
            {entry_point})"#
    ))
}

fn guest_that(body: &str) -> Pvf {
    guest_with(&format!(r#"(func (export "validate_block") (param i32 i32) (result i64) {body})"#))
}

fn echo() -> Pvf {
    guest(include_str!("../../guests/echo.wat"))
}

fn grow() -> Pvf {
    guest(include_str!("../../guests/grow.wat"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_turns_parameters_into_a_result() {
    let host = host().await;
    for hot in [false, true] {
        let validation = host.validate(approval(echo())).await;
        assert_eq!(validation.backend.as_ref().map(|id| id.as_str()), Some("wasmtime"));
        assert_eq!(validation.execute.unwrap().hot, hot);
        assert_eq!(valid_head(validation), b"parent");
    }
    host.precheck(echo()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_compiled_once_whatever_becomes_of_the_host() {
    let mut host = host().await;
    for cached in [false, true, true] {
        let validation = host.validate(approval(echo())).await;
        assert_eq!(validation.prepare.as_ref().unwrap().cached, cached);
        assert_eq!(valid_head(validation), b"parent");
        host = host.restart().await;
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_code_is_the_same_program_but_another_pvf() {
    let host = host().await;
    let plain = wat::parse_str(include_str!("../../guests/echo.wat")).unwrap();
    let compressed = Pvf::new(Code::new(compression::compress(&plain, 3).unwrap()));
    assert_eq!(valid_head(host.validate(approval(echo())).await), b"parent");
    assert_eq!(valid_head(host.validate(approval(compressed)).await), b"parent");
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_goes_wrong_makes_its_candidate_invalid() {
    enum Class {
        Trap,
        InvalidOutput,
        MalformedResult,
    }
    use Class::*;
    let entry = |rest| format!(r#"(func (export "validate_block") {rest})"#);
    let cases = [
        ("traps", Trap, guest_that("unreachable")),
        ("divides by zero", Trap, guest_that("(i64.div_u (i64.const 1) (i64.const 0))")),
        ("reads where no memory is", Trap, guest_that("(i64.load (i32.const -8))")),
        ("recurses", Trap, guest(include_str!("../../guests/recursion.wat"))),
        ("has an unknown import", Trap, guest(include_str!("../../guests/unknown_import.wat"))),
        ("has no entry point", InvalidOutput, guest_with("")),
        (
            "has an entry point of another type",
            InvalidOutput,
            guest_with(&entry("(param i64) (result i64) (local.get 0)")),
        ),
        (
            "has an entry point that is no function",
            InvalidOutput,
            guest_with(r#"(global (export "validate_block") i32 (i32.const 0))"#),
        ),
        (
            "has no memory",
            InvalidOutput,
            guest(&format!("(module {})", entry("(param i32 i32) (result i64) (i64.const 0)"))),
        ),
        ("returns what it does not have", InvalidOutput, guest_that("(i64.const -1)")),
        ("returns nothing", MalformedResult, guest_that("(i64.const 0)")),
    ];
    let host = host().await;
    for (what, class, pvf) in cases {
        let verdict = host.validate(approval(pvf)).await.verdict;
        let Err(ValidationError::Invalid(reason)) = verdict else { panic!("{what}: {verdict:?}") };
        let is_expected = match class {
            Trap => matches!(reason, InvalidCandidate::Execution(ExecuteError::Trap(_))),
            InvalidOutput => {
                matches!(reason, InvalidCandidate::Execution(ExecuteError::InvalidOutput(_)))
            }
            MalformedResult => matches!(reason, InvalidCandidate::MalformedResult(_)),
        };
        assert!(is_expected, "{what}: {reason:?}");
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_never_ends_is_stopped() {
    let host = host_with(|config| config.wall_clock_factor(100_000)).await;
    let pvf = guest_that("(loop (br 0)) unreachable");
    for _ in 0..2 {
        let request = approval(pvf.clone()).with_timeout(Duration::from_millis(50));
        let verdict = host.validate(request).await.verdict;
        assert_eq!(verdict, Err(InvalidCandidate::HardTimeout.into()));
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_as_much_memory_as_its_parameters_say_and_can_use_it() {
    let host = host().await;
    let with = |pages| ExecutorParams::new(vec![ExecutorParam::MaxMemoryPages(pages)]);
    for (params, pages) in [(ExecutorParams::default(), 2080_u32), (with(100), 132)] {
        let validation = host.validate(approval(grow().with_params(params))).await;
        let report = validation.execute.unwrap();
        assert!(report.peak_memory >= u64::from(pages) * 65_536, "{report:?}");
        assert_eq!(valid_head(validation), pages.encode());
    }
    // The limit is no property of the artifact.
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_as_much_gas_as_its_parameters_say() {
    let host = host().await;
    let pvf = guest_that(
        "(loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
           (i32.const 10000)))) (unreachable)",
    );
    let limited = async |limit| {
        let params = ExecutorParams::new(vec![ExecutorParam::MaxGas(limit)]);
        let validation = host.validate(approval(pvf.clone().with_params(params))).await;
        let Err(ValidationError::Invalid(reason)) = validation.verdict else {
            panic!("{:?}", validation.verdict)
        };
        (reason.kind(), validation.execute.unwrap().gas_used.unwrap())
    };
    let (kind, used) = limited(i64::MAX as u64).await;
    assert_eq!(kind, "trap");
    assert_eq!(limited(used).await, ("trap", used));
    for less in [used - 1, 5, 1, 0] {
        assert_eq!(limited(less).await, ("out_of_gas", less));
    }
    assert_eq!(host.statistics().preparations, 1);
    let validation = host.validate(approval(pvf.clone())).await;
    assert_eq!(validation.execute.unwrap().gas_used, None);
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_program_is_never_prepared() {
    let host = host().await;
    let junk = Pvf::new(Code::new(*b"\0asm\x01\0\0\0junk"));
    let answer = host.precheck(junk).await;
    assert!(matches!(answer, Err(PrepareError::Prevalidation(_))), "{answer:?}");
    // A body that does not type-check.
    let answer = host.precheck(guest_that("(i32.const 0)")).await;
    let is_expected =
        matches!(answer, Err(PrepareError::Prevalidation(_) | PrepareError::Compilation(_)));
    assert!(is_expected, "{answer:?}");
    host.shut_down().await;
}
