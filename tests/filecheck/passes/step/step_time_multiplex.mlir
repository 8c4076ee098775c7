// RUN: headrace-opt %s -p 'step-time-multiplex{regions=1}' | filecheck %s
// RUN: headrace-opt %s -p 'step-time-multiplex{regions=2}' | filecheck %s --check-prefix=SAME
// RUN: headrace-opt %s -p 'step-dynamic-tile,step-time-multiplex{regions=1}' | filecheck %s --check-prefix=DYNAMIC
// RUN: not headrace-opt %s -p 'step-time-multiplex{regions=0}' 2>&1 | filecheck %s --check-prefix=ZERO
// RUN: not headrace-opt %s -p 'step-time-multiplex{regions=3}' 2>&1 | filecheck %s --check-prefix=UNEVEN
// RUN: not headrace-opt %s -p 'step-time-multiplex{regions=1},step-time-multiplex{regions=1}' 2>&1 | filecheck %s --check-prefix=TWICE

// The weights lie below each other; tiles are merged, read the weights of the expert that they
// came from, and go back to it.
// CHECK: %[[UP:.*]] = tensor.concat dim(0) %up0, %up1 : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
// CHECK-NEXT: %[[DOWN:.*]] = tensor.concat dim(0) %down0, %down1
// CHECK-NEXT: step.graph(%x, %routing, %[[UP]], %[[DOWN]])
// CHECK-NEXT: ^bb0(%X: {{.*}}, %R: {{.*}}, %[[U:.*]]: tensor<8x8xf32>, %[[D:.*]]: tensor<16x4xf32>)
// CHECK-COUNT-2: fn retile_rows
// CHECK-NEXT: %[[TILES:.*]], %[[FROM:.*]] = step.eager_merge %packs0, %packs1 rank 0
// CHECK-NEXT: step.repeat %[[TILES]] factor 2
// CHECK-NEXT: %[[FROM0:.*]], %[[FROM1:.*]] = step.broadcast %[[FROM]] consumers 2
// CHECK-NEXT: %[[ADDRESS:.*]] = step.expert_address %[[FROM0]] tiles 2
// CHECK-NEXT: %[[A0:.*]], %[[A1:.*]] = step.broadcast %[[ADDRESS]] consumers 2
// CHECK-NEXT: step.random_load %[[U]], %[[A0]] tile [4, 4]
// CHECK: step.random_load %[[D]], %[[A1]] tile [4, 4]
// CHECK-NOT: step.load
// CHECK: step.partition %y0, %[[FROM1]] rank 0 dims ["ceil(e0, 2)", "ceil(e1, 2)"]
// CHECK: %split0 = step.flat_map
// CHECK: %split1 = step.flat_map
// CHECK: step.reassemble %order, %split0, %split1 rank 0

// SAME-NOT: step.eager_merge
// SAME: step.load %U1

// Tiles of different heights merge into tiles of ragged rows; what splits them says how many.
// DYNAMIC: step.eager_merge %packs0, %packs1 rank 0 rows rows0
// DYNAMIC: step.partition {{.*}} dims ["positive(e0)", "positive(e1)"]
// DYNAMIC-NEXT: step.flat_map {{.*}} fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [~rows0, 4]>, [positive(e0)]>

// ZERO: error: step-time-multiplex: regions=0 is not possible; give 1 or more
// UNEVEN: error: step-time-multiplex: 'step.partition': 3 regions cannot share its 2 parts evenly
// TWICE: error: step-time-multiplex: 'step.eager_merge': its tiles share a body already

