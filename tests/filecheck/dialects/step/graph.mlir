// RUN: headrace-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | grep -v '^// CHECK' | filecheck %s

// A parse error shows the lines around it: a check must not match itself.

// A stream is read once
%x = "test.op"() : () -> (tensor<4x64xf32>)
%y = step.graph(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32> {
^bb0(%0: tensor<4x64xf32>):
  %1 = step.load %0 tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  %2 = step.map %1 fn exp : !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>
  %3 = step.map %1, %2 fn mul : !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>, !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>
  %4 = step.store %3 into tensor<4x64xf32> : !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>
  step.yield %4 : tensor<4x64xf32>
}
// CHECK: 'step.load' makes a stream that is read 2 times, by 'step.map'; a stream is read once: give each reader its own from 'step.broadcast' consumers 2

// -----

// Also by one reader
%i = "test.op"() : () -> (tensor<4xi64>)
step.graph(%i) : (tensor<4xi64>) -> () {
^bb0(%0: tensor<4xi64>):
  %1 = step.integers %0 : tensor<4xi64>
  %2 = step.map %1, %1 fn add : !step.stream<index, [1, 4]>, !step.stream<index, [1, 4]>
  step.yield
}
// CHECK: 'step.integers' makes a stream that is read 2 times, by 'step.map'; a stream is read once: give each reader its own from 'step.broadcast' consumers 2

// -----

// A tensor that a graph makes is not read in it
%x = "test.op"() : () -> (tensor<4x64xf32>)
%y = step.graph(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32> {
^bb0(%0: tensor<4x64xf32>):
  %1 = step.load %0 tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  %2 = step.store %1 into tensor<4x64xf32> : !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>
  %3 = step.load %2 tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  step.yield %2 : tensor<4x64xf32>
}
// CHECK: 'step.load' reads a tensor that 'step.store' makes in the same graph; only arguments of 'step.graph' can be read, and tensors of a 'step.random_store' by random access

// -----

// Random stores follow each other
%x, %i = "test.op"() : () -> (tensor<4x64xf32>, tensor<4xi64>)
%y, %z = step.graph(%x, %i) : (tensor<4x64xf32>, tensor<4xi64>) -> (tensor<4x64xf32>, tensor<4x64xf32>) {
^bb0(%0: tensor<4x64xf32>, %1: tensor<4xi64>):
  %2 = step.load %0 tile [1, 64] strides [1] shape [4] : tensor<4x64xf32>
  %3 = step.integers %1 : tensor<4xi64>
  %4, %5 = step.random_store %0, %3, %2 : tensor<4x64xf32>, !step.stream<index, [1, 4]>, !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>
  %6 = step.load %0 tile [1, 64] strides [0] shape [4] : tensor<4x64xf32>
  %7 = step.integers %1 : tensor<4xi64>
  %8, %9 = step.random_store %0, %7, %6 : tensor<4x64xf32>, !step.stream<index, [1, 4]>, !step.stream<!step.tile<f32, [1, 64]>, [1, 4]>
  step.yield %5, %9 : tensor<4x64xf32>, tensor<4x64xf32>
}
// CHECK: 'step.graph' takes a tensor that 2 'step.random_store' change; let each change the tensor that the one before it made

// -----

// A graph holds step operations
step.graph() : () -> () {
^bb0:
  %0 = "test.op"() : () -> !step.stream<index, [4]>
  step.yield
}
// CHECK: 'step.graph' holds step operations only, but has 'test.op'

// -----

// A graph yields its results
%x = "test.op"() : () -> (tensor<4x64xf32>)
%y = step.graph(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32> {
^bb0(%0: tensor<4x64xf32>):
  step.yield
}
// CHECK: 'step.graph' needs yielded values for its results of types (tensor<4x64xf32>), but has ()

// -----

// What passes through needs no graph
%x = "test.op"() : () -> (tensor<4x64xf32>)
%y = step.graph(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32> {
^bb0(%0: tensor<4x64xf32>):
  step.yield %0 : tensor<4x64xf32>
}
// CHECK: 'step.graph' yields tensor<4x64xf32> that no 'step.store' or 'step.random_store' made; what passes through needs no graph

// -----

// All experts have their tiles
%w, %s = "test.op"() : () -> (tensor<16x64xf32>, tensor<6x4xi1>)
step.graph(%w, %s) : (tensor<16x64xf32>, tensor<6x4xi1>) -> () {
^bb0(%0: tensor<16x64xf32>, %1: tensor<6x4xi1>):
  %2 = step.select %1 hot 1 : tensor<6x4xi1>
  %3 = step.expert_address %2 tiles 2 base 1 : !step.stream<!step.selector<4, hot 1>, [1, 6]>
  %4, %5 = step.broadcast %3 consumers 2 : !step.stream<index, [1, 6, 2, 1]>
  %6 = step.flatten %4 min 0 max 1 : !step.stream<index, [1, 6, 2, 1]>
  %7 = step.random_load %0, %6 tile [2, 64] : tensor<16x64xf32>, !step.stream<index, [1, 6, 2]>
  step.yield
}
// CHECK: 'step.random_load' gets addresses up to 8 from 'step.expert_address', but tensor<16x64xf32> has 8 tiles

// -----

// A graph takes its inputs
%x = "test.op"() : () -> (tensor<4x64xf32>)
step.graph(%x) : (tensor<4x64xf32>) -> () {
^bb0:
  step.yield
}
// CHECK: 'step.graph' needs block arguments for its inputs of types (tensor<4x64xf32>), but has ()

// -----

// Partitions by one selector use the same names
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  %6 = step.integers %0 : tensor<4xi64>
  %7 = step.flatten %6 min 0 max 1 : !step.stream<index, [1, 4]>
  %8 = step.select %1 hot 1 : tensor<4x2xi1>
  %9 = step.flatten %8 min 0 max 1 : !step.stream<!step.selector<2, hot 1>, [1, 4]>
  %10, %11 = step.partition %7, %9 rank 0 dims [f0, e1] : !step.stream<index, [4]>, !step.stream<!step.selector<2, hot 1>, [4]>
  step.yield
}
// CHECK: 'step.partition' declares the size f0, which is known as e0: equal sizes have one name

// -----

// Sums of equal sizes use the same name, whatever is in the lists
%i, %n = "test.op"() : () -> (tensor<2x4xi64>, tensor<2x4xi64>)
step.graph(%i, %n) : (tensor<2x4xi64>, tensor<2x4xi64>) -> () {
^bb0(%0: tensor<2x4xi64>, %1: tensor<2x4xi64>):
  %2 = step.integers %0 : tensor<2x4xi64>
  %3 = step.integers %1 : tensor<2x4xi64>
  %4, %5 = step.broadcast %3 consumers 2 : !step.stream<index, [1, 2, 4]>
  %6 = step.cache_read_address %2, %4 row_tiles 8 dim n : !step.stream<index, [1, 2, 4]>, !step.stream<index, [1, 2, 4]>
  %7 = step.filter_last %5 dim n : !step.stream<index, [1, 2, 4]>
  %8 = step.flatten %6 min 0 max 1 dim all : !step.stream<index, [1, 2, 4, ~n]>
  %9 = step.flatten %7 min 0 max 1 dim every : !step.stream<!step.selector<2, hot 1>, [1, 2, 4, ~n]>
  step.yield
}
// CHECK: 'step.flatten' declares the size every, which is known as all: equal sizes have one name

// -----

// Parts of ragged lists by two selectors are not alike, however many there are
%i, %s, %t = "test.op"() : () -> (tensor<8xi64>, tensor<8x2xi1>, tensor<8x2xi1>)
step.graph(%i, %s, %t) : (tensor<8xi64>, tensor<8x2xi1>, tensor<8x2xi1>) -> () {
^bb0(%0: tensor<8xi64>, %1: tensor<8x2xi1>, %2: tensor<8x2xi1>):
  %3 = step.integers %0 : tensor<8xi64>
  %4 = step.filter_last %3 dim n : !step.stream<index, [1, 8]>
  %5, %6 = step.broadcast %4 consumers 2 : !step.stream<!step.selector<2, hot 1>, [1, 8, ~n]>
  %7 = step.select %1 hot 1 : tensor<8x2xi1>
  %8 = step.select %2 hot 1 : tensor<8x2xi1>
  %9, %10 = step.partition %5, %7 rank 1 dims [4, 4] : !step.stream<!step.selector<2, hot 1>, [1, 8, ~n]>, !step.stream<!step.selector<2, hot 1>, [1, 8]>
  %11, %12 = step.partition %6, %8 rank 1 dims [4, 4] : !step.stream<!step.selector<2, hot 1>, [1, 8, ~n]>, !step.stream<!step.selector<2, hot 1>, [1, 8]>
  step.yield
}
// CHECK: 'step.partition' makes lists of the ragged size ~n.0of2, but so does another of other units; give its outputs other names

// -----

// Partitions by other selectors use other names
%i, %s, %t = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>, tensor<4x2xi1>)
step.graph(%i, %s, %t) : (tensor<4xi64>, tensor<4x2xi1>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>, %12: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  %6 = step.integers %0 : tensor<4xi64>
  %7 = step.select %12 : tensor<4x2xi1>
  %8, %9 = step.partition %6, %7 rank 0 dims [e0, f1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  step.yield
}
// CHECK: 'step.partition' declares the size e0, which 'step.partition' declares of something else; take another name, or assumed [e0] if the program knows them equal

// -----

// The outputs of one selector have different names
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  %6 = step.integers %0 : tensor<4xi64>
  %7 = step.select %1 : tensor<4x2xi1>
  %8, %9 = step.partition %6, %7 rank 0 dims [e1, e0] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  step.yield
}
// CHECK: 'step.partition' declares the size e1, which 'step.partition' declares of something else; take another name, or assumed [e1] if the program knows them equal

// -----

// What is assumed is declared somewhere
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, e1] assumed [e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  step.yield
}
// CHECK: 'step.partition' assumes the size e1, which no operation of the graph declares

// -----

// Also inside of an expression
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, "ceil(n, 4)"] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  step.yield
}
// CHECK: 'step.partition' assumes the size n, which no operation of the graph declares

