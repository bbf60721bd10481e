//! Writes the seed corpus, `corpus/<target>/<name>`: values as they really are, and well-known
//! vectors, from which libFuzzer makes its inputs.
//!
//! ```sh
//! cargo run --example seeds
//! ```

use parity_scale_codec::{Compact, Encode};
use pvf_host_core::{
    TraceId,
    artifact::{
        ArtifactId, CacheKey, EnvironmentDigest,
        format::{BackendVersion, HEADER_LEN, Header, PrepareCost},
    },
    backend::{
        BackendId, BackendPrepareError, CodePrefix, ExecuteError, LogLevel,
        RuntimeConstructionError,
    },
    primitives::{
        BlockData, CodeHash, ExecutorHostFunction, ExecutorParam, ExecutorParams,
        ExecutorParamsPrepHash, Hash, HeadData, OutboundHrmpMessage, ParaId,
        PersistedValidationData, PoV, PvfExecKind, PvfPrepKind, ValidationParams,
        ValidationParamsExtension, ValidationResult, compression, hex,
    },
    sandbox::{Findings, Measure, Measures, State},
    worker::protocol::{
        ByteRange, ExecuteJobSteps, ExecuteMessage, ExecuteRequest, ExecuteResponse, ExecuteSteps,
        FileIdentity, HostHello, JobOutcome, JobUsage, KeptLog, LinkedBackend, LoadRequest,
        LoadResponse, LogLine, Numbered,
        PACKAGE_VERSION, PROTOCOL_VERSION, PrepareJobError, PrepareRequest, PrepareResponse,
        PrepareSteps, WorkerHello,
    },
};
use pvf_host_functions::testing::{calls::selector, noise};
use std::{fs, path::Path, time::Duration};

const WASMTIME: BackendId = BackendId::from_static("wasmtime");

// What is built for fuzzing needs libFuzzer, which comes with a target.
libfuzzer_sys::fuzz_target!(|_data: &[u8]| {});

fn main() {
    candidates();
    executor_params();
    decompress();
    frames();
    artifact_header();
    worker_messages();
    prepare();
    programs();
    host_calls();
    for seed in 0..4 {
        write("allocator", &format!("noise-{seed}"), &noise(seed, 200));
        write("prepare_module", &format!("noise-{seed}"), &noise(seed, 1500));
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
}

fn candidates() {
    let params = ValidationParams {
        parent_head: HeadData(vec![1, 2, 3]),
        block_data: BlockData(vec![4; 70]),
        relay_parent_number: 0x0102_0304,
        relay_parent_storage_root: Hash([0x77; 32]),
        extension: None,
    };
    let extension = ValidationParamsExtension::V3 {
        relay_parent: Hash([0x11; 32]),
        scheduling_parent: Hash([0x22; 32]),
    };
    let extended = ValidationParams { extension: Some(extension), ..params.clone() };
    let data = PersistedValidationData {
        parent_head: HeadData(vec![7, 8, 9]),
        relay_parent_number: 0x0a0b_0c0d,
        relay_parent_storage_root: Hash([0x77; 32]),
        max_pov_size: 5 << 20,
    };
    write("validation_params", "plain", &params.encode());
    write("validation_params", "extended", &extended.encode());
    write("validation_params", "persisted", &data.encode());
    write("validation_params", "pov", &PoV { block_data: BlockData(vec![1; 4]) }.encode());

    let result = ValidationResult {
        head_data: HeadData(vec![9; 5]),
        new_validation_code: Some(vec![1; 70].into()),
        upward_messages: vec![vec![], vec![0xaa, 0xbb]].try_into().expect("few"),
        horizontal_messages: vec![OutboundHrmpMessage { recipient: ParaId(2000), data: vec![4] }]
            .try_into()
            .expect("few"),
        processed_downward_messages: 3,
        hrmp_watermark: 0xdead_beef,
    };
    write("validation_result", "full", &result.encode());
    write("validation_result", "empty", &ValidationResult::default().encode());
    let promise = [vec![0, 0], Compact(16_384u32).encode()].concat();
    write("validation_result", "promise", &promise);
}

fn some_params() -> ExecutorParams {
    ExecutorParams::new(vec![
        ExecutorParam::MaxMemoryPages(8192),
        ExecutorParam::StackLogicalMax(70_000),
        ExecutorParam::StackNativeMax(0x1000_0000),
        ExecutorParam::PrecheckingMaxMemory(0x4000_0000),
        ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 60_000),
        ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, 2_500),
        ExecutorParam::WasmExtBulkMemory,
        ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
        ExecutorParam::Backend(WASMTIME),
        ExecutorParam::MaxGas(1_000_000),
    ])
}

