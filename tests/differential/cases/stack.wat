;; @module stack-16382
;; So many calls within each other.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $r (param i32) (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $r (i32.const 16382)) (i64.const 0)))

;; @module stack-16383
;; So many calls within each other.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $r (param i32) (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $r (i32.const 16383)) (i64.const 0)))

;; @module stack-endless-indirect
;; Endless recursion through a table.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 1 funcref) (elem (i32.const 0) $r) (type $t (func)) (func $r (call_indirect (type $t) (i32.const 0)))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (type $t) (i32.const 0)) (i64.const 0)))

;; @module stack-endless
;; Endless recursion.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $r (call $r))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $r) (i64.const 0)))

;; @module stack-locals
;; Functions with many locals.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $r (param i32) (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $r (i32.const 3276)) (i64.const 0)))

;; @module stack-start
;; Endless recursion in the start function.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func $r (call $r)) (start $r)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))
