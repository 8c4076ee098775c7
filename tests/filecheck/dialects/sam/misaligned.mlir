// RUN: headrace-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A range below absent references lacks fibers
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4x5xf64> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %c, %r = sam.range %root, %n axis i : !sam.stream<ref, index, []>, index
  %d, %x, %z = sam.union %ai, %c, %ra, %r : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %m = arith.constant 5 : index
  %k, %rk = sam.range %x, %m axis j : !sam.stream<ref, index, [i]>, index
  %v = sam.array %rk, %a : !sam.stream<ref, index, [i, j]>, tensor<4xf64, #S>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %y = sam.assemble levels() values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64>
  sam.yield %y : tensor<4x5xf64>
}
// CHECK: 'sam.assemble' stores level 1 dense, but the values have only the coordinates of sam.range; join with 'sam.range' or use 'sam.store'

// -----

// Values of two tensors are joined before they are combined
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %vb = sam.array %rb, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %p = sam.alu %va, %vb op mul : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %w = sam.write_values %p : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.alu' zips streams that do not line up: axis i has the coordinates of level 0 of argument 0 in one and the coordinates of level 0 of argument 1 in another; join them first

// -----

// A joiner gets the references that belong to its coordinates
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %c, %x, %y0 = sam.intersect %ai, %bi, %rb, %ra : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %v = sam.array %x, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %v : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %c mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.intersect' zips streams that do not line up: axis i has the coordinates of level 0 of argument 0 in one and the coordinates of level 0 of argument 1 in another; join them first

// -----