fn executor_params() {
    write("executor_params", "all", &some_params().encode());
    write("executor_params", "none", &ExecutorParams::default().encode());
    for param in &some_params() {
        let text = param.to_string();
        let name = text.split('=').next().unwrap_or_default().to_lowercase();
        write("executor_params", &name, text.as_bytes());
    }
}

fn decompress() {
    let blob: Vec<u8> = noise(1, 60).repeat(8);
    let compressed = compression::compress(&blob, 3).expect("a valid level");
    let bomb = compression::compress(&vec![0; 1 << 16], 3).expect("a valid level");
    let stream = |limit: u8, blob: &[u8]| [&[limit], &blob[compression::PREFIX.len()..]].concat();
    write("decompress", "plain", &[&[9], &blob[..]].concat());
    write("decompress", "compressed", &stream(16, &compressed));
    write("decompress", "bomb", &stream(8, &bomb));
}

fn frames() {
    let frame = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    let three = [frame(b"first"), frame(b""), frame(&noise(2, 300))].concat();
    write("frames", "pieces", &[&[1], &three[..]].concat());
    write("frames", "at-once", &[&[255], &three[..]].concat());
    write("frames", "absurd", &[&[8][..], &(1u64 << 63).to_le_bytes(), b"rest"].concat());
}

fn artifact_header() {
    let id = ArtifactId {
        code_hash: CodeHash::from(Hash([1; 32])),
        prep_hash: ExecutorParamsPrepHash::from(Hash([2; 32])),
        backend: WASMTIME,
    };
    let key = CacheKey::new([4; 32]).checksum_key(&EnvironmentDigest([3; 32]), &id);
    let payload = b"payload";
    let header = Header {
        code_prefix: CodePrefix::of(b"\0asm\x01\0\0\0"),
        payload_len: payload.len() as u64,
        payload_checksum: key.checksum(payload),
        cost: PrepareCost {
            wall: Duration::from_millis(5),
            cpu: Duration::from_micros(9_001),
            peak_memory: 1 << 20,
        },
        backend_version: BackendVersion::new("1"),
    };
    let bytes = header.to_bytes(&id, &key);
    for (options, name) in [(2, "as-it-is"), (3, "checksum-mended")] {
        write("artifact_header", name, &[&[options], &bytes[..], payload].concat());
    }
    write("artifact_header", "cut-short", &[&[3], &bytes[..HEADER_LEN - 1]].concat());
}

fn worker_messages() {
    let second = Duration::from_secs(1);
    let usage = JobUsage { cpu: second, peak_memory: 1 << 20 };
    let request = ExecuteRequest {
        input_len: 1000,
        compressed_block: Some(ByteRange { start: 4, end: 900 }),
        pov_limit: 16 << 20,
        cpu_limit: second,
    };
    // The number comes first, and then what the message is about.
    let trace = TraceId::from_u64(0x0123_4567_89ab_cdef);
    let numbered = |message: Vec<u8>| [5u64.encode(), trace.encode(), message].concat();
    let mut log = KeptLog::default();
    log.push(LogLine {
        level: LogLevel::Info,
        target: "runtime".into(),
        message: "hello".into(),
    });
    log.count_dropped(1);
    let response = |outcome| {
        let log = log.clone();
        let job = ExecuteJobSteps { decompress: Duration::ZERO, call: second };
        let steps = ExecuteSteps { fork: Duration::ZERO, run: second, job };
        numbered(ExecuteResponse { outcome, usage, gas_used: Some(1000), steps, log }.encode())
    };
    let message = |index: u8, name: &str, message: Vec<u8>| {
        write("worker_messages", name, &[vec![index], message].concat());
    };
    let program = FileIdentity { device: 1, inode: 2, size: 3, modified: (4, 5) };
    let mut findings = Findings::default();
    findings.record(Measure::SystemCallFilter, State::Missing("no".into()));
    let hello = HostHello {
        magic: HostHello::MAGIC,
        protocol: PROTOCOL_VERSION,
        expected_program: Some(program),
        measures: Measures::all(),
        findings: findings.clone(),
    };
    message(0, "host-hello", hello.encode());
    let backend = |fingerprint| LinkedBackend { id: WASMTIME, version: "1".into(), fingerprint };
    let hello = WorkerHello {
        magic: WorkerHello::MAGIC,
        protocol: PROTOCOL_VERSION,
        package: PACKAGE_VERSION.into(),
        program,
        build: Some([6; 32]),
        backends: vec![
            backend(None),
            backend(Some(Err(RuntimeConstructionError("no".into()).into()))),
        ],
        findings,
    };
    message(1, "worker-hello", hello.encode());
    let prepare = PrepareRequest {
        backend: WASMTIME,
        params: some_params(),
        check_runtime_construction: true,
        code_limit: 30 << 20,
        cpu_limit: second,
        memory_limit: Some(1 << 30),
    };
    message(2, "prepare-request", numbered(prepare.encode()));
    let steps = PrepareSteps { run: second, ..PrepareSteps::default() };
    message(3, "prepared", numbered(PrepareResponse { result: Ok(None), usage, steps }.encode()));
    let refused = PrepareJobError::Backend(BackendPrepareError::Compilation("no".into()));
    message(3, "not-prepared", numbered(PrepareResponse { result: Err(refused), usage, steps }.encode()));
    let id = ArtifactId {
        code_hash: CodeHash::from(Hash([1; 32])),
        prep_hash: ExecutorParamsPrepHash::from(Hash([2; 32])),
        backend: WASMTIME,
    };
    let key = CacheKey::new([4; 32]).checksum_key(&EnvironmentDigest([3; 32]), &id);
    let checksum = key.checksum(b"payload");
    let load = LoadRequest { backend: WASMTIME, params: some_params(), key, checksum };
    message(4, "load-request", numbered(load.encode()));
    let ready = LoadResponse::Ready { load: second, verify: Duration::from_millis(1) };
    message(5, "loaded", numbered(ready.encode()));
    message(6, "execute", ExecuteMessage::Execute(Numbered { id: 5, trace, message: request.clone() }).encode());
    message(7, "execute-request", request.encode());
    message(8, "result", response(JobOutcome::Result(vec![1, 2, 3])));
    let trap = JobOutcome::Failed(ExecuteError::Trap("unreachable".into()));
    message(8, "trap", response(trap));
}

