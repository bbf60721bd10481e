//! The list of all host functions.

use pvf_host_core::primitives::{ExecutorHostFunction, ExecutorParams};

/// Calls a macro once with every host function.
///
/// The macro gets rows of the form
///
/// ```text
/// availability "ext_family_name_version_n" => path::to::function, (argument: u32, other: u64) -> u32;
/// ```
///
/// where the result is missing for a function that returns nothing. `u32` is an `i32` on the guest's
/// side, `u64` an `i64`. A function takes the guest as its first argument, `&mut impl GuestContext`,
/// and returns a `Result` of the row's type and a [`HostError`](crate::HostError). Guests import it
/// from the module `env`.
///
/// The first word says when guests get it, see [`Availability`]: `always`, `traps`, `untyped` or
/// `ecc_rfc163`. A backend asks [`HostFunction::is_offered`] instead.
///
/// ```
/// macro_rules! names {
///     ($($availability:ident $name:literal
///         => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
///         [$($name),*]
///     };
/// }
/// assert!(pvf_host_functions::for_each_host_function!(names).contains(&"ext_allocator_free_version_1"));
/// ```
#[macro_export]
macro_rules! for_each_host_function {
    ($callback:ident) => {
        $callback! {
            always "ext_allocator_free_version_1"
                => $crate::allocation::free_version_1, (ptr: u32);
            always "ext_allocator_malloc_version_1"
                => $crate::allocation::malloc_version_1, (size: u32) -> u32;
            always "ext_crypto_ecdsa_batch_verify_version_1"
                => $crate::crypto::ecdsa_batch_verify_version_1,
                (signature: u32, message: u64, public_key: u32) -> u32;
            traps "ext_crypto_ecdsa_generate_version_1"
                => $crate::crypto::ecdsa_generate_version_1, (key_type: u32, seed: u64) -> u32;
            traps "ext_crypto_ecdsa_public_keys_version_1"
                => $crate::crypto::ecdsa_public_keys_version_1, (key_type: u32) -> u64;
            traps "ext_crypto_ecdsa_sign_prehashed_version_1"
                => $crate::crypto::ecdsa_sign_prehashed_version_1,
                (key_type: u32, public_key: u32, digest: u32) -> u64;
            traps "ext_crypto_ecdsa_sign_version_1"
                => $crate::crypto::ecdsa_sign_version_1,
                (key_type: u32, public_key: u32, message: u64) -> u64;
            always "ext_crypto_ecdsa_verify_prehashed_version_1"
                => $crate::crypto::ecdsa_verify_prehashed_version_1,
                (signature: u32, digest: u32, public_key: u32) -> u32;
            always "ext_crypto_ecdsa_verify_version_1"
                => $crate::crypto::ecdsa_verify_version_1,
                (signature: u32, message: u64, public_key: u32) -> u32;
            always "ext_crypto_ecdsa_verify_version_2"
                => $crate::crypto::ecdsa_verify_version_2,
                (signature: u32, message: u64, public_key: u32) -> u32;
            traps "ext_crypto_ed25519_batch_verify_version_1"
                => $crate::crypto::ed25519_batch_verify_version_1,
                (signature: u32, message: u64, public_key: u32) -> u32;
            traps "ext_crypto_ed25519_generate_version_1"
                => $crate::crypto::ed25519_generate_version_1, (key_type: u32, seed: u64) -> u32;
            traps "ext_crypto_ed25519_public_keys_version_1"
                => $crate::crypto::ed25519_public_keys_version_1, (key_type: u32) -> u64;
            traps "ext_crypto_ed25519_sign_version_1"
                => $crate::crypto::ed25519_sign_version_1,
                (key_type: u32, public_key: u32, message: u64) -> u64;
            always "ext_crypto_ed25519_verify_version_1"
                => $crate::crypto::ed25519_verify_version_1,
                (signature: u32, message: u64, public_key: u32) -> u32;
            always "ext_crypto_finish_batch_verify_version_1"
                => $crate::crypto::finish_batch_verify_version_1, () -> u32;
            always "ext_crypto_secp256k1_ecdsa_recover_compressed_version_1"
                => $crate::crypto::secp256k1_ecdsa_recover_compressed_version_1,
                (signature: u32, digest: u32) -> u64;
            always "ext_crypto_secp256k1_ecdsa_recover_compressed_version_2"
                => $crate::crypto::secp256k1_ecdsa_recover_compressed_version_2,
                (signature: u32, digest: u32) -> u64;
            always "ext_crypto_secp256k1_ecdsa_recover_version_1"
                => $crate::crypto::secp256k1_ecdsa_recover_version_1,
                (signature: u32, digest: u32) -> u64;
            always "ext_crypto_secp256k1_ecdsa_recover_version_2"
                => $crate::crypto::secp256k1_ecdsa_recover_version_2,
                (signature: u32, digest: u32) -> u64;
            always "ext_crypto_sr25519_batch_verify_version_1"
                => $crate::crypto::sr25519_batch_verify_version_1,
                (signature: u32, message: u64, public_key: u32) -> u32;
            traps "ext_crypto_sr25519_generate_version_1"
                => $crate::crypto::sr25519_generate_version_1, (key_type: u32, seed: u64) -> u32;
            traps "ext_crypto_sr25519_public_keys_version_1"
                => $crate::crypto::sr25519_public_keys_version_1, (key_type: u32) -> u64;
            traps "ext_crypto_sr25519_sign_version_1"
                => $crate::crypto::sr25519_sign_version_1,
                (key_type: u32, public_key: u32, message: u64) -> u64;
            always "ext_crypto_sr25519_verify_version_1"
                => $crate::crypto::sr25519_verify_version_1,
                (signature: u32, message: u64, public_key: u32) -> u32;
            always "ext_crypto_sr25519_verify_version_2"
                => $crate::crypto::sr25519_verify_version_2,
                (signature: u32, message: u64, public_key: u32) -> u32;
            always "ext_crypto_start_batch_verify_version_1"
                => $crate::crypto::start_batch_verify_version_1, ();
            always "ext_hashing_blake2_128_version_1"
                => $crate::hashing::blake2_128_version_1, (data: u64) -> u32;
            always "ext_hashing_blake2_256_version_1"
                => $crate::hashing::blake2_256_version_1, (data: u64) -> u32;
            always "ext_hashing_keccak_256_version_1"
                => $crate::hashing::keccak_256_version_1, (data: u64) -> u32;
            always "ext_hashing_keccak_512_version_1"
                => $crate::hashing::keccak_512_version_1, (data: u64) -> u32;
            always "ext_hashing_sha2_256_version_1"
                => $crate::hashing::sha2_256_version_1, (data: u64) -> u32;
            always "ext_hashing_twox_128_version_1"
                => $crate::hashing::twox_128_version_1, (data: u64) -> u32;
            always "ext_hashing_twox_256_version_1"
                => $crate::hashing::twox_256_version_1, (data: u64) -> u32;
            always "ext_hashing_twox_64_version_1"
                => $crate::hashing::twox_64_version_1, (data: u64) -> u32;
            ecc_rfc163 "ext_host_calls_bls12_381_final_exponentiation_version_1"
                => $crate::elliptic_curves::bls12_381::final_exponentiation_version_1,
                (in_out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_bls12_381_msm_g1_version_1"
                => $crate::elliptic_curves::bls12_381::msm_g1_version_1,
                (bases: u64, scalars: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_bls12_381_msm_g2_version_1"
                => $crate::elliptic_curves::bls12_381::msm_g2_version_1,
                (bases: u64, scalars: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_bls12_381_mul_g1_version_1"
                => $crate::elliptic_curves::bls12_381::mul_g1_version_1,
                (base: u64, scalar: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_bls12_381_mul_g2_version_1"
                => $crate::elliptic_curves::bls12_381::mul_g2_version_1,
                (base: u64, scalar: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_bls12_381_multi_miller_loop_version_1"
                => $crate::elliptic_curves::bls12_381::multi_miller_loop_version_1,
                (a: u64, b: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_ed_on_bls12_381_bandersnatch_msm_version_1"
                => $crate::elliptic_curves::bandersnatch::msm_version_1,
                (bases: u64, scalars: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_ed_on_bls12_381_bandersnatch_mul_version_1"
                => $crate::elliptic_curves::bandersnatch::mul_version_1,
                (base: u64, scalar: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_pallas_msm_version_1"
                => $crate::elliptic_curves::pallas::msm_version_1,
                (bases: u64, scalars: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_pallas_mul_version_1"
                => $crate::elliptic_curves::pallas::mul_version_1,
                (base: u64, scalar: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_vesta_msm_version_1"
                => $crate::elliptic_curves::vesta::msm_version_1,
                (bases: u64, scalars: u64, out: u64) -> u32;
            ecc_rfc163 "ext_host_calls_vesta_mul_version_1"
                => $crate::elliptic_curves::vesta::mul_version_1,
                (base: u64, scalar: u64, out: u64) -> u32;
            always "ext_logging_log_version_1"
                => $crate::logging::log_version_1, (level: u32, target: u64, message: u64);
            always "ext_logging_max_level_version_1"
                => $crate::logging::max_level_version_1, () -> u32;
            always "ext_misc_print_hex_version_1"
                => $crate::misc::print_hex_version_1, (data: u64);
            always "ext_misc_print_num_version_1"
                => $crate::misc::print_num_version_1, (value: u64);
            always "ext_misc_print_utf8_version_1"
                => $crate::misc::print_utf8_version_1, (text: u64);
            always "ext_misc_runtime_version_version_1"
                => $crate::misc::runtime_version_version_1, (code: u64) -> u64;
            untyped "ext_panic_handler_abort_on_panic_version_1"
                => $crate::panic_handler::abort_on_panic_version_1, (message: u64);
            always "ext_trie_blake2_256_ordered_root_version_1"
                => $crate::trie::blake2_256_ordered_root_version_1, (input: u64) -> u32;
            always "ext_trie_blake2_256_ordered_root_version_2"
                => $crate::trie::blake2_256_ordered_root_version_2,
                (input: u64, state_version: u32) -> u32;
            always "ext_trie_blake2_256_root_version_1"
                => $crate::trie::blake2_256_root_version_1, (input: u64) -> u32;
            always "ext_trie_blake2_256_root_version_2"
                => $crate::trie::blake2_256_root_version_2, (input: u64, state_version: u32) -> u32;
            always "ext_trie_blake2_256_verify_proof_version_1"
                => $crate::trie::blake2_256_verify_proof_version_1,
                (root: u32, proof: u64, key: u64, value: u64) -> u32;
            always "ext_trie_blake2_256_verify_proof_version_2"
                => $crate::trie::blake2_256_verify_proof_version_2,
                (root: u32, proof: u64, key: u64, value: u64, state_version: u32) -> u32;
            always "ext_trie_keccak_256_ordered_root_version_1"
                => $crate::trie::keccak_256_ordered_root_version_1, (input: u64) -> u32;
            always "ext_trie_keccak_256_ordered_root_version_2"
                => $crate::trie::keccak_256_ordered_root_version_2,
                (input: u64, state_version: u32) -> u32;
            always "ext_trie_keccak_256_root_version_1"
                => $crate::trie::keccak_256_root_version_1, (input: u64) -> u32;
            always "ext_trie_keccak_256_root_version_2"
                => $crate::trie::keccak_256_root_version_2, (input: u64, state_version: u32) -> u32;
            always "ext_trie_keccak_256_verify_proof_version_1"
                => $crate::trie::keccak_256_verify_proof_version_1,
                (root: u32, proof: u64, key: u64, value: u64) -> u32;
            always "ext_trie_keccak_256_verify_proof_version_2"
                => $crate::trie::keccak_256_verify_proof_version_2,
                (root: u32, proof: u64, key: u64, value: u64, state_version: u32) -> u32;
        }
    };
}

/// The type of an argument or a result, as a guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// When guests get a host function. Otherwise an import of its name is like that of any name that
/// nobody knows: it links, whatever its type, and traps when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Always.
    Always,
    /// Always, and a call always traps: what it would work on does not exist for a PVF, or it fails
    /// on Polkadot's own host in any case.
    Traps,
    /// When it is imported with the type that it has here. Polkadot's own host does not know the
    /// function, so that an import of another type must not make code fail that never calls it.
    Untyped,
    /// With this executor parameter.
    Enabled(ExecutorHostFunction),
}

/// A host function's name, type and availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostFunction {
    /// The name by which guests import it.
    pub name: &'static str,
    /// The types of its arguments.
    pub params: &'static [ValueType],
    /// The type of its result, if it has one.
    pub result: Option<ValueType>,
    /// When guests get it.
    pub availability: Availability,
}

impl HostFunction {
    /// The host function of this name, offered or not.
    pub fn find(name: &str) -> Option<&'static Self> {
        let index = HOST_FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
        Some(&HOST_FUNCTIONS[index])
    }

    /// Whether a guest that imports the function gets it.
    ///
    /// If so, and the import's type is not `matching`, the guest can't be linked.
    pub fn is_offered(&self, executor_params: &ExecutorParams, matching: bool) -> bool {
        match self.availability {
            Availability::Always | Availability::Traps => true,
            Availability::Untyped => matching,
            Availability::Enabled(family) => executor_params.host_function_enabled(family),
        }
    }
}

macro_rules! availability {
    (always) => {
        Availability::Always
    };
    (traps) => {
        Availability::Traps
    };
    (untyped) => {
        Availability::Untyped
    };
    (ecc_rfc163) => {
        Availability::Enabled(ExecutorHostFunction::EccRfc163)
    };
}

macro_rules! value_type {
    (u32) => {
        ValueType::I32
    };
    (u64) => {
        ValueType::I64
    };
}

macro_rules! result_type {
    () => {
        None
    };
    ($ty:tt) => {
        Some(value_type!($ty))
    };
}

macro_rules! host_functions {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:tt),*) $(-> $result:tt)?;)*) => {
        &[$(HostFunction {
            name: $name,
            params: &[$(value_type!($ty)),*],
            result: result_type!($($result)?),
            availability: availability!($availability),
        }),*]
    };
}

/// All host functions, ordered by name.
pub const HOST_FUNCTIONS: &[HostFunction] = for_each_host_function!(host_functions);

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::ExecutorParam;

    #[test]
    fn the_list_is_ordered_and_each_name_appears_once() {
        assert!(HOST_FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(HOST_FUNCTIONS.iter().all(|one| HostFunction::find(one.name) == Some(one)));
        assert_eq!(HostFunction::find("ext_storage_get_version_1"), None);
    }

    #[test]
    fn types_are_those_guests_are_compiled_against() {
        let log = HostFunction::find("ext_logging_log_version_1").unwrap();
        assert_eq!(log.params, [ValueType::I32, ValueType::I64, ValueType::I64]);
        assert_eq!(log.result, None);
        let malloc = HostFunction::find("ext_allocator_malloc_version_1").unwrap();
        assert_eq!(malloc.params, [ValueType::I32]);
        assert_eq!(malloc.result, Some(ValueType::I32));
    }

    #[test]
    fn what_is_offered_depends_on_the_parameters_and_for_the_panic_handler_on_the_type() {
        let plain = ExecutorParams::default();
        let ecc = ExecutorHostFunction::EccRfc163;
        let enabled = ExecutorParams::new(vec![ExecutorParam::EnabledHostFunction(ecc)]);
        let of = |availability| HostFunction { availability, ..HOST_FUNCTIONS[0] };
        for matching in [false, true] {
            assert!(of(Availability::Always).is_offered(&plain, matching));
            assert!(of(Availability::Traps).is_offered(&plain, matching));
            assert!(of(Availability::Enabled(ecc)).is_offered(&enabled, matching));
            assert!(!of(Availability::Enabled(ecc)).is_offered(&plain, matching));
            assert_eq!(of(Availability::Untyped).is_offered(&plain, matching), matching);
        }
    }
}
