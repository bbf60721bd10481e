;; @module echo
;; The input is the output.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (local.get 1)) (i64.const 32)))))

;; @module entry-global
;; An entry point that is no function.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (global (export "validate_block") i32 (i32.const 0)))

;; @module entry-i32-result
;; An entry point of another type.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i32) (i32.const 0)))

;; @module entry-i64-arguments
;; An entry point of another type.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i64 i64) (result i64) (i64.const 0)))

;; @module entry-imported
;; An entry point that is an unknown import.
(module
  (import "env" "f" (func $f (param i32 i32) (result i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (export "validate_block" (func $f)))

;; @module entry-is-start
;; A start function beside the entry point.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $s (i64.store (i32.const 8) (i64.const 42))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.load (i32.const 8)))
    (i64.const 0x8_0000_0200)))

;; @module entry-missing
;; No entry point.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024)))

;; @module entry-no-result
;; An entry point of another type.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32)))

;; @module entry-one-argument
;; An entry point of another type.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32) (result i64) (i64.const 0)))

;; @module heap-base-0
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-1
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 1))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-131064
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 131064))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-131072
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 131072))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-131073
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 131073))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-136314872
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 136314872))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-136314880
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 136314880))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-2147483647
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 2147483647))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-7
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 7))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-8
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const 8))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-function
;; A heap base that is a function.
(module
  (memory (export "memory") 2) (func (export "__heap_base"))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module heap-base-i64
;; A heap base of 64 bits.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i64 (i64.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module heap-base-minus-1
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const -1))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-minus-7
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const -7))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-minus-8
;; A heap that begins here.
(module
  (memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const -8))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module heap-base-missing
;; No heap base.
(module
  (memory (export "memory") 2)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module heap-base-mutable
;; A heap base that can change, and does.
(module
  (memory (export "memory") 2) (global $b (export "__heap_base") (mut i32) (i32.const 1024))
  (func $s (global.set $b (i32.const 4096))) (start $s)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0)))
    (i64.const 0x8_0000_0200)))

;; @module input-address
;; Where the input is.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (local.get 1)) (i64.const 32))))
    (i64.const 0x8_0000_0200)))

;; @module output-at-the-end
;; An empty output at the very end of the memory, once the input has grown it or not.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.extend_i32_u (i32.shl (memory.size) (i32.const 16)))))

;; @module output-beyond
;; An empty output beyond the end.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.add (i64.extend_i32_u (i32.shl (memory.size) (i32.const 16))) (i64.const 1))))

;; @module output-nothing
;; An empty output, from anywhere inside.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0x0_0000_0200)))

;; @module output-too-long
;; One byte more than there is.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.or (i64.const 0x9_0000_0000) (i64.extend_i32_u (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8))))))

;; @module output-wraps
;; Pointer and length add up to more than 32 bits.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const -1)))
