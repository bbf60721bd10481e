;; Calls a function that no host has.
(module
  (import "env" "ext_never_heard_of_version_1" (func $unknown (param i32) (result i64)))
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 4096))
  (func (export "validate_block") (param i32 i32) (result i64)
    (call $unknown (local.get 0))))
