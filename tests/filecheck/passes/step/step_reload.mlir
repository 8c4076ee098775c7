// RUN: headrace-opt %s -p step-reload | filecheck %s
// RUN: headrace-opt %s -p 'step-reload{dispatch=4}' | filecheck %s --check-prefix=DISPATCH
// RUN: headrace-opt %s -p 'step-reload{dispatch=4},step-reload{dispatch=1}' | filecheck %s --check-prefix=ONE
// RUN: not headrace-opt %s -p 'step-reload,step-reload' 2>&1 | filecheck %s --check-prefix=NOTHING
// RUN: not headrace-opt %s -p 'step-reload{dispatch=-1}' 2>&1 | filecheck %s --check-prefix=NEGATIVE
// RUN: echo "builtin.module {}" | not headrace-opt -p step-reload 2>&1 | filecheck %s --check-prefix=EMPTY

// Rows of tiles that were kept for four tiles of weights are read four times; the copy that others
// read stays, and so does the depth of a channel.
// CHECK: func.func @layer
// CHECK: %rows = step.load %X tile [2, 4] strides [1] shape [3] : tensor<6x4xf32>
// CHECK-NEXT: %left = step.load %X tile [2, 4] strides [1, 0] shape [3, 4] {step.depths = array<i64: 7>} : tensor<6x4xf32>
// A load for each of three rows steps over them with a stride of 0. Its two inner dimensions are one,
// as their strides are [2, 1] for [2, 2].
// CHECK-NEXT: %w1 = step.load %W tile [4, 2] strides [0, 1] shape [3, 4] : tensor<4x8xf32>
// CHECK-NEXT: %y = step.map %left, %w1 fn matmul : !step.stream<!step.tile<f32, [2, 4]>, [1, 3, 4]>
// CHECK: step.map %sum, %rows fn add
// CHECK-NOT: step.broadcast
// CHECK: step.store %z into tensor<6x4xf32> :

// DISPATCH: step.load %X tile [2, 4] strides [1] shape [3] dispatch 4
// DISPATCH: step.load %X tile [2, 4] strides [1, 0] shape [3, 4] dispatch 4
// DISPATCH: step.load %W tile [4, 2] strides [0, 1] shape [3, 4] dispatch 4
// DISPATCH: step.store %z into tensor<6x4xf32> dispatch 4
// ONE: step.load %X tile [2, 4] strides [1] shape [3] : tensor
// NOTHING: error: step-reload: there is nothing to read again: no load has a reference of static sizes, and no repetition has tiles of a static load
// NEGATIVE: error: step-reload: dispatch=-1 is not possible; it is 1 or more, or 0 to leave it as it is
// EMPTY: error: step-reload: the module has no step.graph; lower a model to it first

