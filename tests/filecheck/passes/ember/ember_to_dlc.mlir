// RUN: headrace-opt %s -p ember-to-dlc | filecheck %s

// Siblings, and callbacks before, between and behind them, in order; the same stream read twice
func.func @siblings(%bounds: memref<3xindex>, %x: memref<6xf64>, %y: memref<6xf64>, %out: memref<2xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %at = dlc.counter %c0
  %seen = dlc.counter %c2
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %begin = slc.load %bounds, %b : memref<3xindex>, !slc.stream<index>
    slc.callback(%begin : !slc.stream<index>) {
    ^bb0(%p: index):
      dlc.advance %seen, %p
    }
    slc.for %p = %begin to %c2 step %c1 : !slc.stream<index>, index, index {
      %v = slc.load %x, %p : memref<6xf64>, !slc.stream<index>
      slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f64>) {
      ^bb1(%bag: index, %a: f64):
        memref.store %a, %out[%bag] : memref<2xf64>
      }
      slc.callback(%v : !slc.stream<f64>) {
      ^bb2(%a: f64):
        dlc.advance %seen, %c1
      }
    }
    slc.callback(%b : !slc.stream<index>) {
    ^bb3(%bag: index):
      dlc.reset %at, %bag
    }
    slc.for %q = %c0 to %c2 step %c1 : index, index, index {
      %w = slc.load %y, %q : memref<6xf64>, !slc.stream<index>
    }
    slc.callback() {
      dlc.advance %at, %c1
    }
  }
  func.return
}

// A row: what its callback reads as well goes into the queue before it, at begin
func.func @row(%table: memref<6x4xf32>, %out: memref<2x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %c4 = arith.constant 4 : index
    %row = slc.fifo : !slc.fifo<vector<2xf32>>
    slc.for %e = %c0 to %c4 step %c1 lanes 2 : index, index, index {
      %v = slc.load %table, %b, %e level L2 nontemporal : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
      slc.push %v, %row : !slc.stream<vector<2xf32>>, !slc.fifo<vector<2xf32>>
    } {headrace.refused = "a reason"}
    slc.callback(%row, %b : !slc.fifo<vector<2xf32>>, !slc.stream<index>) {
    ^bb0(%items: !slc.fifo<vector<2xf32>>, %bag: index):
      scf.for %k = %c0 to %c4 step %c2 {
        %x = slc.pop %items : !slc.fifo<vector<2xf32>> -> vector<2xf32>
        vector.store %x, %out[%bag, %k] : memref<2x4xf32>, vector<2xf32>
      }
    } {headrace.source = "model.py:3"}
  }
  func.return
}

// No callbacks: nothing but done
func.func @copy(%table: memref<6x4xf32>, %out: memref<6x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  slc.for %b = %c0 to %c4 step %c1 : index, index, index {
    slc.for %e = %c0 to %c4 step %c1 : index, index, index {
      %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
      slc.store %v, %out, %b, %e : !slc.stream<f32>, memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
    }
  }
  func.return
}

// Two nests of a function, a callback behind the last; other functions stay
func.func @two(%x: memref<4xf64>, %out: memref<f64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  slc.for %i = %c0 to %c1 step %c1 : index, index, index {
    %v = slc.load %x, %i : memref<4xf64>, !slc.stream<index>
    slc.callback(%v : !slc.stream<f64>) {
    ^bb0(%a: f64):
      memref.store %a, %out[] : memref<f64>
    }
  }
  %c3 = arith.constant 3 : index
  slc.for %j = %c1 to %c3 step %c1 : index, index, index {
  }
  slc.callback() {
    %zero = arith.constant 0.0 : f64
    memref.store %zero, %out[] : memref<f64>
  }
  %kept = memref.load %out[] : memref<f64>
  func.return
}

func.func private @declared(memref<4xf64>)

