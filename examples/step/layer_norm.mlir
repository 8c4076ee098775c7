// Rows without their mean, divided by their deviation: (x - mean) / sqrt(variance + 1e-5).

func.func @layer_norm(%x: tensor<7x16xf32>) -> tensor<7x16xf32> {
  %0 = step.graph(%x) : (tensor<7x16xf32>) -> tensor<7x16xf32> {
  ^bb0(%x_1: tensor<7x16xf32>):
    %row = step.load %x_1 tile [1, 16] strides [1] shape [7] : tensor<7x16xf32>
    %row_1, %row_2 = step.broadcast %row consumers 2 : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    %row_sum = step.map %row_1 fn row_sum : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    %mean = step.map %row_sum fn scale scalar 6.250000e-02 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %centred = step.map %row_2, %mean fn sub : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %centred_1, %centred_2 = step.broadcast %centred consumers 2 : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    %square = step.map %centred_1 fn square : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    %row_sum_1 = step.map %square fn row_sum : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    %variance = step.map %row_sum_1 fn scale scalar 6.250000e-02 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %shift = step.map %variance fn shift scalar 1.000000e-05 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %sqrt = step.map %shift fn sqrt : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %div = step.map %centred_2, %sqrt fn div : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %result = step.store %div into tensor<7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [1, 7]>
    step.yield %result : tensor<7x16xf32>
  }
  func.return %0 : tensor<7x16xf32>
}
