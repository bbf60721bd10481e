;; Logs 10,000 lines of 1 MiB each, and accepts the candidate.
(module
  (import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
  (memory (export "memory") 20)
  (global (export "__heap_base") i32 (i32.const 1179648))
  (func (export "validate_block") (param i32 i32) (result i64)
    (local $left i32)
    (local.set $left (i32.const 1048576))
    (loop $fill
      (i64.store (i32.add (local.get $left) (i32.const 65528)) (i64.const 0x7878787878787878))
      (br_if $fill (local.tee $left (i32.sub (local.get $left) (i32.const 8)))))
    (local.set $left (i32.const 10000))
    (loop $more
      ;; A pointer in the low half, a length in the high half.
      (call $log (i32.const 2) (i64.const 0) (i64.const 0x10000000010000))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    ;; Twelve zeroes: an empty head, and no messages.
    (i64.const 0xc00000000)))
