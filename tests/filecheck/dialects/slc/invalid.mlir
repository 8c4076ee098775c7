// RUN: headrace-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | grep -v '^// CHECK' | filecheck %s

// A parse error shows the lines around it: a check must not match itself.

// A loop of the access unit belongs to a function
%c = arith.constant 1 : index
slc.for %b = %c to %c step %c : index, index, index {
}
// CHECK: 'slc.for' stands in 'builtin.module'; it belongs in the body of a 'func.func'

// -----

// Inside of a loop of the core nothing is known ahead
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  scf.for %i = %c0 to %c2 step %c1 {
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  }
  func.return
}
// CHECK: 'slc.for' stands in 'scf.for'; it belongs in the body of a 'func.func'

// -----

// The body takes the loop's variable
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  "slc.for"(%c0, %c2, %c1) ({
  ^bb0(%b: index):
  }) : (index, index, index) -> ()
  func.return
}
// CHECK: the body of 'slc.for' takes one !slc.stream<index>

// -----

// A bound is an index
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %s = arith.constant 1 : i64
  slc.for %b = %s to %c2 step %c1 : i64, index, index {
  }
  func.return
}
// CHECK: 'slc.for' takes index or !slc.stream<index>, but got i64

// -----

// Lanes are consecutive iterations
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c2 lanes 2 : index, index, index {
  }
  func.return
}
// CHECK: 'slc.for' of 2 lanes needs the constant step 1: a trip takes consecutive iterations

// -----

// Also with a step that is known at run time only
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %n lanes 2 : index, index, index {
  }
  func.return
}
// CHECK: 'slc.for' of 2 lanes needs the constant step 1: a trip takes consecutive iterations

// -----

// A loop has one lane at least
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 lanes 0 : index, index, index {
  }
  func.return
}
// CHECK: 'slc.for' has 0 lanes; give 1 or more

// -----

// As many indices as dimensions
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b : memref<6x4xf32>, !slc.stream<index>
  }
  func.return
}
// CHECK: 'slc.load' of memref<6x4xf32> takes 2 indices, but got 1

// -----

// Lanes only in the last index
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 lanes 2 : index, index, index {
    %v = slc.load %table, %b, %c0 : memref<6x4xf32>, !slc.stream<vector<2xindex>>, index
  }
  func.return
}
// CHECK: 'slc.load' takes index or !slc.stream<index>, but got !slc.stream<vector<2xindex>>

// -----

// What is loaded is an index only after a cast
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %o = slc.load %offsets, %b : memref<3xi64>, !slc.stream<index>
    %w = slc.load %offsets, %o : memref<3xi64>, !slc.stream<i64>
  }
  func.return
}
// CHECK: 'slc.load' takes index or !slc.stream<index>, but got !slc.stream<i64>

// -----

// Numbers that are no integers are no indices
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    %i = slc.index_cast %v : !slc.stream<f32>
  }
  func.return
}
// CHECK: 'slc.index_cast' takes a stream of integers, but got !slc.stream<f32>

// -----

// Arithmetic of invariants is the core's
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %s = slc.add %c1, %c1 : index, index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  func.return
}
// CHECK: 'slc.add' has no stream among its operands; use arith

// -----

// The first lane of what has lanes
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %f = slc.extract %b : !slc.stream<index>
  }
  func.return
}
// CHECK: 'slc.extract' takes the variable of a loop of lanes, but got !slc.stream<index>

// -----

// A stream is stored as what it is
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.store %v, %offsets, %b : !slc.stream<f32>, memref<3xi64>, !slc.stream<index>
  }
  func.return
}
// CHECK: 'slc.store' stores !slc.stream<i64> there, but got !slc.stream<f32>

// -----

// A callback takes elements of its streams
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback(%v : !slc.stream<f32>) {
    ^bb0(%x: !slc.stream<f32>):
    }
  }
  func.return
}
// CHECK: the body of 'slc.callback' takes (f32) for these inputs

// -----

// A callback reads streams and rows
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    slc.callback(%c0 : index) {
    ^bb0(%x: index):
    }
  }
  func.return
}
// CHECK: a callback reads streams and rows, not index

// -----

// A callback runs at an event of a loop
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.callback() {
    %x = arith.constant 1 : index
  }
  func.return
}
// CHECK: 'slc.callback' stands in no 'slc.for', and beside none

// -----

// A stream leaves the access unit as an input of a callback
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback() {
      %x = builtin.unrealized_conversion_cast %v : !slc.stream<f32> to f32
    }
  }
  func.return
}
// CHECK: a callback uses the stream %v in 'builtin.unrealized_conversion_cast', but does not get it through the queue

// -----

