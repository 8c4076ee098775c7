// RUN: not headrace-opt %s -t neutral-json 2>&1 | filecheck %s

#V = #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>

// CHECK: error: 'sam.number' has no neutral form, which knows only the operators of the published simulators

func.func @main(%B: tensor<4xf64, #V>) -> tensor<4xf64, #V> {
  %X = sam.graph(%B) : (tensor<4xf64, #V>) -> tensor<4xf64, #V> {
  ^bb0(%b: tensor<4xf64, #V>):
    %root = sam.root
    %ci, %ri = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #V>
    %number = sam.number %ci : !sam.stream<crd, index, [i]>
    %v = sam.array %number, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #V>
    %l = sam.write_coordinates %ci mode keep : !sam.stream<crd, index, [i]>
    %w = sam.write_values %v : !sam.stream<val, f64, [i]>
    %n = sam.extent %b dimension 0 : tensor<4xf64, #V>
    %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #V>
    sam.yield %y : tensor<4xf64, #V>
  }
  func.return %X : tensor<4xf64, #V>
}