func.func @main(%x: tensor<6x4xf32>, %routing: tensor<6x2xi1>, %up0: tensor<4x8xf32>, %down0: tensor<8x4xf32>, %up1: tensor<4x8xf32>, %down1: tensor<8x4xf32>) -> tensor<6x4xf32> {
  %result = step.graph(%x, %routing, %up0, %down0, %up1, %down1) : (tensor<6x4xf32>, tensor<6x2xi1>, tensor<4x8xf32>, tensor<8x4xf32>, tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32> {
  ^bb0(%X: tensor<6x4xf32>, %R: tensor<6x2xi1>, %U0: tensor<4x8xf32>, %D0: tensor<8x4xf32>, %U1: tensor<4x8xf32>, %D1: tensor<8x4xf32>):
    %rows = step.load %X tile [1, 4] strides [1] shape [6] : tensor<6x4xf32>
    %selectors = step.select %R hot 1 : tensor<6x2xi1>
    %route, %order = step.broadcast %selectors consumers 2 : !step.stream<!step.selector<2, hot 1>, [1, 6]>
    %part0, %part1 = step.partition %rows, %route rank 0 dims [e0, e1] : !step.stream<!step.tile<f32, [1, 4]>, [1, 6]>, !step.stream<!step.selector<2, hot 1>, [1, 6]>

    %cut0, %padding0 = step.reshape %part0 rank 0 chunk 2 outer : !step.stream<!step.tile<f32, [1, 4]>, [e0]>
    %lists0 = step.flatten %cut0 min 1 max 2 : !step.stream<!step.tile<f32, [1, 4]>, [positive(e0), ceil(e0, 2), 2]>
    %packs0 = step.accumulate %lists0 fn retile_rows rank 1 : !step.stream<!step.tile<f32, [1, 4]>, [ceil(e0, 2), 2]>
    %tiles0, %refu0, %refd0 = step.broadcast %packs0 consumers 3 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2)]>
    %left0 = step.repeat %tiles0 factor 2 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2)]>
    %u0 = step.load %U0, %refu0 tile [4, 4] strides [1] shape [2] : tensor<4x8xf32>, !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2)]>
    %d0 = step.load %D0, %refd0 tile [4, 4] strides [1] shape [2] : tensor<8x4xf32>, !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2)]>
    %h0 = step.map %left0, %u0 fn matmul compute 8 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2), 2]>, !step.stream<!step.tile<f32, [4, 4]>, [ceil(e0, 2), 2]>
    %a0 = step.map %h0 fn silu compute 8 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2), 2]>
    %y0 = step.accumulate %a0, %d0 fn matmul rank 1 compute 8 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2), 2]>, !step.stream<!step.tile<f32, [4, 4]>, [ceil(e0, 2), 2]>
    %split0 = step.flat_map %y0 fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2)]>

    %cut1, %padding1 = step.reshape %part1 rank 0 chunk 2 outer : !step.stream<!step.tile<f32, [1, 4]>, [e1]>
    %lists1 = step.flatten %cut1 min 1 max 2 : !step.stream<!step.tile<f32, [1, 4]>, [positive(e1), ceil(e1, 2), 2]>
    %packs1 = step.accumulate %lists1 fn retile_rows rank 1 : !step.stream<!step.tile<f32, [1, 4]>, [ceil(e1, 2), 2]>
    %tiles1, %refu1, %refd1 = step.broadcast %packs1 consumers 3 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2)]>
    %left1 = step.repeat %tiles1 factor 2 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2)]>
    %u1 = step.load %U1, %refu1 tile [4, 4] strides [1] shape [2] : tensor<4x8xf32>, !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2)]>
    %d1 = step.load %D1, %refd1 tile [4, 4] strides [1] shape [2] : tensor<8x4xf32>, !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2)]>
    %h1 = step.map %left1, %u1 fn matmul compute 8 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2), 2]>, !step.stream<!step.tile<f32, [4, 4]>, [ceil(e1, 2), 2]>
    %a1 = step.map %h1 fn silu compute 8 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2), 2]>
    %y1 = step.accumulate %a1, %d1 fn matmul rank 1 compute 8 : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2), 2]>, !step.stream<!step.tile<f32, [4, 4]>, [ceil(e1, 2), 2]>
    %split1 = step.flat_map %y1 fn split_rows masked dim e1 assumed [e1] : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e1, 2)]>

    %whole = step.reassemble %order, %split0, %split1 rank 0 : !step.stream<!step.selector<2, hot 1>, [1, 6]>, !step.stream<!step.tile<f32, [1, 4]>, [e0]>, !step.stream<!step.tile<f32, [1, 4]>, [e1]>
    %y = step.store %whole into tensor<6x4xf32> : !step.stream<!step.tile<f32, [1, 4]>, [1, 6, 1]>
    step.yield %y : tensor<6x4xf32>
  }
  func.return %result : tensor<6x4xf32>
}
