// RUN: headrace-opt %s --split-input-file -p 'sam-fuse{regions=all},sam-lower' | filecheck %s
// RUN: headrace-opt %s --split-input-file -p 'sam-fuse{regions=all},sam-lower{reference=true}' | filecheck %s --check-prefix=REF

// Gustavson's product: rows of B are read for the entries of A's rows, and accumulated.
// CHECK-LABEL: @product
// CHECK: %[[ROOT:.*]] = sam.root
// CHECK: %[[AI:.*]], %[[AIR:.*]] = sam.scan %[[ROOT]], %[[A:.*]] level 0 axis i0
// CHECK: %[[AK:.*]], %[[AKR:.*]] = sam.scan %[[AIR]], %[[A]] level 1 axis i1
// CHECK: %[[SIG:.*]] = sam.repeat_signal %[[AI]]
// CHECK: %[[BR:.*]] = sam.repeat %[[ROOT]], %[[SIG]]
// CHECK: %[[BK:.*]], %[[BKR:.*]] = sam.scan %[[BR]], %[[B:.*]] level 0 axis i1
// CHECK: %[[K:.*]], %[[AREF:.*]], %[[BREF:.*]] = sam.intersect %[[AK]], %[[BK]], %[[AKR]], %[[BKR]]
// CHECK: %[[BJ:.*]], %[[BJR:.*]] = sam.scan %[[BREF]], %[[B]] level 1 axis i2
// CHECK: sam.alu {{.*}} op mul
// CHECK: %[[J:.*]], %[[V:.*]] = sam.accumulate %[[K]], %[[BJ]], {{.*}} op add
// CHECK: sam.write_values %[[V]]
// CHECK: sam.write_coordinates %[[AI]] mode keep
// CHECK: sam.write_coordinates %[[J]] mode keep
// CHECK: sam.assemble

#SP = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>

func.func @product(%A: tensor<8x9xf64, #SP>, %B: tensor<9x7xf64, #SP>) -> tensor<8x7xf64, #SP> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x7xf64, #SP>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  %Y = linalg.matmul ins(%A, %B : tensor<8x9xf64, #SP>, tensor<9x7xf64, #SP>) outs(%f : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  func.return %Y : tensor<8x7xf64, #SP>
}

// -----

// A bias makes every row visible: a range joins the rows of A, the dense bias is located. The
// reference compiler scans and joins the bias, and leaves out rows that A does not store.
// CHECK-LABEL: @bias
// CHECK: %[[AI:.*]], %[[AIR:.*]] = sam.scan {{.*}} level 0 axis i0
// CHECK: %[[RI:.*]], %{{.*}} = sam.range {{.*}} axis i0
// CHECK: sam.union %[[RI]], %[[AI]]
// CHECK-NOT: sam.intersect
// CHECK: sam.write_values
// CHECK: sam.assemble levels()
// REF-LABEL: @bias
// REF-NOT: sam.range
// REF: sam.union
// REF-NOT: sam.locate
// REF: sam.assemble

#SP = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>

func.func @bias(%A: tensor<8x9xf64, #SP>, %b: tensor<9xf64>) -> tensor<8x9xf64> {
  %e = tensor.empty() : tensor<8x9xf64>
  %Y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%A, %b : tensor<8x9xf64, #SP>, tensor<9xf64>) outs(%e : tensor<8x9xf64>) {
  ^bb0(%x: f64, %y: f64, %out: f64):
    %r = arith.addf %x, %y : f64
    linalg.yield %r : f64
  } -> tensor<8x9xf64>
  func.return %Y : tensor<8x9xf64>
}

// -----

// Joiners follow the expression, each operand read once: A*B + A*C visits A and (B or C).
// CHECK-LABEL: @shared
// CHECK: %[[U:.*]], %[[UB:.*]], %[[UC:.*]] = sam.union
// CHECK: sam.intersect {{.*}}, %[[U]], %[[U]], {{.*}}, %[[UB]], %[[UC]]

#V = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
#id = affine_map<(d0) -> (d0)>

func.func @shared(%A: tensor<8xf64, #V>, %B: tensor<8xf64, #V>, %C: tensor<8xf64, #V>) -> tensor<8xf64, #V> {
  %e = tensor.empty() : tensor<8xf64, #V>
  %Y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel"]} ins(%A, %B, %C : tensor<8xf64, #V>, tensor<8xf64, #V>, tensor<8xf64, #V>) outs(%e : tensor<8xf64, #V>) {
  ^bb0(%a: f64, %b: f64, %c: f64, %out: f64):
    %p = arith.mulf %a, %b : f64
    %q = arith.mulf %a, %c : f64
    %r = arith.addf %p, %q : f64
    linalg.yield %r : f64
  } -> tensor<8xf64, #V>
  func.return %Y : tensor<8xf64, #V>
}

// -----

// Operands stored in blocks: axes count blocks, values are tiles, the product is one of tiles.
// CHECK-LABEL: @blocks
// CHECK: sparse_tensor.convert %X
// CHECK: sam.alu {{.*}} op matmul : !sam.stream<val, tensor<4x4xf64>, {{.*}}>, !sam.stream<val, tensor<4x1xf64>
// CHECK: sparse_tensor.convert

#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (i floordiv 4 : dense, j floordiv 4 : compressed, i mod 4 : dense, j mod 4 : dense) }>

func.func @blocks(%A: tensor<8x8xf64, #BSR>, %X: tensor<8x3xf64>) -> tensor<8x3xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x3xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<8x3xf64>) -> tensor<8x3xf64>
  %Y = linalg.matmul ins(%A, %X : tensor<8x8xf64, #BSR>, tensor<8x3xf64>) outs(%f : tensor<8x3xf64>) -> tensor<8x3xf64>
  func.return %Y : tensor<8x3xf64>
}
