// RUN: ROUNDTRIP

// Dimensions may have any name, and are printed as d0, d1, ..

#CSR = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>
#CSC = #sparse_tensor.encoding<{ map = (row, col) -> (col : dense, row : compressed) }>
#COO = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : compressed(nonunique), d1 : singleton(nonordered, soa)) }>
#BSR = #sparse_tensor.encoding<{
  map = (i, j) -> (i floordiv 2 : dense, j floordiv 3 : compressed, i mod 2 : dense, j mod 3 : dense)
}>
#NARROW = #sparse_tensor.encoding<{ map = (d0) -> (d0 : loose_compressed), crdWidth = 16, posWidth = 32 }>

%A = "test.op"() : () -> tensor<4x6xf64, #CSR>
%B = sparse_tensor.convert %A : tensor<4x6xf64, #CSR> to tensor<4x6xf64, #CSC>
%C = sparse_tensor.convert %B : tensor<4x6xf64, #CSC> to tensor<?x6xf64, #COO>
%D = sparse_tensor.convert %B {note = "blocks"} : tensor<4x6xf64, #CSC> to tensor<4x6xf64, #BSR>
%E = sparse_tensor.convert %D : tensor<4x6xf64, #BSR> to tensor<4x6xf64>
%F = "test.op"() : () -> tensor<4xf64, #NARROW>

// CHECK: tensor<4x6xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>>
// CHECK-NEXT: %B = sparse_tensor.convert %A : tensor<4x6xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>> to tensor<4x6xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d1 : dense, d0 : compressed) }>>
// CHECK-NEXT: %C = sparse_tensor.convert %B : {{.*}} to tensor<?x6xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : compressed(nonunique), d1 : singleton(nonordered, soa)) }>>
// CHECK-NEXT: %D = sparse_tensor.convert %B {note = "blocks"} : {{.*}} to tensor<4x6xf64, #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 floordiv 2 : dense, d1 floordiv 3 : compressed, d0 mod 2 : dense, d1 mod 3 : dense) }>>
// CHECK-NEXT: %E = sparse_tensor.convert %D : {{.*}} to tensor<4x6xf64>
// CHECK-NEXT: tensor<4xf64, #sparse_tensor.encoding<{ map = (d0) -> (d0 : loose_compressed), posWidth = 32, crdWidth = 16 }>>
