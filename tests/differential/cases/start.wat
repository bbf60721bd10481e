;; @module start-calls-allocator-free
;; A start function that calls a host function.
(module
  (import "env" "ext_allocator_free_version_1" (func $f (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $f (i32.const 8))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-allocator-malloc
;; A start function that calls a host function.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $f (param i32) (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (drop (call $f (i32.const 8)))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-crypto-finish-batch-verify
;; A start function that calls a host function.
(module
  (import "env" "ext_crypto_finish_batch_verify_version_1" (func $f (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (drop (call $f))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-crypto-start-batch-verify
;; A start function that calls a host function.
(module
  (import "env" "ext_crypto_start_batch_verify_version_1" (func $f ))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $f)) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-hashing-twox-64
;; A start function that calls a host function.
(module
  (import "env" "ext_hashing_twox_64_version_1" (func $f (param i64) (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (drop (call $f (i64.const 0)))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-logging-max-level
;; A start function that calls a host function.
(module
  (import "env" "ext_logging_max_level_version_1" (func $f (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (drop (call $f))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-misc-print-num
;; A start function that calls a host function.
(module
  (import "env" "ext_misc_print_num_version_1" (func $f (param i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $f (i64.const 0))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-misc-print-utf8
;; A start function that calls a host function.
(module
  (import "env" "ext_misc_print_utf8_version_1" (func $f (param i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $f (i64.const 0))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-calls-unknown
;; A start function that calls an unknown function.
(module
  (import "env" "unknown" (func $f))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $f)) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-grows
;; A start function that grows the memory.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (drop (memory.grow (i32.const 30)))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size)))
    (i64.const 0x8_0000_0200)))

;; @module start-imported
;; A start function that is an import nobody knows.
(module
  (import "env" "unknown" (func $f))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (start $f)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-traps
;; A start function that traps.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (unreachable)) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module start-begins-a-batch
;; A batch of signatures that the start function begins is still under way.
(module
  (import "env" "ext_crypto_start_batch_verify_version_1" (func $start))
  (import "env" "ext_crypto_finish_batch_verify_version_1" (func $finish (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $start)) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.const 7)) (i64.store (i32.const 512) (i64.extend_i32_u (call $finish)))
    (i64.const 0x8_0000_0200)))

;; @module start-begins-a-batch-begun-again
;; So it can not be begun.
(module
  (import "env" "ext_crypto_start_batch_verify_version_1" (func $start))
  (import "env" "ext_crypto_finish_batch_verify_version_1" (func $finish (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (call $start)) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.const 7)) (call $start)
    (i64.const 0x8_0000_0200)))
