// RUN: headrace-opt %s -p 'sam-associate{forms=0,-1}' | filecheck %s --check-prefix=RIGHT
// RUN: headrace-opt %s -p 'sam-associate{forms=1,-1}' | filecheck %s --check-prefix=LEFT
// RUN: not headrace-opt %s -p 'sam-associate{forms=0}' 2>&1 | filecheck %s --check-prefix=COUNT
// RUN: not headrace-opt %s -p 'sam-associate{forms=2,0}' 2>&1 | filecheck %s --check-prefix=RANGE

// COUNT: error: sam-associate: forms has 1 numbers, but there are 2 chains of three or more factors: (A X) W; (A B) x
// RANGE: error: sam-associate: forms=2 for chain 0, (A X) W, which has 2 forms, numbered from 0; -1 keeps what is there

// A (X W): the size of X W is taken from its factors, and each product stays in its layer.
// RIGHT-LABEL: @layer
// RIGHT: [[N:%.*]] = tensor.dim {headrace.module = "linear"} %X, %{{.*}}
// RIGHT: tensor.empty([[N]]) : tensor<?x2xf64>
// RIGHT: [[XW:%.*]] = linalg.generic {{.*}} ins(%X, %W : tensor<?x4xf64>, tensor<4x2xf64>) {{.*}}headrace.module = "linear"}
// RIGHT: [[Y:%.*]] = linalg.generic {{.*}} ins(%A, [[XW]] : tensor<?x?xf64, #{{.*}}>, tensor<?x2xf64>) outs(%start : tensor<?x2xf64>) {{.*}}headrace.module = "conv"
// RIGHT: func.return [[Y]]

// What is written already stays as it is.
// LEFT-LABEL: @layer
// LEFT: [[AX:%.*]] = linalg.matmul {{.*}} ins(%A, %X :
// LEFT: linalg.matmul {{.*}} ins([[AX]], %W :

#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>

func.func @layer(%A: tensor<?x?xf64, #CSR> {headrace.name = "A"}, %X: tensor<?x4xf64> {headrace.name = "X"}, %W: tensor<4x2xf64> {headrace.name = "W"}, %start: tensor<?x2xf64>) -> tensor<?x2xf64> {
  %c0 = arith.constant 0 : index
  %z = arith.constant 0.0 : f64
  %n = tensor.dim %A, %c0 : tensor<?x?xf64, #CSR>
  %e = tensor.empty(%n) : tensor<?x4xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<?x4xf64>) -> tensor<?x4xf64>
  %AX = linalg.matmul {headrace.module = "conv"} ins(%A, %X : tensor<?x?xf64, #CSR>, tensor<?x4xf64>) outs(%f : tensor<?x4xf64>) -> tensor<?x4xf64>
  %Y = linalg.matmul {headrace.module = "linear"} ins(%AX, %W : tensor<?x4xf64>, tensor<4x2xf64>) outs(%start : tensor<?x2xf64>) -> tensor<?x2xf64>
  func.return %Y : tensor<?x2xf64>
}

#row = affine_map<(d0, d1) -> (d0, d1)>
#in = affine_map<(d0, d1) -> (d1)>
#out = affine_map<(d0, d1) -> (d0)>

func.func @vector(%A: tensor<8x8xf64> {headrace.name = "A"}, %B: tensor<8x8xf64> {headrace.name = "B"}, %x: tensor<8xf64> {headrace.name = "x"}, %start: tensor<8xf64>) -> tensor<8xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<8x8xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<8x8xf64>) -> tensor<8x8xf64>
  %AB = linalg.matmul ins(%A, %B : tensor<8x8xf64>, tensor<8x8xf64>) outs(%f : tensor<8x8xf64>) -> tensor<8x8xf64>
  %y = linalg.generic {indexing_maps = [#row, #in, #out], iterator_types = ["parallel", "reduction"]} ins(%AB, %x : tensor<8x8xf64>, tensor<8xf64>) outs(%start : tensor<8xf64>) {
  ^bb0(%a: f64, %b: f64, %o: f64):
    %p = arith.mulf %a, %b : f64
    %s = arith.addf %o, %p : f64
    linalg.yield %s : f64
  } -> tensor<8xf64>
  func.return %y : tensor<8xf64>
}
