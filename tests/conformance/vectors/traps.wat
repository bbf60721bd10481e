;; Instructions that trap, and the last operands with which they do not.

;; @returns i32-div-s-by-zero
(i64.extend_i32_s (i32.div_s (i32.const 7) (i32.const 0)))

;; @returns i32-div-s-of-the-least-by-minus-one
(i64.extend_i32_s (i32.div_s (i32.const 0x80000000) (i32.const -1)))

;; @returns i32-rem-s-by-zero
(i64.extend_i32_s (i32.rem_s (i32.const 7) (i32.const 0)))

;; @returns i32-rem-s-of-the-least-by-minus-one
(i64.extend_i32_s (i32.rem_s (i32.const 0x80000000) (i32.const -1)))

;; @returns i32-div-u-by-zero
(i64.extend_i32_u (i32.div_u (i32.const 7) (i32.const 0)))

;; @returns i32-div-u-of-the-least-by-minus-one
(i64.extend_i32_u (i32.div_u (i32.const 0x80000000) (i32.const -1)))

;; @returns i32-rem-u-by-zero
(i64.extend_i32_u (i32.rem_u (i32.const 7) (i32.const 0)))

;; @returns i32-rem-u-of-the-least-by-minus-one
(i64.extend_i32_u (i32.rem_u (i32.const 0x80000000) (i32.const -1)))

;; @returns i64-div-s-by-zero
(i64.div_s (i64.const 7) (i64.const 0))

;; @returns i64-div-s-of-the-least-by-minus-one
(i64.div_s (i64.const 0x8000000000000000) (i64.const -1))

;; @returns i64-rem-s-by-zero
(i64.rem_s (i64.const 7) (i64.const 0))

;; @returns i64-rem-s-of-the-least-by-minus-one
(i64.rem_s (i64.const 0x8000000000000000) (i64.const -1))

;; @returns i64-div-u-by-zero
(i64.div_u (i64.const 7) (i64.const 0))

;; @returns i64-div-u-of-the-least-by-minus-one
(i64.div_u (i64.const 0x8000000000000000) (i64.const -1))

;; @returns i64-rem-u-by-zero
(i64.rem_u (i64.const 7) (i64.const 0))

;; @returns i64-rem-u-of-the-least-by-minus-one
(i64.rem_u (i64.const 0x8000000000000000) (i64.const -1))

;; @returns i32-trunc-f32-s-the-last-above
(i64.extend_i32_s (i32.trunc_f32_s (f32.const 0x1.fffffe0000000p+30)))

;; @returns i32-trunc-f32-s-the-first-above
(i64.extend_i32_s (i32.trunc_f32_s (f32.const 0x1.0000000000000p+31)))

;; @returns i32-trunc-f32-s-the-last-below
(i64.extend_i32_s (i32.trunc_f32_s (f32.const -0x1.0000000000000p+31)))

;; @returns i32-trunc-f32-s-the-first-below
(i64.extend_i32_s (i32.trunc_f32_s (f32.const -0x1.0000020000000p+31)))

;; @returns i32-trunc-f32-s-nan
(i64.extend_i32_s (i32.trunc_f32_s (f32.const nan)))

;; @returns i32-trunc-f32-s-infinity
(i64.extend_i32_s (i32.trunc_f32_s (f32.const inf)))

;; @returns i32-trunc-f32-u-the-last-above
(i64.extend_i32_u (i32.trunc_f32_u (f32.const 0x1.fffffe0000000p+31)))

;; @returns i32-trunc-f32-u-the-first-above
(i64.extend_i32_u (i32.trunc_f32_u (f32.const 0x1.0000000000000p+32)))

;; @returns i32-trunc-f32-u-the-last-below
(i64.extend_i32_u (i32.trunc_f32_u (f32.const -0x1.fffffe0000000p-1)))

;; @returns i32-trunc-f32-u-the-first-below
(i64.extend_i32_u (i32.trunc_f32_u (f32.const -0x1.0000000000000p+0)))

;; @returns i32-trunc-f64-s-the-last-above
(i64.extend_i32_s (i32.trunc_f64_s (f64.const 0x1.fffffffffffffp+30)))

;; @returns i32-trunc-f64-s-the-first-above
(i64.extend_i32_s (i32.trunc_f64_s (f64.const 0x1.0000000000000p+31)))

;; @returns i32-trunc-f64-s-the-last-below
(i64.extend_i32_s (i32.trunc_f64_s (f64.const -0x1.00000001fffffp+31)))

;; @returns i32-trunc-f64-s-the-first-below
(i64.extend_i32_s (i32.trunc_f64_s (f64.const -0x1.0000000200000p+31)))