// CHECK:      func.func @siblings(%bounds: memref<3xindex>, %x: memref<6xf64>, %y: memref<6xf64>, %out: memref<2xf64>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c2 = arith.constant 2 : index
// CHECK-NEXT:   %at = dlc.counter %c0
// CHECK-NEXT:   %seen = dlc.counter %c2
// CHECK-NEXT:   dlc.access {
// CHECK-NEXT:     %0 = dlc.unit %c0 to %c2 step %c1 : index, index
// CHECK-NEXT:     %b = dlc.variable %0 : !slc.stream<index>
// CHECK-NEXT:     %begin = slc.load %bounds, %b : memref<3xindex>, !slc.stream<index>
// CHECK-NEXT:     %1 = dlc.unit %begin to %c2 step %c1 in %0 : !slc.stream<index>, index
// CHECK-NEXT:     %p = dlc.variable %1 : !slc.stream<index>
// CHECK-NEXT:     %2 = dlc.unit %c0 to %c2 step %c1 in %0 : index, index
// CHECK-NEXT:     %q = dlc.variable %2 : !slc.stream<index>
// CHECK-NEXT:     dlc.operand %1 beg %begin : !slc.stream<index>
// CHECK-NEXT:     dlc.token %1 beg 1
// CHECK-NEXT:     %v = slc.load %x, %p : memref<6xf64>, !slc.stream<index>
// CHECK-NEXT:     dlc.operand %1 ite %b : !slc.stream<index>
// CHECK-NEXT:     dlc.operand %1 ite %v : !slc.stream<f64>
// CHECK-NEXT:     dlc.token %1 ite 2
// CHECK-NEXT:     dlc.operand %1 ite %v : !slc.stream<f64>
// CHECK-NEXT:     dlc.token %1 ite 3
// CHECK-NEXT:     dlc.operand %1 end %b : !slc.stream<index>
// CHECK-NEXT:     dlc.token %1 end 4
// CHECK-NEXT:     %w = slc.load %y, %q : memref<6xf64>, !slc.stream<index>
// CHECK-NEXT:     dlc.token %2 end 5
// CHECK-NEXT:     dlc.done
// CHECK-NEXT:   }
// CHECK-NEXT:   dlc.execute {
// CHECK-NEXT:     dlc.case 1 {
// CHECK-NEXT:       %p_1 = dlc.pop : index
// CHECK-NEXT:       dlc.advance %seen, %p_1
// CHECK-NEXT:     }
// CHECK-NEXT:     dlc.case 2 {
// CHECK-NEXT:       %bag = dlc.pop : index
// CHECK-NEXT:       %a = dlc.pop : f64
// CHECK-NEXT:       memref.store %a, %out[%bag] : memref<2xf64>
// CHECK-NEXT:     }
// CHECK-NEXT:     dlc.case 3 {
// CHECK-NEXT:       %a_1 = dlc.pop : f64
// CHECK-NEXT:       dlc.advance %seen, %c1
// CHECK-NEXT:     }
// CHECK-NEXT:     dlc.case 4 {
// CHECK-NEXT:       %bag_1 = dlc.pop : index
// CHECK-NEXT:       dlc.reset %at, %bag_1
// CHECK-NEXT:     }
// CHECK-NEXT:     dlc.case 5 {
// CHECK-NEXT:       dlc.advance %at, %c1
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @row(%table: memref<6x4xf32>, %out: memref<2x4xf32>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c2 = arith.constant 2 : index
// CHECK-NEXT:   %c4 = arith.constant 4 : index
// CHECK-NEXT:   dlc.access {
// CHECK-NEXT:     %0 = dlc.unit %c0 to %c2 step %c1 : index, index
// CHECK-NEXT:     %b = dlc.variable %0 : !slc.stream<index>
// CHECK-NEXT:     %1 = dlc.unit %c0 to %c4 step %c1 in %0 lanes 2 {headrace.refused = "a reason"} : index, index
// CHECK-NEXT:     %e = dlc.variable %1 : !slc.stream<vector<2xindex>>
// CHECK-NEXT:     dlc.operand %1 beg %b : !slc.stream<index>
// CHECK-NEXT:     %v = slc.load %table, %b, %e level L2 nontemporal : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
// CHECK-NEXT:     dlc.operand %1 ite %v : !slc.stream<vector<2xf32>>
// CHECK-NEXT:     dlc.token %1 end 1
// CHECK-NEXT:     dlc.done
// CHECK-NEXT:   }
// CHECK-NEXT:   dlc.execute {
// CHECK-NEXT:     dlc.case 1 {
// CHECK-NEXT:       %bag = dlc.pop : index
// CHECK-NEXT:       scf.for %k = %c0 to %c4 step %c2 {
// CHECK-NEXT:         %x = dlc.pop : vector<2xf32>
// CHECK-NEXT:         vector.store %x, %out[%bag, %k] : memref<2x4xf32>, vector<2xf32>
// CHECK-NEXT:       }
// CHECK-NEXT:     } {headrace.source = "model.py:3"}
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @copy(%table: memref<6x4xf32>, %out: memref<6x4xf32>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c4 = arith.constant 4 : index
// CHECK-NEXT:   dlc.access {
// CHECK-NEXT:     %0 = dlc.unit %c0 to %c4 step %c1 : index, index
// CHECK-NEXT:     %b = dlc.variable %0 : !slc.stream<index>
// CHECK-NEXT:     %1 = dlc.unit %c0 to %c4 step %c1 in %0 : index, index
// CHECK-NEXT:     %e = dlc.variable %1 : !slc.stream<index>
// CHECK-NEXT:     %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT:     slc.store %v, %out, %b, %e : !slc.stream<f32>, memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
// CHECK-NEXT:     dlc.done
// CHECK-NEXT:   }
// CHECK-NEXT:   dlc.execute {
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func @two(%x: memref<4xf64>, %out: memref<f64>) {
// CHECK-NEXT:   %c0 = arith.constant 0 : index
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %c3 = arith.constant 3 : index
// CHECK-NEXT:   dlc.access {
// CHECK-NEXT:     %0 = dlc.unit %c0 to %c1 step %c1 : index, index
// CHECK-NEXT:     %i = dlc.variable %0 : !slc.stream<index>
// CHECK-NEXT:     %1 = dlc.unit %c1 to %c3 step %c1 : index, index
// CHECK-NEXT:     %v = slc.load %x, %i : memref<4xf64>, !slc.stream<index>
// CHECK-NEXT:     dlc.operand %0 ite %v : !slc.stream<f64>
// CHECK-NEXT:     dlc.token %0 ite 1
// CHECK-NEXT:     dlc.token %1 end 2
// CHECK-NEXT:     dlc.done
// CHECK-NEXT:   }
// CHECK-NEXT:   dlc.execute {
// CHECK-NEXT:     dlc.case 1 {
// CHECK-NEXT:       %a = dlc.pop : f64
// CHECK-NEXT:       memref.store %a, %out[] : memref<f64>
// CHECK-NEXT:     }
// CHECK-NEXT:     dlc.case 2 {
// CHECK-NEXT:       %zero = arith.constant 0.000000e+00 : f64
// CHECK-NEXT:       memref.store %zero, %out[] : memref<f64>
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT:   %kept = memref.load %out[] : memref<f64>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }
// CHECK-NEXT: func.func private @declared(memref<4xf64>) -> ()
