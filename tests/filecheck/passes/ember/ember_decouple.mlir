// RUN: headrace-opt %s -p ember-decouple | filecheck %s
// RUN: not headrace-opt %s -p ember-decouple,ember-decouple 2>&1 | filecheck %s --check-prefix=TWICE

// TWICE: error: ember-decouple: the loops of the module are decoupled already; leave this pass out

// What is read and never written becomes streams, in the order of the nest. The callback reads bag,
// column and value; the result is never a stream.
// CHECK-LABEL: @bag
// CHECK:      slc.for %b = %c0 to %bags step %c1 : index, index, index {
// CHECK-NEXT:   %first = slc.load %offsets, %b
// CHECK-NEXT:   %lo = slc.index_cast %first : !slc.stream<i64>
// CHECK-NEXT:   %next = slc.add %b, %c1 : !slc.stream<index>, index
// CHECK-NEXT:   %last = slc.load %offsets, %next
// CHECK-NEXT:   %hi = slc.index_cast %last : !slc.stream<i64>
// CHECK-NEXT:   slc.for %p = %lo to %hi step %c1 : !slc.stream<index>, !slc.stream<index>, index {
// CHECK-NEXT:     %index = slc.load %indices, %p
// CHECK-NEXT:     %r = slc.index_cast %index : !slc.stream<i64>
// CHECK-NEXT:     slc.for %e = %c0 to %width step %c1 : index, index, index {
// CHECK-NEXT:       %value = slc.load %table, %r, %e
// CHECK-NEXT:       slc.callback(%b, %e, %value : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
// CHECK-NEXT:       ^bb0(%[[B:.*]]: index, %[[E:.*]]: index, %[[VALUE:.*]]: f32):
// CHECK-NEXT:         %before = memref.load %out[%[[B]], %[[E]]]
// CHECK-NEXT:         %sum = arith.addf %before, %[[VALUE]] : f32
// CHECK-NEXT:         memref.store %sum, %out[%[[B]], %[[E]]]
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:   }
// CHECK-NEXT: }
// CHECK-NEXT: func.return
func.func @bag(%offsets: memref<?xi64>, %indices: memref<?xi64>, %table: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %bags = memref.dim %out, %c0 : memref<?x?xf32>
  %width = memref.dim %out, %c1 : memref<?x?xf32>
  scf.for %b = %c0 to %bags step %c1 {
    %first = memref.load %offsets[%b] : memref<?xi64>
    %lo = arith.index_cast %first : i64 to index
    %next = arith.addi %b, %c1 : index
    %last = memref.load %offsets[%next] : memref<?xi64>
    %hi = arith.index_cast %last : i64 to index
    scf.for %p = %lo to %hi step %c1 {
      %index = memref.load %indices[%p] : memref<?xi64>
      %r = arith.index_cast %index : i64 to index
      scf.for %e = %c0 to %width step %c1 {
        %value = memref.load %table[%r, %e] : memref<?x?xf32>
        %before = memref.load %out[%b, %e] : memref<?x?xf32>
        %sum = arith.addf %before, %value : f32
        memref.store %sum, %out[%b, %e] : memref<?x?xf32>
      }
    }
  }
  func.return
}

