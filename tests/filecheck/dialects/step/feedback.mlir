// RUN: ROUNDTRIP

// Requests go to the region that is ready: the first four in turn, then each region asks again
// when it has read its request. The selector of later requests is read above the merge that makes it.

%x, %first, %turn, %again = "test.op"() : () -> (tensor<16x64xf32>, tensor<4x4xi1>, tensor<16x2xi1>, tensor<16x2xi1>)
%y = step.graph(%x, %first, %turn, %again) : (tensor<16x64xf32>, tensor<4x4xi1>, tensor<16x2xi1>, tensor<16x2xi1>) -> tensor<16x64xf32> {
^bb0(%0: tensor<16x64xf32>, %1: tensor<4x4xi1>, %2: tensor<16x2xi1>, %3: tensor<16x2xi1>):
  %rows = step.load %0 tile [1, 64] strides [1] shape [16] : tensor<16x64xf32>
  %starts = step.select %1 hot 1 : tensor<4x4xi1>
  %start = step.flatten %starts min 0 max 1 : !step.stream<!step.selector<4, hot 1>, [1, 4]>
  %turns = step.select %2 hot 1 : tensor<16x2xi1>
  %order = step.reassemble %turns, %start, %later rank 0 : !step.stream<!step.selector<2, hot 1>, [1, 16]>, !step.stream<!step.selector<4, hot 1>, [4]>, !step.stream<!step.selector<4, hot 1>, [12]>
  %region = step.flatten %order min 0 max 1 : !step.stream<!step.selector<4, hot 1>, [1, 16, 1]>
  %r0, %r1, %r2, %r3 = step.partition %rows, %region rank 0 dims [r0, r1, r2, r3] : !step.stream<!step.tile<f32, [1, 64]>, [1, 16]>, !step.stream<!step.selector<4, hot 1>, [1, 16]>
  %merged, %ready = step.eager_merge %r0, %r1, %r2, %r3 rank 0 dim "16" : !step.stream<!step.tile<f32, [1, 64]>, [r0]>, !step.stream<!step.tile<f32, [1, 64]>, [r1]>, !step.stream<!step.tile<f32, [1, 64]>, [r2]>, !step.stream<!step.tile<f32, [1, 64]>, [r3]>
  %needed = step.select %3 hot 1 : tensor<16x2xi1>
  %need = step.flatten %needed min 0 max 1 : !step.stream<!step.selector<2, hot 1>, [1, 16]>
  %later, %unused = step.partition %ready, %need rank 0 dims [12, 4] : !step.stream<!step.selector<4, hot 1>, [16]>, !step.stream<!step.selector<2, hot 1>, [16]>
  %done = step.store %merged into tensor<16x64xf32> : !step.stream<!step.tile<f32, [1, 64]>, [16]>
  step.yield %done : tensor<16x64xf32>
}

// CHECK: %order = step.reassemble %turns, %start, %later rank 0
// CHECK: %merged, %ready = step.eager_merge %r0, %r1, %r2, %r3 rank 0 dim "16"
// CHECK: %later, %unused = step.partition %ready, %need rank 0 dims [12, 4]
