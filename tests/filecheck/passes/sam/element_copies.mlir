// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' | filecheck %s

// The product of two sums over different axes has four, but tiles have rows and columns only: each blocked
// operand is copied without blocks.
// CHECK-LABEL: @two_sums
// CHECK: %[[A:[0-9]+]] = sparse_tensor.convert %A {headrace.reason = "read element by element, because a tensor with blocks on 4 axes does not work tile by tile"} : {{.*}} to tensor<4x4xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>>
// CHECK: %[[B:[0-9]+]] = sparse_tensor.convert %B {headrace.reason = "read element by element
// CHECK: sam.graph(%[[A]], %[[B]])

// What is known of an argument is known of its copy: a symmetric one is copied once, not per order.
// CHECK-LABEL: @symmetric
// CHECK: sparse_tensor.convert %A {headrace.reason = "read element by element, because one axis in blocks of 4 and of 2 does not work tile by tile"}
// CHECK-NOT: sparse_tensor.convert
// CHECK: func.return

#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
#UNEVEN = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 4 : compressed, i mod 2 : dense, j mod 4 : dense) }>

func.func @two_sums(%A: tensor<4x4xf64, #BSR>, %B: tensor<4x4xf64, #BSR>) -> tensor<4x4xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<4x4xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<4x4xf64>) -> tensor<4x4xf64>
  %Y = linalg.generic {indexing_maps = [affine_map<(i, j, k, l) -> (i, k)>, affine_map<(i, j, k, l) -> (l, j)>, affine_map<(i, j, k, l) -> (i, j)>], iterator_types = ["parallel", "parallel", "reduction", "reduction"]} ins(%A, %B : tensor<4x4xf64, #BSR>, tensor<4x4xf64, #BSR>) outs(%f : tensor<4x4xf64>) {
  ^bb0(%a: f64, %b: f64, %out: f64):
    %p = arith.mulf %a, %b : f64
    %r = arith.addf %out, %p : f64
    linalg.yield %r : f64
  } -> tensor<4x4xf64>
  func.return %Y : tensor<4x4xf64>
}

func.func @symmetric(%A: tensor<4x4xf64, #UNEVEN> {headrace.symmetric}) -> tensor<4x4xf64> {
  %e = tensor.empty() : tensor<4x4xf64>
  %Y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%A, %A : tensor<4x4xf64, #UNEVEN>, tensor<4x4xf64, #UNEVEN>) outs(%e : tensor<4x4xf64>) {
  ^bb0(%a: f64, %b: f64, %out: f64):
    %r = arith.mulf %a, %b : f64
    linalg.yield %r : f64
  } -> tensor<4x4xf64>
  func.return %Y : tensor<4x4xf64>
}
