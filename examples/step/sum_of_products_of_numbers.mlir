// out = sum over k of a[k] * b[k], number by number: the loads read with k innermost.

func.func @sum_of_products_of_numbers(%a: tensor<9x5x7xf32>, %b: tensor<9x5x7xf32>) -> tensor<5x7xf32> {
  %0 = step.graph(%a, %b) : (tensor<9x5x7xf32>, tensor<9x5x7xf32>) -> tensor<5x7xf32> {
  ^bb0(%a_1: tensor<9x5x7xf32>, %b_1: tensor<9x5x7xf32>):
    %number_a = step.load %a_1 tile [1, 1] strides [7, 1, 35] shape [5, 7, 9] : tensor<9x5x7xf32>
    %number_b = step.load %b_1 tile [1, 1] strides [7, 1, 35] shape [5, 7, 9] : tensor<9x5x7xf32>
    %mul = step.map %number_a, %number_b fn mul : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7, 9]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7, 9]>
    %sum = step.accumulate %mul fn add rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7, 9]>
    %result = step.store %sum into tensor<5x7xf32> : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7]>
    step.yield %result : tensor<5x7xf32>
  }
  func.return %0 : tensor<5x7xf32>
}
