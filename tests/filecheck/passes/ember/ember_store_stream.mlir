// RUN: headrace-opt %s -p ember-store-stream | filecheck %s
// RUN: headrace-opt %s -p 'ember-store-stream,ember-vectorize{lanes=4},ember-to-dlc' | filecheck %s --check-prefix=DONE

// A copy: the access unit does it, and computes the places
func.func @gather(%index: memref<3xi64>, %table: memref<?x?xf32>, %out: memref<?x?xf32>, %length: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  slc.for %p = %c0 to %c3 step %c1 : index, index, index {
    %i = slc.load %index, %p nontemporal : memref<3xi64>, !slc.stream<index>
    %row = slc.index_cast %i : !slc.stream<i64>
    slc.for %e = %c0 to %length step %c1 : index, index, index {
      %v = slc.load %table, %row, %e level L2 : memref<?x?xf32>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%p, %e, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
      ^bb0(%slot: index, %column: index, %x: f32):
        %two = arith.constant 2 : index
        %place = arith.muli %slot, %two : index
        memref.store %x, %out[%place, %column] : memref<?x?xf32>
      }
    }
  }
  func.return
}

// A sum reads what it writes
func.func @sum(%table: memref<4x8xf32>, %out: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  slc.for %b = %c0 to %c4 step %c1 : index, index, index {
    %v = slc.load %table, %b, %c0 : memref<4x8xf32>, !slc.stream<index>, index
    slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
    ^bb0(%i: index, %x: f32):
      %old = memref.load %out[%i] : memref<8xf32>
      %new = arith.addf %old, %x : f32
      memref.store %new, %out[%i] : memref<8xf32>
    }
  }
  func.return
}

// Another callback writes there as well, perhaps through a view
func.func @written_twice(%table: memref<4x8xf32>, %out: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %view = "memref.cast"(%out) : (memref<8xf32>) -> memref<?xf32>
  slc.for %b = %c0 to %c4 step %c1 : index, index, index {
    %v = slc.load %table, %b, %c0 : memref<4x8xf32>, !slc.stream<index>, index
    slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
    ^bb0(%i: index, %x: f32):
      memref.store %x, %out[%i] : memref<8xf32>
    }
  }
  slc.callback() {
    %zero = arith.constant 0.0 : f32
    %at = arith.constant 0 : index
    memref.store %zero, %view[%at] : memref<?xf32>
  }
  func.return
}

// What is stored is not loaded, does not vary, is changed, or moves once a loop
func.func @others(%table: memref<4x8xf32>, %out: memref<8xf32>, %one: f32, %other: memref<8xf32>, %half: memref<8xf16>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %at = dlc.counter %c0
  slc.for %b = %c0 to %c4 step %c1 : index, index, index {
    %v = slc.load %table, %b, %c0 : memref<4x8xf32>, !slc.stream<index>, index
    slc.callback(%b : !slc.stream<index>) {
    ^bb0(%i: index):
      memref.store %one, %out[%i] : memref<8xf32>
    }
    slc.for %e = %c0 to %c4 step %c1 : index, index, index {
      slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
      ^bb1(%i: index, %x: f32):
        memref.store %x, %other[%i] : memref<8xf32>
      }
      slc.callback(%e : !slc.stream<index>) {
      ^bb2(%i: index):
        memref.store %one, %out[%i] : memref<8xf32>
      }
      slc.callback(%e, %v : !slc.stream<index>, !slc.stream<f32>) {
      ^bb3(%i: index, %x: f32):
        %h = arith.truncf %x : f32 to f16
        memref.store %h, %half[%i] : memref<8xf16>
      }
      slc.callback() {
        dlc.advance %at, %c1
      }
    }
  }
  func.return
}

