;; @module nan-f32-demote
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (i32.reinterpret_f32 (f32.demote_f64 (f64.const -nan:0x8000000000001)))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-copysign
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.copysign (f64.const nan:0x4000000000001) (f64.const -1))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-div
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-max-zero
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.max (f64.const -0) (f64.const 0))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-min-zero
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.min (f64.const -0) (f64.const 0))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-min
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.min (f64.const nan:0x8000000000001) (f64.const 1))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-nearest
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.nearest (f64.const -nan:0x4000000000001))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-neg
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.neg (f64.const nan:0x4000000000001))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-payload
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.add (f64.const nan:0x4000000000001) (f64.const 1))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-promote
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.promote_f32 (f32.const -nan:0x400001))))
    (i64.const 0x8_0000_0200)))

;; @module nan-f64-sqrt
;; The bits of a number.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.reinterpret_f64 (f64.sqrt (f64.const -1))))
    (i64.const 0x8_0000_0200)))
