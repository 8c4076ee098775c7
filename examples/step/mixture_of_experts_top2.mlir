// Mixture of three experts, the two best for each token.
//
// out = sum over the chosen experts e of softmax(x wg)[e] * (gelu(x we0) we1). Of a token's affinities
// each expert gets its own (step.deal), for the tokens that it is sent.

func.func @mixture_of_experts_top2(%x: tensor<5x7x9xf32>, %wg: tensor<9x3xf32>, %w00: tensor<9x16xf32>, %w01: tensor<16x9xf32>, %w10: tensor<9x16xf32>, %w11: tensor<16x9xf32>, %w20: tensor<9x16xf32>, %w21: tensor<16x9xf32>) -> tensor<5x7x9xf32> {
  %0 = step.graph(%x, %wg, %w00, %w01, %w10, %w11, %w20, %w21) : (tensor<5x7x9xf32>, tensor<9x3xf32>, tensor<9x16xf32>, tensor<16x9xf32>, tensor<9x16xf32>, tensor<16x9xf32>, tensor<9x16xf32>, tensor<16x9xf32>) -> tensor<5x7x9xf32> {
  ^bb0(%x_1: tensor<5x7x9xf32>, %wg_1: tensor<9x3xf32>, %w00_1: tensor<9x16xf32>, %w01_1: tensor<16x9xf32>, %w10_1: tensor<9x16xf32>, %w11_1: tensor<16x9xf32>, %w20_1: tensor<9x16xf32>, %w21_1: tensor<16x9xf32>):
    %read = step.load %x_1 tile [1, 9] strides [1] shape [35] : tensor<5x7x9xf32>
    %token = step.flatten %read min 0 max 1 : !step.stream<!step.tile<f32, [1, 9]>, [1, 35]>
    %token_1, %token_2, %token_3 = step.broadcast %token consumers 3 : !step.stream<!step.tile<f32, [1, 9]>, [35]>
    %wg_read = step.load %wg_1, %token_1 tile [9, 3] strides [0] shape [1] : tensor<9x3xf32>, !step.stream<!step.tile<f32, [1, 9]>, [35]>
    %wg_tiles = step.flatten %wg_read min 0 max 1 : !step.stream<!step.tile<f32, [9, 3]>, [35, 1]>
    %matmul = step.map %token_2, %wg_tiles fn matmul : !step.stream<!step.tile<f32, [1, 9]>, [35]>, !step.stream<!step.tile<f32, [9, 3]>, [35]>
    %matmul_1, %matmul_2 = step.broadcast %matmul consumers 2 : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %row_max = step.map %matmul_1 fn row_max : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %sub = step.map %matmul_2, %row_max fn sub : !step.stream<!step.tile<f32, [1, 3]>, [35]>, !step.stream<!step.tile<f32, [1, 1]>, [35]>
    %exp = step.map %sub fn exp : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %exp_1, %exp_2 = step.broadcast %exp consumers 2 : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %row_sum = step.map %exp_1 fn row_sum : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %affinity = step.map %exp_2, %row_sum fn div : !step.stream<!step.tile<f32, [1, 3]>, [35]>, !step.stream<!step.tile<f32, [1, 1]>, [35]>
    %affinity_1, %affinity_2 = step.broadcast %affinity consumers 2 : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %chosen = step.map %affinity_1 fn top_columns scalar 2.000000e+00 : f64 : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %experts = step.map %chosen fn to_selector scalar 2.000000e+00 : f64 : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %experts_1, %experts_2, %experts_3, %experts_4, %experts_5 = step.broadcast %experts consumers 5 : !step.stream<!step.selector<3, hot 2>, [35]>
    %one_by_one = step.flat_map %affinity_2 fn split_columns : !step.stream<!step.tile<f32, [1, 3]>, [35]>
    %affinity_3, %affinity_4, %affinity_5 = step.deal %one_by_one rank 0 consumers 3 : !step.stream<!step.tile<f32, [1, 1]>, [105]>
    %tokens, %tokens_1, %tokens_2 = step.partition %token_3, %experts_1 rank 0 dims [n0, n1, n2] : !step.stream<!step.tile<f32, [1, 9]>, [35]>, !step.stream<!step.selector<3, hot 2>, [35]>
    %tokens_3, %tokens_4, %tokens_5 = step.broadcast %tokens_2 consumers 3 : !step.stream<!step.tile<f32, [1, 9]>, [n2]>
    %tokens_6, %tokens_7, %tokens_8 = step.broadcast %tokens_1 consumers 3 : !step.stream<!step.tile<f32, [1, 9]>, [n1]>
    %tokens_9, %tokens_10, %tokens_11 = step.broadcast %tokens consumers 3 : !step.stream<!step.tile<f32, [1, 9]>, [n0]>
    %share, %share_1, %share_2 = step.partition %affinity_3, %experts_2 rank 0 dims [n0, n1, n2] : !step.stream<!step.tile<f32, [1, 1]>, [35]>, !step.stream<!step.selector<3, hot 2>, [35]>
    %w00_read = step.load %w00_1, %tokens_9 tile [9, 16] strides [0] shape [1] : tensor<9x16xf32>, !step.stream<!step.tile<f32, [1, 9]>, [n0]>
    %w00_tiles = step.flatten %w00_read min 0 max 1 : !step.stream<!step.tile<f32, [9, 16]>, [n0, 1]>
    %matmul_3 = step.map %tokens_10, %w00_tiles fn matmul : !step.stream<!step.tile<f32, [1, 9]>, [n0]>, !step.stream<!step.tile<f32, [9, 16]>, [n0]>
    %gelu = step.map %matmul_3 fn gelu : !step.stream<!step.tile<f32, [1, 16]>, [n0]>
    %w01_read = step.load %w01_1, %tokens_11 tile [16, 9] strides [0] shape [1] : tensor<16x9xf32>, !step.stream<!step.tile<f32, [1, 9]>, [n0]>
    %w01_tiles = step.flatten %w01_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 9]>, [n0, 1]>
    %matmul_4 = step.map %gelu, %w01_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [n0]>, !step.stream<!step.tile<f32, [16, 9]>, [n0]>
    %expert = step.map %matmul_4, %share fn mul : !step.stream<!step.tile<f32, [1, 9]>, [n0]>, !step.stream<!step.tile<f32, [1, 1]>, [n0]>
    %share_3, %share_4, %share_5 = step.partition %affinity_4, %experts_3 rank 0 dims [n0, n1, n2] : !step.stream<!step.tile<f32, [1, 1]>, [35]>, !step.stream<!step.selector<3, hot 2>, [35]>
    %w10_read = step.load %w10_1, %tokens_6 tile [9, 16] strides [0] shape [1] : tensor<9x16xf32>, !step.stream<!step.tile<f32, [1, 9]>, [n1]>
    %w10_tiles = step.flatten %w10_read min 0 max 1 : !step.stream<!step.tile<f32, [9, 16]>, [n1, 1]>
    %matmul_5 = step.map %tokens_7, %w10_tiles fn matmul : !step.stream<!step.tile<f32, [1, 9]>, [n1]>, !step.stream<!step.tile<f32, [9, 16]>, [n1]>
    %gelu_1 = step.map %matmul_5 fn gelu : !step.stream<!step.tile<f32, [1, 16]>, [n1]>
    %w11_read = step.load %w11_1, %tokens_8 tile [16, 9] strides [0] shape [1] : tensor<16x9xf32>, !step.stream<!step.tile<f32, [1, 9]>, [n1]>
    %w11_tiles = step.flatten %w11_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 9]>, [n1, 1]>
    %matmul_6 = step.map %gelu_1, %w11_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [n1]>, !step.stream<!step.tile<f32, [16, 9]>, [n1]>
    %expert_1 = step.map %matmul_6, %share_4 fn mul : !step.stream<!step.tile<f32, [1, 9]>, [n1]>, !step.stream<!step.tile<f32, [1, 1]>, [n1]>
    %share_6, %share_7, %share_8 = step.partition %affinity_5, %experts_4 rank 0 dims [n0, n1, n2] : !step.stream<!step.tile<f32, [1, 1]>, [35]>, !step.stream<!step.selector<3, hot 2>, [35]>
    %w20_read = step.load %w20_1, %tokens_3 tile [9, 16] strides [0] shape [1] : tensor<9x16xf32>, !step.stream<!step.tile<f32, [1, 9]>, [n2]>
    %w20_tiles = step.flatten %w20_read min 0 max 1 : !step.stream<!step.tile<f32, [9, 16]>, [n2, 1]>
    %matmul_7 = step.map %tokens_4, %w20_tiles fn matmul : !step.stream<!step.tile<f32, [1, 9]>, [n2]>, !step.stream<!step.tile<f32, [9, 16]>, [n2]>
    %gelu_2 = step.map %matmul_7 fn gelu : !step.stream<!step.tile<f32, [1, 16]>, [n2]>
    %w21_read = step.load %w21_1, %tokens_5 tile [16, 9] strides [0] shape [1] : tensor<16x9xf32>, !step.stream<!step.tile<f32, [1, 9]>, [n2]>
    %w21_tiles = step.flatten %w21_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 9]>, [n2, 1]>
    %matmul_8 = step.map %gelu_2, %w21_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [n2]>, !step.stream<!step.tile<f32, [16, 9]>, [n2]>
    %expert_2 = step.map %matmul_8, %share_8 fn mul : !step.stream<!step.tile<f32, [1, 9]>, [n2]>, !step.stream<!step.tile<f32, [1, 1]>, [n2]>
    %back = step.reassemble %experts_5, %expert, %expert_1, %expert_2 rank 0 : !step.stream<!step.selector<3, hot 2>, [35]>, !step.stream<!step.tile<f32, [1, 9]>, [n0]>, !step.stream<!step.tile<f32, [1, 9]>, [n1]>, !step.stream<!step.tile<f32, [1, 9]>, [n2]>
    %sum = step.accumulate %back fn add rank 1 : !step.stream<!step.tile<f32, [1, 9]>, [35, 2]>
    %result = step.store %sum into tensor<5x7x9xf32> : !step.stream<!step.tile<f32, [1, 9]>, [35]>
    step.yield %result : tensor<5x7x9xf32>
  }
  func.return %0 : tensor<5x7x9xf32>
}
