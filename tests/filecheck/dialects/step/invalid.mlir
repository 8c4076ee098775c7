// RUN: headrace-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | grep -v '^// CHECK' | filecheck %s

// A parse error shows the lines around it: a check must not match itself.

// A stream of rank 0 has one size
"test.op"() : () -> !step.stream<index, []>
// CHECK: 'step.stream' has one size or more: of rank 0 it has one

// -----

// The outermost size has no siblings to differ from
"test.op"() : () -> !step.stream<index, [~r]>
// CHECK: 'step.stream' has the ragged outermost size ~r, but it has no siblings to differ from; name it without '~', or take its total

// -----

// Sizes are 0 or more
"test.op"() : () -> !step.stream<index, [0 - 2]>
// CHECK: 'step.stream' has the size -2: sizes are 0 or more

// -----

// What is no size
"test.op"() : () -> !step.stream<index, [ceil(e0)]>
// CHECK: 'ceil(e0)' is no dimension: expected ',', found ')'

// -----

// Sizes stand in brackets
"test.op"() : () -> !step.stream<index, 4>
// CHECK: Expected sizes in square brackets.

// -----

// Elements are tiles, selectors, buffers, tuples, index and i1
"test.op"() : () -> !step.stream<f32, [4]>
// CHECK: 'step.stream' carries tiles, selectors, buffers, tuples, index or i1, not f32; a number is a tile of 1 x 1

// -----

// Also inside of tuples
"test.op"() : () -> !step.stream<tuple<index, tensor<4xf32>>, [4]>
// CHECK: 'step.stream' carries tiles, selectors, buffers, tuples, index or i1, not tensor<4xf32>; a number is a tile of 1 x 1

// -----

// A tile has two sizes
"test.op"() : () -> !step.tile<f32, [4]>
// CHECK: 'step.tile' has rows and columns, not 1 sizes

// -----

// A tile holds numbers
"test.op"() : () -> !step.tile<index, [4, 4]>
// CHECK: 'step.tile' holds numbers, not index

// -----

// A selector cannot select more than there is
"test.op"() : () -> !step.selector<2, hot 3>
// CHECK: 'step.selector' cannot select 3 out of 2

// -----

// A selector selects out of something
"test.op"() : () -> !step.selector<0>
// CHECK: 'step.selector' selects out of one or more, not of 0

// -----

// A buffer has regular inner sizes
"test.op"() : () -> !step.buffer<index, [4, ~r]>
// CHECK: 'step.buffer' has the ragged inner size ~r: only its outermost may be ragged; buffer fewer dimensions, or flatten them before

// -----

// A buffer has sizes
"test.op"() : () -> !step.buffer<index, []>
// CHECK: 'step.buffer' has one size or more

// -----

// A tile divides the tensor
%0 = "test.op"() : () -> tensor<10x64xf32>
%1 = step.load %0 tile [4, 64] strides [1, 1] shape [2, 1] : tensor<10x64xf32>
// CHECK: 'step.load' has tiles of 4 rows, which do not divide the 10 rows of tensor<10x64xf32>; pad the tensor or take another tile

// -----

// A tile is not larger than the tensor
%0 = "test.op"() : () -> tensor<10x64xf32>
%1 = step.load %0 tile [10, 128] strides [1, 1] shape [1, 1] : tensor<10x64xf32>
// CHECK: 'step.load' has tiles of 128 columns, larger than the 64 columns of tensor<10x64xf32>; take a smaller tile

// -----

// A tile has rows and columns
%0 = "test.op"() : () -> tensor<10x64xf32>
%1 = step.load %0 tile [10] strides [1, 1] shape [1, 1] : tensor<10x64xf32>
// CHECK: 'step.load' has the tile [10]; it has rows and columns, 1 or more of each

// -----

// A load stays inside of its tensor
%0 = "test.op"() : () -> tensor<64x256xf32>
%1 = step.load %0 tile [64, 64] strides [4, 1] shape [2, 4] : tensor<64x256xf32>
// CHECK: 'step.load' reads up to tile 7, but tensor<64x256xf32> has 4: strides [4, 1] over [2, 4]

// -----

// A stride for each size
%0 = "test.op"() : () -> tensor<64x256xf32>
%1 = step.load %0 tile [64, 64] strides [1] shape [1, 4] : tensor<64x256xf32>
// CHECK: 'step.load' has 1 strides for 2 sizes; it takes one stride for each size, and at least one

// -----

