//! What the interface of Substrate's runtimes has besides.

/// The functions that a runtime may import by the interfaces of crate `sp-io`, version 49, and of
/// Cumulus, and that PVFs are not offered, ordered by name.
///
/// Linking does not look at this list: such an import is treated like that of any other name that is
/// not among [`HOST_FUNCTIONS`](crate::HOST_FUNCTIONS). The list tells an author what is known to be
/// missing from what is misspelt.
pub const NOT_OFFERED: &[&str] = &[
    "ext_crypto_bandersnatch_generate_version_1",
    "ext_crypto_bandersnatch_sign_version_1",
    "ext_crypto_bls381_generate_proof_of_possession_version_1",
    "ext_crypto_bls381_generate_version_1",
    "ext_crypto_ecdsa_bls381_generate_version_1",
    "ext_default_child_storage_clear_prefix_version_1",
    "ext_default_child_storage_clear_prefix_version_2",
    "ext_default_child_storage_clear_prefix_version_3",
    "ext_default_child_storage_clear_version_1",
    "ext_default_child_storage_exists_version_1",
    "ext_default_child_storage_get_version_1",
    "ext_default_child_storage_next_key_version_1",
    "ext_default_child_storage_read_version_1",
    "ext_default_child_storage_root_version_1",
    "ext_default_child_storage_root_version_2",
    "ext_default_child_storage_set_version_1",
    "ext_default_child_storage_storage_kill_version_1",
    "ext_default_child_storage_storage_kill_version_2",
    "ext_default_child_storage_storage_kill_version_3",
    "ext_default_child_storage_storage_kill_version_4",
    "ext_offchain_http_request_add_header_version_1",
    "ext_offchain_http_request_start_version_1",
    "ext_offchain_http_request_write_body_version_1",
    "ext_offchain_http_response_headers_version_1",
    "ext_offchain_http_response_read_body_version_1",
    "ext_offchain_http_response_wait_version_1",
    "ext_offchain_index_clear_version_1",
    "ext_offchain_index_set_version_1",
    "ext_offchain_is_validator_version_1",
    "ext_offchain_local_storage_clear_version_1",
    "ext_offchain_local_storage_compare_and_set_version_1",
    "ext_offchain_local_storage_get_version_1",
    "ext_offchain_local_storage_set_version_1",
    "ext_offchain_network_state_version_1",
    "ext_offchain_random_seed_version_1",
    "ext_offchain_set_authorized_nodes_version_1",
    "ext_offchain_sleep_until_version_1",
    "ext_offchain_submit_transaction_version_1",
    "ext_offchain_timestamp_version_1",
    "ext_storage_append_version_1",
    "ext_storage_changes_root_version_1",
    "ext_storage_clear_prefix_version_1",
    "ext_storage_clear_prefix_version_2",
    "ext_storage_clear_prefix_version_3",
    "ext_storage_clear_version_1",
    "ext_storage_commit_transaction_version_1",
    "ext_storage_exists_version_1",
    "ext_storage_get_version_1",
    "ext_storage_next_key_version_1",
    "ext_storage_proof_size_storage_proof_size_version_1",
    "ext_storage_read_version_1",
    "ext_storage_rollback_transaction_version_1",
    "ext_storage_root_version_1",
    "ext_storage_root_version_2",
    "ext_storage_set_version_1",
    "ext_storage_start_transaction_version_1",
    "ext_transaction_index_index_version_1",
    "ext_transaction_index_renew_version_1",
    "ext_wasm_tracing_enabled_version_1",
    "ext_wasm_tracing_enter_span_version_1",
    "ext_wasm_tracing_event_version_1",
    "ext_wasm_tracing_exit_version_1",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostFunction;

    #[test]
    fn nothing_is_both_offered_and_not() {
        assert!(NOT_OFFERED.is_sorted());
        assert!(NOT_OFFERED.iter().all(|name| HostFunction::find(name).is_none()));
    }
}
