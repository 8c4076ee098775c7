// A layer that a router sends tokens through, or past: out = x + keep * sigmoid(x wg) * gelu(x w).
//
// keep is 1 where sigmoid(silu(x wa0) wa1) > 0.5. A token that is not kept selects none of one expert:
// its list in step.reassemble is empty, and the sum of an empty list is zero.

func.func @mixture_of_depths(%x: tensor<5x7x16xf32>, %wa0: tensor<16x9xf32>, %wa1: tensor<9xf32>, %w: tensor<16x16xf32>, %wg: tensor<16xf32>) -> tensor<5x7x16xf32> {
  %0 = step.graph(%x, %wa0, %wa1, %w, %wg) : (tensor<5x7x16xf32>, tensor<16x9xf32>, tensor<9xf32>, tensor<16x16xf32>, tensor<16xf32>) -> tensor<5x7x16xf32> {
  ^bb0(%x_1: tensor<5x7x16xf32>, %wa0_1: tensor<16x9xf32>, %wa1_1: tensor<9xf32>, %w_1: tensor<16x16xf32>, %wg_1: tensor<16xf32>):
    %read = step.load %x_1 tile [1, 16] strides [1] shape [35] : tensor<5x7x16xf32>
    %token = step.flatten %read min 0 max 1 : !step.stream<!step.tile<f32, [1, 16]>, [1, 35]>
    %token_1, %token_2, %token_3, %token_4, %token_5 = step.broadcast %token consumers 5 : !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %wa0_read = step.load %wa0_1, %token_1 tile [16, 9] strides [0] shape [1] : tensor<16x9xf32>, !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %wa0_tiles = step.flatten %wa0_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 9]>, [35, 1]>
    %matmul = step.map %token_2, %wa0_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [35]>, !step.stream<!step.tile<f32, [16, 9]>, [35]>
    %silu = step.map %matmul fn silu : !step.stream<!step.tile<f32, [1, 9]>, [35]>
    %wa1_read = step.load %wa1_1, %token_3 tile [1, 9] strides [0] shape [1] : tensor<9xf32>, !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %wa1_tiles = step.flatten %wa1_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 9]>, [35, 1]>
    %matmul_transposed = step.map %silu, %wa1_tiles fn matmul_transposed : !step.stream<!step.tile<f32, [1, 9]>, [35]>, !step.stream<!step.tile<f32, [1, 9]>, [35]>
    %sigmoid = step.map %matmul_transposed fn sigmoid : !step.stream<!step.tile<f32, [1, 1]>, [35]>
    %shift = step.map %sigmoid fn shift scalar -5.000000e-01 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [35]>
    %relu = step.map %shift fn relu : !step.stream<!step.tile<f32, [1, 1]>, [35]>
    %keep = step.map %relu fn to_selector : !step.stream<!step.tile<f32, [1, 1]>, [35]>
    %keep_1, %keep_2 = step.broadcast %keep consumers 2 : !step.stream<!step.selector<1>, [35]>
    %kept = step.partition %token_4, %keep_1 rank 0 dims [kept] : !step.stream<!step.tile<f32, [1, 16]>, [35]>, !step.stream<!step.selector<1>, [35]>
    %kept_1, %kept_2, %kept_3, %kept_4 = step.broadcast %kept consumers 4 : !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %wg_read = step.load %wg_1, %kept_1 tile [1, 16] strides [0] shape [1] : tensor<16xf32>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %wg_tiles = step.flatten %wg_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 16]>, [kept, 1]>
    %matmul_transposed_1 = step.map %kept_2, %wg_tiles fn matmul_transposed : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %gate = step.map %matmul_transposed_1 fn sigmoid : !step.stream<!step.tile<f32, [1, 1]>, [kept]>
    %w_read = step.load %w_1, %kept_3 tile [16, 16] strides [0] shape [1] : tensor<16x16xf32>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %w_tiles = step.flatten %w_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 16]>, [kept, 1]>
    %matmul_1 = step.map %kept_4, %w_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [16, 16]>, [kept]>
    %gelu = step.map %matmul_1 fn gelu : !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %expert = step.map %gelu, %gate fn mul : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [1, 1]>, [kept]>
    %back = step.reassemble %keep_2, %expert rank 0 dim times : !step.stream<!step.selector<1>, [35]>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %or_zero = step.accumulate %back fn add rank 1 : !step.stream<!step.tile<f32, [1, 16]>, [35, ~times]>
    %add = step.map %token_5, %or_zero fn add : !step.stream<!step.tile<f32, [1, 16]>, [35]>, !step.stream<!step.tile<f32, [1, 16]>, [35]>
    %result = step.store %add into tensor<5x7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [35]>
    step.yield %result : tensor<5x7x16xf32>
  }
  func.return %0 : tensor<5x7x16xf32>
}