// Strides go forward
%0 = "test.op"() : () -> tensor<64x256xf32>
%1 = step.load %0 tile [64, 64] strides [-1] shape [4] : tensor<64x256xf32>
// CHECK: 'step.load' has a stride or size below 0: [-1], [4]

// -----

// Tensors have a known shape
%0 = "test.op"() : () -> tensor<?x64xf32>
%1 = step.load %0 tile [1, 64] strides [1] shape [4] : tensor<?x64xf32>
// CHECK: 'step.load' needs a tensor of a known shape, but got tensor<?x64xf32>

// -----

// Requests are sent
%0 = "test.op"() : () -> tensor<4x64xf32>
%1 = step.load %0 tile [1, 64] strides [1] shape [4] dispatch 0 : tensor<4x64xf32>
// CHECK: 'step.load' has dispatch 0; it is 1 or more

// -----

// A store fills its tensor
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [1, 64]>, [3]>
%1 = step.store %0 into tensor<4x64xf32> : !step.stream<!step.tile<f32, [1, 64]>, [3]>
// CHECK: 'step.store' writes 3 tiles, but tensor<4x64xf32> has 4

// -----

// A store writes tiles of a static shape
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [e0, 64]>, [1]>
%1 = step.store %0 into tensor<4x64xf32> : !step.stream<!step.tile<f32, [e0, 64]>, [1]>
// CHECK: 'step.store' writes tiles of a static shape, but got !step.tile<f32, [e0, 64]>; split it before: step.flat_map fn split_rows

// -----

// A store writes tiles
%0 = "test.op"() : () -> !step.stream<index, [4]>
%1 = step.store %0 into tensor<4x64xf32> : !step.stream<index, [4]>
// CHECK: 'step.store' needs step.tile elements as input, but got !step.stream<index, [4]>

// -----

// A store writes its numbers
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [1, 64]>, [4]>
%1 = step.store %0 into tensor<4x64xf16> : !step.stream<!step.tile<f32, [1, 64]>, [4]>
// CHECK: 'step.store' cannot write !step.tile<f32, [1, 64]> into tensor<4x64xf16>: other numbers

// -----

// Addresses are integers
%0, %1 = "test.op"() : () -> (tensor<4x64xf32>, !step.stream<i1, [4]>)
%2 = step.random_load %0, %1 tile [1, 64] : tensor<4x64xf32>, !step.stream<i1, [4]>
// CHECK: 'step.random_load' needs index elements as address, but got !step.stream<i1, [4]>

// -----

// An address for each tile
%0, %1, %2 = "test.op"() : () -> (tensor<4x64xf32>, !step.stream<index, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>)
%3, %4 = step.random_store %0, %1, %2 : tensor<4x64xf32>, !step.stream<index, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>
// CHECK: 'step.random_store' takes streams of one shape, but got [e0] and [e1]; equal sizes must have equal symbols: one that is known to be another is named by `assumed` where it arises

// -----

// A ragged inner size is not buffered
%0 = "test.op"() : () -> !step.stream<index, [2, 3, ~r]>
%1 = step.bufferize %0 rank 2 : !step.stream<index, [2, 3, ~r]>
// CHECK: 'step.bufferize' of rank 2 would buffer [3, ~r], whose inner size ~r is ragged; only the outermost may be: buffer fewer levels, or flatten them before

// -----

// A buffer closes with a stop
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1 = step.bufferize %0 rank 2 : !step.stream<index, [2, 3]>
// CHECK: 'step.bufferize' has rank 2, but a stream of shape [2, 3] has stops of the levels 1 to 1

// -----

// A stream of rank 0 has no stops
%0 = "test.op"() : () -> !step.stream<index, [2]>
%1 = step.bufferize %0 rank 1 : !step.stream<index, [2]>
// CHECK: 'step.bufferize' has rank 1, but a stream of rank 0 has no stops; promote it

// -----

// Buffers are replayed
%0 = "test.op"() : () -> !step.stream<index, [2]>
%1 = step.streamify %0 : !step.stream<index, [2]>
// CHECK: 'step.streamify' needs step.buffer elements as buffer, but got !step.stream<index, [2]>

// -----

// A ref has the sizes of the buffers outside
%0, %1 = "test.op"() : () -> (!step.stream<!step.buffer<index, [4]>, [2]>, !step.stream<index, [3, ~r]>)
%2 = step.streamify %0, %1 rank 1 : !step.stream<!step.buffer<index, [4]>, [2]>, !step.stream<index, [3, ~r]>
// CHECK: 'step.streamify' of rank 1 takes a ref [2] with 1 more sizes inside, but got [3, ~r]

