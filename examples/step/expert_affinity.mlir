// Affinities of tokens to experts, softmax(x wg), and the expert of the largest as zeros and a one.

func.func @expert_affinity(%x: tensor<5x9xf32>, %wg: tensor<9x3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>) {
  %0, %1 = step.graph(%x, %wg) : (tensor<5x9xf32>, tensor<9x3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>) {
  ^bb0(%x_1: tensor<5x9xf32>, %wg_1: tensor<9x3xf32>):
    %read = step.load %x_1 tile [1, 9] strides [1] shape [5] : tensor<5x9xf32>
    %token = step.flatten %read min 0 max 1 : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    %token_1, %token_2 = step.broadcast %token consumers 2 : !step.stream<!step.tile<f32, [1, 9]>, [5]>
    %wg_read = step.load %wg_1, %token_1 tile [9, 3] strides [0] shape [1] : tensor<9x3xf32>, !step.stream<!step.tile<f32, [1, 9]>, [5]>
    %wg_tiles = step.flatten %wg_read min 0 max 1 : !step.stream<!step.tile<f32, [9, 3]>, [5, 1]>
    %matmul = step.map %token_2, %wg_tiles fn matmul : !step.stream<!step.tile<f32, [1, 9]>, [5]>, !step.stream<!step.tile<f32, [9, 3]>, [5]>
    %matmul_1, %matmul_2 = step.broadcast %matmul consumers 2 : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %row_max = step.map %matmul_1 fn row_max : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %sub = step.map %matmul_2, %row_max fn sub : !step.stream<!step.tile<f32, [1, 3]>, [5]>, !step.stream<!step.tile<f32, [1, 1]>, [5]>
    %exp = step.map %sub fn exp : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %exp_1, %exp_2 = step.broadcast %exp consumers 2 : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %row_sum = step.map %exp_1 fn row_sum : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %affinity = step.map %exp_2, %row_sum fn div : !step.stream<!step.tile<f32, [1, 3]>, [5]>, !step.stream<!step.tile<f32, [1, 1]>, [5]>
    %affinity_1, %affinity_2 = step.broadcast %affinity consumers 2 : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %chosen = step.map %affinity_1 fn top_columns scalar 1.000000e+00 : f64 : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %result = step.store %chosen into tensor<5x3xf32> : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    %result_1 = step.store %affinity_2 into tensor<5x3xf32> : !step.stream<!step.tile<f32, [1, 3]>, [5]>
    step.yield %result, %result_1 : tensor<5x3xf32>, tensor<5x3xf32>
  }
  func.return %0, %1 : tensor<5x3xf32>, tensor<5x3xf32>
}
