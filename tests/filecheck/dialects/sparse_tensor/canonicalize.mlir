// RUN: headrace-opt %s -p canonicalize | filecheck %s

#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>

%A = "test.op"() : () -> tensor<4x6xf64, #CSR>
%B = sparse_tensor.convert %A : tensor<4x6xf64, #CSR> to tensor<4x6xf64, #CSR>
"test.op"(%B) : (tensor<4x6xf64, #CSR>) -> ()

// CHECK-NOT: sparse_tensor.convert
// CHECK: "test.op"(%A)
