// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' -t fusion-table | filecheck %s
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' -t 'fusion-table{json=true}' | filecheck %s --check-prefix=JSON

//      CHECK:       | A                | B                | add over i1
// CHECK-NEXT: ----- | ---------------- | ---------------- | -----------
// CHECK-NEXT: i0    | scan             | repeat           |
// CHECK-NEXT: i1    | scan > intersect | scan > intersect | accumulate
// CHECK-NEXT: i2    |                  | scan             | accumulated
// CHECK-NEXT: value | array            | array            |

// JSON: "rows": [
// JSON: "title": "A",

#SP = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>

func.func @product(%A: tensor<8x9xf64, #SP>, %B: tensor<9x7xf64, #SP>) -> tensor<8x7xf64, #SP> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x7xf64, #SP>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  %Y = linalg.matmul ins(%A, %B : tensor<8x9xf64, #SP>, tensor<9x7xf64, #SP>) outs(%f : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  func.return %Y : tensor<8x7xf64, #SP>
}
