//! Reading and rewriting WebAssembly.

use pvf_host_core::primitives::{ExecutorParam, ExecutorParams};
use pvf_wasm_code::{Code, parts::rewritten_whole, validate};

const HEADER: &[u8; 8] = b"\0asm\x01\0\0\0";

/// Reads and rewrites anything behind the header of a module in pieces and as a whole.
pub fn rewrite(data: &[u8]) {
    let Some((options, sections)) = data.split_first() else { return };
    let code = [HEADER, sections].concat();
    let mut params = Vec::new();
    params.extend((options & 1 != 0).then_some(ExecutorParam::WasmExtBulkMemory));
    params.extend((options & 2 != 0).then_some(ExecutorParam::StackLogicalMax(1024)));
    let params = ExecutorParams::new(params);
    let read = Code::read(&code, &params);
    let rewritten = read.map(|read| read.rewrite(&params, |wasm| validate(wasm, &params)));
    assert!(rewritten == rewritten_whole(&code, &params), "both ways come to the same");
}
