// Attention of 7 queries over 5 keys: softmax of the scores of a query, times the values.
//
// The largest score of a query is subtracted before exp. It is known when all scores have been read,
// so that the scores wait at step.expand.

func.func @attention_softmax(%scores: tensor<7x5xf32>, %values: tensor<7x5x16xf32>) -> tensor<7x16xf32> {
  %0 = step.graph(%scores, %values) : (tensor<7x5xf32>, tensor<7x5x16xf32>) -> tensor<7x16xf32> {
  ^bb0(%scores_1: tensor<7x5xf32>, %values_1: tensor<7x5x16xf32>):
    %score = step.load %scores_1 tile [1, 1] strides [5, 1] shape [7, 5] : tensor<7x5xf32>
    %score_1, %score_2, %score_3 = step.broadcast %score consumers 3 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %value = step.load %values_1 tile [1, 16] strides [5, 1] shape [7, 5] : tensor<7x5x16xf32>
    %largest = step.accumulate %score_1 fn maximum rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %alone = step.promote %largest rank 0 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %largest_of_row = step.expand %alone, %score_2 rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 1]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %sub = step.map %score_3, %largest_of_row fn sub : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %exp = step.map %sub fn exp : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %exp_1, %exp_2 = step.broadcast %exp consumers 2 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %weighted = step.accumulate %exp_1, %value fn matmul rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 7, 5]>
    %sum = step.accumulate %exp_2 fn add rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 5]>
    %div = step.map %weighted, %sum fn div : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %result = step.store %div into tensor<7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    step.yield %result : tensor<7x16xf32>
  }
  func.return %0 : tensor<7x16xf32>
}