// A callback reads streams that are there
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    slc.callback(%v : !slc.stream<f32>) {
    ^bb0(%x: f32):
    }
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
  }
  func.return
}
// CHECK: 'slc.callback' uses %v before it is defined

// -----

// A bound never comes from elsewhere
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %end = "test.op"() : () -> !slc.stream<index>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    slc.for %p = %c0 to %end step %c1 : index, !slc.stream<index>, index {
    }
  }
  func.return
}
// CHECK: 'slc.for' reads %end, which no operation of the access unit makes

// -----

// Code of the core stands in callbacks
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %x = memref.load %out[%c0, %c0] : memref<2x4xf32>
  }
  func.return
}
// CHECK: 'memref.load' stands in a loop of the access unit, outside of a callback; the access unit only loads and computes indices: put it in a callback

// -----

// The core reads streams in callbacks only
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %x = builtin.unrealized_conversion_cast %b : !slc.stream<index> to index
  }
  func.return
}
// CHECK: 'builtin.unrealized_conversion_cast' reads %b outside of a callback; the core gets what the access unit loads in callbacks only

// -----

// A counter lives as long as the program
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %i = dlc.counter %c0
  }
  func.return
}
// CHECK: 'dlc.counter' expects parent op 'func.func'

// -----

// Counters are used by the core
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %i = dlc.counter %c0
  %x = dlc.read %i
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  func.return
}
// CHECK: 'dlc.read' expects ancestor op to be one of 'slc.callback', 'dlc.case'

// -----

// No loop of the access unit inside of a callback
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    slc.callback() {
      %i = slc.fifo : !slc.fifo<f32>
    }
  }
  func.return
}
// CHECK: 'slc.fifo' stands in no 'slc.for', and beside none

// -----

// A table that is written is not read ahead
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
    ^bb0(%i: index, %x: f32):
      memref.store %x, %table[%i, %i] : memref<6x4xf32>
    }
  }
  func.return
}
// CHECK: 'slc.load' reads ahead of the core, but %table is written by 'memref.store'; let the core read it

// -----

// Nor through a view
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %row = memref.subview %table[0, 0] [1, 4] [1, 1] : memref<6x4xf32> to memref<1x4xf32, strided<[4, 1]>>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
    ^bb0(%i: index, %x: f32):
      memref.store %x, %row[%c0, %i] : memref<1x4xf32, strided<[4, 1]>>
    }
  }
  func.return
}
// CHECK: 'slc.load' reads ahead of the core, but %table is written by 'memref.store' through 'memref.subview'; let the core read it

// -----

// Nor by a function
func.func private @g(memref<6x4xf32>)
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback(%v : !slc.stream<f32>) {
    ^bb0(%x: f32):
      func.call @g(%table) : (memref<6x4xf32>) -> ()
    }
  }
  func.return
}
// CHECK: 'slc.load' reads ahead of the core, but %table may be written by 'func.call' of @g; let the core read it

// -----

// Nor by a caller that passes one memory twice
func.func @f(%table: memref<6x4xf32>, %out: memref<6x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) {
    ^bb0(%i: index, %x: f32):
      memref.store %x, %out[%i, %i] : memref<6x4xf32>
    }
  }
  func.return
}
func.func @caller(%a: memref<6x4xf32>) {
  func.call @f(%a, %a) : (memref<6x4xf32>, memref<6x4xf32>) -> ()
  func.return
}
// CHECK: 'slc.load' reads ahead of the core, but %table may be the same memory as %out, which is written by 'memref.store': @caller passes one for both; let the core read it

// -----

// What the access unit stores it has for itself
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.store %v, %out, %b, %b : !slc.stream<f32>, memref<2x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.callback() {
      %x = memref.load %out[%c0, %c0] : memref<2x4xf32>
    }
  }
  func.return
}
// CHECK: 'slc.store' writes %out, which 'memref.load' may access as well; the access unit stores only to memory that it has for itself

// -----

// A store belongs to the loop of its streams
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.for %p = %c0 to %c2 step %c1 : index, index, index {
      slc.store %v, %out, %b, %b : !slc.stream<f32>, memref<2x4xf32>, !slc.stream<index>, !slc.stream<index>
    }
  }
  func.return
}
// CHECK: 'slc.store' takes no stream of the loop that it stands in; put it in the loop of its streams

// -----

// So do running sums
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    slc.for %p = %c0 to %c2 step %c1 : index, index, index {
      %begin, %end = slc.accumulate %b, %c0 : !slc.stream<index>, index
    }
  }
  func.return
}
// CHECK: 'slc.accumulate' takes no stream of the loop that it stands in; put it in the loop of its streams

