// RUN: headrace-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | grep -v '^// CHECK' | filecheck %s

// A parse error shows the lines around it: a check must not match itself.

// A stack names an axis once
"test.op"() : () -> !sam.stream<crd, index, [i, i]>
// CHECK: 'sam.stream' opens an axis twice in [i, i]

// -----

// Coordinates, references, signals and bit vectors are index
"test.op"() : () -> !sam.stream<crd, f64, [i]>
// CHECK: 'sam.stream' of kind crd carries index, not f64

// -----

// Values are numbers or tiles of a known shape
"test.op"() : () -> !sam.stream<val, tensor<?xf64>, [i]>
// CHECK: 'sam.stream' of kind val carries numbers or tiles of a known shape, not tensor<?xf64>

// -----

// A kind is one of five
"test.op"() : () -> !sam.stream<coordinate, index, [i]>
// CHECK: Expected `crd`, `ref`, `val`, `sig`, or `bv`.

// -----

// A scan reads references
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, []>, tensor<4x5xf64, #S>)
%a, %b = sam.scan %0, %1 level 0 axis i : !sam.stream<crd, index, []>, tensor<4x5xf64, #S>
// CHECK: 'sam.scan' needs a ref stream as outer, but got !sam.stream<crd, index, []>

// -----

// The level exists
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, []>, tensor<4x5xf64, #S>)
%a, %b = sam.scan %0, %1 level 2 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #S>
// CHECK: 'sam.scan' reads level 2 of tensor<4x5xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : compressed, d1 : compressed) }>>, which has 2 levels

// -----

// An axis is opened once
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, tensor<4x5xf64, #S>)
%a, %b = sam.scan %0, %1 level 1 axis i : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #S>
// CHECK: 'sam.scan' opens axis i, which is already open in [i]

// -----

// A scan takes a reference stream and a tensor
%0 = "test.op"() : () -> (!sam.stream<ref, index, []>)
%a, %b = sam.scan %0 level 0 axis i : !sam.stream<ref, index, []>
// CHECK: 'sam.scan' takes 2 operands, but got 1

// -----

// The tensor has a storage format
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, []>, tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (i : batch) }>>)
%a, %b = sam.scan %0, %1 level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (i : batch) }>>
// CHECK: 'sam.scan' cannot read its tensor: a level of type 'batch' has no run-time form; use dense, compressed or singleton

// -----

// A bit vector scan reads compressed levels
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, []>, tensor<4xf64>)
%a, %b = sam.scan_bitvector %0, %1 level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64>
// CHECK: 'sam.scan_bitvector' reads compressed levels, but level is dense

// -----

// A range counts to an extent
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, []>, tensor<4x5xf64, #S>)
%a, %b = sam.range %0, %1 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #S>
// CHECK: 'sam.range' needs extents of type index, but got tensor<4x5xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : compressed, d1 : compressed) }>>

// -----

// Outer references are one level further out
%0, %1, %2 = "test.op"() : () -> (!sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, index)
%a = sam.locate %0, %1, %2 : !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, index
// CHECK: 'sam.locate' needs one more axis inside [i, j], but got [i, j]

// -----

// Located coordinates have an axis
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, []>, index)
%a = sam.locate %0, %1 : !sam.stream<crd, index, []>, index
// CHECK: 'sam.locate' needs coordinates with at least one axis, but got []

// -----

// A signal repeats along an axis
%0 = "test.op"() : () -> (!sam.stream<crd, index, []>)
%a = sam.repeat_signal %0 : !sam.stream<crd, index, []>
// CHECK: 'sam.repeat_signal' needs a stream with at least one axis, but got []

// -----

// The signal is nested one axis deeper
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<sig, index, [k, j]>)
%a = sam.repeat %0, %1 : !sam.stream<ref, index, [i]>, !sam.stream<sig, index, [k, j]>
// CHECK: 'sam.repeat' needs one more axis inside [i], but got [k, j]

// -----

// A repeat is driven by signals
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i, j]>)
%a = sam.repeat %0, %1 : !sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i, j]>
// CHECK: 'sam.repeat' needs a sig stream as signal, but got !sam.stream<crd, index, [i, j]>

// -----

// An array is read by references
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, tensor<4x5xf64, #S>)
%a = sam.array %0, %1 : !sam.stream<crd, index, [i]>, tensor<4x5xf64, #S>
// CHECK: 'sam.array' needs a ref stream as ref, but got !sam.stream<crd, index, [i]>

// -----

