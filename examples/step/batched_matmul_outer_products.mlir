// Matrix products: out[m] = transpose(a[m]) b[m], as sums of outer products.
//
// A row of a and a row of b make one matrix; step.accumulate adds up the nine of each m.

func.func @batched_matmul_outer_products(%a: tensor<5x9x7xf32>, %b: tensor<5x9x16xf32>) -> tensor<5x7x16xf32> {
  %0 = step.graph(%a, %b) : (tensor<5x9x7xf32>, tensor<5x9x16xf32>) -> tensor<5x7x16xf32> {
  ^bb0(%a_1: tensor<5x9x7xf32>, %b_1: tensor<5x9x16xf32>):
    %row_a = step.load %a_1 tile [1, 7] strides [9, 1] shape [5, 9] : tensor<5x9x7xf32>
    %row_b = step.load %b_1 tile [1, 16] strides [9, 1] shape [5, 9] : tensor<5x9x16xf32>
    %column = step.map %row_a fn transpose : !step.stream<!step.tile<f32, [1, 7]>, [1, 5, 9]>
    %product = step.accumulate %column, %row_b fn matmul rank 1 : !step.stream<!step.tile<f32, [7, 1]>, [1, 5, 9]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 9]>
    %result = step.store %product into tensor<5x7x16xf32> : !step.stream<!step.tile<f32, [7, 16]>, [1, 5]>
    step.yield %result : tensor<5x7x16xf32>
  }
  func.return %0 : tensor<5x7x16xf32>
}
