//! Which version of a runtime some code is, as it says itself.
//!
//! A runtime answers the question through `Core_version`, but running it is dear. So its build puts
//! the answer into two custom sections of the WebAssembly module as well: `runtime_version` holds
//! it without the list of interfaces, `runtime_apis` holds that list. See the Polkadot Protocol
//! Specification, "Runtime Version Custom Section" and "Core_version".
//!
//! # Which code has a version
//!
//! Guests branch on the answer, so what counts as code here is consensus, and both more and less
//! than what a backend compiles:
//!
//! * Code is compressed or not; decompressed it has at most [`CODE_LIMIT`] bytes.
//! * It is what `parity-wasm` reads as a module, as the reference implementation builds it: sections
//!   in their order, of the right lengths, with instructions of WebAssembly's first version, and a
//!   body for each function. Beyond that nothing is validated, neither types nor indices. Sign
//!   extension, which our backends take, makes code unreadable; so do bulk memory operations, which
//!   our backends take when told to.
//! * Of several custom sections of one name the first one counts.
//! * The section `runtime_apis`, if there is one, is a sequence of whole entries.
//! * Bytes behind the version in its section are ignored.

use parity_scale_codec::{Decode, Encode, Error};
use parity_wasm::elements::{CustomSection, Instruction, Module, deserialize_buffer};
use pvf_host_core::primitives::compression;

/// The most that code may decompress to for its version to be read, in bytes. It has nothing to do
/// with what may be executed.
const CODE_LIMIT: usize = 50 << 20;

/// The hash of `Core`, the interface whose version says what a runtime's version looks like.
const CORE: ApiId = [0xdf, 0x6a, 0xcb, 0x68, 0x99, 0x07, 0x60, 0x9b];

/// The bytes of an interface in the section `runtime_apis`.
const API_SIZE: usize = 12;

/// The first eight bytes of the hash of an interface's name.
type ApiId = [u8; 8];

/// Interfaces and their versions.
type Apis = Vec<(ApiId, u32)>;

/// The version of a runtime, as `Core_version` returns it.
#[derive(Debug, PartialEq, Eq, Encode)]
pub(crate) struct RuntimeVersion {
    /// The name of the runtime.
    spec_name: String,
    /// The name of the implementation.
    impl_name: String,
    /// The version of the interface for authoring blocks.
    authoring_version: u32,
    /// The version of what the runtime does.
    spec_version: u32,
    /// The version of how it does that.
    impl_version: u32,
    /// The interfaces that the runtime has.
    apis: Apis,
    /// The version of the format of transactions.
    transaction_version: u32,
    /// The version of the formats of the state and of the root of extrinsics.
    system_version: u8,
}

impl RuntimeVersion {
    /// Reads the start of `bytes`, given what the section `runtime_apis` has.
    ///
    /// The transaction version came with version 3 of `Core`, the system version with 4.
    fn read(bytes: &mut &[u8], section: Option<Apis>) -> Result<Self, Error> {
        let mut version = Self {
            spec_name: Decode::decode(bytes)?,
            impl_name: Decode::decode(bytes)?,
            authoring_version: Decode::decode(bytes)?,
            spec_version: Decode::decode(bytes)?,
            impl_version: Decode::decode(bytes)?,
            apis: Decode::decode(bytes)?,
            transaction_version: 1,
            system_version: 0,
        };
        let core = section.as_ref().and_then(core_version).or_else(|| core_version(&version.apis));
        if core >= Some(3) {
            version.transaction_version = Decode::decode(bytes)?;
        }
        if core >= Some(4) {
            version.system_version = Decode::decode(bytes)?;
        }
        if let Some(apis) = section {
            version.apis = apis;
        }
        Ok(version)
    }
}

/// The version that `code`, compressed or not, has embedded; `None` if none can be read.
pub(crate) fn read_embedded(code: &[u8]) -> Option<RuntimeVersion> {
    let code = compression::decompress(code, CODE_LIMIT).ok()?;
    let module = deserialize_buffer::<Module>(&code).ok()?;
    if extends_signs(&module) {
        return None;
    }
    let apis = match section(&module, "runtime_apis") {
        Some(apis) => Some(read_apis(apis)?),
        None => None,
    };
    RuntimeVersion::read(&mut section(&module, "runtime_version")?, apis).ok()
}

fn section<'a>(module: &'a Module, name: &str) -> Option<&'a [u8]> {
    module.custom_sections().find(|section| section.name() == name).map(CustomSection::payload)
}

/// Whether there is an instruction of the sign extension proposal, in functions or elsewhere.
///
/// The parser is built to read them, for the sake of the backends.
fn extends_signs(module: &Module) -> bool {
    let bodies = module.code_section().map_or(&[][..], |section| section.bodies());
    let globals = module.global_section().map_or(&[][..], |section| section.entries());
    let elements = module.elements_section().map_or(&[][..], |section| section.entries());
    let data = module.data_section().map_or(&[][..], |section| section.entries());
    let constants = (globals.iter().map(|global| global.init_expr()))
        .chain(elements.iter().filter_map(|segment| segment.offset().as_ref()))
        .chain(data.iter().filter_map(|segment| segment.offset().as_ref()));
    bodies
        .iter()
        .map(|body| body.code().elements())
        .chain(constants.map(|constant| constant.code()))
        .flatten()
        .any(|instruction| matches!(instruction, Instruction::SignExt(_)))
}

