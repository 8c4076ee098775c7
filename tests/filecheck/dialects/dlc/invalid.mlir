// RUN: headrace-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | grep -v '^// CHECK' | filecheck %s

// A parse error shows the lines around it: a check must not match itself.

// Operands in another order: case 1 would take a vector for a number
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: case 1 pops index, but next in the queue is vector<2xf32>

// -----

// A number popped as a vector
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : vector<2xindex>
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: case 1 pops vector<2xindex>, but next in the queue is index

// -----

// Vectors of another width
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<4xf32>
    }
  }
  func.return
}
// CHECK: case 1 pops vector<4xf32>, but next in the queue is vector<2xf32>

// -----

// Two tokens done
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: 'dlc.access' has 2 'dlc.done'; it has one

// -----

// No token done
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: 'dlc.access' has 0 'dlc.done'; it has one

// -----

// Nothing behind it
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.done
    dlc.token %es ite 1
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: 'dlc.done' is not the last operation of 'dlc.access'

// -----

// A case without a token
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
    dlc.case 2 {
      %j = arith.constant 1 : index
    }
  }
  func.return
}
// CHECK: case 2 has no token: nothing ever runs it

// -----

// A token without a case
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: token 1 has no case

// -----

// A case twice
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: case 1 is there 2 times

// -----

// Only cases
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
    %j = arith.constant 1 : index
  }
  func.return
}
// CHECK: 'dlc.execute' has a 'arith.constant'; it has cases only

// -----

// A case that pops too little
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
    }
  }
  func.return
}
// CHECK: neither case 1 nor another pops vector<2xf32>, which is in the queue at the end of an iteration

// -----

// A case that pops too much
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
      %y = dlc.pop : f32
    }
  }
  func.return
}
// CHECK: case 1 pops f32, but nothing more was pushed for it

// -----

// Two tokens for one set of operands
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: case 1 pops index, but nothing more was pushed for it

// -----

// Words that no case pops
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.operand %bs ite %b : !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: no case pops 2 x index, which is in the queue at the end of the program

// -----

// Words in the queue before the first token of another case
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es beg %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es end 1
    dlc.operand %bs ite %b : !slc.stream<index>
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      scf.for %k = %c0 to %c4 step %c2 {
        %x = dlc.pop : vector<2xf32>
      }
    }
  }
  func.return
}
// CHECK: neither case 1 nor another pops index, which is in the queue at the end of an iteration

// -----

// A loop of the core with one trip less
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es beg %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es end 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      scf.for %k = %c2 to %c4 step %c2 {
        %x = dlc.pop : vector<2xf32>
      }
    }
  }
  func.return
}
// CHECK: neither case 1 nor another pops vector<2xf32>, which is in the queue at the end of an iteration

// -----

// A loop counted otherwise: %n may be another number
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es beg %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es end 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      scf.for %k = %c0 to %n step %c2 {
        %x = dlc.pop : vector<2xf32>
      }
    }
  }
  func.return
}
// CHECK: case 1 pops vector<2xf32> in a loop, but next in the queue is 2 x vector<2xf32>, which may be another number

// -----

// Words pushed for an iteration are not popped by cases inside of it
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es beg %b : !slc.stream<index>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  func.return
}
// CHECK: no case pops index, which is in the queue before the iterations of a unit with tokens of its own

// -----

// A pop in a loop without a count
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %yes = arith.constant true
      scf.if %yes {
        %x = dlc.pop : vector<2xf32>
      }
    }
  }
  func.return
}
// CHECK: case 1 pops inside of 'scf.if'; pop before it, or in loops of 'scf.for'

// -----

// Pops stand in cases
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  %x = dlc.pop : index
  func.return
}
// CHECK: 'dlc.pop' expects ancestor op 'dlc.case'

// -----

// One access program
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  dlc.access {
    dlc.done
  }
  dlc.execute {
  }
  func.return
}
// CHECK: a function has 2 'dlc.access'; it may have one

// -----

// And one of the core behind it
func.func @f() {
  dlc.access {
    dlc.done
  }
  func.return
}
// CHECK: 'dlc.access' needs a 'dlc.execute' right behind it

// -----

// Not without it
func.func @f() {
  dlc.execute {
  }
  func.return
}
// CHECK: 'dlc.execute' needs a 'dlc.access' right before it

// -----

// In a function
dlc.access {
  dlc.done
}
// CHECK: 'dlc.access' stands in 'builtin.module'; it belongs in the body of a 'func.func'

// -----

// The access unit computes no floats
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %x = arith.constant 1.0 : f32
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.access' has a 'arith.constant'; the access unit has units, streams, operands and tokens

// -----