// -----

// A ref needs a rank
%0, %1 = "test.op"() : () -> (!step.stream<!step.buffer<index, [4]>, [2]>, !step.stream<index, [2, ~r]>)
%2 = step.streamify %0, %1 : !step.stream<!step.buffer<index, [4]>, [2]>, !step.stream<index, [2, ~r]>
// CHECK: 'step.streamify' with a ref needs the rank of what replays one buffer, and no repeat

// -----

// A rank needs a ref
%0 = "test.op"() : () -> !step.stream<!step.buffer<index, [4]>, [2]>
%1 = step.streamify %0 rank 0 : !step.stream<!step.buffer<index, [4]>, [2]>
// CHECK: 'step.streamify' has a rank, but no ref whose levels it counts

// -----

// A replay repeats
%0 = "test.op"() : () -> !step.stream<!step.buffer<index, [4]>, [2]>
%1 = step.streamify %0 repeat [0] : !step.stream<!step.buffer<index, [4]>, [2]>
// CHECK: 'step.streamify' repeats [0] times; 1 or more

// -----

// Only a static buffer is read with strides
%0 = "test.op"() : () -> !step.stream<!step.buffer<index, [~r]>, [2]>
%1 = step.streamify %0 strides [1] shape [2] : !step.stream<!step.buffer<index, [~r]>, [2]>
// CHECK: 'step.streamify' reads !step.buffer<index, [~r]> with strides, but only a buffer of static sizes can be read so; leave strides and shape out to read it in order

// -----

// An affine read stays inside of the buffer
%0 = "test.op"() : () -> !step.stream<!step.buffer<index, [2, 2]>, [2]>
%1 = step.streamify %0 strides [1, 2] shape [3, 2] : !step.stream<!step.buffer<index, [2, 2]>, [2]>
// CHECK: 'step.streamify' reads up to tile 4, but !step.buffer<index, [2, 2]> has 4: strides [1, 2] over [3, 2]

// -----

// A selector for each unit
%0, %1 = "test.op"() : () -> (!step.stream<index, [4, 8]>, !step.stream<!step.selector<2>, [4]>)
%2, %3 = step.partition %0, %1 rank 0 dims [e0, e1] : !step.stream<index, [4, 8]>, !step.stream<!step.selector<2>, [4]>
// CHECK: 'step.partition' of rank 0 takes one selector for each unit: of an input [4, 8] a selector [4, 8], but got [4]

// -----

// A selector is as wide as there are outputs
%0, %1 = "test.op"() : () -> (!step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>)
%2, %3, %4 = step.partition %0, %1 rank 0 dims [e0, e1, e2] : !step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>
// CHECK: 'step.partition' has 3 dims, but its selector selects out of 2

// -----

// Outputs have names of their own
%0, %1 = "test.op"() : () -> (!step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>)
%2, %3 = step.partition %0, %1 rank 0 dims [e0, e0] : !step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>
// CHECK: 'step.partition' names two outputs alike in [e0, e0]; each has a size of its own

// -----

// What is assumed is named
%0, %1 = "test.op"() : () -> (!step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>)
%2, %3 = step.partition %0, %1 rank 0 dims [e0, e1] assumed [e2] : !step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>
// CHECK: 'step.partition' assumes e2, but names no such size

// -----

// Selectors select
%0, %1 = "test.op"() : () -> (!step.stream<index, [4]>, !step.stream<i1, [4]>)
%2, %3 = step.partition %0, %1 rank 0 dims [e0, e1] : !step.stream<index, [4]>, !step.stream<i1, [4]>
// CHECK: 'step.partition' needs step.selector elements as selector, but got !step.stream<i1, [4]>

// -----

// A selector is as wide as there are inputs
%0, %1 = "test.op"() : () -> (!step.stream<!step.selector<2>, [4]>, !step.stream<index, [4]>)
%2 = step.reassemble %0, %1 rank 0 dim k : !step.stream<!step.selector<2>, [4]>, !step.stream<index, [4]>
// CHECK: 'step.reassemble' has 1 inputs, but its selector selects out of 2

// -----

// A number that the run decides has a name
%0, %1 = "test.op"() : () -> (!step.stream<!step.selector<1>, [4]>, !step.stream<index, [4]>)
%2 = step.reassemble %0, %1 rank 0 : !step.stream<!step.selector<1>, [4]>, !step.stream<index, [4]>
// CHECK: 'step.reassemble' by !step.selector<1> selects as many units as the run decides: name that number by `dim`, or declare the selector hot

// -----