func.func @layer(%x: tensor<6x4xf32>, %w: tensor<4x8xf32>, %v: tensor<8x4xf32>) -> tensor<6x4xf32> {
  %result = step.graph(%x, %w, %v) : (tensor<6x4xf32>, tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32> {
  ^bb0(%X: tensor<6x4xf32>, %W: tensor<4x8xf32>, %V: tensor<8x4xf32>):
    %rows = step.load %X tile [2, 4] strides [1] shape [3] : tensor<6x4xf32>
    %0, %1, %2, %3 = step.broadcast %rows consumers 4 : !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    %left = step.repeat %0 factor 4 {step.depths = array<i64: 7>} : !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    %w0 = step.load %W, %1 tile [4, 2] strides [2, 1] shape [2, 2] : tensor<4x8xf32>, !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    %w1 = step.flatten %w0 min 0 max 1 : !step.stream<!step.tile<f32, [4, 2]>, [1, 3, 2, 2]>
    %y = step.map %left, %w1 fn matmul : !step.stream<!step.tile<f32, [2, 4]>, [1, 3, 4]>, !step.stream<!step.tile<f32, [4, 2]>, [1, 3, 4]>
    %v0 = step.load %V, %2 tile [2, 4] strides [1] shape [4] : tensor<8x4xf32>, !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    %sum = step.accumulate %y, %v0 fn matmul rank 1 : !step.stream<!step.tile<f32, [2, 2]>, [1, 3, 4]>, !step.stream<!step.tile<f32, [2, 4]>, [1, 3, 4]>
    %z = step.map %sum, %3 fn add : !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>, !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    %stored = step.store %z into tensor<6x4xf32> : !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    step.yield %stored : tensor<6x4xf32>
  }
  func.return %result : tensor<6x4xf32>
}

// What the run decides stays: how often weights are read, and tiles that came by a route. So do
// levels that no single stride goes through, a flattening of one of several copies, and that of the
// level that starts a load.
// CHECK: func.func @routed
// CHECK: step.load %W, %ref tile [4, 2] strides [1] shape [4]
// CHECK: step.repeat %part0 factor 4
// CHECK: %columns = step.load %X tile [2, 4] strides [1, 3] shape [3, 1]
// CHECK: step.flatten %copy min 0 max 1
// CHECK: %again = step.load %X tile [2, 4] strides [0, 1] shape [2, 3] : tensor<6x4xf32>
// CHECK-NEXT: step.flatten %again min 0 max 1
// CHECK: step.flatten %other min 1 max 2

func.func @routed(%x: tensor<6x4xf32>, %routing: tensor<3x2xi1>, %w: tensor<4x8xf32>) {
  step.graph(%x, %routing, %w) : (tensor<6x4xf32>, tensor<3x2xi1>, tensor<4x8xf32>) -> () {
  ^bb0(%X: tensor<6x4xf32>, %R: tensor<3x2xi1>, %W: tensor<4x8xf32>):
    %rows = step.load %X tile [2, 4] strides [1] shape [3] : tensor<6x4xf32>
    %route = step.select %R hot 1 : tensor<3x2xi1>
    %part0, %part1 = step.partition %rows, %route rank 0 dims [e0, e1] : !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>, !step.stream<!step.selector<2, hot 1>, [1, 3]>
    %ref = step.map %part1 fn relu : !step.stream<!step.tile<f32, [2, 4]>, [e1]>
    %w0 = step.load %W, %ref tile [4, 2] strides [1] shape [4] : tensor<4x8xf32>, !step.stream<!step.tile<f32, [2, 4]>, [e1]>
    step.sink %w0 : !step.stream<!step.tile<f32, [4, 2]>, [e1, 4]>
    %kept = step.repeat %part0 factor 4 : !step.stream<!step.tile<f32, [2, 4]>, [e0]>
    step.sink %kept : !step.stream<!step.tile<f32, [2, 4]>, [e0, 4]>

    %columns = step.load %X tile [2, 4] strides [1, 3] shape [3, 1] : tensor<6x4xf32>
    %copy, %other = step.broadcast %columns consumers 2 : !step.stream<!step.tile<f32, [2, 4]>, [1, 3, 1]>
    %flat = step.flatten %copy min 0 max 1 : !step.stream<!step.tile<f32, [2, 4]>, [1, 3, 1]>
    step.sink %flat : !step.stream<!step.tile<f32, [2, 4]>, [1, 3]>
    %again = step.load %X tile [2, 4] strides [0, 1] shape [2, 3] : tensor<6x4xf32>
    %twice = step.flatten %again min 0 max 1 : !step.stream<!step.tile<f32, [2, 4]>, [1, 2, 3]>
    step.sink %twice : !step.stream<!step.tile<f32, [2, 4]>, [1, 6]>
    %all = step.flatten %other min 1 max 2 : !step.stream<!step.tile<f32, [2, 4]>, [1, 3, 1]>
    step.sink %all : !step.stream<!step.tile<f32, [2, 4]>, [3, 1]>
    step.yield
  }
  func.return
}
