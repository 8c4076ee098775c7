// RUN: headrace-opt %s -p 'step-lower{rows=2 columns=4}' | filecheck %s
// RUN: headrace-opt %s -p 'step-lower{rows=4}' | filecheck %s --check-prefix WHOLE

// A product with a weight gives tiles of 4 columns, one after the other, and the next product adds them up. Weights are
// read for each tile of rows.
// CHECK-LABEL: @layers
// CHECK: step.graph(%x, %w, %v)
// CHECK: %[[ROWS:.*]] = step.load %{{.*}} tile [2, 16] strides [1, 1] shape [2, 1] : tensor<4x16xf32>
// CHECK: step.flatten %[[ROWS]] min 0 max 1
// CHECK: step.repeat %{{.*}} factor 2
// CHECK: step.load %{{.*}}, %{{.*}} tile [4, 16] strides [1, 1] shape [2, 1] : tensor<8x16xf32>
// CHECK: step.map %{{.*}} fn matmul_transposed {{.*}}[2, 16]>, [1, 2, 2]>
// CHECK: step.map %{{.*}} fn relu
// CHECK: step.load %{{.*}}, %{{.*}} tile [4, 16] strides [1, 1] shape [2, 1] : tensor<8x16xf32>
// CHECK: step.accumulate %{{.*}} fn matmul rank 1
// CHECK: step.store %{{.*}} into tensor<4x16xf32>
// CHECK-NOT: linalg.generic

// WHOLE-LABEL: @layers
// WHOLE: step.load %{{.*}} tile [4, 16] strides [1, 1] shape [1, 1] : tensor<4x16xf32>
// WHOLE: step.load %{{.*}}, %{{.*}} tile [8, 16] strides [1, 1] shape [1, 1] : tensor<8x16xf32>

func.func @layers(%x: tensor<4x16xf32>, %w: tensor<8x16xf32>, %v: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  %h = linalg.generic {indexing_maps = [affine_map<(b, n, k) -> (b, k)>, affine_map<(b, n, k) -> (n, k)>, affine_map<(b, n, k) -> (b, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<4x16xf32>, tensor<8x16xf32>) outs(%f : tensor<4x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %out, %p : f32
    linalg.yield %s : f32
  } -> tensor<4x8xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(b, n) -> (b, n)>, affine_map<(b, n) -> (b, n)>], iterator_types = ["parallel", "parallel"]} ins(%h : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    linalg.yield %m : f32
  } -> tensor<4x8xf32>
  %g = tensor.empty() : tensor<4x16xf32>
  %i = linalg.fill ins(%zero : f32) outs(%g : tensor<4x16xf32>) -> tensor<4x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(b, n, k) -> (b, k)>, affine_map<(b, n, k) -> (k, n)>, affine_map<(b, n, k) -> (b, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%r, %v : tensor<4x8xf32>, tensor<8x16xf32>) outs(%i : tensor<4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %out, %p : f32
    linalg.yield %s : f32
  } -> tensor<4x16xf32>
  func.return %y : tensor<4x16xf32>
}
