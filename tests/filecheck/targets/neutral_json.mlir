// RUN: headrace-opt %s -t neutral-json | filecheck %s

#S = #sparse_tensor.encoding<{ map = (d0, d1) -> (d1 : compressed, d0 : compressed) }>
#V = #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>

// Column sums of B, doubled where they are not 0. Roots have no node; modes are logical; `drop` and `keep` are said.

// CHECK:      {
// CHECK-NEXT:  "kernel": "",
// CHECK-NEXT:  "expression": "",
// CHECK-NEXT:  "output": "X",
// CHECK-NEXT:  "fmt": {"X": "s0", "B": "ss10"},
// CHECK-NEXT:  "nodes": [
// CHECK-NEXT:   {"id": 0, "type": "fiberlookup", "tensor": "B", "mode": 1, "index": "j", "format": "compressed", "in": {}},
// CHECK-NEXT:   {"id": 1, "type": "fiberlookup", "tensor": "B", "mode": 0, "index": "i", "format": "compressed", "in": {"ref": [0, "ref"]}},
// CHECK-NEXT:   {"id": 2, "type": "arrayvals", "tensor": "B", "in": {"ref": [1, "ref"]}},
// CHECK-NEXT:   {"id": 3, "type": "reduce", "in": {"val": [2, "val"]}},
// CHECK-NEXT:   {"id": 4, "type": "mul", "scalar": 2.0, "in": {"in0": [3, "val"]}},
// CHECK-NEXT:   {"id": 5, "type": "alu", "op": "mask", "scalar": "-inf", "in": {"in0": [4, "val"], "in1": [3, "val"]}},
// CHECK-NEXT:   {"id": 6, "type": "fiberwrite", "tensor": "X", "index": "j", "format": "compressed", "mode": 0, "empty": "keep", "in": {"in": [0, "crd"]}},
// CHECK-NEXT:   {"id": 7, "type": "fiberwrite", "tensor": "X", "mode": "vals", "in": {"in": [5, "val"]}}
// CHECK-NEXT:  ]
// CHECK-NEXT: }

func.func @main(%B: tensor<3x4xf64, #S>) -> tensor<4xf64, #V> {
  %X = sam.graph(%B) : (tensor<3x4xf64, #S>) -> tensor<4xf64, #V> {
  ^bb0(%b: tensor<3x4xf64, #S>):
    %root = sam.root
    %cj, %rj = sam.scan %root, %b level 0 axis j : !sam.stream<ref, index, []>, tensor<3x4xf64, #S>
    %ci, %ri = sam.scan %rj, %b level 1 axis i : !sam.stream<ref, index, [j]>, tensor<3x4xf64, #S>
    %v = sam.array %ri, %b : !sam.stream<ref, index, [j, i]>, tensor<3x4xf64, #S>
    %s = sam.reduce %v op add : !sam.stream<val, f64, [j, i]>
    %t = sam.alu %s op mul scalar 2.0 : f64 : !sam.stream<val, f64, [j]>
    %u = sam.alu %t, %s op mask scalar 0xfff0000000000000 : f64 : !sam.stream<val, f64, [j]>, !sam.stream<val, f64, [j]>
    %l = sam.write_coordinates %cj mode keep : !sam.stream<crd, index, [j]>
    %w = sam.write_values %u : !sam.stream<val, f64, [j]>
    %n = sam.extent %b dimension 1 : tensor<3x4xf64, #S>
    %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #V>
    sam.yield %y : tensor<4xf64, #V>
  }
  func.return %X : tensor<4xf64, #V>
}
