// Tokens that a given one-hot selector sends to an expert or past it.
//
// out = x + sigmoid(x wg) * gelu(x w) at the expert, x beside it.

func.func @gated_expert(%x: tensor<5x7x16xf32>, %route: tensor<5x7x2xi1>, %w: tensor<16x16xf32>, %wg: tensor<16xf32>) -> tensor<5x7x16xf32> {
  %0 = step.graph(%x, %route, %w, %wg) : (tensor<5x7x16xf32>, tensor<5x7x2xi1>, tensor<16x16xf32>, tensor<16xf32>) -> tensor<5x7x16xf32> {
  ^bb0(%x_1: tensor<5x7x16xf32>, %route_1: tensor<5x7x2xi1>, %w_1: tensor<16x16xf32>, %wg_1: tensor<16xf32>):
    %token = step.load %x_1 tile [1, 16] strides [7, 1] shape [5, 7] : tensor<5x7x16xf32>
    %way = step.select %route_1 hot 1 : tensor<5x7x2xi1>
    %way_1, %way_2 = step.broadcast %way consumers 2 : !step.stream<!step.selector<2, hot 1>, [1, 5, 7]>
    %kept, %passed = step.partition %token, %way_1 rank 0 dims [kept, passed] : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>, !step.stream<!step.selector<2, hot 1>, [1, 5, 7]>
    %kept_1, %kept_2, %kept_3, %kept_4, %kept_5 = step.broadcast %kept consumers 5 : !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %wg_read = step.load %wg_1, %kept_1 tile [1, 16] strides [0] shape [1] : tensor<16xf32>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %wg_tiles = step.flatten %wg_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 16]>, [kept, 1]>
    %matmul_transposed = step.map %kept_2, %wg_tiles fn matmul_transposed : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %gate = step.map %matmul_transposed fn sigmoid : !step.stream<!step.tile<f32, [1, 1]>, [kept]>
    %w_read = step.load %w_1, %kept_3 tile [16, 16] strides [0] shape [1] : tensor<16x16xf32>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %w_tiles = step.flatten %w_read min 0 max 1 : !step.stream<!step.tile<f32, [16, 16]>, [kept, 1]>
    %matmul = step.map %kept_4, %w_tiles fn matmul : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [16, 16]>, [kept]>
    %gelu = step.map %matmul fn gelu : !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %mul = step.map %gelu, %gate fn mul : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [1, 1]>, [kept]>
    %expert = step.map %kept_5, %mul fn add : !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>
    %back = step.reassemble %way_2, %expert, %passed rank 0 : !step.stream<!step.selector<2, hot 1>, [1, 5, 7]>, !step.stream<!step.tile<f32, [1, 16]>, [kept]>, !step.stream<!step.tile<f32, [1, 16]>, [passed]>
    %result = step.store %back into tensor<5x7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7, 1]>
    step.yield %result : tensor<5x7x16xf32>
  }
  func.return %0 : tensor<5x7x16xf32>
}
