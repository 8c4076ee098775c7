// RUN: echo '[pipeline]' > %t.toml && echo 'passes = ["canonicalize", "cse"]' >> %t.toml
// RUN: headrace-opt %s --pipeline %t.toml | filecheck %s
// RUN: headrace-opt %s --pipeline %t.toml -p dce --print-between-passes | filecheck %s --check-prefix=ORDER
// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

// ORDER:      IR after canonicalize
// ORDER:      IR after cse

#CSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>

// CHECK:      func.func @main(%A: tensor<4x3xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>>)
// CHECK-NEXT:   func.return %A
func.func @main(%A: tensor<4x3xf64, #CSR>) -> tensor<4x3xf64, #CSR> {
  %0 = sparse_tensor.convert %A : tensor<4x3xf64, #CSR> to tensor<4x3xf64, #CSR>
  func.return %0 : tensor<4x3xf64, #CSR>
}
