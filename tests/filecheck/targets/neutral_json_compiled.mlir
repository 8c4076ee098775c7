// RUN: headrace-opt %s -p sam-fuse{regions=all},sam-lower -t neutral-json | filecheck %s

// A dense factor is addressed, not scanned; the dense result has no written index, hence its shape.

// CHECK:      "fmt": {"Y": "dd01", "A": "ds01", "B": "dd01"},
// CHECK-NEXT: "shape": [4, 3],
// CHECK:      {"id": 0, "type": "fiberlookup", "tensor": "A", "mode": 0, "index": "i0", "format": "dense", "in": {}},
// CHECK:      "type": "locate", "extent": 5, "in": {"crd": [1, "crd"]}},
// CHECK:      "type": "spaccumulator", "in0": "i2", "in1": "i1", "order": 1,
// CHECK:      "type": "store", "tensor": "Y", "extents": [4, 3],

#CSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>

func.func @main(%A: tensor<4x5xf64, #CSR>, %B: tensor<5x3xf64>) -> tensor<4x3xf64> {
  %empty = tensor.empty() : tensor<4x3xf64>
  %zero = arith.constant 0.0 : f64
  %init = linalg.fill ins(%zero : f64) outs(%empty : tensor<4x3xf64>) -> tensor<4x3xf64>
  %Y = linalg.matmul ins(%A, %B : tensor<4x5xf64, #CSR>, tensor<5x3xf64>) outs(%init : tensor<4x3xf64>) -> tensor<4x3xf64>
  func.return %Y : tensor<4x3xf64>
}
