// RUN: ROUNDTRIP
// RUN: headrace-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>

%A, %n, %m = "test.op"() : () -> (tensor<4x5xf64, #CSR>, index, index)
%val, %bv = "test.op"() : () -> (!sam.stream<val, f64, [i, j]>, !sam.stream<bv, index, [i]>)
%tile, %scalar = "test.op"() : () -> (!sam.stream<val, tensor<4x4xf64>, [i]>, tensor<f64>)

// From tensors to streams

%root = sam.root
// CHECK: %root = sam.root{{$}}
// GENERIC: %root = "sam.root"() : () -> !sam.stream<ref, index, []>

%i, %ri = sam.scan %root, %A level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #CSR>
%j, %rj = sam.scan %ri, %A level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #CSR>
// CHECK-NEXT: %i, %ri = sam.scan %root, %A level 0 axis i : !sam.stream<ref, index, []>, tensor<4x5xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>>
// CHECK-NEXT: %j, %rj = sam.scan %ri, %A level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64
// GENERIC: "sam.scan"(%root, %A) <{level = 0 : index, axis = "i"}> : (!sam.stream<ref, index, []>, tensor<4x5xf64, {{.*}}>) -> (!sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>)

%wb, %wr = sam.scan_bitvector %ri, %A level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #CSR>
// CHECK-NEXT: %wb, %wr = sam.scan_bitvector %ri, %A level 1 axis j : !sam.stream<ref, index, [i]>, tensor<4x5xf64
// GENERIC: "sam.scan_bitvector"(%ri, %A) {{.*}} -> (!sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>)

%k, %rk = sam.range %i, %n axis k : !sam.stream<crd, index, [i]>, index
// CHECK-NEXT: %k, %rk = sam.range %i, %n axis k : !sam.stream<crd, index, [i]>, index
// GENERIC: "sam.range"(%i, %n) <{axis = "k"}> : (!sam.stream<crd, index, [i]>, index) -> (!sam.stream<crd, index, [i, k]>, !sam.stream<ref, index, [i, k]>)

%l0 = sam.locate %i, %n : !sam.stream<crd, index, [i]>, index
%l1 = sam.locate %j, %l0, %m : !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i]>, index
// CHECK-NEXT: %{{.*}} = sam.locate %i, %n : !sam.stream<crd, index, [i]>, index
// CHECK-NEXT: %{{.*}} = sam.locate %j, %{{.*}}, %m : !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i]>, index
// GENERIC: "sam.locate"(%i, %n) : (!sam.stream<crd, index, [i]>, index) -> !sam.stream<ref, index, [i]>

%sig = sam.repeat_signal %j : !sam.stream<crd, index, [i, j]>
%rep = sam.repeat %l0, %sig : !sam.stream<ref, index, [i]>, !sam.stream<sig, index, [i, j]>
// CHECK-NEXT: %sig = sam.repeat_signal %j : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %rep = sam.repeat %{{.*}}, %sig : !sam.stream<ref, index, [i]>, !sam.stream<sig, index, [i, j]>
// GENERIC: "sam.repeat_signal"(%j) : (!sam.stream<crd, index, [i, j]>) -> !sam.stream<sig, index, [i, j]>
// GENERIC: "sam.repeat"(%{{.*}}, %sig) : (!sam.stream<ref, index, [i]>, !sam.stream<sig, index, [i, j]>) -> !sam.stream<ref, index, [i, j]>

%x = sam.array %rj, %A : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64, #CSR>
// CHECK-NEXT: %x = sam.array %rj, %A : !sam.stream<ref, index, [i, j]>, tensor<4x5xf64
// GENERIC: "sam.array"(%rj, %A) : {{.*}} -> !sam.stream<val, f64, [i, j]>

%place = sam.coordinates %x, %m : !sam.stream<val, f64, [i, j]>, index
// CHECK-NEXT: %place = sam.coordinates %x, %m : !sam.stream<val, f64, [i, j]>, index
// GENERIC: "sam.coordinates"(%x, %m) : (!sam.stream<val, f64, [i, j]>, index) -> !sam.stream<crd, index, [i, j]>

%number = sam.number %j : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %number = sam.number %j : !sam.stream<crd, index, [i, j]>
// GENERIC: "sam.number"(%j) : (!sam.stream<crd, index, [i, j]>) -> !sam.stream<ref, index, [i, j]>

%c, %rc = sam.select_fibers %ri, %k : !sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i, k]>
// CHECK-NEXT: %c, %rc = sam.select_fibers %ri, %k : !sam.stream<ref, index, [i]>, !sam.stream<crd, index, [i, k]>
// GENERIC: "sam.select_fibers"(%ri, %k) : {{.*}} -> (!sam.stream<crd, index, [i, k]>, !sam.stream<ref, index, [i, k]>)

