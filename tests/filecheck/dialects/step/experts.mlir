// RUN: headrace-opt %s --print-op-generic | filecheck %s

// The simplified mixture of experts of the paper's Figures 6 and 7: the shape at every step.
// Rows of 64 go to one of two experts, four rows make a tile, and return to where they were.

%0, %1, %2, %3 = "test.op"() : () -> (tensor<10x64xf32>, tensor<10x2xi1>, tensor<64x256xf32>, tensor<64x256xf32>)
%4 = step.graph(%0, %1, %2, %3) : (tensor<10x64xf32>, tensor<10x2xi1>, tensor<64x256xf32>, tensor<64x256xf32>) -> tensor<10x256xf32> {
^bb0(%5: tensor<10x64xf32>, %6: tensor<10x2xi1>, %7: tensor<64x256xf32>, %8: tensor<64x256xf32>):
  %9 = step.load %5 tile [1, 64] strides [1, 1] shape [10, 1] : tensor<10x64xf32>
  // CHECK: "step.load"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [1, 10, 1]>
  %10 = step.flatten %9 min 1 max 2 : !step.stream<!step.tile<f32, [1, 64]>, [1, 10, 1]>
  // CHECK: "step.flatten"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [10, 1]>
  %11 = step.select %6 hot 1 : tensor<10x2xi1>
  // CHECK: "step.select"{{.*}} -> !step.stream<!step.selector<2, hot 1>, [1, 10]>
  %12 = step.flatten %11 min 0 max 1 : !step.stream<!step.selector<2, hot 1>, [1, 10]>
  // CHECK: "step.flatten"{{.*}} -> !step.stream<!step.selector<2, hot 1>, [10]>
  %13, %14 = step.broadcast %12 consumers 2 : !step.stream<!step.selector<2, hot 1>, [10]>
  // CHECK: "step.broadcast"{{.*}} -> (!step.stream<!step.selector<2, hot 1>, [10]>, !step.stream<!step.selector<2, hot 1>, [10]>)
  %15, %16 = step.partition %10, %13 rank 1 dims [e0, e1] : !step.stream<!step.tile<f32, [1, 64]>, [10, 1]>, !step.stream<!step.selector<2, hot 1>, [10]>
  // CHECK: "step.partition"{{.*}} -> (!step.stream<!step.tile<f32, [1, 64]>, [e0, 1]>, !step.stream<!step.tile<f32, [1, 64]>, [e1, 1]>)
  %17 = step.flatten %15 min 0 max 1 : !step.stream<!step.tile<f32, [1, 64]>, [e0, 1]>
  // CHECK: "step.flatten"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [e0]>
  %18, %19 = step.reshape %17 rank 0 chunk 4 : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
  // CHECK: "step.reshape"{{.*}} -> (!step.stream<!step.tile<f32, [1, 64]>, [ceil(e0, 4), 4]>, !step.stream<i1, [ceil(e0, 4), 4]>)
  %20 = step.accumulate %18 fn retile_rows rank 1 : !step.stream<!step.tile<f32, [1, 64]>, [ceil(e0, 4), 4]>
  // CHECK: "step.accumulate"{{.*}} -> !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4)]>
  %21, %22 = step.broadcast %20 consumers 2 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4)]>
  // CHECK: "step.broadcast"{{.*}} -> (!step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4)]>, !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4)]>)
  %23 = step.load %7, %21 tile [64, 64] strides [4, 1] shape [1, 4] : tensor<64x256xf32>, !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4)]>
  // CHECK: "step.load"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 1, 4]>
  %24 = step.flatten %23 min 0 max 1 : !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 1, 4]>
  // CHECK: "step.flatten"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 4]>
  %25, %26 = step.broadcast %24 consumers 2 : !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 4]>
  // CHECK: "step.broadcast"{{.*}} -> (!step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 4]>, !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 4]>)
  %27, %28 = step.reshape %22 rank 0 chunk 1 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4)]>
  // CHECK: "step.reshape"{{.*}} -> (!step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4), 1]>, !step.stream<i1, [ceil(e0, 4), 1]>)
  %29 = step.expand %27, %25 rank 1 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4), 1]>, !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 4]>
  // CHECK: "step.expand"{{.*}} -> !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4), 4]>
  %30 = step.map %29, %26 fn matmul compute 4096 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4), 4]>, !step.stream<!step.tile<f32, [64, 64]>, [ceil(e0, 4), 4]>
  // CHECK: "step.map"{{.*}} -> !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4), 4]>
  %31 = step.accumulate %30 fn retile_columns rank 1 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e0, 4), 4]>
  // CHECK: "step.accumulate"{{.*}} -> !step.stream<!step.tile<f32, [4, 256]>, [ceil(e0, 4)]>
  %32 = step.flat_map %31 fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [4, 256]>, [ceil(e0, 4)]>
  // CHECK: "step.flat_map"{{.*}} -> !step.stream<!step.tile<f32, [1, 256]>, [e0]>
  %33 = step.flatten %16 min 0 max 1 : !step.stream<!step.tile<f32, [1, 64]>, [e1, 1]>
  // CHECK: "step.flatten"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [e1]>
  %34, %35 = step.reshape %33 rank 0 chunk 4 : !step.stream<!step.tile<f32, [1, 64]>, [e1]>
  // CHECK: "step.reshape"{{.*}} -> (!step.stream<!step.tile<f32, [1, 64]>, [ceil(e1, 4), 4]>, !step.stream<i1, [ceil(e1, 4), 4]>)
  %36 = step.accumulate %34 fn retile_rows rank 1 : !step.stream<!step.tile<f32, [1, 64]>, [ceil(e1, 4), 4]>
  // CHECK: "step.accumulate"{{.*}} -> !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4)]>
  %37, %38 = step.broadcast %36 consumers 2 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4)]>
  // CHECK: "step.broadcast"{{.*}} -> (!step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4)]>, !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4)]>)
  %39 = step.load %8, %37 tile [64, 64] strides [4, 1] shape [1, 4] : tensor<64x256xf32>, !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4)]>
  // CHECK: "step.load"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 1, 4]>
  %40 = step.flatten %39 min 0 max 1 : !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 1, 4]>
  // CHECK: "step.flatten"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 4]>
  %41, %42 = step.broadcast %40 consumers 2 : !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 4]>
  // CHECK: "step.broadcast"{{.*}} -> (!step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 4]>, !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 4]>)
  %43, %44 = step.reshape %38 rank 0 chunk 1 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4)]>
  // CHECK: "step.reshape"{{.*}} -> (!step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4), 1]>, !step.stream<i1, [ceil(e1, 4), 1]>)
  %45 = step.expand %43, %41 rank 1 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4), 1]>, !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 4]>
  // CHECK: "step.expand"{{.*}} -> !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4), 4]>
  %46 = step.map %45, %42 fn matmul compute 4096 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4), 4]>, !step.stream<!step.tile<f32, [64, 64]>, [ceil(e1, 4), 4]>
  // CHECK: "step.map"{{.*}} -> !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4), 4]>
  %47 = step.accumulate %46 fn retile_columns rank 1 : !step.stream<!step.tile<f32, [4, 64]>, [ceil(e1, 4), 4]>
  // CHECK: "step.accumulate"{{.*}} -> !step.stream<!step.tile<f32, [4, 256]>, [ceil(e1, 4)]>
  %48 = step.flat_map %47 fn split_rows masked dim e1 assumed [e1] : !step.stream<!step.tile<f32, [4, 256]>, [ceil(e1, 4)]>
  // CHECK: "step.flat_map"{{.*}} -> !step.stream<!step.tile<f32, [1, 256]>, [e1]>
  %49 = step.reassemble %14, %32, %48 rank 0 : !step.stream<!step.selector<2, hot 1>, [10]>, !step.stream<!step.tile<f32, [1, 256]>, [e0]>, !step.stream<!step.tile<f32, [1, 256]>, [e1]>
  // CHECK: "step.reassemble"{{.*}} -> !step.stream<!step.tile<f32, [1, 256]>, [10, 1]>
  %50 = step.store %49 into tensor<10x256xf32> : !step.stream<!step.tile<f32, [1, 256]>, [10, 1]>
  // CHECK: "step.store"{{.*}} -> tensor<10x256xf32>
  step.yield %50 : tensor<10x256xf32>
}
