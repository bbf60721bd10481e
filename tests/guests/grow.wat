;; Grows its memory page by page until it gets no more, and writes to each 4 KiB of it. Valid; the new
;; head is the number of pages.
(module
  (memory (export "memory") 1)
  (global (export "__heap_base") i32 (i32.const 4096))
  (func (export "validate_block") (param i32 i32) (result i64)
    (local $piece i32)
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (local.set $piece (i32.mul (memory.size) (i32.const 16)))
    (loop $touch
      (local.set $piece (i32.sub (local.get $piece) (i32.const 1)))
      (i32.store8 offset=4095 (i32.mul (local.get $piece) (i32.const 4096)) (i32.const 1))
      (br_if $touch (local.get $piece)))
    ;; A head of 4 bytes, and eleven zeroes.
    (i32.store8 (i32.const 1024) (i32.const 16))
    (i32.store offset=1 (i32.const 1024) (memory.size))
    (i64.or (i64.const 1024) (i64.shl (i64.const 16) (i64.const 32)))))
