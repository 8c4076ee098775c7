// RUN: headrace-opt %s -p 'step-size-fifos{depths=4}' | filecheck %s --check-prefix=ALL
// RUN: headrace-opt %s -p 'step-size-fifos{depths=4,9 channels=0,5}' | headrace-opt | filecheck %s --check-prefix=SOME
// RUN: headrace-opt %s -p 'step-size-fifos{depths=4},step-size-fifos{depths=0}' | filecheck %s --check-prefix=NONE
// RUN: not headrace-opt %s -p 'step-size-fifos{depths=4,5 channels=3}' 2>&1 | filecheck %s --check-prefix=COUNT
// RUN: not headrace-opt %s -p 'step-size-fifos{depths=4 channels=99}' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not headrace-opt %s -p 'step-size-fifos{depths=-4 channels=0}' 2>&1 | filecheck %s --check-prefix=NEGATIVE
// RUN: not headrace-opt %s -p 'step-size-fifos{depths=4 graph=1}' 2>&1 | filecheck %s --check-prefix=GRAPH

// ALL: step.select %R hot 1 {step.depths = array<i64: 4>}
// ALL: step.partition {{.*}} {step.depths = array<i64: 4, 4>}

// Channels are numbered in the order of operations and results; 0 is the depth of the machine.
// SOME: step.load %X tile [1, 4] strides [1] shape [6] {step.depths = array<i64: 4>}
// SOME-NEXT: step.select %R hot 1 :
// SOME-NEXT: step.broadcast %selectors consumers 2 :
// SOME-NEXT: step.partition {{.*}} {step.depths = array<i64: 0, 9>}
// SOME-NOT: step.depths

// NONE-NOT: step.depths

// COUNT: error: step-size-fifos: 2 depths for 1 channels; give one for all, or one for each
// UNKNOWN: error: step-size-fifos: there is no channel 99; the graph has 35, numbered from 0
// NEGATIVE: error: step-size-fifos: depth -4 of channel 0 is not possible; a channel holds 1 or more, or, with 0, what the machine gives it
// GRAPH: error: step-size-fifos: graph=1 does not exist; the module has 1, numbered from 0

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