// Two loops of the access unit in one body; loops over temporaries stay, in callbacks at the begin,
// in between and at the end, and say why.
// CHECK-LABEL: @messages
// CHECK:      slc.for %i = %c0 to %n step %c1
// CHECK-NEXT:   slc.callback() {
// CHECK-NEXT:     memref.store %zero, %sum[] : memref<f32>
// CHECK-NEXT:   }
// CHECK-NEXT:   slc.for %e = %c0 to %width step %c1
// CHECK-NEXT:     %v = slc.load %own, %i, %e
// CHECK-NEXT:     slc.callback(%e, %v : !slc.stream<index>, !slc.stream<f32>) {
// CHECK:        %lo = slc.load %pointers, %i
// CHECK:        slc.for %p = %lo to %hi step %c1
// CHECK-NEXT:     %j = slc.load %neighbours, %p
// CHECK-NEXT:     slc.for %[[E:.*]] = %c0 to %width step %c1
// CHECK-NEXT:       %[[W:.*]] = slc.load %own, %j, %[[E]]
// CHECK-NEXT:       slc.callback(%[[E]], %[[W]] : !slc.stream<index>, !slc.stream<f32>) {
// CHECK:          slc.callback() {
// CHECK-NEXT:       %dot = scf.for
// CHECK:            } {headrace.refused = "ember-decouple: it reads nothing for the access unit to send: %mine is written by 'memref.store'"}
// CHECK-NEXT:       %[[S:.*]] = memref.load %sum[] : memref<f32>
// CHECK:            memref.store %{{.*}}, %sum[] : memref<f32>
// CHECK:        slc.callback(%i : !slc.stream<index>) {
// CHECK-NEXT:   ^bb0(%[[I:.*]]: index):
// CHECK-NEXT:     %[[S:.*]] = memref.load %sum[] : memref<f32>
// CHECK-NEXT:     memref.store %[[S]], %out[%[[I]]] : memref<?xf32>
func.func @messages(%pointers: memref<?xindex>, %neighbours: memref<?xindex>, %own: memref<?x?xf32>, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %out, %c0 : memref<?xf32>
  %width = memref.dim %own, %c1 : memref<?x?xf32>
  %mine = memref.alloc(%width) : memref<?xf32>
  %theirs = memref.alloc(%width) : memref<?xf32>
  %sum = memref.alloc() : memref<f32>
  scf.for %i = %c0 to %n step %c1 {
    memref.store %zero, %sum[] : memref<f32>
    scf.for %e = %c0 to %width step %c1 {
      %v = memref.load %own[%i, %e] : memref<?x?xf32>
      memref.store %v, %mine[%e] : memref<?xf32>
    }
    %lo = memref.load %pointers[%i] : memref<?xindex>
    %next = arith.addi %i, %c1 : index
    %hi = memref.load %pointers[%next] : memref<?xindex>
    scf.for %p = %lo to %hi step %c1 {
      %j = memref.load %neighbours[%p] : memref<?xindex>
      scf.for %e = %c0 to %width step %c1 {
        %v = memref.load %own[%j, %e] : memref<?x?xf32>
        memref.store %v, %theirs[%e] : memref<?xf32>
      }
      %dot = scf.for %e = %c0 to %width step %c1 iter_args(%s = %zero) -> (f32) {
        %x = memref.load %mine[%e] : memref<?xf32>
        %y = memref.load %theirs[%e] : memref<?xf32>
        %xy = arith.mulf %x, %y : f32
        %t = arith.addf %s, %xy : f32
        scf.yield %t : f32
      }
      %before = memref.load %sum[] : memref<f32>
      %after = arith.addf %before, %dot : f32
      memref.store %after, %sum[] : memref<f32>
    }
    %total = memref.load %sum[] : memref<f32>
    memref.store %total, %out[%i] : memref<?xf32>
  }
  func.return
}

// A running sum of lengths is a stream. The core is sent the length where it divides by it, and
// computes the rest again.
// CHECK-LABEL: @lengths
// CHECK:      slc.for %b = %c0 to %bags step %c1
// CHECK-NEXT:   %length = slc.load %lengths, %b
// CHECK-NEXT:   %first, %last = slc.accumulate %length, %c0 : !slc.stream<index>, index
// CHECK-NEXT:   slc.for %p = %first to %last step %c1
// CHECK-NEXT:     %v = slc.load %table, %p
// CHECK-NEXT:     slc.callback(%b, %length, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
// CHECK-NEXT:     ^bb0(%[[B:.*]]: index, %[[LENGTH:.*]]: index, %[[V:.*]]: f32):
// CHECK:            %[[N:.*]] = arith.index_cast %[[LENGTH]] : index to i32
// CHECK-NEXT:       %[[D:.*]] = arith.sitofp %[[N]] : i32 to f32
// CHECK-NEXT:       arith.divf %[[V]], %[[D]] : f32
func.func @lengths(%lengths: memref<?xindex>, %table: memref<?xf32>, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %bags = memref.dim %out, %c0 : memref<?xf32>
  %all = scf.for %b = %c0 to %bags step %c1 iter_args(%first = %c0) -> (index) {
    %length = memref.load %lengths[%b] : memref<?xindex>
    %last = arith.addi %first, %length : index
    %n = arith.index_cast %length : index to i32
    %d = arith.sitofp %n : i32 to f32
    scf.for %p = %first to %last step %c1 {
      %v = memref.load %table[%p] : memref<?xf32>
      %s = memref.load %out[%b] : memref<?xf32>
      %w = arith.divf %v, %d : f32
      %t = arith.addf %s, %w : f32
      memref.store %t, %out[%b] : memref<?xf32>
    }
    scf.yield %last : index
  }
  func.return
}

