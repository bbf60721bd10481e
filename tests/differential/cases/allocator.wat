;; @module allocator-after-growing-to-the-limit
;; The guest grows the memory to its limit.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 2078))) (global.set $p (call $malloc (i32.const 300000)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-after-growing
;; The guest grows the memory itself.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 3))) (global.set $p (call $malloc (i32.const 300000)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-double-free
;; A block is freed twice.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (call $free (global.get $p)) (call $free (global.get $p))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-exhausted
;; 32 MiB four times: the last does not fit.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 33554432)))
    (global.set $p (call $malloc (i32.const 33554432)))
    (global.set $p (call $malloc (i32.const 33554432)))
    (global.set $p (call $malloc (i32.const 33554432)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-high-bits
;; A header with bits that mean nothing.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x7fffffff00000002)) (call $free (global.get $p)) (global.set $p (call $malloc (i32.const 24)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-in-use
;; A free block that says it is in use.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (call $free (global.get $p)) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x100000002)) (global.set $p (call $malloc (i32.const 24)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-larger
;; A header with a larger order: more is freed than was allocated.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x100000016)) (call $free (global.get $p))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-link-beyond
;; A free block whose link leads elsewhere.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (call $free (global.get $p)) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x7fffffff)) (drop (call $malloc (i32.const 24))) (global.set $p (call $malloc (i32.const 24)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-link-nil
;; A free block whose link leads elsewhere.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (call $free (global.get $p)) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0xffffffff)) (drop (call $malloc (i32.const 24))) (global.set $p (call $malloc (i32.const 24)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-link-odd
;; A free block whose link leads elsewhere.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (call $free (global.get $p)) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x401)) (drop (call $malloc (i32.const 24))) (global.set $p (call $malloc (i32.const 24)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-link-to-data
;; A free block whose link leads elsewhere.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (call $free (global.get $p)) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 64)) (drop (call $malloc (i32.const 24))) (global.set $p (call $malloc (i32.const 24)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-order
;; A header with an order that there is not.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x100000017)) (call $free (global.get $p))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-forged-smaller
;; A header with a smaller order.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (i64.store (i32.sub (global.get $p) (i32.const 8)) (i64.const 0x100000000)) (call $free (global.get $p)) (global.set $p (call $malloc (i32.const 1)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-free-0
;; What was never allocated is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (i32.const 0))
    (i64.const 0)))

;; @module allocator-free-1032
;; What was never allocated is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (i32.const 1032))
    (i64.const 0)))

;; @module allocator-free-65536
;; What was never allocated is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (i32.const 65536))
    (i64.const 0)))

;; @module allocator-free-7
;; What was never allocated is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (i32.const 7))
    (i64.const 0)))

;; @module allocator-free-8
;; What was never allocated is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (i32.const 8))
    (i64.const 0)))

;; @module allocator-free-input
;; The input is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (local.get 0)) (global.set $p (call $malloc (local.get 1)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-free-minus-1
;; What was never allocated is freed.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $free (i32.const -1))
    (i64.const 0)))

;; @module allocator-last-in-first-out
;; The block freed last is given out first.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 8))) (call $free (call $malloc (i32.const 8))) (call $free (global.get $p)) (global.set $p (call $malloc (i32.const 8)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-0
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 0)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-1
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 1)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-1000
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 1000)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-16
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 16)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-17
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 17)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-33554432
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 33554432)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-33554433
;; Too much.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 33554433)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-65536
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 65536)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-8
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 8)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-9
;; What is allocated, its header and the memory's size.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 9)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-malloc-minus-1
;; Too much.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const -1)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-reuse
;; A freed block is given out again.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 24))) (drop (call $malloc (i32.const 24))) (call $free (global.get $p)) (global.set $p (call $malloc (i32.const 30)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))

;; @module allocator-three-large
;; 32 MiB three times.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global $p (mut i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (global.set $p (call $malloc (i32.const 33554432)))
    (global.set $p (call $malloc (i32.const 33554432)))
    (global.set $p (call $malloc (i32.const 33554432)))
    (i64.store (i32.const 512) (i64.extend_i32_u (global.get $p))) (i64.store (i32.const 520) (i64.load (i32.sub (global.get $p) (i32.const 8)))) (i64.store (i32.const 528) (i64.extend_i32_u (memory.size))) (i64.const 0x18_0000_0200)))
