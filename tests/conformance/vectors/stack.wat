;; The stack's logical limit: of each pair the second has one value less than it needs. By default there
;; are 65,536.

;; @guest a-function-without-anything-fits stack=5
(func $r)
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-function-without-anything-overflows stack=4
(func $r)
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-chain-of-calls-fits stack=9
(func $a)
(func $b (call $a))
(func $r (call $b))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-chain-of-calls-overflows stack=8
(func $a)
(func $b (call $a))
(func $r (call $b))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest one-call-after-another-fits stack=8
(func $a (local i64 i64 i64))
(func $b (local i64))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $a) (call $b) (call $a)
  (i64.const 0))

;; @guest one-call-after-another-overflows stack=7
(func $a (local i64 i64 i64))
(func $b (local i64))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $a) (call $b) (call $a)
  (i64.const 0))

;; @guest recursion-fits stack=47
(func $r (param i32)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10))
  (i64.const 0))

;; @guest recursion-overflows stack=46
(func $r (param i32)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10))
  (i64.const 0))

;; @guest recursion-with-locals-fits stack=91
(func $r (param i32) (local i32 i64 f32 f64)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10))
  (i64.const 0))

;; @guest recursion-with-locals-overflows stack=90
(func $r (param i32) (local i32 i64 f32 f64)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10))
  (i64.const 0))

;; @guest recursion-with-parameters-fits stack=84
(func $r (param i32 i64 f32 f64 i32)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1)) (i64.const 1) (f32.const 2) (f64.const 3) (i32.const 4)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10) (i64.const 1) (f32.const 2) (f64.const 3) (i32.const 4))
  (i64.const 0))

;; @guest recursion-with-parameters-overflows stack=83
(func $r (param i32 i64 f32 f64 i32)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1)) (i64.const 1) (f32.const 2) (f64.const 3) (i32.const 4)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10) (i64.const 1) (f32.const 2) (f64.const 3) (i32.const 4))
  (i64.const 0))

;; @guest recursion-with-a-result-fits stack=58
(func $r (param i32) (result i64)
  (if (result i64) (local.get 0)
    (then (i64.add (i64.const 1) (call $r (i32.sub (local.get 0) (i32.const 1)))))
    (else (i64.const 0))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 10)))
  (i64.const 0))

;; @guest recursion-with-a-result-overflows stack=57
(func $r (param i32) (result i64)
  (if (result i64) (local.get 0)
    (then (i64.add (i64.const 1) (call $r (i32.sub (local.get 0) (i32.const 1)))))
    (else (i64.const 0))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 10)))
  (i64.const 0))

;; @guest a-deep-operand-stack-fits stack=10
(func $r (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.add (i32.const 3) (i32.add (i32.const 4) (i32.const 5)))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-deep-operand-stack-overflows stack=9
(func $r (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.add (i32.const 3) (i32.add (i32.const 4) (i32.const 5)))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest operands-that-are-not-reached-fits stack=5
(func $r (unreachable)
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))
(func $q (block (br 0)
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $q)
  (i64.const 0))

;; @guest operands-that-are-not-reached-overflows stack=4
(func $r (unreachable)
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))
(func $q (block (br 0)
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $q)
  (i64.const 0))

;; @guest operands-after-a-return-fits stack=5
(func $r (return)
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest operands-after-a-return-overflows stack=4
(func $r (return)
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest operands-after-a-block-that-is-left-fits stack=8
(func $r (block (br 0))
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest operands-after-a-block-that-is-left-overflows stack=7
(func $r (block (br 0))
  (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest operands-below-a-block-fits stack=8
(func $r (result i32) (i32.const 1) (block (result i32) (i32.const 2) (i32.const 3) (i32.add)) (i32.add))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r))
  (i64.const 0))

;; @guest operands-below-a-block-overflows stack=7
(func $r (result i32) (i32.const 1) (block (result i32) (i32.const 2) (i32.const 3) (i32.add)) (i32.add))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r))
  (i64.const 0))

;; @guest a-branch-with-a-value-fits stack=8
(func $r (param i32) (result i32) (block (result i32) (i32.const 1) (br_if 0 (i32.const 2) (local.get 0)) (i32.add)))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest a-branch-with-a-value-overflows stack=7
(func $r (param i32) (result i32) (block (result i32) (i32.const 1) (br_if 0 (i32.const 2) (local.get 0)) (i32.add)))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest a-branch-table-with-a-value-fits stack=7
(func $r (param i32) (result i32) (block (result i32) (br_table 0 0 (i32.const 2) (local.get 0))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest a-branch-table-with-a-value-overflows stack=6
(func $r (param i32) (result i32) (block (result i32) (br_table 0 0 (i32.const 2) (local.get 0))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest a-branch-table-and-code-behind-it-fits stack=6
(func $r (param i32) (block (br_table 0 0 (local.get 0)) (i32.const 1) (i32.const 2) (i32.const 3) (drop) (drop) (drop)))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 1))
  (i64.const 0))

;; @guest a-branch-table-and-code-behind-it-overflows stack=5
(func $r (param i32) (block (br_table 0 0 (local.get 0)) (i32.const 1) (i32.const 2) (i32.const 3) (drop) (drop) (drop)))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 1))
  (i64.const 0))