%picked = sam.select_values %ri, %val : !sam.stream<ref, index, [i]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %picked = sam.select_values %ri, %val : !sam.stream<ref, index, [i]>, !sam.stream<val, f64, [i, j]>
// GENERIC: "sam.select_values"(%ri, %val) : {{.*}} -> !sam.stream<val, f64, [i]>

%size = sam.extent %A dimension 1 : tensor<4x5xf64, #CSR>
// CHECK-NEXT: %size = sam.extent %A dimension 1 : tensor<4x5xf64
// GENERIC: "sam.extent"(%A) <{dimension = 1 : index}> : (tensor<4x5xf64, {{.*}}>) -> index

// Joins and arithmetic

%ic, %i0, %i1 = sam.intersect %j, %j, %rj, %x : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %ic, %{{.*}}, %{{.*}} = sam.intersect %j, %j, %rj, %x : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>
// GENERIC: "sam.intersect"(%j, %j, %rj, %x) : {{.*}} -> (!sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>)

%uc, %u0, %u1, %u2 = sam.union %j, %j, %j, %rj, %l1, %x : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: sam.union %j, %j, %j, %rj, %{{.*}}, %x : !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>
// GENERIC: "sam.union"(%j, %j, %j, %rj, %{{.*}}, %x) : {{.*}} -> (!sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>)

%mul = sam.alu %x, %val op mul : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
%relu = sam.alu %mul op max scalar 0.0 : f64 : !sam.stream<val, f64, [i, j]>
%masked = sam.alu %x, %relu op mask scalar 0xfff0000000000000 : f64 : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
%where = sam.alu %x, %val, %relu op where : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
%exp = sam.alu %where op exp {note = "softmax"} : !sam.stream<val, f64, [i, j]>
%tiles = sam.alu %tile, %tile op matmul : !sam.stream<val, tensor<4x4xf64>, [i]>, !sam.stream<val, tensor<4x4xf64>, [i]>
// CHECK-NEXT: %mul = sam.alu %x, %val op mul : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %relu = sam.alu %mul op max scalar 0.000000e+00 : f64 : !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %masked = sam.alu %x, %relu op mask scalar 0xfff0000000000000 : f64 : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %where = sam.alu %x, %val, %relu op where : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %exp = sam.alu %where op exp {note = "softmax"} : !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %tiles = sam.alu %tile, %tile op matmul : !sam.stream<val, tensor<4x4xf64>, [i]>, !sam.stream<val, tensor<4x4xf64>, [i]>
// GENERIC: %mul = "sam.alu"(%x, %val) <{op = #sam<alu_kind mul>}>
// GENERIC: %relu = "sam.alu"(%mul) <{op = #sam<alu_kind max>, scalar = 0.000000e+00 : f64}>

%sum = sam.reduce %mul op add : !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %sum = sam.reduce %mul op add : !sam.stream<val, f64, [i, j]>
// GENERIC: "sam.reduce"(%mul) <{op = #sam<reduction_kind add>}> : (!sam.stream<val, f64, [i, j]>) -> !sam.stream<val, f64, [i]>

%aj, %av = sam.accumulate %i, %j, %mul op add : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %aj, %av = sam.accumulate %i, %j, %mul op add : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<val, f64, [i, j]>
// GENERIC: "sam.accumulate"(%i, %j, %mul) {{.*}} -> (!sam.stream<crd, index, [j]>, !sam.stream<val, f64, [j]>)

// Structure