// Inner coordinates are joined under the joined outer ones
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0, %arg1) : (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>, %b: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %bi, %rbi = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %bj, %rbj = sam.scan %rbi, %b level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %c, %x, %y0 = sam.intersect %aj, %bj, %raj, %rbj : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>
  %v = sam.array %x, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %c mode keep : !sam.stream<crd, index, [i, j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: 'sam.intersect' zips streams that do not line up: axis i has the coordinates of level 0 of argument 0 in one and the coordinates of level 0 of argument 1 in another; join them first

// -----

// A repeat is driven by fibers below the repeated tokens
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0, %arg1) : (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>, %b: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %bi, %rbi = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %bj, %rbj = sam.scan %rbi, %b level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %s = sam.repeat_signal %bj : !sam.stream<crd, index, [i, j]>
  %r = sam.repeat %rai, %s : !sam.stream<ref, index, [i]>, !sam.stream<sig, index, [i, j]>
  %v = sam.array %r, %b : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %bi mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %bj mode keep : !sam.stream<crd, index, [i, j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: 'sam.repeat' zips streams that do not line up: axis i has the coordinates of level 0 of argument 1 in one and the coordinates of level 0 of argument 0 in another; join them first

// -----

// An outer reference serves the coordinates below it
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0, %arg1) : (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>, %b: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %bi, %rbi = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %bj, %rbj = sam.scan %rbi, %b level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %r = sam.locate %bj, %rai, %n : !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i]>, index
  %v = sam.array %r, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %bi mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %bj mode keep : !sam.stream<crd, index, [i, j]>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: 'sam.locate' zips streams that do not line up: axis i has the coordinates of level 0 of argument 1 in one and the coordinates of level 0 of argument 0 in another; join them first

// -----

// An accumulator gets coordinates and values of one scan
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0, %arg1) : (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4x5xf64, #SS>, %b: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %bi, %rbi = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %bj, %rbj = sam.scan %rbi, %b level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %j, %s = sam.accumulate %bi, %bj, %v op add : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i, j]>
  %w = sam.write_values %s : !sam.stream<val, f64, [j]>
  %l = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.accumulate' zips streams that do not line up: axis i has the coordinates of level 0 of argument 0 in one and the coordinates of level 0 of argument 1 in another; join them first

// -----

// A drop compares coordinates with the fibers below them
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0, %arg1) : (tensor<4x5xf64, #SS>, tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>, %b: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %bi, %rbi = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %bj, %rbj = sam.scan %rbi, %b level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %i, %j = sam.coordinate_drop %bi, %aj : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %j mode drop : !sam.stream<crd, index, [i, j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: 'sam.coordinate_drop' zips streams that do not line up: axis i has the coordinates of level 0 of argument 1 in one and the coordinates of level 0 of argument 0 in another; join them first

// -----

// No coordinate is dropped across a reduction
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0) : (tensor<4x5xf64, #SS>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %s = sam.reduce %v op add : !sam.stream<val, f64, [i, j]>
  %i, %j = sam.coordinate_drop %ai, %aj : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
  %w = sam.write_values %s : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.assemble' has more values than coordinates in level 0: some were dropped that the values still have

// -----

// Values are written beside their own coordinates
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %bi mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.assemble' has coordinates of level 0 that do not line up with its values: the coordinates of level 0 of argument 1 and the coordinates of level 0 of argument 0

// -----

// A level that keeps empty fibers has all coordinates above
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0) : (tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %i, %j = sam.coordinate_drop %ai, %aj : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [i, j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: 'sam.assemble' has coordinates in level 0 that were dropped where another level is empty; drop by the coordinates of level 1 and write them with mode drop

// -----

// A level that leaves out empty fibers has a drop above
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4x5xf64, #SS>)
%result = sam.graph(%arg0) : (tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %aj mode drop : !sam.stream<crd, index, [i, j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: 'sam.assemble' keeps every coordinate of level 0; write level 1 with mode keep, or drop the coordinates above its empty fibers

// -----

// A dense level holds every coordinate
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4xf64, #S>) -> tensor<4xf64> {
^bb0(%a: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels() values %w extents(%n) : !sam.values<f64> -> tensor<4xf64>
  sam.yield %y : tensor<4xf64>
}
// CHECK: 'sam.assemble' stores level 0 dense, but the values have only the coordinates of level 0 of argument 0; join with 'sam.range' or use 'sam.store'

// -----

// A tensor has as many axes as its values
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4xf64, #S>) -> tensor<4x4xf64> {
^bb0(%a: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels() values %w extents(%n, %n) : !sam.values<f64> -> tensor<4x4xf64>
  sam.yield %y : tensor<4x4xf64>
}
// CHECK: 'sam.assemble' makes a tensor of rank 2 of values with 1 axes

// -----

// Stored values make dense tensors
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %r = sam.locate %ai, %n : !sam.stream<crd, index, [i]>, index
  %w = sam.store %r, %va, %n : !sam.stream<ref, index, [i]>, !sam.stream<val, f64, [i]>, index
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.assemble' needs values in the order of their coordinates, which 'sam.write_values' gives, for a format with compressed levels

// -----

// Absent values are computed with before they are written
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %vb = sam.array %rb, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %c, %x, %y0 = sam.union %ai, %bi, %va, %vb : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %w = sam.write_values %x : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %c mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.write_values' may get absent tokens of a union; compute with them first, for example by 'sam.alu' with op add and scalar 0.0

// -----

// Absent values are computed with before they are reduced
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<f64> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %vb = sam.array %rb, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %c, %x, %y0 = sam.union %ai, %bi, %va, %vb : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %s = sam.reduce %x op add : !sam.stream<val, f64, [i]>
  %w = sam.write_values %s : !sam.stream<val, f64, []>
  %y = sam.assemble levels() values %w extents() : !sam.values<f64> -> tensor<f64>
  sam.yield %y : tensor<f64>
}
// CHECK: 'sam.reduce' may get absent tokens of a union; compute with them first, for example by 'sam.alu' with op add and scalar 0.0

// -----

// A gather gets the lanes of the fork that it has the order of
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0, %arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result = sam.graph(%arg0, %arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %l0, %l1, %order = sam.fork %ra lanes 2 : !sam.stream<ref, index, [i]>
  %m0, %m1, %other = sam.fork %rb lanes 2 : !sam.stream<ref, index, [i]>
  %r = sam.gather %l0, %l1, %other : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %v = sam.array %r, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %v : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.gather' zips streams that do not line up: axis i has the coordinates of lane 0 of 2 in one and the coordinates of lane 0 of 2 in another; join them first

// -----

// Lanes are gathered in the order of the fork
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %l0, %l1, %order = sam.fork %ra lanes 2 : !sam.stream<ref, index, [i]>
  %r = sam.gather %l1, %l0, %order : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %v = sam.array %r, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %v : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.gather' zips streams that do not line up: axis i has the coordinates of lane 1 of 2 in one and the coordinates of lane 0 of 2 in another; join them first

// -----

// Streams that were dealt in different orders do not line up
#S = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4x4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4x4xf64, #S>) -> tensor<4xf64> {
^bb0(%a: tensor<4x4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x4xf64, #S>
  %order = sam.balance %ra, %a level 1 among 2 : !sam.stream<ref, index, [i]>, tensor<4x4xf64, #S>
  %l0, %l1 = sam.deal %ra, %order lanes 2 : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %m0, %m1, %turns = sam.fork %ra lanes 2 : !sam.stream<ref, index, [i]>
  %v0 = sam.array %l0, %a : !sam.stream<ref, index, [i]>, tensor<4x4xf64, #S>
  %v1 = sam.array %m0, %a : !sam.stream<ref, index, [i]>, tensor<4x4xf64, #S>
  %s = sam.alu %v0, %v1 op add : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %w = sam.write_values %s : !sam.stream<val, f64, [i]>
  %n = sam.extent %a dimension 0 : tensor<4x4xf64, #S>
  %y = sam.assemble levels() values %w extents(%n) : !sam.values<f64> -> tensor<4xf64>
  sam.yield %y : tensor<4xf64>
}
// CHECK: 'sam.alu' zips streams that do not line up: axis i has the coordinates of lane 0 of 2 in one and the coordinates of lane 0 of 2 in another; join them first

// -----

// A graph reads only its inputs
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  %c, %r = sam.scan %root, %y level 0 axis k : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.scan' reads a tensor that is made in the same graph; only block arguments of 'sam.graph' can be read

// -----

// A graph holds stream operations only
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result = sam.graph(%arg0) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>):
  %y = "test.op"() : () -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: 'sam.graph' holds stream operations, constants and sizes, but not 'test.op'

// -----

// A graph in a graph would have to run when its inputs are whole
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
sam.graph(%arg0) : (tensor<4xf64, #S>) -> () {
^bb0(%a: tensor<4xf64, #S>):
  sam.graph(%a) : (tensor<4xf64, #S>) -> () {
  ^bb1(%b: tensor<4xf64, #S>):
    sam.yield
  }
  sam.yield
}
// CHECK: 'sam.graph' holds stream operations, constants and sizes, but not 'sam.graph'

// -----

// A graph yields what it made
%arg0 = "test.op"() : () -> (tensor<4xf64>)
%result = sam.graph(%arg0) : (tensor<4xf64>) -> tensor<4xf64> {
^bb0(%a: tensor<4xf64>):
  sam.yield %a : tensor<4xf64>
}
// CHECK: 'sam.graph' yields tensor<4xf64> that no 'sam.assemble' made; what passes through needs no graph

// -----

// Extents are those of the type
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<3xf64, #S>)
%result = sam.graph(%arg0) : (tensor<3xf64, #S>) -> tensor<3xf64, #S> {
^bb0(%a: tensor<3xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<3xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<3xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = arith.constant 5 : index
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<3xf64, #S>
  sam.yield %y : tensor<3xf64, #S>
}
// CHECK: 'sam.assemble' has extent 5 for dimension 0 of tensor<3xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>>, which has 3 elements there

// -----

// Extents are not negative
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
%arg0 = "test.op"() : () -> (tensor<3xf64, #S>)
%result = sam.graph(%arg0) : (tensor<3xf64, #S>) -> tensor<?xf64, #S> {
^bb0(%a: tensor<3xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<3xf64, #S>
  %va = sam.array %ra, %a : !sam.stream<ref, index, [i]>, tensor<3xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = arith.constant -1 : index
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<?xf64, #S>
  sam.yield %y : tensor<?xf64, #S>
}
// CHECK: 'sam.graph' has a constant -1; extents are not negative

// -----

// Extents of results are in elements
#BSR = #sparse_tensor.encoding<{ map = (i) -> (i floordiv 2 : compressed, i mod 2 : dense) }>
%l, %v, %n = "test.op"() : () -> (!sam.level, !sam.values<tensor<2xf64>>, index)
%three = arith.constant 3 : index
%five = arith.constant 5 : index
%y = sam.assemble levels(%l) values %v extents(%five) : !sam.values<tensor<2xf64>> -> tensor<5xf64, #BSR>
%z = sam.assemble levels(%l) values %v extents(%three) : !sam.values<tensor<2xf64>> -> tensor<5xf64, #BSR>
// CHECK: 'sam.assemble' has extent 3 for dimension 0 of tensor<5xf64, {{.*}}>, which has 5 elements there

// -----

#BSR = #sparse_tensor.encoding<{ map = (i) -> (i floordiv 2 : compressed, i mod 2 : dense) }>
%l, %v, %a = "test.op"() : () -> (!sam.level, !sam.values<tensor<2xf64>>, tensor<?xf64, #BSR>)
%n = sam.extent %a dimension 0 : tensor<?xf64, #BSR>
%y = sam.assemble levels(%l) values %v extents(%n) : !sam.values<tensor<2xf64>> -> tensor<?xf64, #BSR>
// CHECK: 'sam.assemble' needs extents in elements, but that of dimension 0 counts blocks; take it from 'tensor.dim'
