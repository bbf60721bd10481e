;; Imports, exports, the start function, and what makes a module useless.

;; @module empty
(module
  )

;; @module no-memory
(module
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-memory-that-is-not-exported
(module
  (memory 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-memory-of-another-name
(module
  (memory (export "mem") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-function-called-memory
(module
  (memory 2)
  (func (export "memory"))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-memory-of-two-names
(module
  (memory (export "mem") (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module no-heap-base
(module
  (memory (export "memory") 2)
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-heap-base-that-is-not-exported
(module
  (memory (export "memory") 2)
  (global i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-heap-base-of-64-bits
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i64 (i64.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-heap-base-of-floating-point
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") f32 (f32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-heap-base-that-is-a-function
(module
  (memory (export "memory") 2)
  (func (export "__heap_base") (result i32) (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-heap-base-that-is-mutable
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") (mut i32) (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @guest no-entry-point
(func (param i32 i32) (result i64) (i64.const 0))

;; @guest an-entry-point-without-a-result
(func (export "validate_block") (param i32 i32))

;; @guest an-entry-point-with-one-parameter
(func (export "validate_block") (param i32) (result i64) (i64.const 0))

;; @guest an-entry-point-with-three-parameters
(func (export "validate_block") (param i32 i32 i32) (result i64) (i64.const 0))

;; @guest an-entry-point-with-a-result-of-32-bits
(func (export "validate_block") (param i32 i32) (result i32) (i32.const 0))

;; @guest an-entry-point-with-parameters-of-64-bits
(func (export "validate_block") (param i64 i64) (result i64) (i64.const 0))

;; @guest an-entry-point-that-is-a-global
(global (export "validate_block") i32 (i32.const 0))

;; @guest an-entry-point-that-is-imported
(import "env" "missing" (func $f (param i32 i32) (result i64)))
(export "validate_block" (func $f))

;; @guest an-entry-point-that-is-an-imported-host-function
(import "env" "ext_hashing_twox_64_version_1" (func $f (param i64) (result i32)))
(export "validate_block" (func $f))

;; @guest an-entry-point-of-two-names
(func (export "other") (export "validate_block") (param i32 i32) (result i64) (i64.const 0x4_0000_0400))

;; @guest an-export-that-is-there-twice
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))
(func $g)
(export "a" (func $g)) (export "a" (func $g))

;; @guest an-export-that-is-not-there
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))
(export "a" (func 77))

;; @guest a-start-function
(func $start (i64.store (i32.const 512) (i64.const 42)))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0x8_0000_0200))

;; @guest a-start-function-that-traps
(func $start (unreachable))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-that-divides-by-zero
(func $start (drop (i32.div_u (i32.const 1) (i32.const 0))))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-with-a-parameter
(func $start (param i32))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-with-a-result
(func $start (result i32) (i32.const 0))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-that-is-not-there
(start 77)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-that-is-missing
(import "env" "missing" (func $f))
(start $f)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-that-calls-a-missing-one
(import "env" "missing" (func $f))
(func $start (call $f))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-that-allocates
(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
(func $start (drop (call $malloc (i32.const 8))))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-start-function-that-grows-the-memory
(func $start (drop (memory.grow (i32.const 3))))
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200))

;; @guest a-start-function-that-sets-the-heap-base
(func $start)
(start $start)
(func (export "validate_block") (param i32 i32) (result i64) (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200))

;; @module a-start-function-that-moves-the-heap-base
(module
  (memory (export "memory") 2)
  (global $base (export "__heap_base") (mut i32) (i32.const 1024))
  (func $start (global.set $base (i32.const 4096)))
  (start $start)
  (func (export "validate_block") (param i32 i32) (result i64) (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module the-entry-point-moves-the-heap-base-too-late
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (memory (export "memory") 2)
  (global $base (export "__heap_base") (mut i32) (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (global.set $base (i32.const 4096)) (i64.store (i32.const 512) (i64.extend_i32_u (call $malloc (i32.const 8)))) (i64.const 0x8_0000_0200)))

;; @guest a-missing-function-that-is-not-called
(import "env" "missing" (func $f))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-missing-function-that-is-called
(import "env" "missing" (func $f))
(func (export "validate_block") (param i32 i32) (result i64) (call $f) (i64.const 0))

;; @guest a-missing-function-without-a-name
(import "env" "" (func $f))
(func (export "validate_block") (param i32 i32) (result i64) (call $f) (i64.const 0))

;; @guest a-missing-function-in-a-table
(import "env" "missing" (func $f))
(table 1 funcref) (elem (i32.const 0) $f)
(func (export "validate_block") (param i32 i32) (result i64) (call_indirect (i32.const 0)) (i64.const 0))

;; @guest a-missing-function-with-many-parameters
(import "env" "missing" (func $f (param i32 i64 f32 f64) (result f64)))
(func (export "validate_block") (param i32 i32) (result i64) (drop (call $f (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4))) (i64.const 0))

;; @guest a-missing-function-imported-twice
(import "env" "missing" (func $f))
(import "env" "missing" (func $g))
(func (export "validate_block") (param i32 i32) (result i64) (call $g) (i64.const 0))

;; @guest a-missing-function-imported-with-two-types
(import "env" "missing" (func $f))
(import "env" "missing" (func $g (param i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-host-function-of-another-type
(import "env" "ext_allocator_malloc_version_1" (func (param i64) (result i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest the-panic-handler-of-another-type
(import "env" "ext_panic_handler_abort_on_panic_version_1" (func (param i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest the-panic-handler-of-another-type-that-is-called
(import "env" "ext_panic_handler_abort_on_panic_version_1" (func $p (param i32)))
(func (export "validate_block") (param i32 i32) (result i64) (call $p (i32.const 0)) (i64.const 0))

;; @guest a-host-function-imported-twice
(import "env" "ext_allocator_malloc_version_1" (func $f (param i32) (result i32)))
(import "env" "ext_allocator_malloc_version_1" (func $g (param i32) (result i32)))
(func (export "validate_block") (param i32 i32) (result i64) (drop (call $f (i32.const 1))) (drop (call $g (i32.const 1))) (i64.const 0))

;; @guest a-host-function-imported-with-two-types
(import "env" "ext_allocator_malloc_version_1" (func $f (param i32) (result i32)))
(import "env" "ext_allocator_malloc_version_1" (func $g (param i64)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-function-from-another-module
(import "other" "missing" (func $f))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-host-function-from-another-module
(import "other" "ext_allocator_malloc_version_1" (func $f (param i32) (result i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest an-imported-global
(import "env" "global" (global i32))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @module an-imported-global-and-none-of-its-own
(module
  (import "env" "global" (global i32))
  (memory (export "memory") 2)
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-global-as-heap-base
(module
  (import "env" "__heap_base" (global i32))
  (memory (export "memory") 2)
  (export "__heap_base" (global 0))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-memory
(module
  (import "env" "memory" (memory 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0x10_0000_0400)))

;; @module an-imported-memory-with-a-maximum
(module
  (import "env" "memory" (memory 2 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.store (i32.const 512) (i64.extend_i32_u (memory.grow (i32.const 5)))) (i64.const 0x8_0000_0200)))

;; @module an-imported-memory-from-another-module
(module
  (import "other" "memory" (memory 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-memory-of-another-name
(module
  (import "env" "mem" (memory 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-memory-that-is-exported
(module
  (import "env" "mem" (memory 2))
  (export "memory" (memory 0))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-memory-that-is-exported-under-its-name
(module
  (import "env" "memory" (memory 2))
  (export "memory" (memory 0))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-memory-and-one-of-its-own
(module
  (import "env" "memory" (memory 2))
  (memory 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module two-imported-memories
(module
  (import "env" "memory" (memory 2))
  (import "env" "memory2" (memory 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module an-imported-memory-and-functions
(module
  (import "env" "missing" (func $f))
  (import "env" "memory" (memory 2))
  (import "env" "absent" (func $g))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (call $g) (i64.const 0)))

;; @module an-imported-memory-and-no-exports
(module
  (import "env" "memory" (memory 2)))

;; @module an-imported-memory-that-is-too-large
(module
  (import "env" "memory" (memory 3000))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module two-memories
(module
  (memory (export "memory") 2)
  (memory 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-memory-above-4-gib
(module
  (memory (export "memory") 65537)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @module a-maximum-above-4-gib
(module
  (memory (export "memory") 2 65537)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0)))

;; @guest a-global-that-is-another
(global $a i32 (i32.const 3))
(global i32 (global.get $a))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-global-of-another-type
(global i32 (i64.const 3))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-constant-that-is-set
(global $a i32 (i32.const 3))
(func (export "validate_block") (param i32 i32) (result i64) (global.set $a (i32.const 4)) (i64.const 0))

;; @guest a-mutable-global-that-is-exported
(global $a (export "a") (mut i32) (i32.const 3))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-mutable-global-that-is-imported
(import "env" "a" (global $a (mut i32)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest code-that-is-not-typed
(func (i32.add (i32.const 1) (i64.const 2)) (drop))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest code-that-leaves-too-much
(func (i32.const 1))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest code-that-has-too-little
(func (result i32))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest code-that-is-not-reached-and-not-typed
(func (unreachable) (i32.add (i32.const 1) (i64.const 2)) (drop))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-local-that-is-not-there
(func (drop (local.get 0)))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-call-of-what-is-not-there
(func (call 99))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-branch-to-what-is-not-there
(func (br 3))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))

;; @guest a-branch-table-with-two-arities
(func (param i32) (block (result i32) (block (br_table 0 1 (i32.const 1) (local.get 0)))  (i32.const 1)) (drop))
(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))