// A number that is known has none
%0, %1 = "test.op"() : () -> (!step.stream<!step.selector<1, hot 1>, [4]>, !step.stream<index, [4]>)
%2 = step.reassemble %0, %1 rank 0 dim k : !step.stream<!step.selector<1, hot 1>, [4]>, !step.stream<index, [4]>
// CHECK: 'step.reassemble' names k, but that size is 1: leave the name out

// -----

// Units have the rank of their streams
%0, %1 = "test.op"() : () -> (!step.stream<!step.selector<1, hot 1>, [4]>, !step.stream<index, [4, 2]>)
%2 = step.reassemble %0, %1 rank 0 : !step.stream<!step.selector<1, hot 1>, [4]>, !step.stream<index, [4, 2]>
// CHECK: 'step.reassemble' of rank 0 takes inputs of that rank, but got [4, 2] of rank 1; flatten or promote it

// -----

// Units have one shape
%0, %1 = "test.op"() : () -> (!step.stream<index, [a, 2]>, !step.stream<index, [b, 3]>)
%2, %3 = step.eager_merge %0, %1 rank 1 : !step.stream<index, [a, 2]>, !step.stream<index, [b, 3]>
// CHECK: 'step.eager_merge' takes units of one shape, but got [2] and [3]

// -----

// Units have one kind of elements
%0, %1 = "test.op"() : () -> (!step.stream<index, [a]>, !step.stream<i1, [b]>)
%2, %3 = step.eager_merge %0, %1 rank 0 : !step.stream<index, [a]>, !step.stream<i1, [b]>
// CHECK: 'step.eager_merge' takes elements of one type, or tiles that differ in rows only, but got index, i1

// -----

// Tiles of different rows become tiles of ragged rows
%0, %1 = "test.op"() : () -> (!step.stream<!step.tile<f32, [a, 4]>, [1]>, !step.stream<!step.tile<f32, [b, 4]>, [1]>)
%2, %3 = step.eager_merge %0, %1 rank 0 : !step.stream<!step.tile<f32, [a, 4]>, [1]>, !step.stream<!step.tile<f32, [b, 4]>, [1]>
// CHECK: 'step.eager_merge' takes tiles that differ in rows: !step.tile<f32, [a, 4]>, !step.tile<f32, [b, 4]>; name the rows of the result by `rows`

// -----

// Rows and units are two sizes
%s, %0, %1 = "test.op"() : () -> (!step.stream<!step.selector<2>, [8]>, !step.stream<!step.tile<f32, [a, 4]>, [e0]>, !step.stream<!step.tile<f32, [b, 4]>, [e1]>)
%2 = step.reassemble %s, %0, %1 rank 0 dim k rows k : !step.stream<!step.selector<2>, [8]>, !step.stream<!step.tile<f32, [a, 4]>, [e0]>, !step.stream<!step.tile<f32, [b, 4]>, [e1]>
// CHECK: 'step.reassemble' names both its units and their rows k; these are two sizes

// -----

// Equal rows have no new name
%0 = "test.op"() : () -> !step.stream<index, [a]>
%1, %2 = step.eager_merge %0 rank 0 rows m : !step.stream<index, [a]>
// CHECK: 'step.eager_merge' names rows m, but all elements are equal

// -----

// A merge gives as many units as its inputs
%0, %1 = "test.op"() : () -> (!step.stream<index, [a]>, !step.stream<index, [b]>)
%2, %3 = step.eager_merge %0, %1 rank 0 dim n : !step.stream<index, [a]>, !step.stream<index, [b]>
// CHECK: 'step.eager_merge' names n what is a + b: leave the name out, or assume it

// -----

// Units are dealt whole
%0 = "test.op"() : () -> !step.stream<index, [a, 2]>
%1, %2 = step.deal %0 rank 0 consumers 2 : !step.stream<index, [a, 2]>
// CHECK: 'step.deal' of rank 0 takes inputs of that rank, but got [a, 2] of rank 1; flatten or promote it

// -----

// They are dealt to someone
%0 = "test.op"() : () -> !step.stream<index, [a]>
step.deal %0 rank 0 consumers 0 : !step.stream<index, [a]>
// CHECK: 'step.deal' has consumers 0; it is 1 or more

// -----

// Inner sizes of matrices agree
%0, %1 = "test.op"() : () -> (!step.stream<!step.tile<f32, [4, 64]>, [a]>, !step.stream<!step.tile<f32, [32, 64]>, [a]>)
%2 = step.map %0, %1 fn matmul : !step.stream<!step.tile<f32, [4, 64]>, [a]>, !step.stream<!step.tile<f32, [32, 64]>, [a]>
// CHECK: 'step.map' with fn matmul takes tiles m x k and k x n of one element type, but got !step.tile<f32, [4, 64]>, !step.tile<f32, [32, 64]>