// Indices come in any order
%0, %1 = "test.op"() : () -> (!sam.stream<val, f64, [i]>, index)
%a = sam.coordinates %0, %1 : !sam.stream<val, f64, [i]>, index
%b = sam.number %a : !sam.stream<crd, index, [i]>
// CHECK: 'sam.coordinates' makes coordinates in any order, which 'sam.number' cannot read; use them in 'sam.locate'

// -----

// Tiles are no indices
%0, %1 = "test.op"() : () -> (!sam.stream<val, tensor<2x2xf64>, [i]>, index)
%a = sam.coordinates %0, %1 : !sam.stream<val, tensor<2x2xf64>, [i]>, index
// CHECK: 'sam.coordinates' reads numbers, but 'val' has tiles

// -----

// Coordinates are numbered, not values
%0 = "test.op"() : () -> (!sam.stream<val, f64, [i]>)
%a = sam.number %0 : !sam.stream<val, f64, [i]>
// CHECK: 'sam.number' needs a crd stream as crd, but got !sam.stream<val, f64, [i]>

// -----

// Selected fibers have an axis
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<crd, index, []>)
%a, %b = sam.select_fibers %0, %1 : !sam.stream<ref, index, [i]>, !sam.stream<crd, index, []>
// CHECK: 'sam.select_fibers' needs fibers with at least one axis, but got []

// -----

// Values are selected from values
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i]>)
%a = sam.select_values %0, %1 : !sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i]>
// CHECK: 'sam.select_values' needs a val stream as values, but got !sam.stream<crd, index, [i]>

// -----

// The dimension exists
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0 = "test.op"() : () -> (tensor<4x5xf64, #S>)
%a = sam.extent %0 dimension 2 : tensor<4x5xf64, #S>
// CHECK: 'sam.extent' needs dimension 2 of tensor<4x5xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : compressed, d1 : compressed) }>>, which has 2 dimensions

// -----

// Each coordinate stream joins one stream
%0, %1, %2 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>)
%a, %b = sam.intersect %0, %1, %2 : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
// CHECK: 'sam.intersect' needs as many streams as coordinate streams, and at least one

// -----

// Joined coordinates have one stack
%0, %1, %2, %3 = "test.op"() : () -> (!sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [k, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [k, j]>)
%a, %b, %c = sam.intersect %0, %1, %2, %3 : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [k, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [k, j]>
// CHECK: 'sam.intersect' zips streams, so that their axes must be the same, but got [i, j] and [k, j]

// -----

// A joined stream lies beside its coordinates
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i]>)
%a, %b = sam.union %0, %1 : !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i]>
// CHECK: 'sam.union' zips streams, so that their axes must be the same, but got [i, j] and [i]

// -----

// Signals are not joined
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<sig, index, [i]>)
%a, %b = sam.union %0, %1 : !sam.stream<crd, index, [i]>, !sam.stream<sig, index, [i]>
// CHECK: 'sam.union' needs a ref or val stream as streams, but got !sam.stream<sig, index, [i]>

// -----

// Operands of an ALU have one stack
%0, %1 = "test.op"() : () -> (!sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i, j]>)
%a = sam.alu %0, %1 op add : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i, j]>
// CHECK: 'sam.alu' zips streams, so that their axes must be the same, but got [i] and [i, j]

// -----

// Tiles are combined with tiles
%0, %1 = "test.op"() : () -> (!sam.stream<val, f64, [i]>, !sam.stream<val, tensor<2x2xf64>, [i]>)
%a = sam.alu %0, %1 op add : !sam.stream<val, f64, [i]>, !sam.stream<val, tensor<2x2xf64>, [i]>
// CHECK: 'sam.alu' combines tiles of one shape, or of size 1 where they differ, but got f64, tensor<2x2xf64>

// -----

// A binary operation takes two streams
%0 = "test.op"() : () -> (!sam.stream<val, f64, [i]>)
%a = sam.alu %0 op add : !sam.stream<val, f64, [i]>
// CHECK: 'sam.alu' with op add takes 2 streams, but got 1

// -----

// A unary operation takes no scalar
%0 = "test.op"() : () -> (!sam.stream<val, f64, [i]>)
%a = sam.alu %0 op exp scalar 1.0 : f64 : !sam.stream<val, f64, [i]>
// CHECK: 'sam.alu' with op exp takes no scalar

// -----

// A mask needs its scalar
%0, %1 = "test.op"() : () -> (!sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>)
%a = sam.alu %0, %1 op mask : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
// CHECK: 'sam.alu' with op mask needs a scalar

// -----

