// An expert chooses its tokens: of the affinities sigmoid(x wg) of all tokens the three largest.

func.func @expert_choice(%x: tensor<5x9xf32>, %wg: tensor<9xf32>) -> (tensor<5xf32>, tensor<5xf32>) {
  %0, %1 = step.graph(%x, %wg) : (tensor<5x9xf32>, tensor<9xf32>) -> (tensor<5xf32>, tensor<5xf32>) {
  ^bb0(%x_1: tensor<5x9xf32>, %wg_1: tensor<9xf32>):
    %token = step.load %x_1 tile [1, 9] strides [1] shape [5] : tensor<5x9xf32>
    %token_1, %token_2 = step.broadcast %token consumers 2 : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    %wg_read = step.load %wg_1, %token_1 tile [1, 9] strides [0] shape [1] : tensor<9xf32>, !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    %wg_tiles = step.flatten %wg_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 9]>, [1, 5, 1]>
    %matmul_transposed = step.map %token_2, %wg_tiles fn matmul_transposed : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>, !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    %affinity = step.map %matmul_transposed fn sigmoid : !step.stream<!step.tile<f32, [1, 1]>, [1, 5]>
    %affinities = step.accumulate %affinity fn retile_columns rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 5]>
    %affinities_1, %affinities_2 = step.broadcast %affinities consumers 2 : !step.stream<!step.tile<f32, [1, 5]>, [1]>
    %chosen = step.map %affinities_1 fn top_columns scalar 3.000000e+00 : f64 : !step.stream<!step.tile<f32, [1, 5]>, [1]>
    %result = step.store %chosen into tensor<5xf32> : !step.stream<!step.tile<f32, [1, 5]>, [1]>
    %result_1 = step.store %affinities_2 into tensor<5xf32> : !step.stream<!step.tile<f32, [1, 5]>, [1]>
    step.yield %result, %result_1 : tensor<5xf32>, tensor<5xf32>
  }
  func.return %0, %1 : tensor<5xf32>, tensor<5xf32>
}