%di, %dj = sam.coordinate_drop %i, %j : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
%hi, %hj = sam.coordinate_hold %i, %j : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
%zv, %zj = sam.value_drop %mul, %j empty keep : !sam.stream<val, f64, [i, j]>, !sam.stream<crd, index, [i, j]>
%points = sam.stop_drop %j mode all : !sam.stream<crd, index, [i, j]>
%filled = sam.stop_drop %j mode empty : !sam.stream<crd, index, [i, j]>
%mi, %mj, %mr = sam.mask %i, %j, %rj predicate gt : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>
%fi, %fj = sam.points_to_fibers %points, %points outer_axis p inner_axis q : !sam.stream<crd, index, []>, !sam.stream<crd, index, []>
%so, %si = sam.split %j factor 4 outer_axis jo inner_axis ji : !sam.stream<crd, index, [i, j]>
%flat = sam.flatten %so, %si factor 4 axis j : !sam.stream<crd, index, [i, jo]>, !sam.stream<crd, index, [i, jo, ji]>
// CHECK-NEXT: %di, %dj = sam.coordinate_drop %i, %j : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %hi, %hj = sam.coordinate_hold %i, %j : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %zv, %zj = sam.value_drop %mul, %j empty keep : !sam.stream<val, f64, [i, j]>, !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %points = sam.stop_drop %j mode all : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %filled = sam.stop_drop %j mode empty : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %mi, %mj, %mr = sam.mask %i, %j, %rj predicate gt : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>
// CHECK-NEXT: %fi, %fj = sam.points_to_fibers %points, %points outer_axis p inner_axis q : !sam.stream<crd, index, []>, !sam.stream<crd, index, []>
// CHECK-NEXT: %so, %si = sam.split %j factor 4 outer_axis jo inner_axis ji : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %flat = sam.flatten %so, %si factor 4 axis j : !sam.stream<crd, index, [i, jo]>, !sam.stream<crd, index, [i, jo, ji]>
// GENERIC: "sam.coordinate_drop"(%i, %j) : {{.*}} -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>)
// GENERIC: "sam.coordinate_hold"(%i, %j) : {{.*}} -> (!sam.stream<crd, index, [i, j]>, !sam.stream<crd, index, [i, j]>)
// GENERIC: "sam.value_drop"(%mul, %j) <{empty = #sam<empty keep>}> : {{.*}} -> (!sam.stream<val, f64, [i, j]>, !sam.stream<crd, index, [i, j]>)
// GENERIC: "sam.stop_drop"(%j) <{mode = #sam<stops all>}> : {{.*}} -> !sam.stream<crd, index, []>
// GENERIC: "sam.stop_drop"(%j) <{mode = #sam<stops empty>}> : {{.*}} -> !sam.stream<crd, index, [i, j]>
// GENERIC: "sam.mask"(%i, %j, %rj) <{predicate = #sam<predicate gt>}> : {{.*}} -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i, j]>, !sam.stream<ref, index, [i, j]>)
// GENERIC: "sam.points_to_fibers"(%points, %points) <{outer_axis = "p", inner_axis = "q"}> : {{.*}} -> (!sam.stream<crd, index, [p]>, !sam.stream<crd, index, [p, q]>)
// GENERIC: "sam.split"(%j) {{.*}} -> (!sam.stream<crd, index, [i, jo]>, !sam.stream<crd, index, [i, jo, ji]>)
// GENERIC: "sam.flatten"(%so, %si) {{.*}} -> !sam.stream<crd, index, [i, j]>

%built = sam.bitvector_build %j : !sam.stream<crd, index, [i, j]>
%chunk, %chunks = sam.bitvector_chunk %built width 4 size 8 : !sam.stream<bv, index, [i, j]>
%bb, %b0, %b1 = sam.bitvector_intersect %wb, %wr, %wb, %wr : !sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>
%bo, %bi = sam.bitvector_drop %bv, %wb : !sam.stream<bv, index, [i]>, !sam.stream<bv, index, [i, j]>
// CHECK-NEXT: %built = sam.bitvector_build %j : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %chunk, %chunks = sam.bitvector_chunk %built width 4 size 8 : !sam.stream<bv, index, [i, j]>
// CHECK-NEXT: %bb, %{{.*}}, %{{.*}} = sam.bitvector_intersect %wb, %wr, %wb, %wr : !sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>
// CHECK-NEXT: %bo, %bi = sam.bitvector_drop %bv, %wb : !sam.stream<bv, index, [i]>, !sam.stream<bv, index, [i, j]>
// GENERIC: "sam.bitvector_build"(%j) : (!sam.stream<crd, index, [i, j]>) -> !sam.stream<bv, index, [i, j]>
// GENERIC: "sam.bitvector_chunk"(%built) <{width = 4 : index, size = 8 : index}> : {{.*}} -> (!sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>)
// GENERIC: "sam.bitvector_intersect"(%wb, %wr, %wb, %wr) : {{.*}} -> (!sam.stream<bv, index, [i, j]>, !sam.stream<ref, index, [i, j]>, !sam.stream<ref, index, [i, j]>)
// GENERIC: "sam.bitvector_drop"(%bv, %wb) : {{.*}} -> (!sam.stream<bv, index, [i]>, !sam.stream<bv, index, [i, j]>)