// A stream comes from the program itself
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %s = "test.op"() : () -> !slc.stream<index>
  dlc.access {
    %bs = dlc.unit %s to %c2 step %c1 : !slc.stream<index>, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.unit' uses %s, which 'dlc.access' does not make

// -----

// Definitions come first
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %es = dlc.unit %c0 to %c2 step %c1 in %bs : index, index
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.unit' uses %bs before it is defined

// -----

// A variable as wide as the lanes
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 lanes 2 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.variable' of a unit of 2 lanes is a !slc.stream<vector<2xindex>>, not !slc.stream<index>

// -----

// One variable
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %d = dlc.variable %bs : !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.variable' stands twice for %bs; use one

// -----

// Lanes are consecutive iterations
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c2 lanes 2 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.unit' of 2 lanes needs the constant step 1: a trip takes consecutive iterations

// -----

// Bounds come from units around
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %b step %c1 : index, !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.unit' %es has the bound %b, which is no stream of a unit around it

// -----

// Bounds are indices
func.func @f(%n: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %n to %c2 step %c1 : i64, index
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: a bound of 'dlc.unit' is an index, not i64

// -----

// At begin a unit has no iteration yet
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.operand %bs beg %b : !slc.stream<index>
    dlc.token %bs beg 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
    }
  }
  func.return
}
// CHECK: 'dlc.operand' pushes %b at beg of %bs, when it has no value: give a stream of a unit around, or, at ite, of the unit itself

// -----

// At end none any more
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.operand %bs end %b : !slc.stream<index>
    dlc.token %bs end 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
    }
  }
  func.return
}
// CHECK: 'dlc.operand' pushes %b at end of %bs, when it has no value: give a stream of a unit around, or, at ite, of the unit itself

// -----

// An outer iteration does not know the inner ones
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %bs ite %e : !slc.stream<vector<2xindex>>
    dlc.token %bs ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
    }
  }
  func.return
}
// CHECK: 'dlc.operand' pushes %e at ite of %bs, when it has no value: give a stream of a unit around, or, at ite, of the unit itself

// -----

// Operands of units beside each other
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %cs = dlc.unit %c0 to %c2 step %c1 : index, index
    %c = dlc.variable %cs : !slc.stream<index>
    %s = slc.add %b, %c : !slc.stream<index>, !slc.stream<index>
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'slc.add' takes streams of %bs and %cs; neither unit is inside of the other

// -----

// Cases count from 0
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    dlc.token %bs ite -1
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'dlc.token' -1; cases count from 0

// -----

// What is read ahead is never written
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %one = arith.constant 1.0 : f32
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
      memref.store %one, %table[%i, %i] : memref<6x4xf32>
    }
  }
  func.return
}
// CHECK: 'slc.load' reads ahead of the core, but %table is written by 'memref.store'; let the core read it

// -----

// What is stored is not accessed by the core
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    slc.store %v, %out, %b, %e : !slc.stream<vector<2xf32>>, memref<2x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.token %bs ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %y = memref.load %out[%c0, %c0] : memref<2x4xf32>
    }
  }
  func.return
}
// CHECK: 'slc.store' writes %out, which 'memref.load' may access as well; the access unit stores only to memory that it has for itself

// -----

// A store belongs to a unit
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  dlc.access {
    %x = slc.load %table, %c0, %c0 : memref<6x4xf32>, index, index
    slc.store %x, %out, %c0, %c0 : !slc.stream<f32>, memref<2x4xf32>, index, index
    dlc.done
  }
  dlc.execute {

  }
  func.return
}
// CHECK: 'slc.store' takes no stream of a unit

// -----

// A counter is the core's
func.func @f(%table: memref<6x4xf32>, %out: memref<2x4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %j = dlc.counter %c0
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %es = dlc.unit %c0 to %c4 step %c1 in %bs lanes 2 : index, index
    %e = dlc.variable %es : !slc.stream<vector<2xindex>>
    %v = slc.load %table, %b, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>
    dlc.operand %es ite %b : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<vector<2xf32>>
    dlc.token %es ite 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %i = dlc.pop : index
      %x = dlc.pop : vector<2xf32>
    }
  }
  dlc.advance %j, %c1
  func.return
}
// CHECK: 'dlc.advance' expects ancestor op to be one of 'slc.callback', 'dlc.case'

// -----

// The length of the first fiber is not that of the second
func.func @f(%counts: memref<2xindex>, %x: memref<4xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  dlc.access {
    %bs = dlc.unit %c0 to %c2 step %c1 : index, index
    %b = dlc.variable %bs : !slc.stream<index>
    %n = slc.load %counts, %b : memref<2xindex>, !slc.stream<index>
    %es = dlc.unit %c0 to %n step %c1 in %bs : index, !slc.stream<index>
    %e = dlc.variable %es : !slc.stream<index>
    %v = slc.load %x, %e : memref<4xf64>, !slc.stream<index>
    dlc.operand %es beg %n : !slc.stream<index>
    dlc.operand %es ite %v : !slc.stream<f64>
    dlc.token %bs end 1
    dlc.done
  }
  dlc.execute {
    dlc.case 1 {
      %first = dlc.pop : index
      scf.for %i = %c0 to %first step %c1 {
        %a = dlc.pop : f64
      }
      %second = dlc.pop : index
      scf.for %i = %c0 to %first step %c1 {
        %a = dlc.pop : f64
      }
    }
  }
  func.return
}
// CHECK: case 1 pops index, but next in the queue is 2 x (index, f64 in a loop)
