// out = sum over k of a[k] * b[k], element by element, of whole matrices.
//
// The sum goes over the outermost list, so step.promote makes a list of all of it.

func.func @sum_of_products_of_tiles(%a: tensor<9x5x7xf32>, %b: tensor<9x5x7xf32>) -> tensor<5x7xf32> {
  %0 = step.graph(%a, %b) : (tensor<9x5x7xf32>, tensor<9x5x7xf32>) -> tensor<5x7xf32> {
  ^bb0(%a_1: tensor<9x5x7xf32>, %b_1: tensor<9x5x7xf32>):
    %read_a = step.load %a_1 tile [5, 7] strides [1] shape [9] : tensor<9x5x7xf32>
    %tile_a = step.flatten %read_a min 0 max 1 : !step.stream<!step.tile<f32, [5, 7]>, [1, 9]>
    %read_b = step.load %b_1 tile [5, 7] strides [1] shape [9] : tensor<9x5x7xf32>
    %tile_b = step.flatten %read_b min 0 max 1 : !step.stream<!step.tile<f32, [5, 7]>, [1, 9]>
    %mul = step.map %tile_a, %tile_b fn mul : !step.stream<!step.tile<f32, [5, 7]>, [9]>, !step.stream<!step.tile<f32, [5, 7]>, [9]>
    %whole = step.promote %mul : !step.stream<!step.tile<f32, [5, 7]>, [9]>
    %sum = step.accumulate %whole fn add rank 1 : !step.stream<!step.tile<f32, [5, 7]>, [1, 9]>
    %result = step.store %sum into tensor<5x7xf32> : !step.stream<!step.tile<f32, [5, 7]>, [1]>
    step.yield %result : tensor<5x7xf32>
  }
  func.return %0 : tensor<5x7xf32>
}