fn prepare() {
    let modules = [
        ("empty", 1, "(module)"),
        (
            "mvp",
            0,
            r#"(module (import "env" "ext_logging_max_level_version_1" (func $f (result i32)))
                 (memory (export "memory") 2) (table 2 funcref) (type $t (func (param i32)))
                 (global (export "__heap_base") i32 (i32.const 1024)) (global (mut i64) (i64.const 5))
                 (func $a (type $t) (local i64) (block (loop (br_if 1 (local.get 0)) (br 0))))
                 (func (export "validate_block") (param i32 i32) (result i64)
                   (drop (call $f)) (call_indirect (type $t) (i32.const 1) (i32.const 0))
                   (i64.extend8_s (i64.load8_u (local.get 0))))
                 (start $s) (func $s) (elem (i32.const 0) $a $a) (data (i32.const 0) "data"))"#,
        ),
        (
            "imported-memory",
            4,
            r#"(module (import "env" "memory" (memory 1 5)) (func (export "f") (result i32)
                 (memory.grow (i32.const 1)))
                 (func (param f64) (result i32) (i32.trunc_f64_s (f64.sqrt (local.get 0)))))"#,
        ),
        (
            "bulk-memory",
            1,
            r#"(module (memory 1) (table 3 funcref) (func $f)
                 (data $d "abc") (elem $e func $f $f) (elem declare func $f)
                 (func (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
                   (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
                   (memory.init $d (i32.const 0) (i32.const 1) (i32.const 2)) (data.drop $d)
                   (table.init $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)
                   (table.copy (i32.const 0) (i32.const 1) (i32.const 1))))"#,
        ),
        (
            "other-proposals",
            0,
            "(module (func (result i32 v128) (i32.const 0) (v128.const i64x2 0 0)))",
        ),
    ];
    let entry = [&[1_u8][..], &[7; 32], &4_u32.to_le_bytes(), b"code"].concat();
    write("functions", "one", &entry);
    write("functions", "cut-off", &entry[..entry.len() - 1]);
    for (name, options, text) in modules {
        let code = wat::parse_str(text).expect("a module");
        write("prepare_bytes", name, &[&[options], &code[..]].concat());
        // Without the header.
        write("rewrite", name, &[&[options & 1], &code[8..]].concat());
    }
}

