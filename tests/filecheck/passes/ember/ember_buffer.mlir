// RUN: headrace-opt %s -p 'ember-buffer' | filecheck %s
// RUN: headrace-opt %s -p 'ember-vectorize{lanes=4},ember-buffer' | filecheck %s --check-prefix=LANES
// RUN: headrace-opt %s -p 'ember-buffer{queue=13}' | filecheck %s --check-prefix=SHORT

// Several rows lie in the queue as they are pushed, one item of each a trip. What ran at the end of
// the loop shares its token.
// CHECK-LABEL: @score
// CHECK: %x_row = slc.fifo : !slc.fifo<f32>
// CHECK-NEXT: %y_row = slc.fifo : !slc.fifo<f32>
// CHECK: slc.push %x, %x_row
// CHECK-NEXT: slc.push %y, %y_row
// CHECK: slc.callback(%r, %x_row, %y_row :
// CHECK: scf.for %{{.*}} = %c0 to %c7 step %c1 {
// CHECK-NEXT: %[[X:.*]] = slc.pop
// CHECK-NEXT: %[[Y:.*]] = slc.pop
// CHECK-NEXT: arith.mulf %[[X]], %[[Y]] : f32
// CHECK: math.sqrt
// CHECK-NOT: slc.callback
// CHECK-LABEL: @refused

// A sum in one element is kept on lanes over the row, and summed over the lanes behind it.
// LANES-LABEL: @score
// LANES: %[[NOTHING:.*]] = arith.constant -0.000000e+00 : f32
// LANES: %[[SUMS:.*]] = scf.for %{{.*}} = %c0 to %c7 step %{{.*}} iter_args(%[[PART:.*]] = %{{.*}}) -> (vector<4xf32>) {
// LANES: arith.addf %[[PART]], %{{.*}} : vector<4xf32>
// LANES: %[[S:.*]] = memref.load %out
// LANES-NEXT: %[[T:.*]] = vector.reduction <add>, %[[SUMS]], %[[S]] : vector<4xf32> into f32
// LANES-NEXT: memref.store %[[T]], %out
// LANES-LABEL: @refused

// SHORT-LABEL: @score
// SHORT: headrace.refused = "ember-buffer: a row of 14 words, 15 with the numbers of outer loops, does not fit into a queue of 13; it is sent in pieces"
func.func @score(%idx: memref<3xindex>, %tab: memref<6x7xf32>, %out: memref<6xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  slc.for %p = %c0 to %c3 step %c1 : index, index, index {
    %r = slc.load %idx, %p : memref<3xindex>, !slc.stream<index>
    slc.for %e = %c0 to %c7 step %c1 : index, index, index {
      %x = slc.load %tab, %r, %e : memref<6x7xf32>, !slc.stream<index>, !slc.stream<index>
      %y = slc.load %tab, %p, %e : memref<6x7xf32>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%r, %x, %y : !slc.stream<index>, !slc.stream<f32>, !slc.stream<f32>) {
      ^bb0(%i: index, %a: f32, %b: f32):
        %m = arith.mulf %a, %b : f32
        %s = memref.load %out[%i] : memref<6xf32>
        %t = arith.addf %s, %m : f32
        memref.store %t, %out[%i] : memref<6xf32>
      }
    }
    slc.callback(%r : !slc.stream<index>) {
    ^bb0(%i: index):
      %s = memref.load %out[%i] : memref<6xf32>
      %root = math.sqrt %s : f32
      memref.store %root, %out[%i] : memref<6xf32>
    }
  }
  func.return
}

// Rows whose length the core does not know; two callbacks in turn; a loop that nothing is around.
// CHECK: } {headrace.refused = "ember-buffer: its upper bound is a stream: rows differ in length, and the core knows none"}
// CHECK: } {headrace.refused = "ember-buffer: it has 2 callbacks, which take turns in each iteration"}
// CHECK: } {headrace.refused = "ember-buffer: no loop is around it, of which its iterations would be a row"}
func.func @refused(%off: memref<3xindex>, %val: memref<9xf32>, %out: memref<9xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  slc.for %p = %c0 to %c3 step %c1 : index, index, index {
    %n = slc.load %off, %p : memref<3xindex>, !slc.stream<index>
    slc.for %e = %c0 to %n step %c1 : index, !slc.stream<index>, index {
      slc.callback(%e : !slc.stream<index>) {
      ^bb0(%i: index):
        %x = memref.load %out[%i] : memref<9xf32>
        memref.store %x, %out[%i] : memref<9xf32>
      }
    }
    slc.for %e = %c0 to %c3 step %c1 : index, index, index {
      slc.callback(%e : !slc.stream<index>) {
      ^bb0(%i: index):
        %x = memref.load %out[%i] : memref<9xf32>
        memref.store %x, %out[%i] : memref<9xf32>
      }
      slc.callback(%p : !slc.stream<index>) {
      ^bb0(%i: index):
        %x = memref.load %out[%i] : memref<9xf32>
        memref.store %x, %out[%i] : memref<9xf32>
      }
    }
  }
  slc.for %e = %c0 to %c3 step %c1 : index, index, index {
    %v = slc.load %val, %e : memref<9xf32>, !slc.stream<index>
    slc.callback(%e, %v : !slc.stream<index>, !slc.stream<f32>) {
    ^bb0(%i: index, %x: f32):
      memref.store %x, %out[%i] : memref<9xf32>
    }
  }
  func.return
}
