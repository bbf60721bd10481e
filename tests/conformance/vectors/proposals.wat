;; What is not accepted, and when.

;; @guest sign-extension
(func $f (drop (i32.extend8_s (i32.const 1))))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest saturating-conversions
(func $f (drop (i32.trunc_sat_f64_s (f64.const 1e30))))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest memory-copy
(func $f (memory.copy (i32.const 0) (i32.const 4) (i32.const 4)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest memory-fill
(func $f (memory.fill (i32.const 0) (i32.const 4) (i32.const 4)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest vectors
(func $f (drop (v128.const i32x4 0 0 0 0)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest relaxed-vectors
(func $f (drop (i8x16.relaxed_swizzle (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0))))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest atomics
(func $f (drop (i32.atomic.load (i32.const 0))))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-fence
(func $f (atomic.fence))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-reference-to-a-function
(func $f (drop (ref.func $f)))
(elem declare func $f)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-null-reference
(func $f (drop (ref.null func)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-typed-select
(func $f (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 0))))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-block-with-two-results
(func $f (block (result i64 i64) (i64.const 0) (i64.const 0)) (drop) (drop))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-block-with-a-parameter
(func $f (i32.const 1) (block (param i32) (drop)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-throw
(func $f (throw 0))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest wide-arithmetic
(func $f (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)) (drop) (drop))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-small-integer-reference
(func $f (drop (ref.i31 (i32.const 1))))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-tail-call
(func $f (return_call $f))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest an-indirect-tail-call
(table 1 funcref) (func $f (return_call_indirect (i32.const 0)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest two-results
(func (result i32 i32) (i32.const 0) (i32.const 0))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-type-with-two-results
(type (func (result i32 i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest passive-data
(data "a")
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest passive-elements
(elem func)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest elements-that-are-expressions
(table 1 funcref) (elem (i32.const 0) funcref (ref.null func))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-table-of-external-references
(table 1 externref)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-local-that-is-a-reference
(func (local externref))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-local-that-is-a-vector
(func (local v128))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-tag
(tag)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-structure
(type (struct (field i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-recursion-group
(rec (type (func)) (type (func)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-constant-that-is-a-sum
(global i32 (i32.add (i32.const 1) (i32.const 2)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest data-at-a-sum
(data (i32.add (i32.const 1) (i32.const 2)) "a")
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @module a-memory-of-64-bits
(module (memory (export "memory") i64 1) (global (export "__heap_base") i32 (i32.const 1024)) (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-shared-memory
(module (memory (export "memory") 1 2 shared) (global (export "__heap_base") i32 (i32.const 1024)) (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-memory-with-small-pages
(module (memory (export "memory") 1 (pagesize 1)) (global (export "__heap_base") i32 (i32.const 1024)) (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @hex a-component
00 61 73 6d 0d 00 01 00
