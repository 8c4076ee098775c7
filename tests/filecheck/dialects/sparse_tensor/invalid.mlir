// RUN: headrace-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | grep -v '^// CHECK' | filecheck %s

// A parse error shows the lines around it: a check must not match itself.

// A level stores a dimension of the map
"test.op"() : () -> tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (j : dense) }>>
// CHECK: 'j' is not a dimension of the map; it has i

// -----

// Every dimension is stored
"test.op"() : () -> tensor<4x4xf64, #sparse_tensor.encoding<{ map = (i, j) -> (j : dense) }>>
// CHECK: 'sparse_tensor.encoding' stores dimension d0 in no level

// -----

// Level types are those of MLIR
"test.op"() : () -> tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (i : sparse) }>>
// CHECK: Expected one of 'batch', 'compressed', 'dense', 'loose_compressed', 'singleton'

// -----

// A block has a size
"test.op"() : () -> tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (i floordiv 0 : dense, i mod 0 : dense) }>>
// CHECK: a block needs a size of at least 1

// -----

// Widths are those of machines
"test.op"() : () -> tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (i : dense), posWidth = 7 }>>
// CHECK: 'sparse_tensor.encoding' has a width of 7 bits; use 0, 8, 16, 32 or 64

// -----

// A conversion keeps the shape
%0 = "test.op"() : () -> tensor<4x6xf64>
%1 = sparse_tensor.convert %0 : tensor<4x6xf64> to tensor<6x4xf64>
// CHECK: 'sparse_tensor.convert' must keep the shape, but converts tensor<4x6xf64> to tensor<6x4xf64>

// -----

// A conversion keeps the element type
%0 = "test.op"() : () -> tensor<4xf64>
%1 = sparse_tensor.convert %0 : tensor<4xf64> to tensor<4xf32>
// CHECK: 'sparse_tensor.convert' must keep the element type, but converts tensor<4xf64> to tensor<4xf32>
