;; Indirect calls, element segments, the sizes of tables.

;; @guest a-null
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3))
(table 4 funcref) (elem (i32.const 1) $one $two $other)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 0))) (i64.const 0x8_0000_0200))

;; @guest a-function
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3))
(table 4 funcref) (elem (i32.const 1) $one $two $other)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest a-function-of-another-type
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3))
(table 4 funcref) (elem (i32.const 1) $one $two $other)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 3))) (i64.const 0x8_0000_0200))

;; @guest past-the-end
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3))
(table 4 funcref) (elem (i32.const 1) $one $two $other)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 4))) (i64.const 0x8_0000_0200))

;; @guest far-past-the-end
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3))
(table 4 funcref) (elem (i32.const 1) $one $two $other)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const -1))) (i64.const 0x8_0000_0200))

;; @guest a-type-that-is-there-twice
(type $f (func (result i64))) (type $g (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3))
(table 4 funcref) (elem (i32.const 1) $one $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $g) (i32.const 2))) (i64.const 0x8_0000_0200))

;; @guest no-table
(type $f (func (result i64)))
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 0))) (i64.const 0x8_0000_0200))

;; @guest a-table-without-elements
(type $f (func (result i64))) (table 0 funcref)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 0))) (i64.const 0x8_0000_0200))

;; @guest elements-up-to-the-end
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 3 funcref) (elem (i32.const 1) $one $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 2))) (i64.const 0x8_0000_0200))

;; @guest elements-past-the-end
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 funcref) (elem (i32.const 1) $one $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest no-elements-at-the-end
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 funcref) (elem (i32.const 2))
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest no-elements-past-the-end
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 funcref) (elem (i32.const 3))
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest elements-at-a-negative-index
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 funcref) (elem (i32.const -1) $one)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest elements-over-elements
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 3 funcref) (elem (i32.const 0) $one $one) (elem (i32.const 1) $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest elements-without-a-table
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (elem (i32.const 0) $one)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest an-element-that-is-not-there
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 3 funcref) (elem (i32.const 0) 77)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest an-element-that-is-imported
(import "env" "missing" (func $missing (result i64))) (type $f (func (result i64))) (table 3 funcref) (elem (i32.const 0) $missing)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 0))) (i64.const 0x8_0000_0200))

;; @guest elements-at-an-imported-global
(import "env" "global" (global i32)) (type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 3 funcref) (elem (global.get 0) $one)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 0))) (i64.const 0x8_0000_0200))

;; @guest a-declared-maximum
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 3 funcref) (elem (i32.const 1) $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest a-maximum-below-the-minimum
(type $f (func (result i64))) (table 3 2 funcref)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest the-largest-table
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 10000000 funcref) (elem (i32.const 9999999) $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 9999999))) (i64.const 0x8_0000_0200))

;; @guest a-table-above-the-largest
(table 10000001 funcref)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest a-table-of-4-gi-elements
(table 0xffffffff funcref)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest a-small-table-with-a-large-maximum
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 0xffffffff funcref) (elem (i32.const 1) $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest two-tables
(table 1 funcref) (table 1 funcref)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest an-imported-table
(import "env" "table" (table 1 funcref))
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest an-exported-table
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table (export "__indirect_function_table") 2 2 funcref) (elem (i32.const 1) $two)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest two-elements-by-one-expression
(type $f (func (result i64))) (func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 funcref) (elem (i32.const 0) $one $one)
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.store (i32.const 512) (call_indirect (type $f) (i32.const 1))) (i64.const 0x8_0000_0200))

;; @guest a-type-that-is-not-there
(func $one (result i64) (i64.const 1)) (func $two (result i64) (i64.const 2)) (func $other (param i64) (result i64) (i64.const 3)) (table 2 funcref)
(func (export "validate_block") (param i32 i32) (result i64)
  (call_indirect (type 99) (i32.const 0)) (i64.const 0))
