// RUN: headrace-opt %s -p 'step-tile{rows=3}' | filecheck %s --check-prefix=ROWS
// RUN: headrace-opt %s -p 'step-tile{columns=2}' | filecheck %s --check-prefix=COLUMNS
// RUN: headrace-opt %s -p 'step-dynamic-tile,step-tile{rows=5}' | filecheck %s --check-prefix=BACK
// RUN: not headrace-opt %s -p 'step-tile{columns=3}' 2>&1 | filecheck %s --check-prefix=DIVISOR
// RUN: not headrace-opt %s -p 'step-tile{columns=16}' 2>&1 | filecheck %s --check-prefix=LARGER
// RUN: headrace-opt %s -p 'step-tile{columns=8},step-tile{columns=2}' | filecheck %s --check-prefix=COLUMNS
// RUN: not headrace-opt %s -p 'step-tile' 2>&1 | filecheck %s --check-prefix=NOTHING
// RUN: not headrace-opt %s -p 'step-tile{rows=-1}' 2>&1 | filecheck %s --check-prefix=NEGATIVE
// RUN: not headrace-opt %s -p 'step-time-multiplex{regions=1},step-tile{rows=4}' 2>&1 | filecheck %s --check-prefix=MERGED

// Rows are packed three at a time; all types follow, and what is split again keeps its name.
// ROWS: %[[CUT:.*]], %{{.*}} = step.reshape %part0 rank 0 chunk 3 outer
// ROWS-NEXT: %[[LISTS:.*]] = step.flatten %[[CUT]] min 1 max 2 : !step.stream<!step.tile<f32, [1, 4]>, [positive(e0), ceil(e0, 3), 3]>
// ROWS-NEXT: %packs0 = step.accumulate %[[LISTS]] fn retile_rows rank 1
// ROWS: %split0 = step.flat_map %y0 fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [3, 4]>, [ceil(e0, 3)]>
// ROWS: step.reshape %part1 rank 0 chunk 3 outer

// Loads read tiles of two columns (of the second weight: two rows), and twice as many; also where
// each weight was one tile.
// COLUMNS: step.repeat %tiles0 factor 4
// COLUMNS-NEXT: step.load %U0, %refu0 tile [4, 2] strides [1] shape [4]
// COLUMNS-NEXT: step.load %D0, %refd0 tile [2, 4] strides [1] shape [4]
// COLUMNS: step.map %h0 fn silu compute 8 : !step.stream<!step.tile<f32, [2, 2]>, [ceil(e0, 2), 4]>
// COLUMNS: step.flat_map %y0 {{.*}} : !step.stream<!step.tile<f32, [2, 4]>, [ceil(e0, 2)]>

// Dynamic tiles become static ones; padding is dropped again, and the size is claimed.
// BACK: step.reshape %part0 rank 0 chunk 5 outer
// BACK: step.flat_map %y0 fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [5, 4]>, [ceil(e0, 5)]>

// DIVISOR: error: step-tile: 'step.load': tiles of 3 columns do not divide the 8 columns of tensor<4x8xf32>; choose a divisor
// LARGER: error: step-tile: 'step.load': tiles of 16 columns do not divide the 8 columns of tensor<4x8xf32>; choose a divisor
// NOTHING: error: step-tile: rows=0 columns=0 changes nothing; give one of them
// NEGATIVE: error: step-tile: rows=-1 columns=0 is not possible; sizes are 1 or more
// MERGED: error: step-tile: 'step.eager_merge': it merges tiles of several streams; tile before step-time-multiplex

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
