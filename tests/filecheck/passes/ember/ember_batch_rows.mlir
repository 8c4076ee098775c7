// RUN: headrace-opt %s -p 'ember-batch-rows{rows=3}' | filecheck %s
// RUN: headrace-opt %s -p 'ember-batch-rows{rows=3 queue=29}' | filecheck %s --check-prefix=SHORT
// RUN: not headrace-opt %s -p 'ember-batch-rows{rows=1}' 2>&1 | filecheck %s --check-prefix=ONE
// RUN: not headrace-opt %s -p 'ember-batch-rows{queue=0}' 2>&1 | filecheck %s --check-prefix=QUEUE

// ONE: error: ember-batch-rows: rows=1 queue=4096 is not possible; a batch has 2 rows or more, and a queue 1 word or more
// QUEUE: error: ember-batch-rows: rows=16 queue=0 is not possible

// The number of rows comes first. The weight of each row gets a row of its own, in front of it; the
// bag, which all rows share, is read once, and the place of a row is counted from the first one.
// CHECK-LABEL: @weighted
// CHECK: slc.for %first = %lo to %hi step %[[ROWS:.*]] : !slc.stream<index>, !slc.stream<index>, index {
// CHECK-NEXT: %[[BEHIND:.*]] = slc.add %first, %[[ROWS]]
// CHECK-NEXT: %[[END:.*]] = slc.min %[[BEHIND]], %hi
// CHECK-NEXT: %count = slc.sub %[[END]], %first
// CHECK-NEXT: %w_row = slc.fifo : !slc.fifo<f64>
// CHECK-NEXT: %row = slc.fifo : !slc.fifo<vector<2xf64>>
// CHECK-NEXT: slc.for %p = %first to %[[END]] step %c1 : !slc.stream<index>, !slc.stream<index>, index {
// CHECK: slc.push %w, %w_row
// CHECK-NEXT: slc.for %e
// CHECK: slc.push %v, %row
// CHECK: slc.callback(%first, %b, %count, %w_row, %row :
// CHECK-NEXT: ^bb0(%[[FIRST:.*]]: index, %[[BAG:.*]]: index, %[[COUNT:.*]]: index, %[[WEIGHTS:.*]]: !slc.fifo<f64>, %[[ROW:.*]]: !slc.fifo<vector<2xf64>>):
// CHECK-NEXT: scf.for %[[I:.*]] = %{{.*}} to %[[COUNT]] step
// CHECK-NEXT: %[[PLACE:.*]] = arith.addi %[[FIRST]], %[[I]] : index
// CHECK-NEXT: slc.pop %[[WEIGHTS]]
// CHECK: memref.store %{{.*}}, %last[%[[BAG]]]
// CHECK: scf.for
// CHECK-NEXT: slc.pop %[[ROW]]

// A loop with another loop, and callbacks in it, beside the row is left.
// CHECK-LABEL: @beside
// CHECK-NOT: slc.min
// CHECK: headrace.refused = "ember-batch-rows: its rows are not one loop without callbacks"

// Three times 8 words and a weight, behind the first place, the bag and the number of rows.
// SHORT-LABEL: @weighted
// SHORT: headrace.refused = "ember-batch-rows: 3 rows are 30 words, which do not fit into a queue of 29; take fewer rows"
func.func @weighted(%off: memref<3xindex>, %weight: memref<9xf64>, %tab: memref<9x8xf64>, %out: memref<2x8xf64>, %last: memref<2xindex>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %lo = slc.load %off, %b : memref<3xindex>, !slc.stream<index>
    %next = slc.add %b, %c1 : !slc.stream<index>, index
    %hi = slc.load %off, %next : memref<3xindex>, !slc.stream<index>
    slc.for %p = %lo to %hi step %c1 : !slc.stream<index>, !slc.stream<index>, index {
      %w = slc.load %weight, %p : memref<9xf64>, !slc.stream<index>
      %row = slc.fifo : !slc.fifo<vector<2xf64>>
      slc.for %e = %c0 to %c8 step %c1 lanes 2 : index, index, index {
        %v = slc.load %tab, %p, %e : memref<9x8xf64>, !slc.stream<index>, !slc.stream<vector<2xindex>>
        slc.push %v, %row : !slc.stream<vector<2xf64>>, !slc.fifo<vector<2xf64>>
      }
      slc.callback(%b, %p, %w, %row : !slc.stream<index>, !slc.stream<index>, !slc.stream<f64>, !slc.fifo<vector<2xf64>>) {
      ^bb0(%bag: index, %place: index, %a: f64, %items: !slc.fifo<vector<2xf64>>):
        memref.store %place, %last[%bag] : memref<2xindex>
        %all = vector.broadcast %a : f64 to vector<2xf64>
        scf.for %j = %c0 to %c8 step %c2 {
          %x = slc.pop %items : !slc.fifo<vector<2xf64>> -> vector<2xf64>
          %y = arith.mulf %x, %all : vector<2xf64>
          %s = vector.load %out[%bag, %j] : memref<2x8xf64>, vector<2xf64>
          %t = arith.addf %s, %y : vector<2xf64>
          vector.store %t, %out[%bag, %j] : memref<2x8xf64>, vector<2xf64>
        }
      }
    }
  }
  func.return
}

func.func @beside(%tab: memref<9x8xf64>, %out: memref<9x8xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c9 = arith.constant 9 : index
  slc.for %p = %c0 to %c9 step %c1 : index, index, index {
    slc.for %e = %c0 to %c8 step %c1 : index, index, index {
      %v = slc.load %tab, %p, %e : memref<9x8xf64>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%p, %e, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<f64>) {
      ^bb0(%i: index, %j: index, %x: f64):
        memref.store %x, %out[%i, %j] : memref<9x8xf64>
      }
    }
    %row = slc.fifo : !slc.fifo<f64>
    slc.for %e = %c0 to %c8 step %c1 : index, index, index {
      %v = slc.load %tab, %p, %e : memref<9x8xf64>, !slc.stream<index>, !slc.stream<index>
      slc.push %v, %row : !slc.stream<f64>, !slc.fifo<f64>
    }
    slc.callback(%p, %row : !slc.stream<index>, !slc.fifo<f64>) {
    ^bb0(%i: index, %items: !slc.fifo<f64>):
      scf.for %j = %c0 to %c8 step %c1 {
        %x = slc.pop %items : !slc.fifo<f64> -> f64
        %s = memref.load %out[%i, %j] : memref<9x8xf64>
        %t = arith.addf %s, %x : f64
        memref.store %t, %out[%i, %j] : memref<9x8xf64>
      }
    }
  }
  func.return
}
