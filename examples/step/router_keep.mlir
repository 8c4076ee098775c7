// The decision of a router, [keep, 1 - keep]: keep is 1 where sigmoid(silu(x wa0) wa1) > 0.5.
//
// The larger of sigmoid(z) and sigmoid(-z) says which.

func.func @router_keep(%x: tensor<5x7x16xf32>, %wa0: tensor<16x9xf32>, %wa1: tensor<9xf32>) -> tensor<5x7x2xf32> {
  %signs = arith.constant dense<[[1.000000e+00, -1.000000e+00]]> : tensor<1x2xf32>
  %0 = step.graph(%x, %wa0, %wa1, %signs) : (tensor<5x7x16xf32>, tensor<16x9xf32>, tensor<9xf32>, tensor<1x2xf32>) -> tensor<5x7x2xf32> {
  ^bb0(%x_1: tensor<5x7x16xf32>, %wa0_1: tensor<16x9xf32>, %wa1_1: tensor<9xf32>, %signs_1: tensor<1x2xf32>):
    %read = step.load %x_1 tile [1, 16] strides [1] shape [35] : tensor<5x7x16xf32>
    %token = step.flatten %read min 0 max 1 : !step.stream<!step.tile<f32, [1, 16]>, [1, 35]>
    %token_1, %token_2, %token_3, %token_4 = step.broadcast %token consumers 4 : !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %wa0_read = step.load %wa0_1, %token_1 tile [16, 9] strides [0] shape [1] : tensor<16x9xf32>, !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %wa0_tiles = step.flatten %wa0_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 9]>, [35, 1]>
    %matmul = step.map %token_2, %wa0_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [35]>, !step.stream<!step.tile<f32, [16, 9]>, [35]>
    %silu = step.map %matmul fn silu : !step.stream<!step.tile<f32, [1, 9]>, [35]>
    %wa1_read = step.load %wa1_1, %token_3 tile [1, 9] strides [0] shape [1] : tensor<9xf32>, !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %wa1_tiles = step.flatten %wa1_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 9]>, [35, 1]>
    %z = step.map %silu, %wa1_tiles fn matmul_transposed : !step.stream<!step.tile<f32, [1, 9]>, [35]>, !step.stream<!step.tile<f32, [1, 9]>, [35]>
    %signs_read = step.load %signs_1, %token_4 tile [1, 2] strides [0] shape [1] : tensor<1x2xf32>, !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %signs_tiles = step.flatten %signs_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 2]>, [35, 1]>
    %matmul_1 = step.map %z, %signs_tiles fn matmul : !step.stream<!step.tile<f32, [1, 1]>, [35]>, !step.stream<!step.tile<f32, [1, 2]>, [35]>
    %sigmoid = step.map %matmul_1 fn sigmoid : !step.stream<!step.tile<f32, [1, 2]>, [35]>
    %keep = step.map %sigmoid fn top_columns scalar 1.000000e+00 : f64 : !step.stream<!step.tile<f32, [1, 2]>, [35]>
    %result = step.store %keep into tensor<5x7x2xf32> : !step.stream<!step.tile<f32, [1, 2]>, [35]>
    step.yield %result : tensor<5x7x2xf32>
  }
  func.return %0 : tensor<5x7x2xf32>
}