;; @returns i32-trunc-f64-u-the-last-above
(i64.extend_i32_u (i32.trunc_f64_u (f64.const 0x1.fffffffffffffp+31)))

;; @returns i32-trunc-f64-u-the-first-above
(i64.extend_i32_u (i32.trunc_f64_u (f64.const 0x1.0000000000000p+32)))

;; @returns i32-trunc-f64-u-the-last-below
(i64.extend_i32_u (i32.trunc_f64_u (f64.const -0x1.fffffffffffffp-1)))

;; @returns i32-trunc-f64-u-the-first-below
(i64.extend_i32_u (i32.trunc_f64_u (f64.const -0x1.0000000000000p+0)))

;; @returns i32-trunc-f64-u-nan
(i64.extend_i32_u (i32.trunc_f64_u (f64.const nan)))

;; @returns i32-trunc-f64-u-infinity
(i64.extend_i32_u (i32.trunc_f64_u (f64.const inf)))

;; @returns i64-trunc-f32-s-the-last-above
(i64.trunc_f32_s (f32.const 0x1.fffffe0000000p+62))

;; @returns i64-trunc-f32-s-the-first-above
(i64.trunc_f32_s (f32.const 0x1.0000000000000p+63))

;; @returns i64-trunc-f32-s-the-last-below
(i64.trunc_f32_s (f32.const -0x1.0000000000000p+63))

;; @returns i64-trunc-f32-s-the-first-below
(i64.trunc_f32_s (f32.const -0x1.0000020000000p+63))

;; @returns i64-trunc-f32-u-the-last-above
(i64.trunc_f32_u (f32.const 0x1.fffffe0000000p+63))

;; @returns i64-trunc-f32-u-the-first-above
(i64.trunc_f32_u (f32.const 0x1.0000000000000p+64))

;; @returns i64-trunc-f32-u-the-last-below
(i64.trunc_f32_u (f32.const -0x1.fffffe0000000p-1))

;; @returns i64-trunc-f32-u-the-first-below
(i64.trunc_f32_u (f32.const -0x1.0000000000000p+0))

;; @returns i64-trunc-f32-u-nan
(i64.trunc_f32_u (f32.const nan))

;; @returns i64-trunc-f32-u-infinity
(i64.trunc_f32_u (f32.const inf))

;; @returns i64-trunc-f64-s-the-last-above
(i64.trunc_f64_s (f64.const 0x1.fffffffffffffp+62))

;; @returns i64-trunc-f64-s-the-first-above
(i64.trunc_f64_s (f64.const 0x1.0000000000000p+63))

;; @returns i64-trunc-f64-s-the-last-below
(i64.trunc_f64_s (f64.const -0x1.0000000000000p+63))

;; @returns i64-trunc-f64-s-the-first-below
(i64.trunc_f64_s (f64.const -0x1.0000000000001p+63))

;; @returns i64-trunc-f64-s-nan
(i64.trunc_f64_s (f64.const nan))

;; @returns i64-trunc-f64-s-infinity
(i64.trunc_f64_s (f64.const inf))

;; @returns i64-trunc-f64-u-the-last-above
(i64.trunc_f64_u (f64.const 0x1.fffffffffffffp+63))

;; @returns i64-trunc-f64-u-the-first-above
(i64.trunc_f64_u (f64.const 0x1.0000000000000p+64))

;; @returns i64-trunc-f64-u-the-last-below
(i64.trunc_f64_u (f64.const -0x1.fffffffffffffp-1))

;; @returns i64-trunc-f64-u-the-first-below
(i64.trunc_f64_u (f64.const -0x1.0000000000000p+0))

;; @guest unreachable
(func (export "validate_block") (param i32 i32) (result i64) (unreachable))

;; @guest unreachable-in-the-other-branch
(func (export "validate_block") (param i32 i32) (result i64)
  (if (i32.eqz (local.get 1)) (then (unreachable)))
  (i64.const 0))

;; @returns the-first-of-two-traps-counts
(i64.div_u (i64.div_s (i64.const 1) (i64.const 0)) (i64.extend_i32_u (unreachable)))

;; @returns a-trap-whose-result-is-dropped
(drop (i32.rem_u (i32.const 5) (i32.const 0))) (i64.const 1)

;; @returns a-load-whose-result-is-dropped
(drop (i32.load (i32.const 0x20000))) (i64.const 1)

;; @returns a-conversion-whose-result-is-dropped
(drop (i32.trunc_f64_s (f64.const 1e300))) (i64.const 1)
