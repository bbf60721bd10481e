;; How the result is packed: the pointer below, the length above.

;; @guest nothing-at-zero
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0))

;; @guest one-byte
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0001_0000_0400))

;; @guest the-input
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.or (i64.extend_i32_u (local.get 0)) (i64.shl (i64.extend_i32_u (local.get 1)) (i64.const 32))))

;; @guest the-header-of-the-input
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0010_0000_0400))

;; @guest the-last-byte
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0001_0001_ffff))

;; @guest past-the-last-byte
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0002_0001_ffff))

;; @guest nothing-at-the-end
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0000_0002_0000))

;; @guest one-byte-past-the-end
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0001_0002_0000))

;; @guest nothing-past-the-end
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0000_0002_0001))

;; @guest nothing-at-the-largest-address
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0000_ffff_ffff))

;; @guest one-byte-at-the-largest-address
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0001_ffff_ffff))

;; @guest the-largest-length
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0xffff_ffff_0000_0000))

;; @guest the-largest-length-at-the-largest-address
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0xffff_ffff_ffff_ffff))

;; @guest a-length-with-the-highest-bit
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x8000_0000_0000_0000))

;; @guest an-address-with-the-highest-bit
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0x0000_0001_8000_0000))

;; @guest a-sum-that-would-wrap-around
(func (export "validate_block") (param i32 i32) (result i64)
  (i64.const 0xffff_ff00_0000_0200))

;; @guest the-end-of-a-memory-that-has-grown
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (memory.grow (i32.const 1)))
  (i64.store8 (i32.const 0x2ffff) (i64.const 7))
  (i64.const 0x0000_0002_0002_fffe))
