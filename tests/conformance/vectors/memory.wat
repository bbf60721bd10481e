;; Loads and stores at the edges, growing, data segments.

;; @returns i32-load8_u-last
(i64.extend_i32_u (i32.load8_u (i32.const 131071)))

;; @returns i32-load8_u-past
(i64.extend_i32_u (i32.load8_u (i32.const 131072)))

;; @returns i32-load16_s-last
(i64.extend_i32_u (i32.load16_s (i32.const 131070)))

;; @returns i32-load16_s-past
(i64.extend_i32_u (i32.load16_s (i32.const 131071)))

;; @returns i32-load-last
(i64.extend_i32_u (i32.load (i32.const 131068)))

;; @returns i32-load-past
(i64.extend_i32_u (i32.load (i32.const 131069)))

;; @returns i64-load32_u-last
(i64.load32_u (i32.const 131068))

;; @returns i64-load32_u-past
(i64.load32_u (i32.const 131069))

;; @returns i64-load-last
(i64.load (i32.const 131064))

;; @returns i64-load-past
(i64.load (i32.const 131065))

;; @returns f32-load-last
(i64.extend_i32_u (i32.reinterpret_f32 (f32.load (i32.const 131068))))

;; @returns f32-load-past
(i64.extend_i32_u (i32.reinterpret_f32 (f32.load (i32.const 131069))))

;; @returns f64-load-last
(i64.reinterpret_f64 (f64.load (i32.const 131064)))

;; @returns f64-load-past
(i64.reinterpret_f64 (f64.load (i32.const 131065)))

;; @returns i32-store8-last
(i32.store8 (i32.const 131071) (i32.const 1)) (i64.const 1)

;; @returns i32-store8-past
(i32.store8 (i32.const 131072) (i32.const 1)) (i64.const 1)

;; @returns i32-store16-last
(i32.store16 (i32.const 131070) (i32.const 1)) (i64.const 1)

;; @returns i32-store16-past
(i32.store16 (i32.const 131071) (i32.const 1)) (i64.const 1)

;; @returns i32-store-last
(i32.store (i32.const 131068) (i32.const 1)) (i64.const 1)

;; @returns i32-store-past
(i32.store (i32.const 131069) (i32.const 1)) (i64.const 1)

;; @returns i64-store32-last
(i64.store32 (i32.const 131068) (i64.const 1)) (i64.const 1)

;; @returns i64-store32-past
(i64.store32 (i32.const 131069) (i64.const 1)) (i64.const 1)

;; @returns i64-store-last
(i64.store (i32.const 131064) (i64.const 1)) (i64.const 1)

;; @returns i64-store-past
(i64.store (i32.const 131065) (i64.const 1)) (i64.const 1)

;; @returns f32-store-last
(f32.store (i32.const 131068) (f32.const 1)) (i64.const 1)

;; @returns f32-store-past
(f32.store (i32.const 131069) (f32.const 1)) (i64.const 1)

;; @returns f64-store-last
(f64.store (i32.const 131064) (f64.const 1)) (i64.const 1)

;; @returns f64-store-past
(f64.store (i32.const 131065) (f64.const 1)) (i64.const 1)

;; @returns a-store-past-the-end-writes-nothing-that-matters
(i64.store (i32.const 0x1fffc) (i64.const -1)) (i64.const 1)

;; @returns an-offset-up-to-the-end
(i64.load offset=131064 (i32.const 0))

;; @returns an-offset-past-the-end
(i64.load offset=131065 (i32.const 0))

;; @returns an-offset-that-would-wrap-around
(i64.load offset=0xffffffff (i32.const 1))

;; @returns an-offset-and-an-address-that-would-wrap-around
(i64.load offset=8 (i32.const -8))

;; @returns the-largest-offset-and-address
(i64.load8_u offset=0xffffffff (i32.const -1))

;; @returns the-largest-address
(i64.load8_u (i32.const -1))

;; @returns a-store-with-the-largest-offset
(i64.store offset=0xffffffff (i32.const -1) (i64.const 0)) (i64.const 1)

;; @returns unaligned-accesses
(i64.store align=1 (i32.const 601) (i64.const 0x1122334455667788)) (i64.load align=1 (i32.const 603))

;; @returns an-alignment-that-is-not-so
(i64.store align=8 (i32.const 601) (i64.const 0x1122334455667788)) (i64.load align=8 (i32.const 603))

;; @returns the-size
(i64.extend_i32_u (memory.size))

