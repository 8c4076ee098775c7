// RUN: headrace-opt %s -p step-simplify | filecheck %s
// RUN: echo "builtin.module {}" | not headrace-opt -p step-simplify 2>&1 | filecheck %s --check-prefix=EMPTY

// Copies that nothing reads, the load of a stream that nothing reads, and its tensor go; levels that
// are added and flattened again too.
// CHECK: step.graph(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32> {
// CHECK-NEXT: ^bb0(%X: tensor<4x4xf32>):
// CHECK-NEXT: %rows = step.load %X
// CHECK-NEXT: %y = step.map %rows fn relu
// CHECK-NEXT: step.store %y
// CHECK-NEXT: step.yield

// EMPTY: error: step-simplify: the module has no step.graph; lower a model to it first

func.func @main(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %result = step.graph(%x, %w) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> {
  ^bb0(%X: tensor<4x4xf32>, %W: tensor<4x4xf32>):
    %rows = step.load %X tile [1, 4] strides [1] shape [4] : tensor<4x4xf32>
    %0, %1, %2 = step.broadcast %rows consumers 3 : !step.stream<!step.tile<f32, [1, 4]>, [1, 4]>
    %weights = step.load %W, %1 tile [4, 4] strides [1] shape [1] : tensor<4x4xf32>, !step.stream<!step.tile<f32, [1, 4]>, [1, 4]>
    %unread = step.repeat %weights factor 3 : !step.stream<!step.tile<f32, [4, 4]>, [1, 4, 1]>
    %deeper = step.promote %2 rank 0 : !step.stream<!step.tile<f32, [1, 4]>, [1, 4]>
    %flat = step.flatten %deeper min 0 max 1 : !step.stream<!step.tile<f32, [1, 4]>, [1, 4, 1]>
    %y = step.map %flat fn relu : !step.stream<!step.tile<f32, [1, 4]>, [1, 4]>
    %stored = step.store %y into tensor<4x4xf32> : !step.stream<!step.tile<f32, [1, 4]>, [1, 4]>
    step.yield %stored : tensor<4x4xf32>
  }
  func.return %result : tensor<4x4xf32>
}