/// A program in each instruction set: calls the host, computes, loops, and uses its memory.
fn programs() {
    use polkavm_common::{
        program::{InstructionSetKind, Reg, asm},
        writer::ProgramBlobBuilder,
    };
    const DATA: u32 = 0x30_000;
    for (name, instruction_set) in [
        ("latest-32", InstructionSetKind::Latest32),
        ("latest-64", InstructionSetKind::Latest64),
        ("revive-v1", InstructionSetKind::ReviveV1),
        ("jam-v1", InstructionSetKind::JamV1),
    ] {
        let mut builder = ProgramBlobBuilder::new(instruction_set);
        builder.set_ro_data_size(8);
        builder.set_ro_data(b"constant".to_vec());
        builder.set_rw_data_size(100);
        builder.set_rw_data(b"variable".to_vec());
        builder.set_stack_size(4096);
        builder.add_import(b"ext_allocator_malloc_version_1");
        builder.add_import(b"ext_logging_max_level_version_1");
        builder.add_export_by_basic_block(0, b"validate_block");
        let mut code = vec![
            asm::load_indirect_u8(Reg::S0, Reg::A0, 0),
            asm::load_imm(Reg::A0, 100),
            asm::ecalli(0),
            asm::store_indirect_u8(Reg::S0, Reg::A0, 5),
            asm::store_indirect_u8(Reg::S0, Reg::SP, -4),
            asm::ecalli(1),
        ];
        if matches!(name, "latest-32" | "latest-64") {
            code.extend([asm::load_imm(Reg::A1, 70_000), asm::sbrk(Reg::A2, Reg::A1)]);
        }
        code.extend([
            asm::load_imm(Reg::S1, 20),
            asm::fallthrough(),
            asm::add_imm_32(Reg::S1, Reg::S1, -1),
            asm::mul_32(Reg::S0, Reg::S0, Reg::S1),
            asm::branch_not_eq_imm(Reg::S1, 0, 1),
            asm::store_u8(Reg::S0, DATA as i32 + 50),
        ]);
        if instruction_set.is_64_bit() {
            code.push(asm::load_imm64(Reg::A0, u64::from(DATA) | 64 << 32));
        } else {
            code.extend([asm::load_imm(Reg::A0, DATA as i32), asm::load_imm(Reg::A1, 64)]);
        }
        code.push(asm::ret());
        builder.set_code(&code, &[1]);
        let program = builder.to_vec().expect("a program");
        write("programs", name, &[&[0], &program[..]].concat());
    }
}

/// A script for the target `host_calls`.
struct Script(Vec<u8>);

impl Script {
    /// Of a guest with one page of memory, and a heap behind its first half.
    fn new() -> Self {
        let mut bytes = vec![0x11, 0];
        bytes.extend(0x8000u32.to_le_bytes());
        Self(bytes)
    }

    /// Writes into the memory.
    fn write(mut self, ptr: u32, bytes: &[u8]) -> Self {
        for (at, piece) in bytes.chunks(255).enumerate() {
            self.0.extend([0, 0]);
            self.0.extend((ptr + 255 * at as u32).to_le_bytes());
            self.0.push(piece.len() as u8);
            self.0.extend(piece);
        }
        self
    }

    /// Calls a function; also one that does not exist yet.
    fn call(mut self, name: &str, arguments: &[Argument]) -> Self {
        self.0.push(3);
        self.0.extend(selector(name).to_le_bytes());
        for argument in arguments {
            self.0.push(0);
            match argument {
                Argument::Number(number) => self.0.extend(number.to_le_bytes()),
                Argument::Range(ptr, len) => {
                    self.0.extend(ptr.to_le_bytes());
                    self.0.extend(len.to_le_bytes());
                }
            }
        }
        self
    }
}

enum Argument {
    Number(u32),
    Range(u32, u32),
}
use Argument::{Number, Range};