// -----

// Streams of different symbols are not joined
%0, %1 = "test.op"() : () -> (!step.stream<index, [a]>, !step.stream<index, [b]>)
%2 = step.map %0, %1 fn add : !step.stream<index, [a]>, !step.stream<index, [b]>
// CHECK: 'step.map' takes streams of one shape, but got [a] and [b]; equal sizes must have equal symbols: one that is known to be another is named by `assumed` where it arises

// -----

// Nor zipped
%0, %1 = "test.op"() : () -> (!step.stream<index, [2, ~a]>, !step.stream<index, [2, ~b]>)
%2 = step.zip %0, %1 : !step.stream<index, [2, ~a]>, !step.stream<index, [2, ~b]>
// CHECK: 'step.zip' takes streams of one shape, but got [2, ~a] and [2, ~b]; equal sizes must have equal symbols: one that is known to be another is named by `assumed` where it arises

// -----

// A zip joins two
%0 = "test.op"() : () -> !step.stream<index, [2]>
%1 = step.zip %0 : !step.stream<index, [2]>
// CHECK: 'step.zip' takes two inputs or more, but got 1

// -----

// Tiles are broadcast along one row or column only
%0, %1 = "test.op"() : () -> (!step.stream<!step.tile<f32, [4, 64]>, [a]>, !step.stream<!step.tile<f32, [2, 64]>, [a]>)
%2 = step.map %0, %1 fn mul : !step.stream<!step.tile<f32, [4, 64]>, [a]>, !step.stream<!step.tile<f32, [2, 64]>, [a]>
// CHECK: 'step.map' with fn mul takes tiles of one element type and one shape (or one row, or one column), but got !step.tile<f32, [4, 64]>, !step.tile<f32, [2, 64]>

// -----

// Functions have a number of operands
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [4, 64]>, [a]>
%1 = step.map %0 fn add : !step.stream<!step.tile<f32, [4, 64]>, [a]>
// CHECK: 'step.map' with fn add takes 2 elements, but got 1

// -----

// Integers have no exponential
%0 = "test.op"() : () -> !step.stream<index, [a]>
%1 = step.map %0 fn exp : !step.stream<index, [a]>
// CHECK: 'step.map' with fn exp takes tiles of one element type and one shape (or one row, or one column), but got index

// -----

// Nor have tiles of integers
%0 = "test.op"() : () -> !step.stream<!step.tile<i64, [4, 64]>, [a]>
%1 = step.map %0 fn exp : !step.stream<!step.tile<i64, [4, 64]>, [a]>
// CHECK: 'step.map' with fn exp takes tiles of floats, but got !step.tile<i64, [4, 64]>

// -----

// Some functions need a scalar
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [4, 64]>, [a]>
%1 = step.map %0 fn scale : !step.stream<!step.tile<f32, [4, 64]>, [a]>
// CHECK: 'step.map' with fn scale needs a scalar

// -----

// Others take none
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [4, 64]>, [a]>
%1 = step.map %0 fn exp scalar 2.0 : f64 : !step.stream<!step.tile<f32, [4, 64]>, [a]>
// CHECK: 'step.map' with fn exp takes no scalar

// -----

// Some scalars count
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [1, 8]>, [a]>
%1 = step.map %0 fn top_columns scalar 1.5 : f64 : !step.stream<!step.tile<f32, [1, 8]>, [a]>
// CHECK: 'step.map' with fn top_columns counts by its scalar, which 1.5 cannot

// -----

// Only a row of known width is a selector
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 8]>, [a]>
%1 = step.map %0 fn to_selector : !step.stream<!step.tile<f32, [2, 8]>, [a]>
// CHECK: 'step.map' with fn to_selector takes a tile of one row and a static number of columns, but got !step.tile<f32, [2, 8]>

// -----

// An offset is an integer
%0, %1 = "test.op"() : () -> (!step.stream<!step.tile<f32, [2, 8]>, [a]>, !step.stream<i1, [a]>)
%2 = step.map %0, %1 fn set_offset : !step.stream<!step.tile<f32, [2, 8]>, [a]>, !step.stream<i1, [a]>
// CHECK: 'step.map' with fn set_offset takes a tile and an index, but got !step.tile<f32, [2, 8]>, i1

// -----

