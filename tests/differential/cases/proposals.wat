;; @module proposal-atomics
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i32.atomic.load (i32.const 0))) (i64.const 0)))

;; @module proposal-bulk-copy
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (memory.copy (i32.const 0) (i32.const 4) (i32.const 4)) (i64.const 0)))

;; @module proposal-bulk-fill
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (memory.fill (i32.const 0) (i32.const 4) (i32.const 4)) (i64.const 0)))

;; @module proposal-extended-const
;; Something of a proposal.
(module
  (global i32 (i32.add (i32.const 1) (i32.const 2)))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-externref
;; Something of a proposal.
(module
  (table 1 externref)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-global-of-global
;; Something of a proposal.
(module
  (global $a i32 (i32.const 1)) (global i32 (global.get $a))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-memory64
;; Something of a proposal.
(module
  (memory i64 1)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-multi-value-function
;; Something of a proposal.
(module
  (func (result i32 i32) (i32.const 0) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-multi-value
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (block (result i64 i64) (i64.const 0) (i64.const 0)) (drop) (drop) (i64.const 0)))

;; @module proposal-passive-data
;; Something of a proposal.
(module
  (memory 1) (data "passive")
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-passive-elements
;; Something of a proposal.
(module
  (table 1 funcref) (elem func)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-references
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (ref.func 0)) (i64.const 0)))

;; @module proposal-saturating
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.trunc_sat_f64_s (f64.const 1e30))) (i64.const 0)))

;; @module proposal-shared
;; Something of a proposal.
(module
  (memory 1 2 shared)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-sign-extension
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i32.extend8_s (i32.const 255))) (i64.const 0)))

;; @module proposal-simd
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (v128.const i32x4 0 0 0 0)) (i64.const 0)))

;; @module proposal-tag
;; Something of a proposal.
(module
  (tag)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module proposal-tail-call
;; An instruction of a proposal.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (return_call 0 (local.get 0) (local.get 1)) (i64.const 0)))
