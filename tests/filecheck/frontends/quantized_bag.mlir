// RUN: python %S/quantized_bag.py | filecheck %s
// RUN: python %S/quantized_bag.py | headrace-opt -p 'ember-decouple,ember-vectorize,ember-buffer,ember-align,ember-to-dlc' | filecheck %s --check-prefix=LEVEL3

// The host makes no table; the nest reads bytes, and scale and bias of each row once.
// CHECK:     func.func @main
// CHECK-NOT: tensor<6x16xf32>
// CHECK:     func.func private @embedding_bag_0(%offsets: memref<3xi64>, %indices: memref<4xi64>, %rows: memref<6x16xi8>, %scale: memref<6xf32>, %bias: memref<6xf32>, %out: memref<2x16xf32>) {
// CHECK:       scf.for %p =
// CHECK:         [[ROW:%.*]] = arith.index_cast
// CHECK-NEXT:    [[SCALE:%.*]] = memref.load %scale[[[ROW]]] : memref<6xf32>
// CHECK-NEXT:    [[BIAS:%.*]] = memref.load %bias[[[ROW]]] : memref<6xf32>
// CHECK-NEXT:    scf.for %e = %c0 to %c16 step %c1 {
// CHECK-NEXT:      [[BYTE:%.*]] = memref.load %rows[[[ROW]], %e] : memref<6x16xi8>
// CHECK-NEXT:      [[VALUE:%.*]] = arith.sitofp [[BYTE]] : i8 to f32
// CHECK-NEXT:      [[SCALED:%.*]] = arith.mulf [[VALUE]], [[SCALE]] : f32
// CHECK-NEXT:      arith.addf [[SCALED]], [[BIAS]] : f32

// Bytes go through the queue; scale and bias are padded, and the core computes on lanes.
// LEVEL3:     slc.broadcast %{{.*}} lanes 8 : !slc.stream<f32>
// LEVEL3:     dlc.operand %{{.*}} ite %{{.*}} : !slc.stream<vector<8xi8>>
// LEVEL3:     [[SCALE:%.*]] = dlc.pop : vector<8xf32>
// LEVEL3:     [[BIAS:%.*]] = dlc.pop : vector<8xf32>
// LEVEL3:     scf.for
// LEVEL3:       [[BYTES:%.*]] = dlc.pop : vector<8xi8>
// LEVEL3:       [[VALUES:%.*]] = slc.lanewise([[BYTES]] :
// LEVEL3:       [[SCALED:%.*]] = arith.mulf [[VALUES]], [[SCALE]] : vector<8xf32>
// LEVEL3:       arith.addf [[SCALED]], [[BIAS]] : vector<8xf32>