// One row is appended
%0, %1 = "test.op"() : () -> (!step.stream<!step.tile<f32, [2, 8]>, [a]>, !step.stream<!step.tile<f32, [2, 8]>, [a]>)
%2 = step.map %0, %1 fn row_append : !step.stream<!step.tile<f32, [2, 8]>, [a]>, !step.stream<!step.tile<f32, [2, 8]>, [a]>
// CHECK: 'step.map' with fn row_append takes a tile and one row of as many columns, but got !step.tile<f32, [2, 8]>, !step.tile<f32, [2, 8]>

// -----

// Halves are equal
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 7]>, [a]>
%1 = step.map %0 fn rotate_half : !step.stream<!step.tile<f32, [2, 7]>, [a]>
// CHECK: 'step.map' with fn rotate_half takes a tile with an even number of columns, but got !step.tile<f32, [2, 7]>

// -----

// A map does not fold
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 8]>, [a]>
%1 = step.map %0 fn retile_rows : !step.stream<!step.tile<f32, [2, 8]>, [a]>
// CHECK: 'step.map' has no fn retile_rows; it has add, cache_write_address, cos, div, exp, gelu, gelu_tanh, greater, greater_equal, log, mask_columns, matmul, matmul_transposed, maximum, minimum, mul, negate, reciprocal, relu, rotate_half, row_append, row_max, row_sum, scale, set_offset, shift, sigmoid, silu, sin, sqrt, square, sub, tanh, to_selector, top_columns, transpose

// -----

// A fold ends at a stop
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
%1 = step.accumulate %0 fn add rank 2 : !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
// CHECK: 'step.accumulate' has rank 2, but a stream of shape [a, 4] has stops of the levels 1 to 1

// -----

// A fold takes one level at least
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
%1 = step.accumulate %0 fn add rank 0 : !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
// CHECK: 'step.accumulate' has rank 0, but a stream of shape [a, 4] has stops of the levels 1 to 1

// -----

// Ragged rows that are added up have a name
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [~m, 8]>, [a, 4]>
%1 = step.accumulate %0 fn retile_rows rank 1 : !step.stream<!step.tile<f32, [~m, 8]>, [a, 4]>
// CHECK: 'step.accumulate' adds up the ragged size ~m over the siblings of a list; the sum differs from list to list: name it by `dim`

// -----

// Others have none
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
%1 = step.accumulate %0 fn retile_rows rank 1 dim n : !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
// CHECK: 'step.accumulate' names n, but that size is 8: leave the name out

// -----

// A sum has no size of its own
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
%1 = step.accumulate %0 fn add rank 1 dim n : !step.stream<!step.tile<f32, [2, 8]>, [a, 4]>
// CHECK: 'step.accumulate' names dim n, but makes no new size

// -----

// A scan starts again at a stop
%0 = "test.op"() : () -> !step.stream<index, [4]>
%1 = step.scan %0 fn add rank 1 : !step.stream<index, [4]>
// CHECK: 'step.scan' has rank 1, but a stream of rank 0 has no stops; promote it

// -----

// Pieces are whole
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [5, 8]>, [a]>
%1 = step.flat_map %0 fn split_rows size 2 : !step.stream<!step.tile<f32, [5, 8]>, [a]>
// CHECK: 'step.flat_map' with fn split_rows takes tiles of a static size that 2 divides, unmasked, but got !step.tile<f32, [5, 8]>

// -----

// Valid rows have a number that the run decides
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [5, 8]>, [a]>
%1 = step.flat_map %0 fn split_rows masked : !step.stream<!step.tile<f32, [5, 8]>, [a]>
// CHECK: 'step.flat_map' makes as many elements as its data say: name `dim`

// -----

// Columns are all valid
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [5, 8]>, [a]>
%1 = step.flat_map %0 fn split_columns masked dim n : !step.stream<!step.tile<f32, [5, 8]>, [a]>
// CHECK: 'step.flat_map' masks rows: use fn split_rows

// -----

// All rows have a known number
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [5, 8]>, [a]>
%1 = step.flat_map %0 fn split_rows dim n : !step.stream<!step.tile<f32, [5, 8]>, [a]>
// CHECK: 'step.flat_map' names n, but that size is 5*a: leave the name out

// -----

// Integers have no rows
%0 = "test.op"() : () -> !step.stream<index, [a]>
%1 = step.flat_map %0 fn range masked dim n : !step.stream<index, [a]>
// CHECK: 'step.flat_map' with fn range has no rows to split

// -----

