// RUN: headrace-opt %s -p ember-align | filecheck %s
// RUN: headrace-opt %s -p 'ember-align{pad=false}' | filecheck %s --check-prefix=COUNT
// RUN: headrace-opt %s -p 'ember-align{count=false}' | filecheck %s --check-prefix=PAD
// RUN: not headrace-opt %s -p 'ember-align{count=false pad=false}' 2>&1 | filecheck %s --check-prefix=NOTHING

// NOTHING: error: ember-align: count=false pad=false changes nothing; leave one of them true

// Bags are counted, from a callback that comes for every bag; the weight comes in all lanes, and is
// multiplied as it is.
// CHECK:      %b = dlc.counter %c0
// CHECK-NEXT: slc.for %[[B:.*]] = %c0 to %c2 step %c1
// CHECK:          %a = slc.load %weights, %p
// CHECK-NEXT:     %[[WIDE:.*]] = slc.broadcast %a lanes 2 : !slc.stream<f64>
// CHECK:          slc.callback(%[[WIDE]], %row : !slc.stream<vector<2xf64>>, !slc.fifo<vector<2xf64>>) {
// CHECK-NEXT:     ^bb0(%[[W:.*]]: vector<2xf64>, %items: !slc.fifo<vector<2xf64>>):
// CHECK-NEXT:       %[[BAG:.*]] = dlc.read %b
// CHECK-NEXT:       scf.for
// CHECK:              arith.mulf %x, %[[W]] : vector<2xf64>
// CHECK-NEXT:         vector.load %out[%[[BAG]],
// CHECK:        slc.callback() {
// CHECK-NEXT:     dlc.advance %b, %c1
// CHECK-NEXT:   }
// CHECK-NEXT: }

// COUNT:     %b = dlc.counter %c0
// COUNT-NOT: slc.broadcast
// COUNT:     slc.callback(%a, %row : !slc.stream<f64>, !slc.fifo<vector<2xf64>>) {

// An address is a number: the core takes the first lane.
// PAD-NOT:  dlc.counter
// PAD:      %[[WIDE:.*]] = slc.broadcast %b lanes 2 : !slc.stream<index>
// PAD:      slc.callback(%[[WIDE]], %{{.*}}, %row
// PAD-NEXT: ^bb0(%[[B:.*]]: vector<2xindex>,
// PAD-NEXT:   %[[BAG:.*]] = vector.extract %[[B]][0] : index from vector<2xindex>
func.func @weighted(%indices: memref<3xindex>, %weights: memref<3xf64>, %offsets: memref<3xindex>, %table: memref<6x4xf64>, %out: memref<2x4xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %begin = slc.load %offsets, %b : memref<3xindex>, !slc.stream<index>
    %next = slc.add %b, %c1 : !slc.stream<index>, index
    %end = slc.load %offsets, %next : memref<3xindex>, !slc.stream<index>
    slc.for %p = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {
      %r = slc.load %indices, %p : memref<3xindex>, !slc.stream<index>
      %a = slc.load %weights, %p : memref<3xf64>, !slc.stream<index>
      %row = slc.fifo : !slc.fifo<vector<2xf64>>
      slc.for %e = %c0 to %c4 step %c1 lanes 2 : index, index, index {
        %v = slc.load %table, %r, %e : memref<6x4xf64>, !slc.stream<index>, !slc.stream<vector<2xindex>>
        slc.push %v, %row : !slc.stream<vector<2xf64>>, !slc.fifo<vector<2xf64>>
      }
      slc.callback(%b, %a, %row : !slc.stream<index>, !slc.stream<f64>, !slc.fifo<vector<2xf64>>) {
      ^bb0(%bag: index, %weight: f64, %items: !slc.fifo<vector<2xf64>>):
        %w = vector.broadcast %weight : f64 to vector<2xf64>
        scf.for %e = %c0 to %c4 step %c2 {
          %x = slc.pop %items : !slc.fifo<vector<2xf64>> -> vector<2xf64>
          %y = arith.mulf %x, %w : vector<2xf64>
          %s = vector.load %out[%bag, %e] : memref<2x4xf64>, vector<2xf64>
          %t = arith.addf %s, %y : vector<2xf64>
          vector.store %t, %out[%bag, %e] : memref<2x4xf64>, vector<2xf64>
        }
      }
    }
  }
  func.return
}

// Of loops in loops, the counter starts again; callbacks that are there do it. The loop whose
// bounds are loaded is not counted.
// CHECK-LABEL: @nested
// CHECK:      %t = dlc.counter %c0
// CHECK-NEXT: %b = dlc.counter %c1
// CHECK-NEXT: slc.for %[[T:.*]] = %c0 to %c4 step %c1
// CHECK-NEXT:   slc.callback() {
// CHECK-NEXT:     memref.store
// CHECK-NEXT:     dlc.reset %b, %c1
// CHECK-NEXT:   }
// CHECK-NEXT:   slc.for %[[B:.*]] = %c1 to %c4 step %c2
// CHECK:          slc.for %p
// CHECK:            dlc.read %b
// CHECK-NEXT:       dlc.read %t
// CHECK:          } {headrace.refused = "ember-align: its lower bound is loaded, and segments need not follow each other"}
// CHECK-NEXT:     slc.callback() {
// CHECK-NEXT:       dlc.advance %b, %c2
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT:   slc.callback() {
// CHECK-NEXT:     dlc.advance %t, %c1
func.func @nested(%offsets: memref<9xindex>, %table: memref<9xf64>, %out: memref<4x4x9xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f64
  slc.for %t = %c0 to %c4 step %c1 : index, index, index {
    slc.callback() {
      memref.store %zero, %out[%c0, %c0, %c0] : memref<4x4x9xf64>
    }
    slc.for %b = %c1 to %c4 step %c2 : index, index, index {
      %begin = slc.load %offsets, %b : memref<9xindex>, !slc.stream<index>
      %next = slc.add %b, %c1 : !slc.stream<index>, index
      %end = slc.load %offsets, %next : memref<9xindex>, !slc.stream<index>
      slc.for %p = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {
        %v = slc.load %table, %p : memref<9xf64>, !slc.stream<index>
        slc.for %e = %c0 to %c1 step %c1 : index, index, index {
          slc.callback(%t, %b, %p, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<index>, !slc.stream<f64>) {
          ^bb0(%i: index, %j: index, %k: index, %x: f64):
            memref.store %x, %out[%i, %j, %k] : memref<4x4x9xf64>
          }
        }
      }
    }
  }
  func.return
}
