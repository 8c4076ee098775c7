// Attention of 7 queries over 5 keys in one pass: online softmax.
//
// step.scan has the largest score so far. Where a larger one comes, both sums, of the weights and of
// the weighted values, are scaled to it before the next term is added (fn multiply_add). Before the
// first score the largest is -inf, and the scale 0.

func.func @attention_online_softmax(%scores: tensor<7x5xf32>, %values: tensor<7x5x16xf32>) -> tensor<7x16xf32> {
  %0 = step.graph(%scores, %values) : (tensor<7x5xf32>, tensor<7x5x16xf32>) -> tensor<7x16xf32> {
  ^bb0(%scores_1: tensor<7x5xf32>, %values_1: tensor<7x5x16xf32>):
    %score = step.load %scores_1 tile [1, 1] strides [5, 1] shape [7, 5] : tensor<7x5xf32>
    %score_1, %score_2, %score_3 = step.broadcast %score consumers 3 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %value = step.load %values_1 tile [1, 16] strides [5, 1] shape [7, 5] : tensor<7x5x16xf32>
    %largest = step.scan %score_1 fn maximum rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %largest_1, %largest_2 = step.broadcast %largest consumers 2 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %before = step.scan %score_2 fn maximum rank 1 exclusive : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %grown = step.map %before, %largest_1 fn sub : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %scale = step.map %grown fn exp : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %scale_1, %scale_2 = step.broadcast %scale consumers 2 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %below = step.map %score_3, %largest_2 fn sub : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %weight = step.map %below fn exp : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %weight_1, %weight_2 = step.broadcast %weight consumers 2 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %term = step.map %weight_1, %value fn mul : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 7, 5]>
    %weighted = step.accumulate %scale_1, %term fn multiply_add rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 7, 5]>
    %sum = step.accumulate %scale_2, %weight_2 fn multiply_add rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %div = step.map %weighted, %sum fn div : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %result = step.store %div into tensor<7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    step.yield %result : tensor<7x16xf32>
  }
  func.return %0 : tensor<7x16xf32>
}
