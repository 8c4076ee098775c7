// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' 2>&1 | filecheck %s

// Two sums over different axes are no matrix product.
// CHECK: error: not lowered: 'sam.region': the product over 4 axes does not work tile by tile

#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>

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
