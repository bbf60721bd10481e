;; A parachain that adds numbers, small enough to be read in one go.
;;
;;   head   number: u64, sum: u64      (16 bytes, little endian)
;;   block  add: u64                   (8 bytes, little endian)
;;
;; A block is valid if `sum + add` does not overflow. It makes a head with the next number and the
;; new sum, sends no messages, and sets the HRMP watermark to the relay parent's number.
(module
  (memory (export "memory") 1)

  ;; The result is built at 1024. From __heap_base on, memory belongs to the host's allocator.
  (global (export "__heap_base") i32 (i32.const 2048))

  ;; Takes SCALE-encoded ValidationParams, which with a head and a block of these lengths are:
  ;;    0  1 byte    length of the parent head, compact: 16 is 0x40
  ;;    1  16 bytes  the parent head
  ;;   17  1 byte    length of the block data, compact: 8 is 0x20
  ;;   18  8 bytes   the block data
  ;;   26  4 bytes   relay parent number
  ;;   30  32 bytes  relay parent storage root
  ;; Gives where the result is, in the low half, and its length, in the high half.
  (func (export "validate_block") (param $params i32) (param $len i32) (result i64)
    (local $sum i64)
    (local $new_sum i64)

    ;; A head or a block of any other length is no adder's.
    (if (i32.lt_u (local.get $len) (i32.const 62)) (then (unreachable)))
    (if (i32.ne (i32.load8_u (local.get $params)) (i32.const 0x40)) (then (unreachable)))
    (if (i32.ne (i32.load8_u offset=17 (local.get $params)) (i32.const 0x20))
      (then (unreachable)))

    (local.set $sum (i64.load offset=9 align=1 (local.get $params)))
    (local.set $new_sum
      (i64.add (local.get $sum) (i64.load offset=18 align=1 (local.get $params))))
    (if (i64.lt_u (local.get $new_sum) (local.get $sum)) (then (unreachable)))

    ;; A SCALE-encoded ValidationResult: the new head; then no new code, no upward and no horizontal
    ;; messages, no downward messages processed, which are seven zero bytes; then the watermark.
    (i32.store8 (i32.const 1024) (i32.const 0x40))
    (i64.store align=1 (i32.const 1025)
      (i64.add (i64.load offset=1 align=1 (local.get $params)) (i64.const 1)))
    (i64.store align=1 (i32.const 1033) (local.get $new_sum))
    (i32.store align=1 (i32.const 1048) (i32.load offset=26 align=1 (local.get $params)))

    ;; 28 bytes at 1024.
    (i64.or (i64.const 1024) (i64.shl (i64.const 28) (i64.const 32)))))
