// RUN: headrace-opt %s -p ember-batch-tables | filecheck %s

// Two tables with the same number of bags become one nest; what stands between the calls, and does
// not depend on the first one, moves in front of both. The others say why they stay.
// CHECK: func.func private @first_second(%{{.*}}: memref<3xf64>, %[[OUT:.*]]: memref<3xf64>, %{{.*}}: memref<3xf64>, %[[OTHER:.*]]: memref<3xf64>) {
// CHECK: scf.for
// CHECK: memref.store %{{.*}}, %[[OUT]]
// CHECK: memref.store %{{.*}}, %[[OTHER]]
// CHECK-NOT: memref.store
// CHECK: func.func private @second(
// CHECK-NOT: @first(
// CHECK-LABEL: @main
// CHECK: %x = memref.alloc
// CHECK-NEXT: %y = memref.alloc
// CHECK-NEXT: func.call @first_second(%a, %x, %b, %y)
// CHECK: func.call @second(%x, %z) {headrace.refused = "ember-batch-tables: @first_second writes memory that the other call may access"}
// CHECK: func.call @short(%b, %z) {headrace.refused = "ember-batch-tables: its loop has other bounds than that of the call before"}
func.func private @first(%table: memref<3xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  scf.for %b = %c0 to %c3 step %c1 {
    %v = memref.load %table[%b] : memref<3xf64>
    memref.store %v, %out[%b] : memref<3xf64>
  }
  func.return
}

func.func private @second(%table: memref<3xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  scf.for %b = %c0 to %c3 step %c1 {
    %v = memref.load %table[%b] : memref<3xf64>
    %w = arith.addf %v, %v : f64
    memref.store %w, %out[%b] : memref<3xf64>
  }
  func.return
}

func.func private @short(%table: memref<3xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  scf.for %b = %c0 to %c2 step %c1 {
    %v = memref.load %table[%b] : memref<3xf64>
    memref.store %v, %out[%b] : memref<3xf64>
  }
  func.return
}

func.func @main(%a: memref<3xf64>, %b: memref<3xf64>) {
  %x = memref.alloc() : memref<3xf64>
  func.call @first(%a, %x) : (memref<3xf64>, memref<3xf64>) -> ()
  %y = memref.alloc() : memref<3xf64>
  func.call @second(%b, %y) : (memref<3xf64>, memref<3xf64>) -> ()
  %z = memref.alloc() : memref<3xf64>
  func.call @second(%x, %z) : (memref<3xf64>, memref<3xf64>) -> ()
  func.call @short(%b, %z) : (memref<3xf64>, memref<3xf64>) -> ()
  func.return
}