// Sizes of tiles that differ are 1
%0, %1 = "test.op"() : () -> (!sam.stream<val, tensor<2x3xf64>, [i]>, !sam.stream<val, tensor<2x2xf64>, [i]>)
%a = sam.alu %0, %1 op add : !sam.stream<val, tensor<2x3xf64>, [i]>, !sam.stream<val, tensor<2x2xf64>, [i]>
// CHECK: 'sam.alu' combines tiles of one shape, or of size 1 where they differ, but got tensor<2x3xf64>, tensor<2x2xf64>

// -----

// Only tiles have rows
%0 = "test.op"() : () -> !sam.stream<val, f64, [i]>
%a = sam.alu %0 op row_max : !sam.stream<val, f64, [i]>
// CHECK: 'sam.alu' with op row_max takes tiles of rows x columns, but got f64

// -----

// Blocks are read in a tile of their sizes
#B = #sparse_tensor.encoding<{ map = (i) -> (i floordiv 4 : dense, i mod 4 : dense) }>
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, tensor<8xf64, #B>)
%a = sam.array %0, %1 tile array<i64: 2, 2> : !sam.stream<ref, index, [i]>, tensor<8xf64, #B>
// CHECK: 'sam.array' reads tensor<8xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 floordiv 4 : dense, d0 mod 4 : dense) }>> in tiles of 2x2, but its blocks are 4

// -----

// Tiles that are multiplied fit
%0, %1 = "test.op"() : () -> (!sam.stream<val, tensor<2x3xf64>, [i]>, !sam.stream<val, tensor<2x3xf64>, [i]>)
%a = sam.alu %0, %1 op matmul : !sam.stream<val, tensor<2x3xf64>, [i]>, !sam.stream<val, tensor<2x3xf64>, [i]>
// CHECK: 'sam.alu' with op matmul multiplies tiles m x k and k x n, but got tensor<2x3xf64> and tensor<2x3xf64>

// -----

// A reduction has an axis to reduce
%0 = "test.op"() : () -> (!sam.stream<val, f64, []>)
%a = sam.reduce %0 op add : !sam.stream<val, f64, []>
// CHECK: 'sam.reduce' needs values with at least one axis, but got []

// -----

// An accumulator needs an axis inside
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<val, f64, [i]>)
%a, %b = sam.accumulate %0, %1 op add : !sam.stream<crd, index, [i]>, !sam.stream<val, f64, [i]>
// CHECK: 'sam.accumulate' needs coordinates of the reduced axis and of at least one axis inside it; use 'sam.reduce' for an innermost axis

// -----

// Accumulated coordinates are nested
%0, %1, %2 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [k, j]>, !sam.stream<val, f64, [k, j]>)
%a, %b = sam.accumulate %0, %1, %2 op add : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [k, j]>, !sam.stream<val, f64, [k, j]>
// CHECK: 'sam.accumulate' needs one more axis inside [i], but got [k, j]

// -----

// Accumulated values lie beside the coordinates
%0, %1, %2 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i]>)
%a, %b = sam.accumulate %0, %1, %2 op add : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i]>
// CHECK: 'sam.accumulate' zips streams, so that their axes must be the same, but got [i, j] and [i]

// -----

// Inner coordinates are one level further in
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [k, j]>)
%a, %b = sam.coordinate_drop %0, %1 : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [k, j]>
// CHECK: 'sam.coordinate_drop' needs one more axis inside [i], but got [k, j]

// -----

// Held coordinates have an axis
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, []>, !sam.stream<crd, index, [i]>)
%a, %b = sam.coordinate_hold %0, %1 : !sam.stream<crd, index, []>, !sam.stream<crd, index, [i]>
// CHECK: 'sam.coordinate_hold' needs outer coordinates with at least one axis, but got []

// -----

// Dropped values lie beside their coordinates
%0, %1 = "test.op"() : () -> (!sam.stream<val, f64, [i, j]>, !sam.stream<crd, index, [i]>)
%a, %b = sam.value_drop %0, %1 empty keep : !sam.stream<val, f64, [i, j]>, !sam.stream<crd, index, [i]>
// CHECK: 'sam.value_drop' zips streams, so that their axes must be the same, but got [i, j] and [i]

// -----

// There are stops to drop
%0 = "test.op"() : () -> (!sam.stream<crd, index, []>)
%a = sam.stop_drop %0 mode all : !sam.stream<crd, index, []>
// CHECK: 'sam.stop_drop' needs a stream with at least one axis, but got []

// -----

// A mask compares an axis with the next
%0, %1, %2 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>)
%a, %b, %c = sam.mask %0, %1, %2 predicate gt : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
// CHECK: 'sam.mask' needs one more axis inside [i], but got [i]