fn host_calls() {
    let seed = |name: &str, script: Script| write("host_calls", name, &script.0);
    let bytes = |text: &str| hex::decode(text).expect("hexadecimal");

    seed(
        "allocator",
        Script::new()
            .call("ext_allocator_malloc_version_1", &[Number(100)])
            .call("ext_allocator_malloc_version_1", &[Number(8)])
            .call("ext_allocator_free_version_1", &[Number(0x8008)])
            .call("ext_allocator_malloc_version_1", &[Number(70)])
            .call("ext_allocator_free_version_1", &[Number(16)]),
    );
    seed(
        "logging",
        Script::new()
            .write(0, b"runtime: hello\xff")
            .call("ext_logging_max_level_version_1", &[])
            .call("ext_logging_log_version_1", &[Number(0), Range(0, 7), Range(9, 5)])
            .call("ext_misc_print_utf8_version_1", &[Range(0, 15)])
            .call("ext_misc_print_hex_version_1", &[Range(0, 15)])
            .call("ext_misc_print_num_version_1", &[Range(1, 2)])
            .call("ext_panic_handler_abort_on_panic_version_1", &[Range(9, 5)]),
    );
    let mut hashing = Script::new().write(0, b"abc");
    for name in [
        "keccak_256",
        "keccak_512",
        "sha2_256",
        "blake2_128",
        "blake2_256",
        "twox_64",
        "twox_128",
        "twox_256",
    ] {
        hashing = hashing.call(&format!("ext_hashing_{name}_version_1"), &[Range(0, 3)]);
    }
    seed("hashing", hashing);

    // RFC 8032, 7.1, test 2.
    let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = bytes(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let verify = [Number(0), Range(64, 1), Number(96)];
    let written = || Script::new().write(0, &signature).write(64, &[0x72]).write(96, &public);
    seed(
        "ed25519",
        written()
            .call("ext_crypto_ed25519_verify_version_1", &verify)
            .call("ext_crypto_start_batch_verify_version_1", &[])
            .call("ext_crypto_ed25519_batch_verify_version_1", &verify)
            .call("ext_crypto_finish_batch_verify_version_1", &[])
            .call("ext_crypto_sr25519_verify_version_1", &verify)
            .call("ext_crypto_sr25519_verify_version_2", &verify),
    );
    // The elliptic curve's generator, twice, as public key and as signature.
    let generator = bytes("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    let mut ecdsa = Script::new()
        .write(0, &[&generator[1..], &generator[1..], &[0]].concat())
        .write(96, &generator)
        .write(160, &[7; 32]);
    for version in [1, 2] {
        let name = |name: &str| format!("ext_crypto_{name}_version_{version}");
        ecdsa = ecdsa
            .call(&name("ecdsa_verify"), &[Number(0), Range(160, 32), Number(96)])
            .call(&name("secp256k1_ecdsa_recover"), &[Number(0), Number(160)])
            .call(&name("secp256k1_ecdsa_recover_compressed"), &[Number(0), Number(160)]);
    }
    let prehashed = "ext_crypto_ecdsa_verify_prehashed_version_1";
    seed("ecdsa", ecdsa.call(prehashed, &[Number(0), Number(160), Number(96)]));

    let pairs = vec![(b"a".to_vec(), b"one".to_vec()), (b"ab".to_vec(), vec![2; 40])].encode();
    let values = vec![b"one".to_vec(), vec![2; 40]].encode();
    let (pairs_len, values_len) = (pairs.len() as u32, values.len() as u32);
    let mut trie = Script::new().write(0, &pairs).write(256, &values);
    for hash in ["blake2_256", "keccak_256"] {
        for (version, state) in [(1, None), (2, Some(Number(1)))] {
            let name = |name| format!("ext_trie_{hash}_{name}_version_{version}");
            let state = state.iter();
            let with = |range| [range].into_iter().chain(state.clone().map(|_| Number(1)));
            trie = trie
                .call(&name("root"), &with(Range(0, pairs_len)).collect::<Vec<_>>())
                .call(&name("ordered_root"), &with(Range(256, values_len)).collect::<Vec<_>>());
        }
    }
    seed("trie-roots", trie);

    // A leaf with the key 0x61 and a short value.
    let leaf = [0x42, 0x61, 12, b'o', b'n', b'e'];
    let proof = vec![leaf.to_vec()].encode();
    let mut verify = Script::new()
        .write(0, &pvf_host_core::primitives::blake2_256(&leaf).0)
        .write(32, &proof)
        .write(128, b"aone");
    let range = Range(32, proof.len() as u32);
    let arguments = [Number(0), range, Range(128, 1), Range(129, 3), Number(0)];
    for (hash, version) in
        [("blake2_256", 1), ("blake2_256", 2), ("keccak_256", 1), ("keccak_256", 2)]
    {
        let count = if version == 1 { 4 } else { 5 };
        verify = verify
            .call(&format!("ext_trie_{hash}_verify_proof_version_{version}"), &arguments[..count]);
    }
    seed("trie-proofs", verify);

    let version = [
        b"core".to_vec().encode(),
        b"impl".to_vec().encode(),
        (1u32, 2u32, 3u32).encode(),
        vec![([7u8; 8], 4u32)].encode(),
        5u32.encode(),
        vec![1u8],
    ];
    let section = [&[15][..], b"runtime_version", &version.concat()].concat();
    let code = [b"\0asm\x01\0\0\0", &[0, section.len() as u8][..], &section].concat();
    let compressed = compression::compress(&code, 3).expect("a valid level");
    seed(
        "runtime-version",
        Script::new()
            .write(0, &code)
            .call("ext_misc_runtime_version_version_1", &[Range(0, code.len() as u32)])
            .write(0, &compressed)
            .call("ext_misc_runtime_version_version_1", &[Range(0, compressed.len() as u32)]),
    );
    for number in 0..4 {
        write("host_calls", &format!("noise-{number}"), &noise(number, 300));
    }
}