// -----

// And loads: in a loop without iterations, their place may be outside of the memory
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    slc.for %p = %c0 to %n step %c1 : index, index, index {
      %v = slc.load %table, %b, %c0 : memref<6x4xf32>, !slc.stream<index>, index
    }
  }
  func.return
}
// CHECK: 'slc.load' takes no stream of the loop that it stands in; put it in the loop of its streams

// -----

// Loops of a function run as one program
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index, %f: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  memref.store %f, %out[%c0, %c0] : memref<2x4xf32>
  slc.for %c = %c0 to %c2 step %c1 : index, index, index {

  }
  func.return
}
// CHECK: 'memref.store' stands between loops of the access unit, which run as one program; put it before them, after them, or in a callback

// -----

// A row of vectors takes vectors
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<vector<2xf32>>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<vector<2xf32>>
  }
  func.return
}
// CHECK: 'slc.push' pushes f32 into !slc.fifo<vector<2xf32>>

// -----

// A row is popped by one callback
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %r = slc.fifo : !slc.fifo<f32>
  }
  func.return
}
// CHECK: 'slc.fifo' %r is read 0 times; one callback pops a row

// -----

// Not by two
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
  }
  func.return
}
// CHECK: 'slc.fifo' %r is read 2 times; one callback pops a row

// -----

// Where it is declared
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
    slc.callback(%r : !slc.fifo<f32>) {
    ^bb0(%i: !slc.fifo<f32>):
      %x = slc.pop %i : !slc.fifo<f32> -> f32
    }
  }
  func.return
}
// CHECK: 'slc.fifo' %r is popped in another loop than it is declared in; declare it in the body of its callback

// -----

// And after all pushes
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
  }
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
  }
  func.return
}
// CHECK: 'slc.fifo' %r is pushed after the callback that pops it

// -----

// As often as it is pushed: fewer
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    %x = slc.pop %i : !slc.fifo<f32> -> f32
  }
  func.return
}
// CHECK: the callback of 'slc.fifo' %r leaves f32 that was pushed

// -----

// More
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    %c3 = arith.constant 3 : index
    scf.for %k = %c0 to %c3 step %c1 {
      %x = slc.pop %i : !slc.fifo<f32> -> f32
    }
  }
  func.return
}
// CHECK: the callback of 'slc.fifo' %r pops f32, but nothing more was pushed for it

// -----

// A loop that may run another number of times
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %n step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    %m = arith.addi %n, %c1 : index
    scf.for %k = %c0 to %m step %c1 {
      %x = slc.pop %i : !slc.fifo<f32> -> f32
    }
  }
  func.return
}
// CHECK: the callback of 'slc.fifo' %r pops f32 in a loop, but next in the queue is f32 in a loop, which may be another number

// -----

// A pop under a condition
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    %yes = arith.constant true
    scf.if %yes {
      %x = slc.pop %i : !slc.fifo<f32> -> f32
    }
  }
  func.return
}
// CHECK: the callback of 'slc.fifo' %r pops inside of 'scf.if'; pop before it, or in loops of 'scf.for'

// -----

// What is popped is what was pushed
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    %x = "slc.pop"(%i) : (!slc.fifo<f32>) -> f64
  }
  func.return
}
// CHECK: the callback of 'slc.fifo' %r pops f64, but next in the queue is 2 x f32

// -----

// Pops stand in callbacks
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  %x = slc.pop %r : !slc.fifo<f32> -> f32
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  func.return
}
// CHECK: 'slc.pop' expects ancestor op 'slc.callback'

// -----

// Of their own argument
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {

  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    %x = slc.pop %r : !slc.fifo<f32> -> f32
  }
  func.return
}
// CHECK: 'slc.pop' pops %r, which is no argument of its callback

// -----

// Another callback would change places in the queue
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %v = slc.load %table, %b, %b : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    slc.push %v, %r : !slc.stream<f32>, !slc.fifo<f32>
    slc.callback(%b : !slc.stream<index>) {
    ^bb0(%x: index):
    }
  }
  slc.callback(%r : !slc.fifo<f32>) {
  ^bb0(%i: !slc.fifo<f32>):
    scf.for %k = %c0 to %c2 step %c1 {
      %x = slc.pop %i : !slc.fifo<f32> -> f32
    }
  }
  func.return
}
// CHECK: a callback runs between the first push into a row and the callback that pops it; what both read would change places in the queue: put it before the loop or after the other callback

// -----

// A row alone in a function without loops
func.func @f(%offsets: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %r = slc.fifo : !slc.fifo<f32>
  func.return
}
// CHECK: 'slc.fifo' stands in no 'slc.for', and beside none