// -----

// Points have no axes
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>)
%a, %b = sam.points_to_fibers %0, %1 outer_axis i inner_axis j : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>
// CHECK: 'sam.points_to_fibers' needs points without axes, but got [i]; put 'sam.stop_drop' with mode all in front

// -----

// A block holds a coordinate
%0 = "test.op"() : () -> (!sam.stream<crd, index, [i]>)
%a, %b = sam.split %0 factor 0 outer_axis io inner_axis ii : !sam.stream<crd, index, [i]>
// CHECK: 'sam.split' needs factor of at least 1, but got 0

// -----

// Flattened axes are nested
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [a]>, !sam.stream<crd, index, [b]>)
%a = sam.flatten %0, %1 factor 4 axis i : !sam.stream<crd, index, [a]>, !sam.stream<crd, index, [b]>
// CHECK: 'sam.flatten' needs one more axis inside [a], but got [b]

// -----

// A chunk has bits
%0 = "test.op"() : () -> (!sam.stream<bv, index, [i]>)
%a, %b = sam.bitvector_chunk %0 width 0 size 8 : !sam.stream<bv, index, [i]>
// CHECK: 'sam.bitvector_chunk' needs width of at least 1, but got 0

// -----

// Words are intersected with words
%0, %1, %2, %3 = "test.op"() : () -> (!sam.stream<bv, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>)
%a, %b, %c = sam.bitvector_intersect %0, %1, %2, %3 : !sam.stream<bv, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
// CHECK: 'sam.bitvector_intersect' needs a bv stream as words, but got !sam.stream<crd, index, [i]>

// -----

// A fork has lanes
%0 = "test.op"() : () -> (!sam.stream<ref, index, [i]>)
%a = sam.fork %0 lanes 0 : !sam.stream<ref, index, [i]>
// CHECK: 'sam.fork' needs lanes of at least 1, but got 0

// -----

// Entries are counted in a compressed level
#D = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : dense) }>
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, tensor<4x5xf64, #D>)
%a = sam.balance %0, %1 level 1 among 2 : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #D>
// CHECK: 'sam.balance' counts the entries of a compressed level, but level is dense

// -----

// A balance has lanes
#C = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, tensor<4x5xf64, #C>)
%a = sam.balance %0, %1 level 1 among 0 : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #C>
// CHECK: 'sam.balance' needs among of at least 1, but got 0

// -----

// Each token that is dealt has a lane
%0, %1 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<ref, index, [j]>)
%a, %b = sam.deal %0, %1 lanes 2 : !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [j]>
// CHECK: 'sam.deal' zips streams, so that their axes must be the same, but got [i] and [j]

// -----

// Lanes have one type
%0, %1, %2 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i]>)
%a = sam.gather %0, %1, %2 : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i]>
// CHECK: 'sam.gather' needs lanes of one type, but got !sam.stream<ref, index, [i]> and !sam.stream<ref, index, [i, j]>

// -----

// Lanes lie inside the axes of the fork
%0, %1, %2 = "test.op"() : () -> (!sam.stream<ref, index, [j]>, !sam.stream<ref, index, [j]>, !sam.stream<ref, index, [i]>)
%a = sam.gather %0, %1, %2 : !sam.stream<ref, index, [j]>, !sam.stream<ref, index, [j]>, !sam.stream<ref, index, [i]>
// CHECK: 'sam.gather' needs lanes inside the axes of the fork, but got [j] inside [i]

// -----

// A gather needs the order of its fork
%0 = "test.op"() : () -> (!sam.stream<ref, index, [i]>)
%a = sam.gather %0 : !sam.stream<ref, index, [i]>
// CHECK: 'sam.gather' needs at least one lane and the order of its fork

// -----

// Streams that are appended have one type
%0, %1, %2, %3 = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [j]>, index, index)
%a = sam.concat %0, %1, %2, %3 : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [j]>, index, index
// CHECK: 'sam.concat' needs streams of one type, but got !sam.stream<crd, index, [i]> and !sam.stream<crd, index, [j]>

// -----

// Coordinates are shifted by extents, values are not
%0, %1, %2, %3 = "test.op"() : () -> (!sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>, index, index)
%a = sam.concat %0, %1, %2, %3 : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>, index, index
// CHECK: 'sam.concat' of 2 val streams takes 0 extents, but got 2

// -----

// A written level has an axis
%0 = "test.op"() : () -> (!sam.stream<crd, index, []>)
%a = sam.write_coordinates %0 mode keep : !sam.stream<crd, index, []>
// CHECK: 'sam.write_coordinates' needs coordinates with at least one axis, but got []

