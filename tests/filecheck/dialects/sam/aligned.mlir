// RUN: headrace-opt %s | headrace-opt | filecheck %s

// Graphs whose streams line up.

#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
#DS = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>

// A join makes streams line up
%g0arg0, %g0arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result0 = sam.graph(%g0arg0, %g0arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %c, %x, %y0 = sam.intersect %ai, %bi, %ra, %rb : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %va = sam.array %x, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %vb = sam.array %y0, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %p = sam.alu %va, %vb op mul : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %w = sam.write_values %p : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %c mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: sam.graph

// The order of a join does not matter
%g1arg0, %g1arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result1 = sam.graph(%g1arg0, %g1arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bi, %rb = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %c, %x, %y0 = sam.union %ai, %bi, %ra, %rb : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %d, %u, %v = sam.union %bi, %ai, %rb, %ra : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %va = sam.array %x, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %vb = sam.array %u, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %p = sam.alu %va, %vb op add : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %w = sam.write_values %p : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %d mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: sam.graph

// The union with every coordinate is every coordinate
%g2arg0, %g2arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result2 = sam.graph(%g2arg0, %g2arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<4xf64> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %c, %r = sam.range %root, %n axis i : !sam.stream<ref, index, []>, index
  %d, %x, %z = sam.union %ai, %c, %ra, %r : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %va = sam.array %x, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %va : !sam.stream<val, f64, [i]>
  %y = sam.assemble levels() values %w extents(%n) : !sam.values<f64> -> tensor<4xf64>
  sam.yield %y : tensor<4xf64>
}
// CHECK: sam.graph

// Coordinates above empty fibers are dropped, and their fibers are not written
%g3arg0 = "test.op"() : () -> (tensor<4x5xf64, #SS>)
%result3 = sam.graph(%g3arg0) : (tensor<4x5xf64, #SS>) -> tensor<4x5xf64, #SS> {
^bb0(%a: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %i, %j = sam.coordinate_drop %ai, %aj : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %l0 = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %j mode drop : !sam.stream<crd, index, [i, j]>
  %n = sam.extent %a dimension 0 : tensor<4x5xf64, #SS>
  %m = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l0, %l1) values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #SS>
  sam.yield %y : tensor<4x5xf64, #SS>
}
// CHECK: sam.graph

// What an accumulator collects depends on coordinates, not on values
%g4arg0 = "test.op"() : () -> (tensor<4x5xf64, #SS>)
%result4 = sam.graph(%g4arg0) : (tensor<4x5xf64, #SS>) -> tensor<5xf64, #S> {
^bb0(%a: tensor<4x5xf64, #SS>):
  %root = sam.root
  %ai, %rai = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #SS>
  %aj, %raj = sam.scan %rai, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #SS>
  %v = sam.array %raj, %a : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #SS>
  %e = sam.alu %v op exp : !sam.stream<val, f64, [i, j]>
  %j, %s = sam.accumulate %ai, %aj, %v op add : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i, j]>
  %k, %t = sam.accumulate %ai, %aj, %e op max : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i, j]>
  %q = sam.alu %s, %t op div : !sam.stream<val, f64, [j]>, !sam.stream<val, f64, [j]>
  %w = sam.write_values %q : !sam.stream<val, f64, [j]>
  %l = sam.write_coordinates %k mode keep : !sam.stream<crd, index, [j]>
  %n = sam.extent %a dimension 1 : tensor<4x5xf64, #SS>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<5xf64, #S>
  sam.yield %y : tensor<5xf64, #S>
}
// CHECK: sam.graph

// Lanes of one fork are gathered
%g5arg0 = "test.op"() : () -> (tensor<4xf64, #S>)
%result5 = sam.graph(%g5arg0) : (tensor<4xf64, #S>) -> tensor<4xf64, #S> {
^bb0(%a: tensor<4xf64, #S>):
  %root = sam.root
  %ai, %ra = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %l0, %l1, %order = sam.fork %ra lanes 2 : !sam.stream<ref, index, [i]>
  %r = sam.gather %l0, %l1, %order : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %v = sam.array %r, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %w = sam.write_values %v : !sam.stream<val, f64, [i]>
  %l = sam.write_coordinates %ai mode keep : !sam.stream<crd, index, [i]>
  %n = sam.extent %a dimension 0 : tensor<4xf64, #S>
  %y = sam.assemble levels(%l) values %w extents(%n) : !sam.values<f64> -> tensor<4xf64, #S>
  sam.yield %y : tensor<4xf64, #S>
}
// CHECK: sam.graph

// Coordinates and references that are dealt in one order line up in every lane, and an axis that is
// full in every lane is full behind the gather
%g7arg0 = "test.op"() : () -> (tensor<4x3xf64, #DS>)
%result7 = sam.graph(%g7arg0) : (tensor<4x3xf64, #DS>) -> tensor<4x3xf64> {
^bb0(%a: tensor<4x3xf64, #DS>):
  %root = sam.root
  %n = sam.extent %a dimension 0 : tensor<4x3xf64, #DS>
  %m = sam.extent %a dimension 1 : tensor<4x3xf64, #DS>
  %i, %ri = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4x3xf64, #DS>
  %order = sam.balance %ri, %a level 1 among 2 : !sam.stream<ref, index, [i]>, tensor<4x3xf64, #DS>
  %i0, %i1 = sam.deal %i, %order lanes 2 : !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
  %r0, %r1 = sam.deal %ri, %order lanes 2 : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
  %f0, %q0 = sam.range %i0, %m axis j : !sam.stream<crd, index, [i]>, index
  %f1, %q1 = sam.range %i1, %m axis j : !sam.stream<crd, index, [i]>, index
  %j0, %p0 = sam.scan %r0, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x3xf64, #DS>
  %j1, %p1 = sam.scan %r1, %a level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x3xf64, #DS>
  %u0, %x0, %y0 = sam.union %f0, %j0, %q0, %p0 : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>
  %u1, %x1, %y1 = sam.union %f1, %j1, %q1, %p1 : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>
  %v0 = sam.array %y0, %a : !sam.stream<ref, index, [i, j]>, tensor<4x3xf64, #DS>
  %v1 = sam.array %y1, %a : !sam.stream<ref, index, [i, j]>, tensor<4x3xf64, #DS>
  %v = sam.gather %v0, %v1, %order : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>, !sam.stream<ref, index, [i]>
  %w = sam.write_values %v : !sam.stream<val, f64, [i, j]>
  %y = sam.assemble levels() values %w extents(%n, %m) : !sam.values<f64> -> tensor<4x3xf64>
  sam.yield %y : tensor<4x3xf64>
}
// CHECK: sam.graph

// Words of two tensors line up, and so do the references to their common bits
%g6arg0, %g6arg1 = "test.op"() : () -> (tensor<4xf64, #S>, tensor<4xf64, #S>)
%result6 = sam.graph(%g6arg0, %g6arg1) : (tensor<4xf64, #S>, tensor<4xf64, #S>) -> tensor<f64> {
^bb0(%a: tensor<4xf64, #S>, %b: tensor<4xf64, #S>):
  %root = sam.root
  %ba, %ra = sam.scan_bitvector %root, %a level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %bb, %rb = sam.scan_bitvector %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64, #S>
  %w, %p, %q = sam.bitvector_intersect %ba, %ra, %bb, %rb : !sam.stream<bv, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<bv, index, [i]>, !sam.stream<ref, index, [i]>
  %va = sam.array %p, %a : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %vb = sam.array %q, %b : !sam.stream<ref, index, [i]>, tensor<4xf64, #S>
  %x = sam.alu %va, %vb op mul : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %s = sam.reduce %x op add : !sam.stream<val, f64, [i]>
  %v = sam.write_values %s : !sam.stream<val, f64, []>
  %y = sam.assemble levels() values %v extents() : !sam.values<f64> -> tensor<f64>
  sam.yield %y : tensor<f64>
}
// CHECK: sam.graph
