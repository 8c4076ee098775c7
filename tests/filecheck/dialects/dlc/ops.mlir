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
  dlc.access {
// CHECK-NEXT: dlc.access {
    %0 = dlc.unit %c0 to %c2 step %c1 : index, index
// CHECK-NEXT: %0 = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %0 : !slc.stream<index>
// CHECK-NEXT: %b = dlc.variable %0 : !slc.stream<index>
    %n = slc.load %lengths, %b : memref<2xi64>, !slc.stream<index>
// CHECK-NEXT: %n = slc.load %lengths, %b : memref<2xi64>, !slc.stream<index>
    %length = slc.index_cast %n : !slc.stream<i64>
// CHECK-NEXT: %length = slc.index_cast %n : !slc.stream<i64>
    %begin, %end = slc.accumulate %length, %c0 : !slc.stream<index>, index
// CHECK-NEXT: %begin, %end = slc.accumulate %length, %c0 : !slc.stream<index>, index
    %1 = dlc.unit %begin to %end step %c1 in %0 : !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT: %1 = dlc.unit %begin to %end step %c1 in %0 : !slc.stream<index>, !slc.stream<index>
    %p = dlc.variable %1 : !slc.stream<index>
// CHECK-NEXT: %p = dlc.variable %1 : !slc.stream<index>
    %2 = dlc.unit %c0 to %c4 step %c1 in %0 lanes 4 : index, index
// CHECK-NEXT: %2 = dlc.unit %c0 to %c4 step %c1 in %0 lanes 4 : index, index
    %e2 = dlc.variable %2 : !slc.stream<vector<4xindex>>
// CHECK-NEXT: %e2 = dlc.variable %2 : !slc.stream<vector<4xindex>>
    dlc.operand %1 beg %begin : !slc.stream<index>
// CHECK-NEXT: dlc.operand %1 beg %begin : !slc.stream<index>
    dlc.token %1 beg 1
// CHECK-NEXT: dlc.token %1 beg 1
    %i = slc.load %indices, %p nontemporal : memref<3xi32>, !slc.stream<index>
// CHECK-NEXT: %i = slc.load %indices, %p nontemporal : memref<3xi32>, !slc.stream<index>
    %r = slc.index_cast %i : !slc.stream<i32>
// CHECK-NEXT: %r = slc.index_cast %i : !slc.stream<i32>
    %w = slc.load %weights, %p level LLC : memref<3xf32>, !slc.stream<index>
// CHECK-NEXT: %w = slc.load %weights, %p level LLC : memref<3xf32>, !slc.stream<index>
    %ww = slc.broadcast %w lanes 2 : !slc.stream<f32>
// CHECK-NEXT: %ww = slc.broadcast %w lanes 2 : !slc.stream<f32>
    %3 = dlc.unit %c0 to %c4 step %c1 in %1 lanes 2 {headrace.refused = "not buffered"} : index, index
// CHECK-NEXT: %3 = dlc.unit %c0 to %c4 step %c1 in %1 lanes 2 {headrace.refused = "not buffered"} : index, index
    %e = dlc.variable %3 : !slc.stream<vector<2xindex>>
// CHECK-NEXT: %e = dlc.variable %3 : !slc.stream<vector<2xindex>>
    dlc.operand %3 beg %b : !slc.stream<index>
// CHECK-NEXT: dlc.operand %3 beg %b : !slc.stream<index>
    dlc.operand %3 beg %ww : !slc.stream<vector<2xf32>>
// CHECK-NEXT: dlc.operand %3 beg %ww : !slc.stream<vector<2xf32>>
    %v = slc.load %table, %r, %e level L2 nontemporal : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
// CHECK-NEXT: %v = slc.load %table, %r, %e level L2 nontemporal : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    slc.store %v, %copy, %p, %e : !slc.stream<vector<2xf32>>, memref<3x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
// CHECK-NEXT: slc.store %v, %copy, %p, %e : !slc.stream<vector<2xf32>>, memref<3x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %3 ite %v : !slc.stream<vector<2xf32>>
// CHECK-NEXT: dlc.operand %3 ite %v : !slc.stream<vector<2xf32>>
    dlc.token %3 end 2
// CHECK-NEXT: dlc.token %3 end 2
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
    dlc.operand %2 ite %q : !slc.stream<index>
// CHECK-NEXT: dlc.operand %2 ite %q : !slc.stream<index>
    dlc.operand %2 ite %e2 : !slc.stream<vector<4xindex>>
// CHECK-NEXT: dlc.operand %2 ite %e2 : !slc.stream<vector<4xindex>>
    dlc.token %2 ite 3
// CHECK-NEXT: dlc.token %2 ite 3
    dlc.done
// CHECK-NEXT: dlc.done
  }
// CHECK-NEXT: }
  dlc.execute {
// CHECK-NEXT: dlc.execute {
    dlc.case 1 {
// CHECK-NEXT: dlc.case 1 {
      %p_1 = dlc.pop : index
// CHECK-NEXT: %p_1 = dlc.pop : index
      dlc.reset %first, %p_1
// CHECK-NEXT: dlc.reset %first, %p_1
    }
// CHECK-NEXT: }
    dlc.case 2 {
// CHECK-NEXT: dlc.case 2 {
      %bag = dlc.pop : index
// CHECK-NEXT: %bag = dlc.pop : index
      %scale = dlc.pop : vector<2xf32>
// CHECK-NEXT: %scale = dlc.pop : vector<2xf32>
      scf.for %k = %c0 to %c4 step %c2 {
// CHECK-NEXT: scf.for %k = %c0 to %c4 step %c2 {
        %x = dlc.pop : vector<2xf32>
// CHECK-NEXT: %x = dlc.pop : vector<2xf32>
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
    dlc.case 3 {
// CHECK-NEXT: dlc.case 3 {
      %limit = dlc.pop : index
// CHECK-NEXT: %limit = dlc.pop : index
      %lanes = dlc.pop : vector<4xindex>
// CHECK-NEXT: %lanes = dlc.pop : vector<4xindex>
      dlc.advance %first, %limit
// CHECK-NEXT: dlc.advance %first, %limit
      %at = dlc.read %first
// CHECK-NEXT: %at = dlc.read %first
    }
// CHECK-NEXT: }
  }
// CHECK-NEXT: }
  func.return
// CHECK-NEXT: func.return
}
// CHECK-NEXT: }
