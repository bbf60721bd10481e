//! A real PVF, where the environment variable `PVF_FIXTURES` names a folder that has it.

mod common;

use common::run_with;
use parity_scale_codec::{DecodeAll, Encode};
use pvf_host_core::{
    backend::ExecuteError,
    primitives::{
        BlockData, ExecutorParams, HeadData, ValidationParams, ValidationResult, compression, hex,
    },
};
use std::{fs, path::PathBuf};

const NEW_HEAD: &str = "0x0100000000000000804df47c526d888b3f52091df4e253c821e9991ec88e342722cc485fd\
    a31747ea88d962ceb769d13dd202a8b8478e3a3f9d762a5702f76db9fd33d9f6af919ea";

fn adder(block: &str) -> Option<Result<Vec<u8>, ExecuteError>> {
    let Some(folder) = std::env::var_os("PVF_FIXTURES").map(PathBuf::from) else {
        eprintln!("skipped: PVF_FIXTURES is not set");
        return None;
    };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let parent_head = String::from_utf8(read("adder-parent-head.hex")).unwrap();
    let blob = read("adder.blob");
    let code = compression::decompress(&blob, 1 << 24).unwrap();
    let params = ValidationParams {
        parent_head: HeadData(hex::decode(parent_head.trim()).unwrap()),
        block_data: BlockData(read(block)),
        relay_parent_number: 1,
        relay_parent_storage_root: Default::default(),
        extension: None,
    };
    Some(run_with(&code, &ExecutorParams::default(), &params.encode(), ()))
}

#[test]
fn the_adder_adds() {
    let Some(output) = adder("adder-good.block") else { return };
    let result = ValidationResult::decode_all(&mut &output.unwrap()[..]).unwrap();
    assert_eq!(hex::encode(&result.head_data.0), NEW_HEAD);
    assert_eq!(result.processed_downward_messages, 0);
    assert_eq!(result.hrmp_watermark, 1);
    assert_eq!(result.new_validation_code, None);
}

#[test]
fn the_adder_refuses_a_bad_block() {
    let Some(output) = adder("adder-bad.block") else { return };
    let Err(ExecuteError::Panic(message)) = output else { panic!("{output:?}") };
    assert!(message.contains("StateMismatch"), "{message}");
}
