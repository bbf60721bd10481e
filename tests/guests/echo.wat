;; Valid for each candidate whose parent head is shorter than 64 bytes, which it gives back as the new
;; head. Imports a function that no host has, and does not call it.
(module
  (import "env" "ext_never_heard_of_version_1" (func (param i32) (result i64)))
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 4096))

  ;; The parameters begin with the length of the parent head, times 4, and the head. So does the
  ;; result, which goes on with zeroes: no code, no messages of either kind, two numbers.
  (func (export "validate_block") (param $params i32) (param $len i32) (result i64)
    (local $end i32)
    (local.set $end
      (i32.add (i32.const 1) (i32.shr_u (i32.load8_u (local.get $params)) (i32.const 2))))
    (local.set $len (local.get $end))
    (loop $copy
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 offset=1024
        (local.get $end)
        (i32.load8_u (i32.add (local.get $params) (local.get $end))))
      (br_if $copy (local.get $end)))
    (i64.or
      (i64.const 1024)
      (i64.shl (i64.extend_i32_u (i32.add (local.get $len) (i32.const 11))) (i64.const 32)))))
