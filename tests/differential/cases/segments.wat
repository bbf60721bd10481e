;; @module call-indirect-0
;; Of three elements the second is a function of the right type, the third of another.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 3 3 funcref) (elem (i32.const 1) $f $g) (func $f (result i64) (i64.const 0)) (func $g (result i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (result i64) (i32.const 0))))

;; @module call-indirect-1
;; Of three elements the second is a function of the right type, the third of another.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 3 3 funcref) (elem (i32.const 1) $f $g) (func $f (result i64) (i64.const 0)) (func $g (result i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (result i64) (i32.const 1))))

;; @module call-indirect-2
;; Of three elements the second is a function of the right type, the third of another.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 3 3 funcref) (elem (i32.const 1) $f $g) (func $f (result i64) (i64.const 0)) (func $g (result i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (result i64) (i32.const 2))))

;; @module call-indirect-3
;; Of three elements the second is a function of the right type, the third of another.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 3 3 funcref) (elem (i32.const 1) $f $g) (func $f (result i64) (i64.const 0)) (func $g (result i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (result i64) (i32.const 3))))

;; @module call-indirect-minus-1
;; Of three elements the second is a function of the right type, the third of another.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 3 3 funcref) (elem (i32.const 1) $f $g) (func $f (result i64) (i64.const 0)) (func $g (result i32) (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (result i64) (i32.const -1))))

;; @module data-does-not-fit
;; A data segment beyond the memory.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (data (i32.const 131070) "abc")
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module data-empty-at-the-end
;; An empty data segment at the end.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (data (i32.const 131072) "")
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module data-empty-beyond
;; An empty data segment beyond the end.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (data (i32.const 131073) "")
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module data-overlap
;; Segments are written in order.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (data (i32.const 8) "aaaaaaaa") (data (i32.const 12) "bbbb")
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.load (i32.const 8)))
    (i64.const 0x8_0000_0200)))

;; @module data-partly-written
;; What comes before a segment that does not fit.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (data (i32.const 8) "aaaa") (data (i32.const 131072) "b")
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module elements-do-not-fit
;; An element segment beyond the table.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 1 funcref) (func $f) (elem (i32.const 1) $f)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module elements-empty-beyond
;; An empty element segment beyond the table.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 1 funcref) (elem (i32.const 2))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module elements-import
;; An import in a table.
(module
  (import "env" "unknown" (func $f (param i32) (result i64)))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 1 funcref) (elem (i32.const 0) $f) (type $t (func (param i32) (result i64)))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call_indirect (type $t) (i32.const 0) (i32.const 0))))

;; @module table-exported
;; An exported table.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table (export "__indirect_function_table") 1 funcref)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module table-huge
;; A larger table than there may be.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 10000001 funcref)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module table-imported
;; An imported table.
(module
  (import "env" "table" (table 1 funcref))
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module table-large
;; A large table.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 10000000 funcref)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module table-two
;; Two tables.
(module
  (memory (export "memory") 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (table 1 funcref) (table 1 funcref)
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))
