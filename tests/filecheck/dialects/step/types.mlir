// RUN: ROUNDTRIP

// Tiles: rows and columns, either known only in the run
"test.op"() : () -> (!step.tile<f32, [4, 64]>, !step.tile<bf16, [e0, 64]>, !step.tile<i64, [~m, ceil(e0, 4)]>)
// CHECK: !step.tile<f32, [4, 64]>, !step.tile<bf16, [e0, 64]>, !step.tile<i64, [~m, ceil(e0, 4)]>

// Selectors: of how many, and how many of them if that is known
"test.op"() : () -> (!step.selector<8>, !step.selector<8, hot 2>, !step.selector<1, hot 0>)
// CHECK: !step.selector<8>, !step.selector<8, hot 2>, !step.selector<1, hot 0>

// Buffers: the outermost size may be ragged
"test.op"() : () -> (!step.buffer<!step.tile<f32, [4, 64]>, [~r, 2]>, !step.buffer<index, [e0]>)
// CHECK: !step.buffer<!step.tile<f32, [4, 64]>, [~r, 2]>, !step.buffer<index, [e0]>

// Streams, outermost size first: of rank 0, of rank 2, of buffers, of tuples, of truth values
"test.op"() : () -> (!step.stream<index, [3]>, !step.stream<i1, [2, e0, ~r]>)
// CHECK: !step.stream<index, [3]>, !step.stream<i1, [2, e0, ~r]>
"test.op"() : () -> !step.stream<!step.buffer<index, [4]>, [positive(e0), e0]>
// CHECK: !step.stream<!step.buffer<index, [4]>, [positive(e0), e0]>
"test.op"() : () -> !step.stream<tuple<index, tuple<i1, !step.selector<2>>>, [total(~r)]>
// CHECK: !step.stream<tuple<index, tuple<i1, !step.selector<2>>>, [total(~r)]>

// Sizes are printed in one form: a rounding up gives away its exact part
"test.op"() : () -> !step.stream<index, [ceil(8*e0 + 3, 4), e1 + 2*e0, positive(e0)*e0]>
// CHECK: !step.stream<index, [2*e0 + 1, 2*e0 + e1, e0]>

// A size of 0 is one
"test.op"() : () -> !step.stream<!step.tile<f32, [0, 64]>, [0]>
// CHECK: !step.stream<!step.tile<f32, [0, 64]>, [0]>

// A size by itself
"test.op"() {size = #step.dimension<[ceil(e0, 4) + ~r]>} : () -> ()
// CHECK: #step.dimension<[ceil(e0, 4) + ~r]>