;; @guest both-branches-of-an-if-fits stack=9
(func $r (param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest both-branches-of-an-if-overflows stack=8
(func $r (param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest an-else-behind-what-is-not-reached-fits stack=6
(func $r (param i32) (result i32) (if (result i32) (local.get 0) (then (return (i32.const 1))) (else (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.add (i32.const 3) (i32.const 4)))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest an-else-behind-what-is-not-reached-overflows stack=5
(func $r (param i32) (result i32) (if (result i32) (local.get 0) (then (return (i32.const 1))) (else (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.add (i32.const 3) (i32.const 4)))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest a-loop-fits stack=8
(func $r (local $n i32) (loop $l (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const 100)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-loop-overflows stack=7
(func $r (local $n i32) (loop $l (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const 100)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-select-and-a-tee-fits stack=8
(func $r (param i32) (result i32) (select (local.tee 0 (i32.const 1)) (local.get 0) (local.get 0)))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest a-select-and-a-tee-overflows stack=7
(func $r (param i32) (result i32) (select (local.tee 0 (i32.const 1)) (local.get 0) (local.get 0)))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $r (i32.const 1)))
  (i64.const 0))

;; @guest memory-instructions-fits stack=7
(func $r (i64.store (i32.const 0) (i64.load (i32.const 8))) (drop (memory.grow (i32.const 0))) (drop (memory.size)))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest memory-instructions-overflows stack=6
(func $r (i64.store (i32.const 0) (i64.load (i32.const 8))) (drop (memory.grow (i32.const 0))) (drop (memory.size)))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest globals-fits stack=7
(global $g (mut i32) (i32.const 0)) (func $r (global.set $g (i32.add (global.get $g) (global.get $g))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest globals-overflows stack=6
(global $g (mut i32) (i32.const 0)) (func $r (global.set $g (i32.add (global.get $g) (global.get $g))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest an-indirect-call-fits stack=7
(type $t (func (param i32)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (param i32) (local i64))
(func (export "validate_block") (param i32 i32) (result i64)
  (call_indirect (type $t) (i32.const 1) (i32.const 0))
  (i64.const 0))

;; @guest an-indirect-call-overflows stack=6
(type $t (func (param i32)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (param i32) (local i64))
(func (export "validate_block") (param i32 i32) (result i64)
  (call_indirect (type $t) (i32.const 1) (i32.const 0))
  (i64.const 0))

;; @guest indirect-recursion-fits stack=48
(type $t (func (param i32)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (param i32)
  (if (local.get 0) (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call_indirect (type $t) (i32.const 10) (i32.const 0))
  (i64.const 0))

;; @guest indirect-recursion-overflows stack=47
(type $t (func (param i32)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (param i32)
  (if (local.get 0) (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call_indirect (type $t) (i32.const 10) (i32.const 0))
  (i64.const 0))

;; @guest direct-and-indirect-recursion-fits stack=57
(type $t (func (param i32)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (param i32)
  (if (local.get 0) (then (call $s (i32.sub (local.get 0) (i32.const 1))))))
(func $s (param i32) (local i64 i64)
  (if (local.get 0) (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10))
  (i64.const 0))

;; @guest direct-and-indirect-recursion-overflows stack=56
(type $t (func (param i32)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (param i32)
  (if (local.get 0) (then (call $s (i32.sub (local.get 0) (i32.const 1))))))
(func $s (param i32) (local i64 i64)
  (if (local.get 0) (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 10))
  (i64.const 0))

;; @guest the-entry-point-calls-itself-fits stack=45
(func $r (export "validate_block") (param i32 i32) (result i64)
  (if (i32.eqz (local.get 1)) (then (return (i64.const 0))))
  (call $r (local.get 0) (i32.sub (local.get 1) (i32.const 1))))

;; @guest the-entry-point-calls-itself-overflows stack=44
(func $r (export "validate_block") (param i32 i32) (result i64)
  (if (i32.eqz (local.get 1)) (then (return (i64.const 0))))
  (call $r (local.get 0) (i32.sub (local.get 1) (i32.const 1))))

;; @guest the-entry-point-calls-itself-through-the-table-fits stack=45
(type $t (func (param i32 i32) (result i64)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (export "validate_block") (param i32 i32) (result i64)
  (if (i32.eqz (local.get 1)) (then (return (i64.const 0))))
  (call_indirect (type $t) (local.get 0) (i32.sub (local.get 1) (i32.const 1)) (i32.const 0)))

;; @guest the-entry-point-calls-itself-through-the-table-overflows stack=44
(type $t (func (param i32 i32) (result i64)))
(table 1 funcref) (elem (i32.const 0) $r)
(func $r (export "validate_block") (param i32 i32) (result i64)
  (if (i32.eqz (local.get 1)) (then (return (i64.const 0))))
  (call_indirect (type $t) (local.get 0) (i32.sub (local.get 1) (i32.const 1)) (i32.const 0)))

;; @guest a-start-function-fits stack=8
(func $r (local i64 i64 i64 i64 i64 i64))
(start $r)
(func (export "validate_block") (param i32 i32) (result i64)
  (nop)
  (i64.const 0))

;; @guest a-start-function-overflows stack=7
(func $r (local i64 i64 i64 i64 i64 i64))
(start $r)
(func (export "validate_block") (param i32 i32) (result i64)
  (nop)
  (i64.const 0))

;; @guest a-start-function-that-calls-fits stack=11
(func $a (local i64 i64 i64 i64 i64 i64))
(func $r (local i64) (call $a))
(start $r)
(func (export "validate_block") (param i32 i32) (result i64)
  (nop)
  (i64.const 0))

;; @guest a-start-function-that-calls-overflows stack=10
(func $a (local i64 i64 i64 i64 i64 i64))
(func $r (local i64) (call $a))
(start $r)
(func (export "validate_block") (param i32 i32) (result i64)
  (nop)
  (i64.const 0))

;; @guest a-host-function-fits stack=3
(import "env" "ext_logging_max_level_version_1" (func $h (result i32)))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $h))
  (i64.const 0))

;; @guest a-host-function-overflows stack=2
(import "env" "ext_logging_max_level_version_1" (func $h (result i32)))
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call $h))
  (i64.const 0))

;; @guest a-host-function-in-a-table-fits stack=3
(import "env" "ext_logging_max_level_version_1" (func $h (result i32)))
(type $t (func (result i32)))
(table 1 funcref) (elem (i32.const 0) $h)
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call_indirect (type $t) (i32.const 0)))
  (i64.const 0))

;; @guest a-host-function-in-a-table-overflows stack=2
(import "env" "ext_logging_max_level_version_1" (func $h (result i32)))
(type $t (func (result i32)))
(table 1 funcref) (elem (i32.const 0) $h)
(func (export "validate_block") (param i32 i32) (result i64)
  (drop (call_indirect (type $t) (i32.const 0)))
  (i64.const 0))

;; @guest a-function-that-calls-a-host-function-fits stack=6
(import "env" "ext_logging_max_level_version_1" (func $h (result i32)))
(func $r (drop (call $h)))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest a-function-that-calls-a-host-function-overflows stack=5
(import "env" "ext_logging_max_level_version_1" (func $h (result i32)))
(func $r (drop (call $h)))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest an-exported-function-that-is-called-fits stack=6
(func $r (export "r") (local i64))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest an-exported-function-that-is-called-overflows stack=5
(func $r (export "r") (local i64))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest many-locals-of-several-types-fits stack=12
(func $r (local i32 i32 i32) (local i64) (local f32 f64) (local i32))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest many-locals-of-several-types-overflows stack=11
(func $r (local i32 i32 i32) (local i64) (local f32 f64) (local i32))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest recursion-by-default-fits
(func $r (param i32)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 16382))
  (i64.const 0))

;; @guest recursion-by-default-overflows
(func $r (param i32)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 16383))
  (i64.const 0))

;; @guest recursion-with-locals-by-default-fits
(func $r (param i32) (local i32 i64 f32 f64)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 8190))
  (i64.const 0))

;; @guest recursion-with-locals-by-default-overflows
(func $r (param i32) (local i32 i64 f32 f64)
  (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r (i32.const 8191))
  (i64.const 0))

;; @guest recursion-with-next-to-nothing-by-default-fits
(global $n (mut i32) (i32.const 21843))
(func $less (result i32)
  (global.set $n (i32.sub (global.get $n) (i32.const 1)))
  (global.get $n))
(func $r (if (call $less) (then (call $r))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))

;; @guest recursion-with-next-to-nothing-by-default-overflows
(global $n (mut i32) (i32.const 21844))
(func $less (result i32)
  (global.set $n (i32.sub (global.get $n) (i32.const 1)))
  (global.get $n))
(func $r (if (call $less) (then (call $r))))
(func (export "validate_block") (param i32 i32) (result i64)
  (call $r)
  (i64.const 0))