%lane0, %lane1, %order = sam.fork %ri lanes 2 : !sam.stream<ref, index, [i]>
%again = sam.gather %lane0, %lane1, %order : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
%balanced = sam.balance %ri, %A level 1 among 2 : !sam.stream<ref, index, [i]>, tensor<4x5xf64, #CSR>
%dealt0, %dealt1 = sam.deal %i, %balanced lanes 2 : !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
%longer = sam.concat %i, %i, %n, %m : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, index, index
%appended = sam.concat %val, %val : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %{{.*}}, %{{.*}}, %order = sam.fork %ri lanes 2 : !sam.stream<ref, index, [i]>
// CHECK-NEXT: %again = sam.gather %{{.*}}, %{{.*}}, %order : !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
// CHECK-NEXT: %balanced = sam.balance %ri, %A level 1 among 2 : !sam.stream<ref, index, [i]>, tensor<{{.*}}>
// CHECK-NEXT: %dealt0, %dealt1 = sam.deal %i, %balanced lanes 2 : !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
// CHECK-NEXT: %longer = sam.concat %i, %i, %n, %m : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, index, index
// CHECK-NEXT: %appended = sam.concat %val, %val : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
// GENERIC: "sam.fork"(%ri) <{lanes = 2 : index}> : {{.*}} -> (!sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>)
// GENERIC: "sam.gather"(%{{.*}}, %{{.*}}, %order) : {{.*}} -> !sam.stream<ref, index, [i]>
// GENERIC: "sam.balance"(%ri, %A) <{level = 1 : index, among = 2 : index}> : {{.*}} -> !sam.stream<ref, index, [i]>
// GENERIC: "sam.deal"(%i, %balanced) <{lanes = 2 : index}> : {{.*}} -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>)
// GENERIC: "sam.concat"(%i, %i, %n, %m) : {{.*}} -> !sam.stream<crd, index, [i]>

// From streams to tensors

%level = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [i, j]>
%values = sam.write_values %x : !sam.stream<val, f64, [i, j]>
%stored = sam.store %l1, %x, %n, %m : !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>, index, index
%sparse = sam.assemble levels(%level) values %values extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #CSR>
%dense = sam.assemble levels() values %stored extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64>
// CHECK-NEXT: %level = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [i, j]>
// CHECK-NEXT: %values = sam.write_values %x : !sam.stream<val, f64, [i, j]>
// CHECK-NEXT: %stored = sam.store %{{.*}}, %x, %n, %m : !sam.stream<ref, index, [i, j]>, !sam.stream<val, f64, [i, j]>, index, index
// CHECK-NEXT: %sparse = sam.assemble levels(%level) values %values extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64, #sparse_tensor
// CHECK-NEXT: %dense = sam.assemble levels() values %stored extents(%n, %m) : !sam.values<f64> -> tensor<4x5xf64>
// GENERIC: "sam.write_coordinates"(%j) <{mode = #sam<empty keep>}> : (!sam.stream<crd, index, [i, j]>) -> !sam.level
// GENERIC: "sam.write_values"(%x) : (!sam.stream<val, f64, [i, j]>) -> !sam.values<f64>
// GENERIC: "sam.store"(%{{.*}}, %x, %n, %m) : {{.*}} -> !sam.values<f64>
// GENERIC: "sam.assemble"(%level, %values, %n, %m) <{operandSegmentSizes = array<i32: 1, 1, 2>}>

// Containers

%Y = sam.graph(%scalar) attributes {name = "copy"} : (tensor<f64>) -> tensor<f64> {
^bb0(%graph_t: tensor<f64>):
  %graph_u = sam.root
  %graph_v = sam.array %graph_u, %graph_t : !sam.stream<ref, index, []>, tensor<f64>
  %graph_w = sam.write_values %graph_v : !sam.stream<val, f64, []>
  %graph_x = sam.assemble levels() values %graph_w extents() : !sam.values<f64> -> tensor<f64>
  sam.yield %graph_x : tensor<f64>
}
// CHECK-NEXT: %Y = sam.graph(%scalar) attributes {name = "copy"} : (tensor<f64>) -> tensor<f64> {
// CHECK-NEXT: ^bb0(%graph_t: tensor<f64>):
// CHECK:        sam.yield %{{.*}} : tensor<f64>
// CHECK-NEXT: }
// GENERIC: "sam.graph"(%scalar) ({
// GENERIC: "sam.yield"(%{{.*}})

%Z = sam.region(%A) priority [1, 0] copies "none" lanes [#sam.lanes<axis 1 factor 4 balance nonzeros>] : (tensor<4x5xf64, #CSR>) -> tensor<4x5xf64, #CSR> {
^bb0(%a: tensor<4x5xf64, #CSR>):
  sam.yield %a : tensor<4x5xf64, #CSR>
}
// CHECK: %Z = sam.region(%A) priority [1, 0] copies "none" lanes [#sam.lanes<axis 1 factor 4 balance nonzeros>] : (tensor<4x5xf64, {{.*}}>) -> tensor<4x5xf64, {{.*}}> {
// GENERIC: "sam.region"(%A) <{priority = array<i64: 1, 0>, copies = "none", lanes = [#sam.lanes<axis 1 factor 4 balance nonzeros>]}> ({
