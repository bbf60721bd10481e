;; Calls itself until its stack is full.
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 4096))
  (func $endless (export "validate_block") (param i32 i32) (result i64)
    (i64.add
      (call $endless (local.get 0) (local.get 1))
      (i64.const 1))))
