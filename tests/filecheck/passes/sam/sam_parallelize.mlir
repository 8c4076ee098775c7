// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=2},sam-parallelize{axis=1 factor=3 balance=nonzeros}' | filecheck %s --check-prefix=SET
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=2},sam-lower' | filecheck %s --check-prefix=ROWS
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=2 balance=nonzeros},sam-lower' | filecheck %s --check-prefix=BALANCED
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=1 factor=2},sam-lower' | filecheck %s --check-prefix=SUM
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=2 balance=nonzeros},sam-lower' -t fusion-table | filecheck %s --check-prefix=TABLE
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=1},sam-lower' | filecheck %s --check-prefix=ONE
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=0}' 2>&1 | filecheck %s --check-prefix=FACTOR
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=2 region=4}' 2>&1 | filecheck %s --check-prefix=REGION
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=0 factor=2},sam-parallelize{axis=0 factor=2}' 2>&1 | filecheck %s --check-prefix=TWICE
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=7 factor=2},sam-lower' 2>&1 | filecheck %s --check-prefix=AXIS
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-parallelize{axis=2 factor=2},sam-lower' 2>&1 | filecheck %s --check-prefix=ACCUMULATED
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-order{priority=0,2,1 copies=any},sam-parallelize{axis=1 factor=2 balance=nonzeros},sam-lower' 2>&1 | filecheck %s --check-prefix=DENSE

// Lanes are an attribute of the region, until it is lowered.
// SET: sam.region(%A, %B) lanes [#sam.lanes<axis 0 factor 2 balance turns>, #sam.lanes<axis 1 factor 3 balance nonzeros>]

// The rows of A are forked, and all that lies inside is there twice; the rows are written as they
// come out of the joiner, the rest is gathered.
// ROWS: %[[ROW:[0-9]+]], %{{[0-9]+}} = sam.scan {{.*}} level 0 axis i0
// ROWS: sam.fork {{.*}} lanes 2
// ROWS-COUNT-2: sam.scan {{.*}} level 1 axis i1
// ROWS-COUNT-2: sam.accumulate
// ROWS-NOT: sam.accumulate
// ROWS: %[[VALUES:[0-9]+]] = sam.gather
// ROWS-NEXT: sam.write_values %[[VALUES]]
// ROWS-NEXT: sam.write_coordinates %[[ROW]] mode keep
// ROWS-NEXT: %[[COLUMNS:[0-9]+]] = sam.gather
// ROWS-NEXT: sam.write_coordinates %[[COLUMNS]] mode keep
// ROWS-NOT: sam.write

// BALANCED: %[[REF:[0-9]+]] = sam.balance {{.*}} level 1 among 2
// BALANCED: sam.deal %{{[0-9]+}}, %[[REF]] lanes 2
// BALANCED-NOT: sam.fork
// BALANCED: sam.gather %{{[0-9]+}}, %{{[0-9]+}}, %[[REF]]

// Each lane sums a part, and the partial sums are added; what one lane lacks is absent.
// SUM: sam.fork {{.*}} lanes 2
// SUM-COUNT-2: sam.accumulate
// SUM-NEXT: sam.union
// SUM-NEXT: sam.alu {{.*}} op add
// SUM-NOT: sam.gather

// A column for each use of a tensor in each lane.
// TABLE: i0    | scan > lane      | scan > lane      | repeat

// ONE-NOT: sam.fork

// FACTOR: error: sam-parallelize: axis=0 factor=0 is not possible; axes are numbered from 0, and a factor is 1 or more
// REGION: error: sam-parallelize: region=4 does not exist; the module has 1, made by sam-fuse and numbered from 0
// TWICE: error: sam-parallelize: axis i0 of region 0 has lanes already; give the product of the factors once
// AXIS: error: not lowered: 'sam.region': axis i7 cannot have lanes, because it does not exist; this region has 3 axes, numbered from 0
// ACCUMULATED: error: not lowered: 'sam.region': axis i2 cannot have lanes, because it comes out of the accumulator over i1
// DENSE: error: not lowered: 'sam.region': axis i1 cannot have lanes, because balance=nonzeros counts the entries of a compressed level right inside it, and no operand has one; use balance=turns

#SP = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>

func.func @product(%A: tensor<8x9xf64, #SP>, %B: tensor<9x7xf64, #SP>) -> tensor<8x7xf64, #SP> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x7xf64, #SP>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  %Y = linalg.matmul ins(%A, %B : tensor<8x9xf64, #SP>, tensor<9x7xf64, #SP>) outs(%f : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  func.return %Y : tensor<8x7xf64, #SP>
}