// CHECK:      func.func @gather(%index: memref<3xi64>, %table: memref<?x?xf32>, %out: memref<?x?xf32>, %length: index) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c3 = arith.constant 3 : index
// CHECK-NEXT:   %two = arith.constant 2 : index
// CHECK-NEXT:   slc.for %p = %c0 to %c3 step %c1 : index, index, index {
// CHECK-NEXT:     %i = slc.load %index, %p nontemporal : memref<3xi64>, !slc.stream<index>
// CHECK-NEXT:     %row = slc.index_cast %i : !slc.stream<i64>
// CHECK-NEXT:     slc.for %e = %c0 to %length step %c1 : index, index, index {
// CHECK-NEXT:       %v = slc.load %table, %row, %e level L2 : memref<?x?xf32>, !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT:       %place = slc.mul %p, %two : !slc.stream<index>, index
// CHECK-NEXT:       slc.store %v, %out, %place, %e : !slc.stream<f32>, memref<?x?xf32>, !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @sum(%table: memref<4x8xf32>, %out: memref<8xf32>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c4 = arith.constant 4 : index
// CHECK-NEXT:   slc.for %b = %c0 to %c4 step %c1 : index, index, index {
// CHECK-NEXT:     %v = slc.load %table, %b, %c0 : memref<4x8xf32>, !slc.stream<index>, index
// CHECK-NEXT:     slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
// CHECK-NEXT:     ^bb0(%i: index, %x: f32):
// CHECK-NEXT:       %old = memref.load %out[%i] : memref<8xf32>
// CHECK-NEXT:       %new = arith.addf %old, %x : f32
// CHECK-NEXT:       memref.store %new, %out[%i] : memref<8xf32>
// CHECK-NEXT:     } {headrace.refused = "ember-store-stream: it computes 'memref.load'"}
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @written_twice(%table: memref<4x8xf32>, %out: memref<8xf32>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c4 = arith.constant 4 : index
// CHECK-NEXT:   %view = "memref.cast"(%out) : (memref<8xf32>) -> memref<?xf32>
// CHECK-NEXT:   slc.for %b = %c0 to %c4 step %c1 : index, index, index {
// CHECK-NEXT:     %v = slc.load %table, %b, %c0 : memref<4x8xf32>, !slc.stream<index>, index
// CHECK-NEXT:     slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
// CHECK-NEXT:     ^bb0(%i: index, %x: f32):
// CHECK-NEXT:       memref.store %x, %out[%i] : memref<8xf32>
// CHECK-NEXT:     } {headrace.refused = "ember-store-stream: %out may be accessed by 'memref.store' as well"}
// CHECK-NEXT:   }
// CHECK-NEXT:   slc.callback() {
// CHECK-NEXT:     %zero = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:     %at = arith.constant 0 : index
// CHECK-NEXT:     memref.store %zero, %view[%at] : memref<?xf32>
// CHECK-NEXT:   } {headrace.refused = "ember-store-stream: it does not run in each iteration of a loop"}
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @others(%table: memref<4x8xf32>, %out: memref<8xf32>, %one: f32, %other: memref<8xf32>, %half: memref<8xf16>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c4 = arith.constant 4 : index
// CHECK-NEXT:   %at = dlc.counter %c0
// CHECK-NEXT:   slc.for %b = %c0 to %c4 step %c1 : index, index, index {
// CHECK-NEXT:     %v = slc.load %table, %b, %c0 : memref<4x8xf32>, !slc.stream<index>, index
// CHECK-NEXT:     slc.callback(%b : !slc.stream<index>) {
// CHECK-NEXT:     ^bb0(%i: index):
// CHECK-NEXT:       memref.store %one, %out[%i] : memref<8xf32>
// CHECK-NEXT:     } {headrace.refused = "ember-store-stream: it does not run in each iteration of a loop"}
// CHECK-NEXT:     slc.for %e = %c0 to %c4 step %c1 : index, index, index {
// CHECK-NEXT:       slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
// CHECK-NEXT:       ^bb0(%i_1: index, %x: f32):
// CHECK-NEXT:         memref.store %x, %other[%i_1] : memref<8xf32>
// CHECK-NEXT:       } {headrace.refused = "ember-store-stream: it stores the same in all iterations"}
// CHECK-NEXT:       slc.callback(%e : !slc.stream<index>) {
// CHECK-NEXT:       ^bb0(%i_2: index):
// CHECK-NEXT:         memref.store %one, %out[%i_2] : memref<8xf32>
// CHECK-NEXT:       } {headrace.refused = "ember-store-stream: it stores %one, which the access unit does not load"}
// CHECK-NEXT:       slc.callback(%e, %v : !slc.stream<index>, !slc.stream<f32>) {
// CHECK-NEXT:       ^bb0(%i_3: index, %x_1: f32):
// CHECK-NEXT:         %h = arith.truncf %x_1 : f32 to f16
// CHECK-NEXT:         memref.store %h, %half[%i_3] : memref<8xf16>
// CHECK-NEXT:       } {headrace.refused = "ember-store-stream: it computes 'arith.truncf'"}
// CHECK-NEXT:       slc.callback() {
// CHECK-NEXT:         dlc.advance %at, %c1
// CHECK-NEXT:       } {headrace.refused = "ember-store-stream: it stores nothing"}
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

// Neither words nor tokens but done, also with lanes
// DONE-LABEL: func.func @gather
// DONE:        dlc.access {
// DONE-NEXT:     %0 = dlc.unit %c0 to %c3 step %c1 : index, index
// DONE-NEXT:     %p = dlc.variable %0 : !slc.stream<index>
// DONE-NEXT:     %i = slc.load %index, %p nontemporal : memref<3xi64>, !slc.stream<index>
// DONE-NEXT:     %row = slc.index_cast %i : !slc.stream<i64>
// DONE-NEXT:     %1 = dlc.unit %c0 to %length step %c1 in %0 lanes 4 : index, index
// DONE-NEXT:     %e = dlc.variable %1 : !slc.stream<vector<4xindex>>
// DONE-NEXT:     %v = slc.load %table, %row, %e level L2 : memref<?x?xf32>, !slc.stream<index>, !slc.stream<vector<4xindex>>
// DONE-NEXT:     %place = slc.mul %p, %two : !slc.stream<index>, index
// DONE-NEXT:     slc.store %v, %out, %place, %e : !slc.stream<vector<4xf32>>, memref<?x?xf32>, !slc.stream<index>, !slc.stream<vector<4xindex>>
// DONE-NEXT:     dlc.done
// DONE-NEXT:   }
// DONE-NEXT:   dlc.execute {
// DONE-NEXT:   }
// DONE-NEXT:   func.return
