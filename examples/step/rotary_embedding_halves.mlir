// Rotary position embedding: the halves of a row are rotated by position / 10000^(2i/16).
//
// Positions are a running sum of ones.

func.func @rotary_embedding_halves(%ones: tensor<5x7xf32>, %x: tensor<5x7x16xf32>) -> tensor<5x7x16xf32> {
  %frequencies = arith.constant dense<[[1.000000e+00, 0.316227764, 1.000000e-01, 0.0316227749, 1.000000e-02, 0.00316227763, 1.000000e-03, 0.000316227757, 1.000000e+00, 0.316227764, 1.000000e-01, 0.0316227749, 1.000000e-02, 0.00316227763, 1.000000e-03, 0.000316227757]]> : tensor<1x16xf32>
  %0 = step.graph(%ones, %x, %frequencies) : (tensor<5x7xf32>, tensor<5x7x16xf32>, tensor<1x16xf32>) -> tensor<5x7x16xf32> {
  ^bb0(%ones_1: tensor<5x7xf32>, %x_1: tensor<5x7x16xf32>, %frequencies_1: tensor<1x16xf32>):
    %row = step.load %x_1 tile [1, 16] strides [7, 1] shape [5, 7] : tensor<5x7x16xf32>
    %row_1, %row_2 = step.broadcast %row consumers 2 : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %one = step.load %ones_1 tile [1, 1] strides [7, 1] shape [5, 7] : tensor<5x7xf32>
    %count = step.scan %one fn add rank 1 : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7]>
    %position = step.map %count fn shift scalar -1.000000e+00 : f64 : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7]>
    %position_1, %position_2 = step.broadcast %position consumers 2 : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7]>
    %frequencies_read = step.load %frequencies_1, %position_1 tile [1, 16] strides [0] shape [1] : tensor<1x16xf32>, !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7]>
    %frequencies_tiles = step.flatten %frequencies_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7, 1]>
    %angle = step.map %position_2, %frequencies_tiles fn mul : !step.stream<!step.tile<f32, [1, 1]>, [1, 5, 7]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %angle_1, %angle_2 = step.broadcast %angle consumers 2 : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %cos = step.map %angle_1 fn cos : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %mul = step.map %row_1, %cos fn mul : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %rotate_half = step.map %row_2 fn rotate_half : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %sin = step.map %angle_2 fn sin : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %mul_1 = step.map %rotate_half, %sin fn mul : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %rotated = step.map %mul, %mul_1 fn add : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>, !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    %result = step.store %rotated into tensor<5x7x16xf32> : !step.stream<!step.tile<f32, [1, 16]>, [1, 5, 7]>
    step.yield %result : tensor<5x7x16xf32>
  }
  func.return %0 : tensor<5x7x16xf32>
}
