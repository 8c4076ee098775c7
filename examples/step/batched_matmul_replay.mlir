// Matrix products out[m] = a[m] b[m]: b[m] is kept on chip and replayed for every row of a[m].

func.func @batched_matmul_replay(%a: tensor<5x7x9xf32>, %b: tensor<5x9x16xf32>) -> tensor<5x7x16xf32> {
  %0 = step.graph(%a, %b) : (tensor<5x7x9xf32>, tensor<5x9x16xf32>) -> tensor<5x7x16xf32> {
  ^bb0(%a_1: tensor<5x7x9xf32>, %b_1: tensor<5x9x16xf32>):
    %number = step.load %a_1 tile [1, 1] strides [63, 9, 1] shape [5, 7, 9] : tensor<5x7x9xf32>
    %row = step.load %b_1 tile [1, 16] strides [9, 1] shape [5, 9] : tensor<5x9x16xf32>
    %kept = step.bufferize %row rank 1 : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 9]>
    %replayed = step.streamify %kept repeat [7] : !step.stream<!step.buffer<!step.tile<f32, [1, 16]>, [9]>, [1, 5]>
    %product = step.accumulate %number, %replayed fn matmul rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7, 9]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7, 9]>
    %result = step.store %product into tensor<5x7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    step.yield %result : tensor<5x7x16xf32>
  }
  func.return %0 : tensor<5x7x16xf32>
}