// -----

// A reassembly takes what was partitioned, in its order
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  %6 = step.select %1 : tensor<4x2xi1>
  %7 = step.reassemble %6, %5, %4 rank 0 dim k : !step.stream<!step.selector<2>, [1, 4]>, !step.stream<index, [e1]>, !step.stream<index, [e0]>
  step.yield
}
// CHECK: 'step.reassemble' takes e1 units as input 0, but a 'step.partition' by the same selector says that e0 are selected; reassemble what was partitioned, in its order

// -----

// Units, not chunks of them
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [e0, e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  %6 = step.select %1 : tensor<4x2xi1>
  %7, %8 = step.reshape %4 rank 0 chunk 4 : !step.stream<index, [e0]>
  %9 = step.accumulate %7 fn add rank 1 : !step.stream<index, [ceil(e0, 4), 4]>
  %10 = step.reassemble %6, %9, %5 rank 0 dim k : !step.stream<!step.selector<2>, [1, 4]>, !step.stream<index, [ceil(e0, 4)]>, !step.stream<index, [e1]>
  step.yield
}
// CHECK: 'step.reassemble' takes ceil(e0, 4) units as input 0, but a 'step.partition' by the same selector says that e0 are selected; reassemble what was partitioned, in its order

// -----

// As many as are claimed to be selected
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<4x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<4x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.select %1 : tensor<4x2xi1>
  %4, %5 = step.partition %2, %3 rank 0 dims [3, e1] : !step.stream<index, [1, 4]>, !step.stream<!step.selector<2>, [1, 4]>
  %6 = step.select %1 : tensor<4x2xi1>
  %7 = step.integers %0 : tensor<4xi64>
  %8 = step.flatten %7 min 0 max 1 : !step.stream<index, [1, 4]>
  %9 = step.reassemble %6, %8, %5 rank 0 dim k : !step.stream<!step.selector<2>, [1, 4]>, !step.stream<index, [4]>, !step.stream<index, [e1]>
  step.yield
}
// CHECK: 'step.reassemble' takes 4 units as input 0, but a 'step.partition' by the same selector says that 3 are selected; reassemble what was partitioned, in its order