/// The entries of the section `runtime_apis`, which has no length before them.
fn read_apis(bytes: &[u8]) -> Option<Apis> {
    let (entries, []) = bytes.as_chunks::<API_SIZE>() else { return None };
    entries.iter().map(|entry| Decode::decode(&mut &entry[..]).ok()).collect()
}

/// The version of the interface `Core`.
fn core_version(apis: &Apis) -> Option<u32> {
    apis.iter().find(|(id, _)| *id == CORE).map(|(_, version)| *version)
}

/// What small code gives is tested with the host function.
#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::hex;
    use std::{fs, path::PathBuf};

    /// A module with both sections.
    fn module() -> Vec<u8> {
        let version = RuntimeVersion {
            spec_name: "one".into(),
            impl_name: "two".into(),
            authoring_version: 1,
            spec_version: 2,
            impl_version: 3,
            apis: Vec::new(),
            transaction_version: 7,
            system_version: 1,
        };
        let mut module = Module::default();
        module.set_custom_section("runtime_version", version.encode());
        module.set_custom_section("runtime_apis", (CORE, 4_u32).encode());
        parity_wasm::serialize(module).unwrap()
    }

    /// A module of `len` bytes, most of them in a custom section without a name.
    fn padded(len: usize) -> Vec<u8> {
        let mut module = module();
        let padding = len - module.len() - 5;
        assert!(padding >> 21 > 0 && padding >> 28 == 0, "the length takes four bytes");
        module.push(0);
        module.extend((0..4).map(|byte| {
            let more = if byte < 3 { 0x80 } else { 0 };
            (padding >> (7 * byte)) as u8 & 0x7f | more
        }));
        module.resize(len, 0);
        module
    }

    #[test]
    fn code_may_decompress_to_fifty_mebibytes() {
        let version = read_embedded(&module());
        assert!(version.is_some());
        let compressed = |len| compression::compress(&padded(len), 1).unwrap();
        assert_eq!(read_embedded(&compressed(CODE_LIMIT)), version);
        assert_eq!(read_embedded(&compressed(CODE_LIMIT + 1)), None);
    }

    #[test]
    fn code_that_is_not_compressed_may_be_of_any_length() {
        assert_eq!(read_embedded(&padded(CODE_LIMIT + 1)), read_embedded(&module()));
    }

    #[test]
    fn the_interface_that_tells_the_layout_is_core() {
        let hash = blake2b_simd::Params::new().hash_length(8).hash(b"Core");
        assert_eq!(hash.as_bytes(), CORE);
    }

    #[test]
    fn real_runtimes_have_the_versions_that_the_reference_reads() {
        let Some(folder) = std::env::var_os("PVF_FIXTURES").map(PathBuf::from) else {
            println!("skipped: PVF_FIXTURES does not name the directory of the real PVFs");
            return;
        };
        let cases = [
            ("adder.blob", None),
            (
                "asset-hub-polkadot.blob",
                Some(
                    "147368656c6c147368656c6c0100000002000000000000001cdf6acb689907609b0300000037\
                     e397fc7c91f5e40100000040fe3ad401f8959a05000000d2bc9897eed08f1503000000f78b27\
                     8be53f454c02000000ab3c0572291feb8b01000000ea93e3f16f3d6962010000000100000000",
                ),
            ),
            (
                "collectives-polkadot.blob",
                Some(
                    "2c636f6c6c656374697665732c636f6c6c65637469766573010000004a2400000000000028dd\
                     718d5cc53262d401000000df6acb689907609b0400000037e397fc7c91f5e40100000040fe3a\
                     d401f8959a06000000d2bc9897eed08f1503000000f78b278be53f454c02000000ab3c057229\
                     1feb8b01000000bc9d89904f5b923f0100000037c8bb1350a9a2a801000000ea93e3f16f3d69\
                     62020000000000000000",
                ),
            ),
            (
                "cumulus/para.blob",
                Some(
                    "2862656e63682d706172612862656e63682d7061726101000000010000000000000024df6acb\
                     689907609b0500000037e397fc7c91f5e40200000040fe3ad401f8959a06000000d2bc9897ee\
                     d08f1503000000f78b278be53f454c02000000bc9d89904f5b923f01000000ea93e3f16f3d69\
                     6203000000a2ddb6a58477bf6301000000fbc577b9d747efd6010000000100000001",
                ),
            ),
            ("cumulus/para.polkavm.blob", None),
        ];
        for (name, expected) in cases {
            let code = fs::read(folder.join(name)).unwrap();
            let version = read_embedded(&code).map(|version| version.encode());
            assert_eq!(version, expected.map(|hex| hex::decode(hex).unwrap()), "{name}");
            let code = compression::decompress(&code, CODE_LIMIT).unwrap();
            assert_eq!(read_embedded(&code).map(|version| version.encode()), version, "{name}");
        }
    }
}