// -----

// Values are written, not references
%0 = "test.op"() : () -> (!sam.stream<ref, index, [i]>)
%a = sam.write_values %0 : !sam.stream<ref, index, [i]>
// CHECK: 'sam.write_values' needs a val stream as val, but got !sam.stream<ref, index, [i]>

// -----

// Stored values lie beside their references
%0, %1, %2 = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<val, f64, [i, j]>, index)
%a = sam.store %0, %1, %2 : !sam.stream<ref, index, [i]>, !sam.stream<val, f64, [i, j]>, index
// CHECK: 'sam.store' zips streams, so that their axes must be the same, but got [i] and [i, j]

// -----

// Every compressed level is written
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%0, %1 = "test.op"() : () -> (!sam.values<f64>, index)
%a = sam.assemble levels() values %0 extents(%1, %1) : !sam.values<f64> -> tensor<4x5xf64, #S>
// CHECK: 'sam.assemble' needs one level for each of the 2 compressed levels of tensor<4x5xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : compressed, d1 : compressed) }>>, but got 0

// -----

// Every dimension has an extent
%0, %1 = "test.op"() : () -> (!sam.values<f64>, index)
%a = sam.assemble levels() values %0 extents(%1) : !sam.values<f64> -> tensor<4x5xf64>
// CHECK: 'sam.assemble' needs one extent for each of the 2 dimensions of tensor<4x5xf64>, but got 1

// -----

// Values have the tile of the tensor
%0, %1 = "test.op"() : () -> (!sam.values<tensor<2xf64>>, index)
%a = sam.assemble levels() values %0 extents(%1) : !sam.values<tensor<2xf64>> -> tensor<4xf64>
// CHECK: 'sam.assemble' needs values of type f64, but got !sam.values<tensor<2xf64>>

// -----

// Result types follow from the operands
%0 = "test.op"() : () -> (!sam.stream<val, f64, [i, j]>)
%a = "sam.reduce"(%0) <{op = #sam<reduction_kind add>}> : (!sam.stream<val, f64, [i, j]>) -> !sam.stream<val, f64, [j]>
// CHECK: 'sam.reduce' gives (!sam.stream<val, f64, [i]>) for these operands, but its results are declared as (!sam.stream<val, f64, [j]>)

// -----

// A graph takes its inputs as block arguments
#V = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%0 = "test.op"() : () -> (tensor<4xf64, #V>)
sam.graph(%0) : (tensor<4xf64, #V>) -> () {
^bb0(%x: tensor<4xf64>):
  sam.yield
}
// CHECK: 'sam.graph' needs block arguments for its inputs of types (tensor<4xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>>), but has (tensor<4xf64>)

// -----

// A graph yields its results
#V = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%0 = "test.op"() : () -> (tensor<4xf64, #V>)
%a = sam.graph(%0) : (tensor<4xf64, #V>) -> tensor<4xf64, #V> {
^bb0(%x: tensor<4xf64, #V>):
  sam.yield
}
// CHECK: 'sam.graph' needs yielded values for its results of types (tensor<4xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>>), but has ()

// -----

// A region has a permutation as priority
sam.region() priority [0, 2] : () -> () {
  sam.yield
}
// CHECK: 'sam.region' has priority [0, 2], which is not a permutation

// -----

// An axis has lanes once
sam.region() lanes [#sam.lanes<axis 0 factor 2 balance turns>, #sam.lanes<axis 0 factor 3 balance turns>] : () -> () {
  sam.yield
}
// CHECK: 'sam.region' has lanes on axes [0, 0]; each axis has them once

// -----

// A factor is a number of lanes
sam.region() lanes [#sam.lanes<axis 1 factor 0 balance turns>] : () -> () {
  sam.yield
}
// CHECK: 'sam.lanes' needs an axis of at least 0 and a factor of at least 1, but got axis 1 and factor 0

// -----

// A region has copies none or any
sam.region() copies "some" : () -> () {
  sam.yield
}
// CHECK: 'sam.region' has copies 'some'; use 'none' or 'any'

// -----

// A region reads only what it is given
%0, %1 = "test.op"() : () -> (tensor<4xf64>, tensor<4xf64>)
%2 = sam.region(%0) : (tensor<4xf64>) -> tensor<4xf64> {
^bb0(%a: tensor<4xf64>):
  sam.yield %1 : tensor<4xf64>
}
// CHECK: Operation using value defined out of its IsolatedFromAbove parent