// -----

// Selectors select all units
%i, %s = "test.op"() : () -> (tensor<4xi64>, tensor<6x2xi1>)
step.graph(%i, %s) : (tensor<4xi64>, tensor<6x2xi1>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<6x2xi1>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.flatten %2 min 0 max 1 : !step.stream<index, [1, 4]>
  %4, %5 = step.deal %3 rank 0 consumers 2 : !step.stream<index, [4]>
  %6 = step.select %1 hot 1 : tensor<6x2xi1>
  %7 = step.reassemble %6, %4, %5 rank 0 : !step.stream<!step.selector<2, hot 1>, [1, 6]>, !step.stream<index, [2]>, !step.stream<index, [2]>
  step.yield
}
// CHECK: 'step.reassemble' takes 4 units in all, but its selectors select 6

// -----

// Lengths have one name
%i, %n, %m = "test.op"() : () -> (tensor<4xi64>, tensor<4xi64>, tensor<4xi64>)
step.graph(%i, %n, %m) : (tensor<4xi64>, tensor<4xi64>, tensor<4xi64>) -> () {
^bb0(%0: tensor<4xi64>, %1: tensor<4xi64>, %9: tensor<4xi64>):
  %2 = step.integers %0 : tensor<4xi64>
  %3 = step.integers %1 : tensor<4xi64>
  %4 = step.cache_read_address %2, %3 row_tiles 8 dim t : !step.stream<index, [1, 4]>, !step.stream<index, [1, 4]>
  %5 = step.integers %9 : tensor<4xi64>
  %6 = step.filter_last %5 dim t : !step.stream<index, [1, 4]>
  step.yield
}
// CHECK: 'step.filter_last' declares the size t, which 'step.cache_read_address' declares of something else; take another name, or assumed [t] if the program knows them equal