// A range is as long as its data say
%0 = "test.op"() : () -> !step.stream<index, [a]>
%1 = step.flat_map %0 fn range : !step.stream<index, [a]>
// CHECK: 'step.flat_map' makes as many elements as its data say: name `dim`

// -----

// Copies are of integers
%0 = "test.op"() : () -> !step.stream<i1, [a]>
%1 = step.flat_map %0 fn copies dim n : !step.stream<i1, [a]>
// CHECK: 'step.flat_map' with fn copies takes integers (index), but got i1

// -----

// Bandwidth is positive
%0 = "test.op"() : () -> !step.stream<!step.tile<f32, [5, 8]>, [a]>
%1 = step.map %0 fn exp compute 0 : !step.stream<!step.tile<f32, [5, 8]>, [a]>
// CHECK: 'step.map' has compute 0; it is 1 or more

// -----

// Levels that are merged exist
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1 = step.flatten %0 min 1 max 2 : !step.stream<index, [2, 3]>
// CHECK: 'step.flatten' has min 1 and max 2, but a stream of shape [2, 3] has the levels 0 to 1

// -----

// They go up
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1 = step.flatten %0 min 1 max 0 : !step.stream<index, [2, 3]>
// CHECK: 'step.flatten' has min 1 and max 0, but a stream of shape [2, 3] has the levels 0 to 1

// -----

// Ragged sums in lists have a name
%0 = "test.op"() : () -> !step.stream<index, [2, 3, ~r]>
%1 = step.flatten %0 min 0 max 1 : !step.stream<index, [2, 3, ~r]>
// CHECK: 'step.flatten' adds up the ragged size ~r over the siblings of a list; the sum differs from list to list: name it by `dim`

// -----

// Products have none
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1 = step.flatten %0 min 0 max 1 dim n : !step.stream<index, [2, 3]>
// CHECK: 'step.flatten' names n, but that size is 6: leave the name out

// -----

// Chunks hold something
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1, %2 = step.reshape %0 rank 0 chunk 0 : !step.stream<index, [2, 3]>
// CHECK: 'step.reshape' has chunk 0; it is 1 or more

// -----

// Above level 0 nothing is padded: a static size must be divisible
%0 = "test.op"() : () -> !step.stream<index, [3, 3]>
%1, %2 = step.reshape %0 rank 1 chunk 2 : !step.stream<index, [3, 3]>
// CHECK: 'step.reshape' cuts the size 3 of level 1 into chunks of 2, but above level 0 nothing is padded: the size must be static and divisible

// -----

// And the size must be static
%0 = "test.op"() : () -> !step.stream<index, [2, ~r, 3]>
%1, %2 = step.reshape %0 rank 1 chunk 2 : !step.stream<index, [2, ~r, 3]>
// CHECK: 'step.reshape' cuts the size ~r of level 1 into chunks of 2, but above level 0 nothing is padded: the size must be static and divisible

// -----

// Buffers are not padded
%0 = "test.op"() : () -> !step.stream<!step.buffer<index, [4]>, [e0]>
%1, %2 = step.reshape %0 rank 0 chunk 2 : !step.stream<!step.buffer<index, [4]>, [e0]>
// CHECK: 'step.reshape' may have to pad with !step.buffer<index, [4]>, of which none is empty; cut into chunks that divide a static size

// -----

// Nor in tuples
%0 = "test.op"() : () -> !step.stream<tuple<index, !step.buffer<index, [4]>>, [3]>
%1, %2 = step.reshape %0 rank 0 chunk 2 : !step.stream<tuple<index, !step.buffer<index, [4]>>, [3]>
// CHECK: 'step.reshape' may have to pad with !step.buffer<index, [4]>, of which none is empty; cut into chunks that divide a static size

// -----

// Nor are selectors that select something
%0 = "test.op"() : () -> !step.stream<!step.selector<4, hot 1>, [e0]>
%1, %2 = step.reshape %0 rank 0 chunk 2 : !step.stream<!step.selector<4, hot 1>, [e0]>
// CHECK: 'step.reshape' may have to pad with !step.selector<4, hot 1>, of which none is empty; cut into chunks that divide a static size

// -----

// Levels that are cut exist
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1, %2 = step.reshape %0 rank 2 chunk 2 : !step.stream<index, [2, 3]>
// CHECK: 'step.reshape' has rank 2, but a stream of shape [2, 3] has stops of the levels 0 to 1

// -----

// An outer size is added to lists of elements
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1, %2 = step.reshape %0 rank 0 chunk 2 outer : !step.stream<index, [2, 3]>
// CHECK: 'step.reshape' adds an outer size to streams of rank 0 only, but got [2, 3]; use step.promote

