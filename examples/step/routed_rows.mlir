// Rows that go through an expert or past it: out = x + route * scale * gelu(x w), route being 0 or 1.

func.func @routed_rows(%x: tensor<5x9xf32>, %route: tensor<5xf32>, %scale: tensor<5xf32>, %w: tensor<9x9xf32>) -> tensor<5x9xf32> {
  %0 = step.graph(%x, %route, %scale, %w) : (tensor<5x9xf32>, tensor<5xf32>, tensor<5xf32>, tensor<9x9xf32>) -> tensor<5x9xf32> {
  ^bb0(%x_1: tensor<5x9xf32>, %route_1: tensor<5xf32>, %scale_1: tensor<5xf32>, %w_1: tensor<9x9xf32>):
    %row = step.load %x_1 tile [1, 9] strides [1] shape [5] : tensor<5x9xf32>
    %row_1, %row_2 = step.broadcast %row consumers 2 : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    %number = step.load %route_1 tile [1, 1] strides [1] shape [5] : tensor<5xf32>
    %routed = step.map %number fn to_selector : !step.stream<!step.tile<f32, [1, 1]>, [1, 5]>
    %routed_1, %routed_2, %routed_3 = step.broadcast %routed consumers 3 : !step.stream<!step.selector<1>, [1, 5]>
    %factor = step.load %scale_1 tile [1, 1] strides [1] shape [5] : tensor<5xf32>
    %kept = step.partition %row_1, %routed_1 rank 0 dims [routed] : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>, !step.stream<!step.selector<1>, [1, 5]>
    %kept_1, %kept_2 = step.broadcast %kept consumers 2 : !step.stream<!step.tile<f32, [1, 9]>, [routed]>
    %kept_factor = step.partition %factor, %routed_2 rank 0 dims [routed] : !step.stream<!step.tile<f32, [1, 1]>, [1, 5]>, !step.stream<!step.selector<1>, [1, 5]>
    %w_read = step.load %w_1, %kept_1 tile [9, 9] strides [0] shape [1] : tensor<9x9xf32>, !step.stream<!step.tile<f32, [1, 9]>, [routed]>
    %w_tiles = step.flatten %w_read min 0 max 1 : !step.stream<!step.tile<f32, [9, 9]>, [routed, 1]>
    %matmul = step.map %kept_2, %w_tiles fn matmul : !step.stream<!step.tile<f32, [1, 9]>, [routed]>, !step.stream<!step.tile<f32, [9, 9]>, [routed]>
    %gelu = step.map %matmul fn gelu : !step.stream<!step.tile<f32, [1, 9]>, [routed]>
    %expert = step.map %gelu, %kept_factor fn mul : !step.stream<!step.tile<f32, [1, 9]>, [routed]>, !step.stream<!step.tile<f32, [1, 1]>, [routed]>
    %back = step.reassemble %routed_3, %expert rank 0 dim times : !step.stream<!step.selector<1>, [1, 5]>, !step.stream<!step.tile<f32, [1, 9]>, [routed]>
    %or_zero = step.accumulate %back fn add rank 1 : !step.stream<!step.tile<f32, [1, 9]>, [1, 5, ~times]>
    %add = step.map %row_2, %or_zero fn add : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>, !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    %result = step.store %add into tensor<5x9xf32> : !step.stream<!step.tile<f32, [1, 9]>, [1, 5]>
    step.yield %result : tensor<5x9xf32>
  }
  func.return %0 : tensor<5x9xf32>
}
