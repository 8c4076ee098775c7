// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' | filecheck %s

// A cycle of storage orders, A by rows and B by columns: the operand with fewer entries is copied,
// a symmetric one not at all.
// CHECK-LABEL: @fewer_entries
// CHECK: sparse_tensor.convert %B
// CHECK-NOT: sparse_tensor.convert
// CHECK: func.return

// CHECK-LABEL: @symmetric
// CHECK-NOT: sparse_tensor.convert
// CHECK: func.return

#SP = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>

func.func @fewer_entries(%A: tensor<9x9xf64, #SP> {headrace.nonzeros = 40 : i64}, %B: tensor<9x9xf64, #SP> {headrace.nonzeros = 7 : i64}) -> tensor<9x9xf64, #SP> {
  %e = tensor.empty() : tensor<9x9xf64, #SP>
  %Y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%A, %B : tensor<9x9xf64, #SP>, tensor<9x9xf64, #SP>) outs(%e : tensor<9x9xf64, #SP>) {
  ^bb0(%a: f64, %b: f64, %out: f64):
    %r = arith.mulf %a, %b : f64
    linalg.yield %r : f64
  } -> tensor<9x9xf64, #SP>
  func.return %Y : tensor<9x9xf64, #SP>
}

func.func @symmetric(%A: tensor<9x9xf64, #SP>, %B: tensor<9x9xf64, #SP> {headrace.symmetric}) -> tensor<9x9xf64, #SP> {
  %e = tensor.empty() : tensor<9x9xf64, #SP>
  %Y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%A, %B : tensor<9x9xf64, #SP>, tensor<9x9xf64, #SP>) outs(%e : tensor<9x9xf64, #SP>) {
  ^bb0(%a: f64, %b: f64, %out: f64):
    %r = arith.mulf %a, %b : f64
    linalg.yield %r : f64
  } -> tensor<9x9xf64, #SP>
  func.return %Y : tensor<9x9xf64, #SP>
}
