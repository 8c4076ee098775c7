// RUN: ROUNDTRIP

func.func @embedding_bag(%lengths: memref<2xi64>, %indices: memref<3xi32>, %table: memref<6x4xf32>, %weights: memref<3xf32>, %out: memref<2x4xf32>, %copy: memref<3x4xf32>) {
// CHECK: func.func @embedding_bag(%lengths: memref<2xi64>, %indices: memref<3xi32>, %table: memref<6x4xf32>, %weights: memref<3xf32>, %out: memref<2x4xf32>, %copy: memref<3x4xf32>) {
  %c0 = arith.constant 0 : index
// CHECK-NEXT: %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
// CHECK-NEXT: %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
// CHECK-NEXT: %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
// CHECK-NEXT: %c4 = arith.constant 4 : index
  %first = dlc.counter %c0
// CHECK-NEXT: %first = dlc.counter %c0
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
// CHECK-NEXT: slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %n = slc.load %lengths, %b : memref<2xi64>, !slc.stream<index>
// CHECK-NEXT: %n = slc.load %lengths, %b : memref<2xi64>, !slc.stream<index>
    %length = slc.index_cast %n : !slc.stream<i64>
// CHECK-NEXT: %length = slc.index_cast %n : !slc.stream<i64>
    %begin, %end = slc.accumulate %length, %c0 : !slc.stream<index>, index
// CHECK-NEXT: %begin, %end = slc.accumulate %length, %c0 : !slc.stream<index>, index
    slc.callback(%begin : !slc.stream<index>) {
// CHECK-NEXT: slc.callback(%begin : !slc.stream<index>) {
    ^bb0(%p: index):
// CHECK-NEXT: ^bb0(%p: index):
      dlc.reset %first, %p
// CHECK-NEXT: dlc.reset %first, %p
    }
// CHECK-NEXT: }
    slc.for %p_1 = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {
// CHECK-NEXT: slc.for %p_1 = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {
      %row = slc.fifo : !slc.fifo<vector<2xf32>>
// CHECK-NEXT: %row = slc.fifo : !slc.fifo<vector<2xf32>>
      %i = slc.load %indices, %p_1 nontemporal : memref<3xi32>, !slc.stream<index>
// CHECK-NEXT: %i = slc.load %indices, %p_1 nontemporal : memref<3xi32>, !slc.stream<index>
      %r = slc.index_cast %i : !slc.stream<i32>
// CHECK-NEXT: %r = slc.index_cast %i : !slc.stream<i32>
      %w = slc.load %weights, %p_1 level LLC : memref<3xf32>, !slc.stream<index>
// CHECK-NEXT: %w = slc.load %weights, %p_1 level LLC : memref<3xf32>, !slc.stream<index>
      %ww = slc.broadcast %w lanes 2 : !slc.stream<f32>
// CHECK-NEXT: %ww = slc.broadcast %w lanes 2 : !slc.stream<f32>
      slc.for %e = %c0 to %c4 step %c1 lanes 2 : index, index, index {
// CHECK-NEXT: slc.for %e = %c0 to %c4 step %c1 lanes 2 : index, index, index {
        %v = slc.load %table, %r, %e level L2 nontemporal : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
// CHECK-NEXT: %v = slc.load %table, %r, %e level L2 nontemporal : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
        slc.push %v, %row : !slc.stream<vector<2xf32>>, !slc.fifo<vector<2xf32>>
// CHECK-NEXT: slc.push %v, %row : !slc.stream<vector<2xf32>>, !slc.fifo<vector<2xf32>>
        slc.store %v, %copy, %p_1, %e : !slc.stream<vector<2xf32>>, memref<3x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
// CHECK-NEXT: slc.store %v, %copy, %p_1, %e : !slc.stream<vector<2xf32>>, memref<3x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
      } {headrace.refused = "not buffered"}
// CHECK-NEXT: } {headrace.refused = "not buffered"}
      slc.callback(%b, %ww, %row : !slc.stream<index>, !slc.stream<vector<2xf32>>, !slc.fifo<vector<2xf32>>) {
// CHECK-NEXT: slc.callback(%b, %ww, %row : !slc.stream<index>, !slc.stream<vector<2xf32>>, !slc.fifo<vector<2xf32>>) {
      ^bb0(%bag: index, %scale: vector<2xf32>, %items: !slc.fifo<vector<2xf32>>):
// CHECK-NEXT: ^bb0(%bag: index, %scale: vector<2xf32>, %items: !slc.fifo<vector<2xf32>>):
        scf.for %k = %c0 to %c4 step %c2 {
// CHECK-NEXT: scf.for %k = %c0 to %c4 step %c2 {
          %x = slc.pop %items : !slc.fifo<vector<2xf32>> -> vector<2xf32>
// CHECK-NEXT: %x = slc.pop %items : !slc.fifo<vector<2xf32>> -> vector<2xf32>
          %old = vector.load %out[%bag, %k] : memref<2x4xf32>, vector<2xf32>
// CHECK-NEXT: %old = vector.load %out[%bag, %k] : memref<2x4xf32>, vector<2xf32>
          %new = vector.fma %x, %scale, %old : vector<2xf32>
// CHECK-NEXT: %new = vector.fma %x, %scale, %old : vector<2xf32>
          vector.store %new, %out[%bag, %k] : memref<2x4xf32>, vector<2xf32>
// CHECK-NEXT: vector.store %new, %out[%bag, %k] : memref<2x4xf32>, vector<2xf32>
        }
// CHECK-NEXT: }
      } {headrace.source = "model.py:3"}
// CHECK-NEXT: } {headrace.source = "model.py:3"}
    }
// CHECK-NEXT: }
    slc.for %e2 = %c0 to %c4 step %c1 lanes 4 : index, index, index {
// CHECK-NEXT: slc.for %e2 = %c0 to %c4 step %c1 lanes 4 : index, index, index {
      %f = slc.extract %e2 : !slc.stream<vector<4xindex>>
// CHECK-NEXT: %f = slc.extract %e2 : !slc.stream<vector<4xindex>>
      %s = slc.sub %end, %begin : !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT: %s = slc.sub %end, %begin : !slc.stream<index>, !slc.stream<index>
      %m = slc.mul %s, %c4 : !slc.stream<index>, index
// CHECK-NEXT: %m = slc.mul %s, %c4 : !slc.stream<index>, index
      %a = slc.add %m, %f : !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT: %a = slc.add %m, %f : !slc.stream<index>, !slc.stream<index>
      %d = slc.div %a, %c2 : !slc.stream<index>, index
// CHECK-NEXT: %d = slc.div %a, %c2 : !slc.stream<index>, index
      %q = slc.min %c4, %d : index, !slc.stream<index>
// CHECK-NEXT: %q = slc.min %c4, %d : index, !slc.stream<index>
      slc.callback(%q, %e2 : !slc.stream<index>, !slc.stream<vector<4xindex>>) {
// CHECK-NEXT: slc.callback(%q, %e2 : !slc.stream<index>, !slc.stream<vector<4xindex>>) {
      ^bb0(%limit: index, %lanes: vector<4xindex>):
// CHECK-NEXT: ^bb0(%limit: index, %lanes: vector<4xindex>):
        dlc.advance %first, %limit
// CHECK-NEXT: dlc.advance %first, %limit
        %at = dlc.read %first
// CHECK-NEXT: %at = dlc.read %first
      }
// CHECK-NEXT: }
    }
// CHECK-NEXT: }
  }
// CHECK-NEXT: }
  func.return
// CHECK-NEXT: func.return
}
// CHECK-NEXT: }
