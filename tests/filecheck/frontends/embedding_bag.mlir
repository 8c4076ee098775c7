// RUN: python %S/embedding_bag.py sum | filecheck %s --check-prefixes=ENTRY,SUM
// RUN: python %S/embedding_bag.py max 2 | filecheck %s --check-prefix=MAX
// RUN: python %S/embedding_bag.py sum | headrace-opt | filecheck %s --check-prefix=SUM

// ENTRY:        [[OFFSETS:%.*]] = tensor.concat dim(0) %offsets, {{.*}} : (tensor<2xi64>, tensor<1xi64>) -> tensor<3xi64>
// ENTRY:        cf.assert {{.*}}, "the offsets of the bags must start at 0"
// ENTRY:        cf.assert {{.*}}, "the offsets of the bags must not decrease, nor exceed the number of indices"
// ENTRY:        [[OFF:%.*]] = bufferization.to_buffer [[OFFSETS]] read_only : tensor<3xi64> to memref<3xi64>
// ENTRY-NEXT:   [[IDX:%.*]] = bufferization.to_buffer %input read_only : tensor<4xi64> to memref<4xi64>
// ENTRY-NEXT:   [[TABLE:%.*]] = bufferization.to_buffer %weight read_only : tensor<6x3xf32> to memref<6x3xf32>
// ENTRY-NEXT:   [[OUT:%.*]] = memref.alloc()
// ENTRY-NEXT:   [[ZERO:%.*]] = arith.constant {{.*}}0.000000e+00 : f32
// ENTRY-NEXT:   linalg.fill {{.*}}ins([[ZERO]] : f32) outs([[OUT]] : memref<2x3xf32>)
// ENTRY-NEXT:   func.call @embedding_bag_0([[OFF]], [[IDX]], [[TABLE]], [[OUT]])
// ENTRY-NEXT:   [[RESULT:%.*]] = bufferization.to_tensor [[OUT]] restrict
// ENTRY-NEXT:   func.return [[RESULT]] : tensor<2x3xf32>

// SUM:        func.func private @embedding_bag_0(%offsets: memref<3xi64>, %indices: memref<4xi64>, %table: memref<6x3xf32>, %out: memref<2x3xf32>) {
// SUM:          scf.for %b = %c0 to %c2 step %c1 {
// SUM-NEXT:       [[FIRST:%.*]] = memref.load %offsets[%b] : memref<3xi64>
// SUM-NEXT:       [[LOWER:%.*]] = arith.index_cast [[FIRST]] : i64 to index
// SUM-NEXT:       [[NEXT:%.*]] = arith.addi %b, %c1 : index
// SUM-NEXT:       [[LAST:%.*]] = memref.load %offsets[[[NEXT]]] : memref<3xi64>
// SUM-NEXT:       [[UPPER:%.*]] = arith.index_cast [[LAST]] : i64 to index
// SUM-NEXT:       scf.for %p = [[LOWER]] to [[UPPER]] step %c1 {
// SUM-NEXT:         [[INDEX:%.*]] = memref.load %indices[%p] : memref<4xi64>
// SUM-NEXT:         [[ROW:%.*]] = arith.index_cast [[INDEX]] : i64 to index
// SUM-NEXT:         scf.for %e = %c0 to %c3 step %c1 {
// SUM-NEXT:           [[VALUE:%.*]] = memref.load %table[[[ROW]], %e] : memref<6x3xf32>
// SUM-NEXT:           [[BEFORE:%.*]] = memref.load %out[%b, %e] : memref<2x3xf32>
// SUM-NEXT:           [[AFTER:%.*]] = arith.addf [[BEFORE]], [[VALUE]] : f32
// SUM-NEXT:           memref.store [[AFTER]], %out[%b, %e] : memref<2x3xf32>
// SUM-NEXT:         }
// SUM-NEXT:       }
// SUM-NEXT:     }
// SUM-NEXT:     func.return

// MAX:        func.func private @embedding_bag_0({{.*}}, %counts: memref<2xi64>, %out: memref<2x3xf32>) {
// MAX:            scf.for %p =
// MAX:              [[COUNTS:%.*]] = arith.cmpi ne, {{.*}} : i64
// MAX-NEXT:         scf.if [[COUNTS]] {
// MAX:                memref.store {{.*}}, %counts[%b] : memref<2xi64>
// MAX:              scf.for %e = %c0 to %c3 step %c1 {
// MAX:                scf.if [[COUNTS]] {
// MAX:                  arith.cmpf ogt
// MAX:                  memref.store {{.*}}, %out[%b, %e] : memref<2x3xf32>
// MAX:            [[COUNT:%.*]] = memref.load %counts[%b] : memref<2xi64>
// MAX-NEXT:       [[EMPTY:%.*]] = arith.cmpi eq, [[COUNT]], {{.*}} : i64
// MAX-NEXT:       scf.if [[EMPTY]] {
