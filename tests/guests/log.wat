;; Logs two lines, and ends in a trap.
(module
  (import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 4096))
  (data (i32.const 100) "runtime")
  (data (i32.const 200) "first line")
  (data (i32.const 300) "second line")
  (func (export "validate_block") (param i32 i32) (result i64)
    ;; A pointer in the low half, a length in the high half. Level 1 is a warning, 2 a piece of news.
    (call $log (i32.const 1) (i64.const 0x700000064) (i64.const 0xa000000c8))
    (call $log (i32.const 2) (i64.const 0x700000064) (i64.const 0xb0000012c))
    unreachable))