// -----

// Nothing begins that waits for itself
%i = "test.op"() : () -> (tensor<4xi64>)
step.graph(%i) : (tensor<4xi64>) -> () {
^bb0(%0: tensor<4xi64>):
  %1 = step.integers %0 : tensor<4xi64>
  %2 = step.map %1, %4 fn add : !step.stream<index, [1, 4]>, !step.stream<index, [1, 4]>
  %3, %4 = step.broadcast %2 consumers 2 : !step.stream<index, [1, 4]>
  step.yield
}
// CHECK: 'step.broadcast', 'step.map' wait for each other: none can begin. A feedback must enter through the inputs of a 'step.reassemble' or a 'step.eager_merge'

// -----

// Nor does a reassembly whose selector waits for it
%i = "test.op"() : () -> (tensor<4x2xf32>)
step.graph(%i) : (tensor<4x2xf32>) -> () {
^bb0(%0: tensor<4x2xf32>):
  %1 = step.load %0 tile [1, 2] strides [1] shape [4] : tensor<4x2xf32>
  %2 = step.flatten %1 min 0 max 1 : !step.stream<!step.tile<f32, [1, 2]>, [1, 4]>
  %3, %4 = step.broadcast %6 consumers 2 : !step.stream<!step.tile<f32, [1, 2]>, [4]>
  %5 = step.reassemble %7, %2 rank 0 : !step.stream<!step.selector<1, hot 1>, [4]>, !step.stream<!step.tile<f32, [1, 2]>, [4]>
  %6 = step.flatten %5 min 0 max 1 : !step.stream<!step.tile<f32, [1, 2]>, [4, 1]>
  %8 = step.map %3 fn row_sum : !step.stream<!step.tile<f32, [1, 2]>, [4]>
  %7 = step.map %8 fn to_selector scalar 1.0 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [4]>
  step.yield
}
// CHECK: 'step.map', 'step.map', 'step.reassemble', 'step.flatten', 'step.broadcast' wait for each other: none can begin. A feedback must enter through the inputs of a 'step.reassemble' or a 'step.eager_merge'
