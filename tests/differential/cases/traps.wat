;; @module trap-divide-by-zero
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.div_s (i64.const 1) (i64.const 0))) (i64.const 0)))

;; @module trap-divide-overflow
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1))) (i64.const 0)))

;; @module trap-load-beyond
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.load (i32.const 0x7fffffff))) (i64.const 0)))

;; @module trap-load-offset-wraps
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.load offset=0xffffffff (i32.const -1))) (i64.const 0)))

;; @module trap-remainder-by-zero
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.rem_u (i64.const 1) (i64.const 0))) (i64.const 0)))

;; @module trap-remainder-overflow
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.rem_s (i64.const 0x8000000000000000) (i64.const -1))) (i64.const 0)))

;; @module trap-truncate-large
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.trunc_f64_s (f64.const 9223372036854775808))) (i64.const 0)))

;; @module trap-truncate-nan
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i64.trunc_f64_s (f64.const nan))) (i64.const 0)))

;; @module trap-unreachable
;; An instruction that may trap.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (unreachable)) (i64.const 0)))
