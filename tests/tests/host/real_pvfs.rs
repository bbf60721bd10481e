//! Real PVFs, if the environment variable `PVF_FIXTURES` names the directory that has them.

use crate::host;
use parity_scale_codec::Encode;
use pvf_host_core::{
    Code, InvalidCandidate, Pvf, ValidationError, ValidationHost, ValidationKind,
    ValidationRequest,
    backend::{self, ExecuteError},
    primitives::{ExecutorParam, ExecutorParams, Hash, ValidationParams, ValidationResult, hex},
};
#[cfg(feature = "wasmtime")]
use pvf_tests::guests::{ADDER, Candidate, Outcome};
use std::{fs, path::PathBuf};

/// The directory with the real PVFs. Without one, the test that asks has nothing to do.
fn fixtures() -> Option<PathBuf> {
    let directory = std::env::var_os("PVF_FIXTURES").map(PathBuf::from);
    if directory.is_none() {
        println!("skipped: PVF_FIXTURES does not name the directory of the real PVFs");
    }
    directory
}

struct Fixtures(PathBuf);

impl Fixtures {
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn read_hex(&self, name: &str) -> Vec<u8> {
        hex::decode(String::from_utf8(self.read(name)).unwrap().trim()).unwrap()
    }

    #[cfg(feature = "wasmtime")]
    fn pvf(&self, name: &str) -> Pvf {
        Pvf::new(Code::new(self.read(name)))
    }
}

fn request(pvf: Pvf, params: ValidationParams) -> ValidationRequest {
    ValidationRequest::from_params(pvf, params, ValidationKind::Approval)
}

#[cfg(feature = "wasmtime")]
fn adder_params(fixtures: &Fixtures, block: &str) -> ValidationParams {
    ValidationParams {
        parent_head: fixtures.read_hex("adder-parent-head.hex").into(),
        block_data: fixtures.read(block).into(),
        relay_parent_number: 1,
        relay_parent_storage_root: Hash::default(),
        extension: None,
    }
}

#[cfg(feature = "wasmtime")]
fn is_panic(verdict: &Result<ValidationResult, ValidationError>) -> bool {
    matches!(
        verdict,
        Err(ValidationError::Invalid(InvalidCandidate::Execution(
            ExecuteError::Trap(_) | ExecuteError::Panic(_)
        )))
    )
}

#[cfg(feature = "wasmtime")]
#[tokio::test(flavor = "multi_thread")]
async fn the_adder_adds() {
    let Some(directory) = fixtures() else { return };
    let fixtures = Fixtures(directory);
    let host = host().await;
    let pvf = fixtures.pvf("adder.blob");
    host.precheck(pvf.clone()).await.unwrap();
    let good = request(pvf.clone(), adder_params(&fixtures, "adder-good.block"));
    let expected = ValidationResult {
        head_data: hex::decode(
            "0100000000000000804df47c526d888b3f52091df4e253c821e9991ec88e342722cc485fda31747e\
             a88d962ceb769d13dd202a8b8478e3a3f9d762a5702f76db9fd33d9f6af919ea",
        )
        .unwrap()
        .into(),
        hrmp_watermark: 1,
        ..Default::default()
    };
    assert_eq!(host.validate(good.clone()).await.verdict.as_ref(), Ok(&expected));
    let bad = request(pvf, adder_params(&fixtures, "adder-bad.block"));
    let verdict = host.validate(bad).await.verdict;
    assert!(is_panic(&verdict), "{verdict:?}");

    let host = host.restart().await;
    let validation = host.validate(good).await;
    assert!(validation.prepare.as_ref().unwrap().cached);
    assert_eq!(validation.verdict, Ok(expected));
    host.shut_down().await;
}

