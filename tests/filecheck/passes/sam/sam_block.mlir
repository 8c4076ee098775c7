// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0,1 sizes=4,2}' | filecheck %s --check-prefix=SET
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0 sizes=4},sam-block{axes=1 sizes=2}' | filecheck %s --check-prefix=SET
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0,1 sizes=4,4},sam-lower' | filecheck %s --check-prefix=TILES
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=2 sizes=4}' 2>&1 | filecheck %s --check-prefix=AXIS
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0,1 sizes=4}' 2>&1 | filecheck %s --check-prefix=COUNT
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0 sizes=65}' 2>&1 | filecheck %s --check-prefix=SIZE
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0 sizes=1}' 2>&1 | filecheck %s --check-prefix=SMALL
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-block{axes=0 sizes=4 region=1}' 2>&1 | filecheck %s --check-prefix=REGION

// AXIS: sam-block: the region has the axes 0 to 1, but no axis 2
// COUNT: sam-block: axes=0,1 with sizes=4; give one size for each axis, and each axis once
// SIZE: sam-block: blocks of 65 on axis 0; tiles have 2 to 64 elements along an axis
// SMALL: sam-block: blocks of 1 on axis 0; tiles have 2 to 64 elements along an axis
// REGION: sam-block: region=1 does not exist; the module has 1, made by sam-fuse and numbered from 0

// SET: sam.region(%A, %b) blocks [4, 2]

// The matrix is read in tiles, and the bias as a row that is repeated over the rows of each tile. The extremes of
// rows, of which four are left of six in the last tile, are taken of tiles that a vector of ones masks.
// TILES: linalg.fill {{.*}} -> tensor<6xi1>
// TILES: sparse_tensor.convert %A : {{.*}} (d0 floordiv 4 : dense, d1 floordiv 4 : compressed, d0 mod 4 : dense, d1 mod 4 : dense)
// TILES: sam.graph(
// TILES: sam.array {{.*}} tile array<i64: 1, 4>
// TILES: %[[sum:[0-9]+]] = sam.alu {{.*}} op add : !sam.stream<val, tensor<4x4xf64>, [i0, i1]>, !sam.stream<val, tensor<1x4xf64>, [i0, i1]>
// TILES: sam.array {{.*}} tile array<i64: 1, 4> : {{.*}} tensor<6xi1
// TILES: %[[kept:[0-9]+]] = sam.alu %[[sum]], {{.*}} op mask scalar 0xfff0000000000000 : f64
// TILES: %[[rows:[0-9]+]] = sam.alu %[[kept]] op row_max : !sam.stream<val, tensor<4x4xf64>, [i0, i1]>
// TILES: sam.reduce %[[rows]] op max : !sam.stream<val, tensor<4x1xf64>, [i0, i1]>

#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>

func.func @main(%A: tensor<8x6xf64, #CSR>, %b: tensor<6xf64>) -> tensor<8xf64> {
  %low = arith.constant 0xfff0000000000000 : f64
  %e = tensor.empty() : tensor<8xf64>
  %f = linalg.fill ins(%low : f64) outs(%e : tensor<8xf64>) -> tensor<8xf64>
  %Y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%A, %b : tensor<8x6xf64, #CSR>, tensor<6xf64>) outs(%f : tensor<8xf64>) {
  ^bb0(%a: f64, %x: f64, %out: f64):
    %s = arith.addf %a, %x : f64
    %m = arith.maximumf %s, %out : f64
    linalg.yield %m : f64
  } -> tensor<8xf64>
  func.return %Y : tensor<8xf64>
}
