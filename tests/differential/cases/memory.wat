;; @module memory-grow-2078
;; Growing by so many pages.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.grow (i32.const 2078))))
    (i64.const 0x8_0000_0200)))

;; @module memory-grow-2079
;; Growing by so many pages.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.grow (i32.const 2079))))
    (i64.const 0x8_0000_0200)))

;; @module memory-grow-65535
;; Growing by so many pages.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.grow (i32.const 65535))))
    (i64.const 0x8_0000_0200)))

;; @module memory-grow-minus-1
;; Growing by so many pages.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.grow (i32.const -1))))
    (i64.const 0x8_0000_0200)))

;; @module memory-imported-and-defined
;; A memory imported and another defined.
(module
  (import "env" "memory" (memory 2)) (memory 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-imported-and-exported
;; A memory imported, and exported under the same name.
(module
  (import "env" "memory" (memory 2)) (export "memory" (memory 0))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-imported-from-elsewhere
;; An imported memory of another module.
(module
  (import "elsewhere" "memory" (memory 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size)))
    (i64.const 0x8_0000_0200)))

;; @module memory-imported
;; An imported memory.
(module
  (import "env" "memory" (memory 2 2))
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size)))
    (i64.const 0x8_0000_0200)))

;; @module memory-initial-2080
;; An initial memory of so many pages.
(module
  (memory (export "memory") 2080)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-initial-2081
;; An initial memory of so many pages.
(module
  (memory (export "memory") 2081)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-initial-65536
;; An initial memory of so many pages.
(module
  (memory (export "memory") 65536)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-maximum-below-use
;; The declared maximum does not count.
(module
  (memory (export "memory") 1 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.grow (i32.const 5))))
    (i64.const 0x8_0000_0200)))

;; @module memory-missing
;; No memory.
(module
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-none
;; A memory without pages.
(module
  (memory (export "memory") 0)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size)))
    (i64.const 0x8_0000_0200)))

;; @module memory-not-exported
;; A memory under another name.
(module
  (memory (export "other") 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module memory-size
;; How large the memory is once the input is in it.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size)))
    (i64.const 0x8_0000_0200)))

;; @module memory-two
;; Two memories.
(module
  (memory (export "memory") 1) (memory 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))
