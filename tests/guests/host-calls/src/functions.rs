//! The host functions that the guest imports. The tests read this file too.

/// Calls a macro with one row for each function, of the form
///
/// ```text
/// name(type of an argument, ...) -> type of the result as kind;
/// ```
///
/// where `u32` is an `i32` in WebAssembly, `u64` an `i64`. The kinds of results are:
///
/// * `value`: a number.
/// * `array[N]`: a pointer to `N` bytes that the host has allocated.
/// * `range`: a pointer in the low half and a length in the high half, of bytes that the host has
///   allocated.
/// * `address`: a pointer to anything.
///
/// A script names a function by its place in the list.
macro_rules! for_each_function {
    ($callback:ident) => {
        $callback! {
            ext_allocator_free_version_1(u32);
            ext_allocator_malloc_version_1(u32) -> u32 as address;

            ext_crypto_ecdsa_batch_verify_version_1(u32, u64, u32) -> u32 as value;
            ext_crypto_ecdsa_generate_version_1(u32, u64) -> u32 as array[33];
            ext_crypto_ecdsa_public_keys_version_1(u32) -> u64 as range;
            ext_crypto_ecdsa_sign_prehashed_version_1(u32, u32, u32) -> u64 as range;
            ext_crypto_ecdsa_sign_version_1(u32, u32, u64) -> u64 as range;
            ext_crypto_ecdsa_verify_prehashed_version_1(u32, u32, u32) -> u32 as value;
            ext_crypto_ecdsa_verify_version_1(u32, u64, u32) -> u32 as value;
            ext_crypto_ecdsa_verify_version_2(u32, u64, u32) -> u32 as value;
            ext_crypto_ed25519_batch_verify_version_1(u32, u64, u32) -> u32 as value;
            ext_crypto_ed25519_generate_version_1(u32, u64) -> u32 as array[32];
            ext_crypto_ed25519_public_keys_version_1(u32) -> u64 as range;
            ext_crypto_ed25519_sign_version_1(u32, u32, u64) -> u64 as range;
            ext_crypto_ed25519_verify_version_1(u32, u64, u32) -> u32 as value;
            ext_crypto_finish_batch_verify_version_1() -> u32 as value;
            ext_crypto_secp256k1_ecdsa_recover_compressed_version_1(u32, u32) -> u64 as range;
            ext_crypto_secp256k1_ecdsa_recover_compressed_version_2(u32, u32) -> u64 as range;
            ext_crypto_secp256k1_ecdsa_recover_version_1(u32, u32) -> u64 as range;
            ext_crypto_secp256k1_ecdsa_recover_version_2(u32, u32) -> u64 as range;
            ext_crypto_sr25519_batch_verify_version_1(u32, u64, u32) -> u32 as value;
            ext_crypto_sr25519_generate_version_1(u32, u64) -> u32 as array[32];
            ext_crypto_sr25519_public_keys_version_1(u32) -> u64 as range;
            ext_crypto_sr25519_sign_version_1(u32, u32, u64) -> u64 as range;
            ext_crypto_sr25519_verify_version_1(u32, u64, u32) -> u32 as value;
            ext_crypto_sr25519_verify_version_2(u32, u64, u32) -> u32 as value;
            ext_crypto_start_batch_verify_version_1();

            ext_hashing_blake2_128_version_1(u64) -> u32 as array[16];
            ext_hashing_blake2_256_version_1(u64) -> u32 as array[32];
            ext_hashing_keccak_256_version_1(u64) -> u32 as array[32];
            ext_hashing_keccak_512_version_1(u64) -> u32 as array[64];
            ext_hashing_sha2_256_version_1(u64) -> u32 as array[32];
            ext_hashing_twox_128_version_1(u64) -> u32 as array[16];
            ext_hashing_twox_256_version_1(u64) -> u32 as array[32];
            ext_hashing_twox_64_version_1(u64) -> u32 as array[8];

            ext_host_calls_bls12_381_final_exponentiation_version_1(u64) -> u32 as value;
            ext_host_calls_bls12_381_msm_g1_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_bls12_381_msm_g2_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_bls12_381_mul_g1_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_bls12_381_mul_g2_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_bls12_381_multi_miller_loop_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_ed_on_bls12_381_bandersnatch_msm_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_ed_on_bls12_381_bandersnatch_mul_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_pallas_msm_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_pallas_mul_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_vesta_msm_version_1(u64, u64, u64) -> u32 as value;
            ext_host_calls_vesta_mul_version_1(u64, u64, u64) -> u32 as value;

            ext_logging_log_version_1(u32, u64, u64);
            ext_logging_max_level_version_1() -> u32 as value;

            ext_misc_print_hex_version_1(u64);
            ext_misc_print_num_version_1(u64);
            ext_misc_print_utf8_version_1(u64);
            ext_misc_runtime_version_version_1(u64) -> u64 as range;

            ext_panic_handler_abort_on_panic_version_1(u64);

            ext_trie_blake2_256_ordered_root_version_1(u64) -> u32 as array[32];
            ext_trie_blake2_256_ordered_root_version_2(u64, u32) -> u32 as array[32];
            ext_trie_blake2_256_root_version_1(u64) -> u32 as array[32];
            ext_trie_blake2_256_root_version_2(u64, u32) -> u32 as array[32];
            ext_trie_blake2_256_verify_proof_version_1(u32, u64, u64, u64) -> u32 as value;
            ext_trie_blake2_256_verify_proof_version_2(u32, u64, u64, u64, u32) -> u32 as value;
            ext_trie_keccak_256_ordered_root_version_1(u64) -> u32 as array[32];
            ext_trie_keccak_256_ordered_root_version_2(u64, u32) -> u32 as array[32];
            ext_trie_keccak_256_root_version_1(u64) -> u32 as array[32];
            ext_trie_keccak_256_root_version_2(u64, u32) -> u32 as array[32];
            ext_trie_keccak_256_verify_proof_version_1(u32, u64, u64, u64) -> u32 as value;
            ext_trie_keccak_256_verify_proof_version_2(u32, u64, u64, u64, u32) -> u32 as value;

            // What a PVF can't have: one or two of each family.
            ext_default_child_storage_get_version_1(u64, u64) -> u64 as range;
            ext_offchain_index_set_version_1(u64, u64);
            ext_offchain_random_seed_version_1() -> u32 as array[32];
            ext_offchain_timestamp_version_1() -> u64 as value;
            ext_storage_get_version_1(u64) -> u64 as range;
            ext_storage_root_version_2(u32) -> u64 as range;
            ext_storage_set_version_1(u64, u64);
            ext_transaction_index_renew_version_1(u32, u32);
            ext_wasm_tracing_exit_version_1(u64);
            ext_nobody_has_heard_of_version_1(u32) -> u64 as value;
        }
    };
}
