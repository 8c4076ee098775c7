// RUN: headrace-opt %s -t dot | filecheck %s
// RUN: headrace-opt %s -t 'dot{rankdir="LR"}' | filecheck %s --check-prefix=LR

#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>

func.func @main(%A: tensor<4xf64, #S>) -> tensor<4xf64, #S> {
  %Y = sam.graph(%A) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
  ^bb0(%a: tensor<4xf64, #S>):
    %root = sam.root
    %i, %r = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
    %x = sam.array %r, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
    %y = sam.alu %x op max scalar 0.0 : f64 : !sam.stream<val, f64, [i]>
    %values = sam.write_values %y : !sam.stream<val, f64, [i]>
    %level = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
    %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
    %t = sam.assemble levels(%level) values %values extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
    sam.yield %t : tensor<4xf64, #S>
  }
  func.return %Y : tensor<4xf64, #S>
}

// LR: rankdir=LR;

// CHECK: digraph sam {
// CHECK: subgraph cluster_0 {
// CHECK: g0_0 [label="root", fillcolor="#d9d9d9"];
// CHECK-NEXT: g0_1 [label="scan i\na level 0", fillcolor="#c6dbef"];
// CHECK-NEXT: g0_2 [label="array\na", fillcolor="#c7e9c0"];
// CHECK-NEXT: g0_3 [label="alu max 0", fillcolor="#fee391"];
// CHECK-NEXT: g0_4 [label="write values", fillcolor="#f7b6d2"];
// CHECK-NEXT: g0_5 [label="write coordinates keep", fillcolor="#f7b6d2"];
// CHECK-NEXT: g0_6 [label="assemble", fillcolor="#f7b6d2"];
// CHECK-NEXT: g0_0 -> g0_1 [label="", color="#2ca02c", fontcolor="#2ca02c"];
// CHECK-NEXT: g0_1 -> g0_2 [label="i", color="#2ca02c", fontcolor="#2ca02c"];
// CHECK-NEXT: g0_2 -> g0_3 [label="i", color="#d62728", fontcolor="#d62728"];
// CHECK-NEXT: g0_3 -> g0_4 [label="i", color="#d62728", fontcolor="#d62728"];
// CHECK-NEXT: g0_1 -> g0_5 [label="i", color="#1f77b4", fontcolor="#1f77b4"];
// CHECK-NEXT: g0_5 -> g0_6 [color="#7f7f7f"];
// CHECK-NEXT: g0_4 -> g0_6 [color="#7f7f7f"];
// CHECK-NEXT: }