/// Our guest of the same name is the same state machine, which shows on every backend that its own
/// candidates are right.
#[cfg(feature = "wasmtime")]
#[tokio::test(flavor = "multi_thread")]
async fn the_adder_agrees_with_every_candidate_of_ours() {
    let Some(directory) = fixtures() else { return };
    let pvf = Fixtures(directory).pvf("adder.blob");
    let host = host().await;
    let candidates = Candidate::all().into_iter().filter(|it| it.guest.name == ADDER.name);
    let mut validity = Vec::new();
    for candidate in candidates {
        let verdict = host.validate(request(pvf.clone(), candidate.params)).await.verdict;
        match candidate.expected {
            Outcome::Valid(result) => assert_eq!(verdict, Ok(result), "{}", candidate.name),
            _ => assert!(is_panic(&verdict), "{}: {verdict:?}", candidate.name),
        }
        validity.push(verdict.is_ok());
    }
    host.shut_down().await;
    assert!(validity.contains(&true) && validity.contains(&false));
}

#[cfg(feature = "wasmtime")]
#[tokio::test(flavor = "multi_thread")]
async fn real_runtimes_can_be_prepared_and_refuse_junk() {
    let Some(directory) = fixtures() else { return };
    let fixtures = Fixtures(directory);
    let host = host().await;
    // Arbitrary, but the same each time.
    let junk: Vec<u8> = (0..100_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for name in ["asset-hub-polkadot.blob", "collectives-polkadot.blob"] {
        let pvf = fixtures.pvf(name);
        host.precheck(pvf.clone()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let params = ValidationParams {
            block_data: junk.clone().into(),
            ..adder_params(&fixtures, "adder-good.block")
        };
        let verdict = host.validate(request(pvf, params)).await.verdict;
        assert!(is_panic(&verdict), "{name}: {verdict:?}");
    }
    host.shut_down().await;
}

/// A candidate of the Cumulus parachain.
fn cumulus_params(fixtures: &Fixtures, block: Vec<u8>) -> ValidationParams {
    let root = "062f840f559847d3d7f3475c42d65a1f94b6780caa71d68e5efc694905c21663";
    ValidationParams {
        parent_head: fixtures.read_hex("cumulus/parent-head.hex").into(),
        block_data: block.into(),
        relay_parent_number: 100,
        relay_parent_storage_root: Hash(hex::decode(root).unwrap().try_into().unwrap()),
        extension: None,
    }
}

/// The Cumulus parachain's runtime, once for each linked backend and each blob that it takes.
fn cumulus_pvfs(fixtures: &Fixtures) -> Vec<(String, Pvf)> {
    let mut pvfs = Vec::new();
    for backend in backend::linked() {
        for name in ["para.blob", "para.polkavm.blob", "para-guest-alloc.polkavm.blob"] {
            let code = Code::new(fixtures.read(&format!("cumulus/{name}")));
            if (backend.accepts)(code.prefix()) {
                let chosen = ExecutorParam::Backend(backend.id.clone());
                let pvf = Pvf::new(code).with_params(ExecutorParams::new(vec![chosen]));
                pvfs.push((format!("{name} on {}", backend.id), pvf));
            }
        }
    }
    assert!(!pvfs.is_empty());
    pvfs
}

/// What the runtime panicked with.
fn panic(verdict: Result<ValidationResult, ValidationError>) -> String {
    match verdict {
        Err(ValidationError::Invalid(InvalidCandidate::Execution(ExecuteError::Panic(
            message,
        )))) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_a_cumulus_parachain_are_valid_with_the_recorded_results() {
    let Some(directory) = fixtures() else { return };
    let fixtures = Fixtures(directory);
    let host = host().await;
    for (name, pvf) in cumulus_pvfs(&fixtures) {
        for case in ["case-10", "case-200"] {
            let recorded = fixtures.read(&format!("cumulus/{case}.result"));
            for extension in ["pov", "pov.zst"] {
                let block = fixtures.read(&format!("cumulus/{case}.{extension}"));
                let params = cumulus_params(&fixtures, block);
                let verdict = host.validate(request(pvf.clone(), params)).await.verdict;
                let result = verdict.unwrap_or_else(|error| panic!("{name}, {case}: {error}"));
                let (result, recorded) = (hex::encode(result.encode()), hex::encode(&recorded));
                assert_eq!(result, recorded, "{name}, {case}.{extension}");
            }
        }
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_a_thousand_transfers_is_valid_with_the_recorded_result() {
    let Some(directory) = fixtures() else { return };
    let fixtures = Fixtures(directory);
    // See the README there.
    let made = Fixtures(concat!(env!("CARGO_MANIFEST_DIR"), "/blocks/made").into());
    let root = made.read_hex("relay-parent-storage-root.hex");
    let params = ValidationParams {
        parent_head: made.read_hex("parent-head.hex").into(),
        block_data: made.read("case-1000.pov").into(),
        relay_parent_number: 100,
        relay_parent_storage_root: Hash(root.try_into().unwrap()),
        extension: None,
    };
    let host = host().await;
    for (name, pvf) in cumulus_pvfs(&fixtures) {
        let verdict = host.validate(request(pvf, params.clone())).await.verdict;
        let result = verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
        let recorded = hex::encode(made.read("case-1000.result"));
        assert_eq!(hex::encode(result.encode()), recorded, "{name}");
    }
    host.shut_down().await;
}

#[cfg(feature = "wasmtime")]
#[tokio::test(flavor = "multi_thread")]
async fn metering_changes_no_verdict_and_counts_what_it_always_counted() {
    let Some(directory) = fixtures() else { return };
    let fixtures = Fixtures(directory);
    let host = host().await;
    let adder = fixtures.pvf("adder.blob");
    let good = request(adder.clone(), adder_params(&fixtures, "adder-good.block"));
    let bad = request(adder, adder_params(&fixtures, "adder-bad.block"));
    let block = fixtures.read("cumulus/case-10.pov");
    let cumulus = request(fixtures.pvf("cumulus/para.blob"), cumulus_params(&fixtures, block));
    for (what, request, gas) in [
        ("adder, good", good, 56_767),
        ("adder, bad", bad, 46_129),
        ("Cumulus", cumulus, 18_439_218),
    ] {
        let unmetered = host.validate(request.clone()).await;
        assert_eq!(unmetered.execute.unwrap().gas_used, None);
        let limited = async |limit| {
            let params = ExecutorParams::new(vec![ExecutorParam::MaxGas(limit)]);
            let pvf = request.pvf.clone().with_params(params);
            let validation = host.validate(request.clone().with_pvf(pvf)).await;
            (validation.verdict, validation.execute.unwrap().gas_used)
        };
        for limit in [u64::MAX, gas] {
            assert_eq!(limited(limit).await, (unmetered.verdict.clone(), Some(gas)), "{what}");
        }
        let out_of_gas = InvalidCandidate::Execution(ExecuteError::OutOfGas);
        assert_eq!(limited(gas - 1).await, (Err(out_of_gas.into()), Some(gas - 1)), "{what}");
    }
    // Each with and without metering.
    assert_eq!(host.statistics().preparations, 4);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtimes_own_words_are_the_reason_for_refusing_a_block() {
    let Some(directory) = fixtures() else { return };
    let fixtures = Fixtures(directory);
    let host = host().await;
    for (_, pvf) in cumulus_pvfs(&fixtures) {
        check_refusals(&host, &fixtures, pvf).await;
    }
    host.shut_down().await;
}

async fn check_refusals(host: &ValidationHost, fixtures: &Fixtures, pvf: Pvf) {
    let verdict = async |params| host.validate(request(pvf.clone(), params)).await.verdict;
    let good = fixtures.read("cumulus/case-10.pov");

    let bad_signature = cumulus_params(fixtures, fixtures.read("cumulus/case-10.badsig.pov"));
    let message = panic(verdict(bad_signature).await);
    assert!(message.contains("Transaction has a bad signature"), "{message}");

    // The proof of the state is what a block ends with.
    for from_the_end in [1, 100, 1000, 5000] {
        let mut flipped = good.clone();
        let index = flipped.len() - from_the_end;
        flipped[index] ^= 1;
        panic(verdict(cumulus_params(fixtures, flipped)).await);
    }

    let mut other_root = cumulus_params(fixtures, good.clone());
    other_root.relay_parent_storage_root.0[0] ^= 1;
    panic(verdict(other_root).await);

    // The parent head is 32 bytes of its parent's hash, its number, and the root of its state.
    let mut other_state = cumulus_params(fixtures, good);
    let mut head = fixtures.read_hex("cumulus/parent-head.hex");
    head[40] ^= 1;
    other_state.parent_head = head.into();
    panic(verdict(other_state).await);
}