// -----

// A 1 is inserted at a level
%0 = "test.op"() : () -> !step.stream<index, [2, 3]>
%1 = step.promote %0 rank 2 : !step.stream<index, [2, 3]>
// CHECK: 'step.promote' has rank 2, but a stream of shape [2, 3] has stops of the levels 0 to 1

// -----

// What is expanded has inner sizes of 1
%0, %1 = "test.op"() : () -> (!step.stream<index, [e0, 2]>, !step.stream<index, [e0, ~r]>)
%2 = step.expand %0, %1 rank 1 : !step.stream<index, [e0, 2]>, !step.stream<index, [e0, ~r]>
// CHECK: 'step.expand' of rank 1 by a ref [e0, ~r] takes an input [e0, 1], whose 1 inner sizes are 1, but got [e0, 2]; step.promote rank 0 adds a size of 1

// -----

// And the outer sizes of its ref
%0, %1 = "test.op"() : () -> (!step.stream<index, [e1, 1]>, !step.stream<index, [e0, ~r]>)
%2 = step.expand %0, %1 rank 1 : !step.stream<index, [e1, 1]>, !step.stream<index, [e0, ~r]>
// CHECK: 'step.expand' of rank 1 by a ref [e0, ~r] takes an input [e0, 1], whose 1 inner sizes are 1, but got [e1, 1]; step.promote rank 0 adds a size of 1

// -----

// Something is repeated
%0 = "test.op"() : () -> !step.stream<index, [2]>
%1 = step.repeat %0 factor 0 : !step.stream<index, [2]>
// CHECK: 'step.repeat' has factor 0; it is 1 or more

// -----

// Selectors are made of integers
%0 = "test.op"() : () -> tensor<4x2xf32>
%1 = step.select %0 : tensor<4x2xf32>
// CHECK: 'step.select' reads integers from a tensor of a known shape, but got tensor<4x2xf32>

// -----

// Selectors are rows
%0 = "test.op"() : () -> tensor<i1>
%1 = step.select %0 : tensor<i1>
// CHECK: 'step.select' needs a row of 0 and 1, but got tensor<i1>

// -----

// They cannot be hotter than wide
%0 = "test.op"() : () -> tensor<4x2xi1>
%1 = step.select %0 hot 3 : tensor<4x2xi1>
// CHECK: 'step.selector' cannot select 3 out of 2

// -----

// An expert is one
%0 = "test.op"() : () -> !step.stream<!step.selector<8, hot 2>, [4]>
%1 = step.expert_address %0 tiles 16 : !step.stream<!step.selector<8, hot 2>, [4]>
// CHECK: 'step.expert_address' takes selectors of one expert (hot 1), but got !step.selector<8, hot 2>

// -----

// A length for each index
%0, %1 = "test.op"() : () -> (!step.stream<index, [4]>, !step.stream<index, [8]>)
%2 = step.cache_read_address %0, %1 row_tiles 16 dim t : !step.stream<index, [4]>, !step.stream<index, [8]>
// CHECK: 'step.cache_read_address' takes streams of one shape, but got [4] and [8]; equal sizes must have equal symbols: one that is known to be another is named by `assumed` where it arises

// -----

// What is named is a symbol or a size
%0, %1 = "test.op"() : () -> (!step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>)
%2, %3 = step.partition %0, %1 rank 0 dims ["e0 +", 2] : !step.stream<index, [4]>, !step.stream<!step.selector<2>, [4]>
// CHECK: 'step.partition': 'e0 +' is no dimension: expected a size, found the end

// -----

// Names are not empty
%0 = "test.op"() : () -> !step.stream<index, [4]>
%1 = step.filter_last %0 dim "" : !step.stream<index, [4]>
// CHECK: 'step.filter_last': '' is no dimension: expected a size, found the end

// -----

// Names can be read back
%0 = "test.op"() : () -> !step.stream<index, [4]>
%1 = step.filter_last %0 dim ceil : !step.stream<index, [4]>
// CHECK: 'step.filter_last': 'ceil' cannot name a dimension: use letters, digits, '_' and '.'

// -----

// Declared results are what the operands give
%0 = "test.op"() : () -> !step.stream<index, [4]>
%1 = "step.promote"(%0) : (!step.stream<index, [4]>) -> !step.stream<index, [4]>
// CHECK: 'step.promote' gives (!step.stream<index, [1, 4]>) for these operands, but its results are declared as (!step.stream<index, [4]>)
