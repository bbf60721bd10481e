;; @module import-elsewhere
;; A function of another module.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module import-global
;; A global.
(module
  (import "env" "global" (global i32))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module import-host-function-twice
;; A host function twice.
(module
  (import "env" "ext_allocator_malloc_version_1" (func $f (param i32) (result i32))) (import "env" "ext_allocator_malloc_version_1" (func $g (param i32) (result i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (i32.add (call $f (i32.const 8)) (call $g (i32.const 8)))))
    (i64.const 0x8_0000_0200)))

;; @module import-other-type
;; A host function of another type.
(module
  (import "env" "ext_allocator_malloc_version_1" (func (param i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module import-other-version
;; A version that there is not.
(module
  (import "env" "ext_allocator_malloc_version_2" (func (param i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module import-twice-differently
;; The same name with two types.
(module
  (import "env" "f" (func)) (import "env" "f" (func (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module import-twice
;; The same function twice.
(module
  (import "env" "f" (func (param i32))) (import "env" "f" (func (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module import-unknown-called
;; An unknown function that is called.
(module
  (import "env" "unknown" (func $f (param i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $f (i64.const 0)) (i64.const 0)))

;; @module import-unknown
;; An unknown function that is not called.
(module
  (import "env" "unknown" (func (param f64) (result f32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module panic-handler-other-type
;; The panic handler of another type, not called.
(module
  (import "env" "ext_panic_handler_abort_on_panic_version_1" (func $f (param i32)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module panic-handler
;; The panic handler.
(module
  (import "env" "ext_panic_handler_abort_on_panic_version_1" (func $f (param i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (data (i32.const 8) "no such thing")
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $f (i64.const 0xd_0000_0008)) (i64.const 0)))
