// Rows divided by the root of their mean square, x / sqrt(mean(x^2) + 1e-5), number by number.

func.func @rms_norm(%x: tensor<7x16xf32>) -> tensor<7x16xf32> {
  %0 = step.graph(%x) : (tensor<7x16xf32>) -> tensor<7x16xf32> {
  ^bb0(%x_1: tensor<7x16xf32>):
    %number = step.load %x_1 tile [1, 1] strides [16, 1] shape [7, 16] : tensor<7x16xf32>
    %number_1, %number_2 = step.broadcast %number consumers 2 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 16]>
    %square = step.map %number_1 fn square : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 16]>
    %sum = step.accumulate %square fn add rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 16]>
    %mean = step.map %sum fn scale scalar 6.250000e-02 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %shift = step.map %mean fn shift scalar 1.000000e-05 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %sqrt = step.map %shift fn sqrt : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %reciprocal = step.map %sqrt fn reciprocal : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %factor = step.repeat %reciprocal factor 16 : !step.stream<!step.tile<f32, [1, 1]>, [1, 7]>
    %mul = step.map %number_2, %factor fn mul : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 16]>, !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 16]>
    %result = step.store %mul into tensor<7x16xf32> : !step.stream<!step.tile<f32, [1, 1]>, [1, 7, 16]>
    step.yield %result : tensor<7x16xf32>
  }
  func.return %0 : tensor<7x16xf32>
}