// A number that the core carries waits in memory; one element, first set before the loop.
// CHECK-LABEL: @total
// CHECK:      %[[SLOT:.*]] = memref.alloca() : memref<f32>
// CHECK-NEXT: memref.store %zero, %[[SLOT]][] : memref<f32>
// CHECK-NEXT: slc.for %p = %c0 to %n step %c1
// CHECK-NEXT:   %r = slc.load %index, %p
// CHECK-NEXT:   %v = slc.load %table, %r
// CHECK-NEXT:   slc.callback(%v : !slc.stream<f32>) {
// CHECK-NEXT:   ^bb0(%[[V:.*]]: f32):
// CHECK-NEXT:     %[[S:.*]] = memref.load %[[SLOT]][] : memref<f32>
// CHECK-NEXT:     %[[T:.*]] = arith.addf %[[S]], %[[V]] : f32
// CHECK-NEXT:     memref.store %[[T]], %[[SLOT]][] : memref<f32>
// CHECK-NEXT:   }
// CHECK-NEXT: }
// CHECK-NEXT: %[[ALL:.*]] = memref.load %[[SLOT]][] : memref<f32>
// CHECK-NEXT: memref.store %[[ALL]], %out[] : memref<f32>
func.func @total(%index: memref<?xindex>, %table: memref<?xf32>, %out: memref<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %index, %c0 : memref<?xindex>
  %all = scf.for %p = %c0 to %n step %c1 iter_args(%s = %zero) -> (f32) {
    %r = memref.load %index[%p] : memref<?xindex>
    %v = memref.load %table[%r] : memref<?xf32>
    %t = arith.addf %s, %v : f32
    scf.yield %t : f32
  }
  memref.store %all, %out[] : memref<f32>
  func.return
}

// A table that is written, and a bound from memory that is written, stay with the core.
// CHECK-LABEL: @written
// CHECK:      slc.for %i = %c0 to %n step %c1
// CHECK-NEXT:   %r = slc.load %index, %i
// CHECK-NEXT:   slc.callback(%r : !slc.stream<index>) {
// CHECK:          scf.for %e
// CHECK:          } {headrace.refused = "ember-decouple: it reads nothing for the access unit to send: %table is written by 'memref.store'"}
// CHECK:          scf.for %k
// CHECK:          } {headrace.refused = "ember-decouple: its upper bound is read from memory: %counts is written by 'memref.store'"}
func.func @written(%index: memref<?xindex>, %table: memref<?x4xf32>, %counts: memref<?xindex>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %n = memref.dim %index, %c0 : memref<?xindex>
  scf.for %i = %c0 to %n step %c1 {
    %r = memref.load %index[%i] : memref<?xindex>
    scf.for %e = %c0 to %c4 step %c1 {
      %v = memref.load %table[%r, %e] : memref<?x4xf32>
      %w = arith.addf %v, %v : f32
      memref.store %w, %table[%r, %e] : memref<?x4xf32>
    }
    %count = memref.load %counts[%r] : memref<?xindex>
    scf.for %k = %c0 to %count step %c1 {
      %j = memref.load %index[%k] : memref<?xindex>
      memref.store %k, %counts[%j] : memref<?xindex>
    }
  }
  func.return
}
