;; Oddities in the way that code is read.

;; @hex nothing-but-a-header
00 61 73 6d 01 00 00 00

;; @hex another-version
00 61 73 6d 02 00 00 00

;; @hex half-a-header
00 61 73 6d

;; @hex no-header
7f 45 4c 46 01 00 00 00

;; @hex a-section-that-ends-early
00 61 73 6d 01 00 00 00 01

;; @hex a-section-that-is-too-long
00 61 73 6d 01 00 00 00 01 05 00

;; @hex a-section-with-bytes-left
00 61 73 6d 01 00 00 00 01 02 00 00

;; @hex an-unknown-section
00 61 73 6d 01 00 00 00 20 01 00

;; @hex a-section-number-13
00 61 73 6d 01 00 00 00 0d 01 00

;; @hex sections-out-of-order
00 61 73 6d 01 00 00 00 03 01 00 01 01 00

;; @hex a-section-twice
00 61 73 6d 01 00 00 00 01 01 00 01 01 00

;; @hex a-custom-section
00 61 73 6d 01 00 00 00 00 03 01 61 ff

;; @hex a-custom-section-without-a-name
00 61 73 6d 01 00 00 00 00 01 00

;; @hex a-custom-section-that-is-empty
00 61 73 6d 01 00 00 00 00 00

;; @hex a-custom-section-with-a-name-that-is-no-text
00 61 73 6d 01 00 00 00 00 02 01 ff

;; @hex a-custom-section-between
00 61 73 6d 01 00 00 00 01 01 00 00 02 01 61 03 01 00

;; @hex a-name-section-that-is-nonsense
00 61 73 6d 01 00 00 00 00 08 04 6e 61 6d 65 ff ff ff

;; @hex a-number-longer-than-needed
00 61 73 6d 01 00 00 00 01 81 80 80 80 00 00

;; @hex a-number-too-long
00 61 73 6d 01 00 00 00 01 81 80 80 80 80 00 00

;; @hex a-number-with-bits-too-many
00 61 73 6d 01 00 00 00 01 81 80 80 80 70 00

;; @hex a-count-that-is-too-large
00 61 73 6d 01 00 00 00 01 05 ff ff ff ff 0f

;; @hex functions-without-code
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00

;; @hex code-without-functions
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 0a 04 01 02 00 0b

;; @hex a-function-without-a-type
00 61 73 6d 01 00 00 00 03 02 01 00 0a 04 01 02 00 0b

;; @hex code-without-an-end
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 04 01 02 00 01

;; @hex code-with-an-end-too-many
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 05 01 03 00 0b 0b

;; @hex code-that-is-longer-than-it-says
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 05 01 02 00 01 0b

;; @hex code-with-locals-of-an-unknown-type
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 06 01 04 01 01 55 0b

;; @hex code-with-50000-locals
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 08 01 06 01 d0 86 03 7e 0b

;; @hex an-entry-point-with-40000-locals
00 61 73 6d 01 00 00 00 01 07 01 60 02 7f 7f 01 7e 03 02 01 00 05 03 01 00 02 06 07 01 7f 00 41 80 08 0b
07 29 03 06 6d 65 6d 6f 72 79 02 00 0b 5f 5f 68 65 61 70 5f 62 61 73 65 03 00 0e 76 61 6c 69 64 61 74 65
5f 62 6c 6f 63 6b 00 00 0a 0a 01 08 01 c0 b8 02 7e 42 00 0b

;; @hex code-with-50001-locals
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 08 01 06 01 d1 86 03 7e 0b

;; @hex code-with-4-gi-locals
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 0a 01 08 01 ff ff ff ff 0f 7e 0b

;; @hex code-with-locals-that-overflow
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 10 01 0e 02 ff ff ff ff 0f 7e ff ff ff ff 0f 7e 0b

;; @hex an-unknown-instruction
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 05 01 03 00 ff 0b

;; @hex an-instruction-that-is-cut-off
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 04 01 02 00 41

;; @hex an-else-without-an-if
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 05 01 03 00 05 0b

;; @hex a-memory-with-unknown-flags
00 61 73 6d 01 00 00 00 05 03 01 07 01

;; @hex a-table-of-an-unknown-type
00 61 73 6d 01 00 00 00 04 04 01 55 00 01

;; @hex a-global-with-an-unknown-mutability
00 61 73 6d 01 00 00 00 06 06 01 7f 02 41 00 0b

;; @hex a-global-without-a-value
00 61 73 6d 01 00 00 00 06 04 01 7f 00 0b

;; @hex a-global-with-two-values
00 61 73 6d 01 00 00 00 06 08 01 7f 00 41 00 41 00 0b

;; @hex a-global-whose-value-calls
00 61 73 6d 01 00 00 00 06 06 01 7f 00 10 00 0b

;; @hex a-data-count
00 61 73 6d 01 00 00 00 0c 01 00

;; @hex data-with-flags
00 61 73 6d 01 00 00 00 05 03 01 00 01 0b 07 01 02 00 41 00 0b 00

;; @hex a-size-of-memory-with-a-nonzero-byte
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 05 03 01 00 01 0a 07 01 05 00 3f 01 1a 0b

;; @hex an-indirect-call-with-a-nonzero-byte
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 04 04 01 70 00 01 0a 09 01 07 00 41 00 11 00 01 0b

;; @hex an-indirect-call-with-a-long-zero
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 04 04 01 70 00 01 0a 0a 01 08 00 41 00 11 00 80 00 0b

;; @hex an-alignment-larger-than-natural
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 05 03 01 00 01 0a 0a 01 08 00 41 00 28 03 00 1a 0b

;; @hex an-alignment-of-a-memory-with-a-number
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 05 03 01 00 01 0a 0b 01 09 00 41 00 28 42 00 00 1a 0b

;; @hex an-export-name-that-is-no-text
00 61 73 6d 01 00 00 00 05 03 01 00 01 07 05 01 01 ff 02 00

;; @hex a-block-type-with-a-long-number
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 07 01 05 00 02 40 0b 0b

;; @hex a-block-with-an-unknown-type
00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 07 01 05 00 02 55 0b 0b
