// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-order{priority=1,2,0}' | filecheck %s --check-prefix=SET
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-order{priority=1,2,0},sam-lower' | filecheck %s --check-prefix=LEGAL
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-order{priority=1,2,0 copies=any},sam-lower' | filecheck %s --check-prefix=ANY
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-order{priority=1,0},sam-lower' 2>&1 | filecheck %s --check-prefix=AXES

// AXES: error: not lowered: 'sam.region': priority [1, 0] must name each of the axes 0 to 2 once

// SET: sam.region(%A, %B) priority [1, 2, 0] copies "none"

// The storage of A, i0 outside i1, is kept: the nearest legal order is i0, i1, i2.
// LEGAL-NOT: sparse_tensor.convert
// LEGAL: sam.scan {{.*}} level 0 axis i0
// LEGAL: sam.scan {{.*}} level 1 axis i1
// LEGAL-NOT: sparse_tensor.convert

// With copies, A is stored by columns, i1 is outermost, and the result is converted back.
// ANY: sparse_tensor.convert %A
// ANY: sam.scan {{.*}} level 0 axis i1
// ANY: sam.accumulate
// ANY: sparse_tensor.convert

#SP = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>

func.func @product(%A: tensor<8x9xf64, #SP>, %B: tensor<9x7xf64, #SP>) -> tensor<8x7xf64, #SP> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x7xf64, #SP>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  %Y = linalg.matmul ins(%A, %B : tensor<8x9xf64, #SP>, tensor<9x7xf64, #SP>) outs(%f : tensor<8x7xf64, #SP>) -> tensor<8x7xf64, #SP>
  func.return %Y : tensor<8x7xf64, #SP>
}
