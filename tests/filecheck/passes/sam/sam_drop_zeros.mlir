// RUN: headrace-opt %s -p sam-drop-zeros | filecheck %s --check-prefix=MARK
// RUN: headrace-opt %s -p 'sam-drop-zeros{stored=true}' | filecheck %s --check-prefix=STORED
// RUN: headrace-opt %s -p 'sam-drop-zeros,sam-fuse{regions=all},sam-lower' | filecheck %s --check-prefix=FUSED
// RUN: headrace-opt %s -p 'sam-drop-zeros,sam-fuse{regions=all},sam-lower' -t fusion-table | filecheck %s --check-prefix=TABLE
// RUN: headrace-opt %s -p 'sam-drop-zeros{stored=true},sam-fuse{regions=none},sam-lower' | filecheck %s --check-prefix=ALONE
// RUN: not headrace-opt %s -p 'sam-drop-zeros{which=2}' 2>&1 | filecheck %s --check-prefix=NUMBER
// RUN: not headrace-opt %s -p 'sam-drop-zeros{which=1 stored=true}' 2>&1 | filecheck %s --check-prefix=READER

// NUMBER: error: sam-drop-zeros: which=2 names no operation; there are 2, numbered from 0, before sam-fuse
// READER: error: not lowered: 'linalg.matmul' (model.py:7): its zeros cannot be left out where it is stored, because 'func.return' reads it as it is; use stored=false

// MARK: ins(%X : tensor<8x9xf64>) outs(%e : tensor<8x9xf64>) {{.*}}headrace.drop_zeros
// MARK-NOT: headrace.drop_zeros

// STORED: tensor.empty() : tensor<8x9xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>>
// STORED: linalg.matmul {{.*}} ins(%h, %W : tensor<8x9xf64, #sparse_tensor{{.*}}>, tensor<9x7xf64>)

// The coordinates that are left lead the product; the rows of W are located by them.
// FUSED: [[V:%.*]], [[K:%.*]] = sam.value_drop %{{.*}}, %{{.*}} empty keep
// FUSED: sam.locate [[K]]
// FUSED: op mul

// TABLE: | X     | zeros of i1 | W      | add over i1
// TABLE: i1    | scan  | drop        | locate | accumulate

// The writer of one region drops what the reader of the next one skips.
// ALONE: sam.value_drop
// ALONE: sam.write_coordinates
// ALONE: sam.assemble
// ALONE: sam.graph
// ALONE: sam.scan {{.*}} level 1
// ALONE-NOT: sam.value_drop

#id = affine_map<(d0, d1) -> (d0, d1)>

func.func @layer(%X: tensor<8x9xf64>, %W: tensor<9x7xf64>) -> tensor<8x7xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x9xf64>
  %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%X : tensor<8x9xf64>) outs(%e : tensor<8x9xf64>) {
  ^bb0(%x: f64, %o: f64):
    %zero = arith.constant 0.0 : f64
    %r = arith.maximumf %x, %zero : f64
    linalg.yield %r : f64
  } -> tensor<8x9xf64>
  %s = tensor.empty() : tensor<8x7xf64>
  %f = linalg.fill ins(%z : f64) outs(%s : tensor<8x7xf64>) -> tensor<8x7xf64>
  %Y = linalg.matmul {headrace.source = "model.py:7"} ins(%h, %W : tensor<8x9xf64>, tensor<9x7xf64>) outs(%f : tensor<8x7xf64>) -> tensor<8x7xf64>
  func.return %Y : tensor<8x7xf64>
}