;; @returns grow-by-0
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 0)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-by-1
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 1)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-by-2078
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 2078)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-by-2079
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 2079)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-by-65534
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 65534)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-by-65535
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 65535)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-by-minus-1
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const -1)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-with-fewer-pages pages=10
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 8)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-to-fewer-pages pages=10
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 40)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-past-fewer-pages pages=10
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 41)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-to-more-pages pages=4096
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 4126)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-past-more-pages pages=4096
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 4127)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-to-all-pages pages=65504
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 65534)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns grow-past-all-pages pages=4294967295
(i64.or
  (i64.extend_i32_u (memory.grow (i32.const 65535)))
  (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 32)))

;; @returns go-on-after-growing-was-refused
(drop (memory.grow (i32.const 5000)))
(drop (memory.grow (i32.const 1)))
(i64.store (i32.const 0x2fff8) (i64.const 5))
(i64.add (i64.load (i32.const 0x2fff8)) (i64.extend_i32_u (memory.size)))

;; @returns what-is-grown-is-zero
(drop (memory.grow (i32.const 1))) (i64.load (i32.const 0x2fff8))

;; @returns past-what-is-grown
(drop (memory.grow (i32.const 1))) (i64.load (i32.const 0x2fff9))

;; @module a-declared-maximum-is-no-limit
(module
  (memory (export "memory") 2 3)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 10))) (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-declared-maximum-above-the-limit-neither
(module
  (memory (export "memory") 2 65536)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 2079))) (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-maximum-below-the-minimum
(module
  (memory (export "memory") 3 2)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (memory.grow (i32.const 0))) (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module an-initial-memory-at-the-limit
(module
  (memory (export "memory") 2080)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module an-initial-memory-above-the-limit
(module
  (memory (export "memory") 2081)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module an-initial-memory-within-a-larger-limit pages=2049
(module
  (memory (export "memory") 2081)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module an-initial-memory-of-4-gib
(module
  (memory (export "memory") 65536)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module no-pages-at-all
(module
  (memory (export "memory") 0)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module no-pages-at-all-and-a-heap-base-of-zero
(module
  (memory (export "memory") 0)
  (global (export "__heap_base") i32 (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module the-input-makes-the-memory-grow
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 65535))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-heap-base-past-the-memory
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 0x30000))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-heap-base-at-the-limit
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 136314864))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-heap-base-just-before-the-limit
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 136314856))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-heap-base-past-the-limit
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 136314880))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-heap-base-that-is-negative
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const -1))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module a-heap-base-that-is-negative-and-aligned
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const -8))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (memory.size))) (i64.const 0x8_0000_0200)))

;; @module the-input-with-a-heap-base-of-0
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 0))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module the-input-with-a-heap-base-of-1
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 1))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module the-input-with-a-heap-base-of-7
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 7))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module the-input-with-a-heap-base-of-8
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 8))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module the-input-with-a-heap-base-of-1024
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module the-input-with-a-heap-base-of-1027
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 1027))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.store (i32.const 512) (i64.extend_i32_u (local.get 0))) (i64.const 0x8_0000_0200)))

;; @module data-up-to-the-end
(module
  (memory (export "memory") 1) (data (i32.const 65533) "abc")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0x3_0000_fffd)))

;; @module data-past-the-end
(module
  (memory (export "memory") 1) (data (i32.const 65534) "abc")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module no-data-at-the-end
(module
  (memory (export "memory") 1) (data (i32.const 65536) "")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module no-data-past-the-end
(module
  (memory (export "memory") 1) (data (i32.const 65537) "")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module data-at-a-negative-address
(module
  (memory (export "memory") 1) (data (i32.const -1) "a")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module data-over-data
(module
  (memory (export "memory") 1) (data (i32.const 512) "abcd") (data (i32.const 513) "XY")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0x4_0000_0200)))

;; @module data-over-the-input
(module
  (memory (export "memory") 1) (data (i32.const 1024) "abcdefghijklmnop")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0x18_0000_0400)))

;; @module data-without-a-memory
(module
  (data (i32.const 0) "a")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module data-for-a-second-memory
(module
  (memory (export "memory") 1) (data 1 (i32.const 0) "a")
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (i64.const 0)))

;; @module a-memory-instruction-without-a-memory
(module
  
  (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "validate_block") (param i32 i32) (result i64)
    (drop (i32.load (i32.const 0))) (i64.const 0)))
