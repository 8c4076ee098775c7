// RUN: headrace-opt %s -p 'ember-hints{nontemporal=true loads=0},ember-hints{level=L2 loads=1}' | filecheck %s
// RUN: headrace-opt %s -p 'ember-hints{level=LLC nontemporal=false function=gather},ember-vectorize{lanes=2},ember-buffer,ember-align,ember-to-dlc' | filecheck %s --check-prefix=KEPT
// RUN: headrace-opt %s -p 'ember-to-dlc,ember-hints{level=L2}' | filecheck %s --check-prefix=ALL
// RUN: not headrace-opt %s -p 'ember-hints' 2>&1 | filecheck %s --check-prefix=NOTHING
// RUN: not headrace-opt %s -p 'ember-hints{level=L1}' 2>&1 | filecheck %s --check-prefix=LEVEL
// RUN: not headrace-opt %s -p 'ember-hints{level=L2 loads=2}' 2>&1 | filecheck %s --check-prefix=NUMBER
// RUN: not headrace-opt %s -p 'ember-hints{level=L2 function=main}' 2>&1 | filecheck %s --check-prefix=NAME

func.func @gather(%index: memref<3xi64>, %table: memref<6x4xf32>, %out: memref<3x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  slc.for %p = %c0 to %c3 step %c1 : index, index, index {
    %i = slc.load %index, %p nontemporal : memref<3xi64>, !slc.stream<index>
    %row = slc.index_cast %i : !slc.stream<i64>
    slc.for %e = %c0 to %c4 step %c1 : index, index, index {
      %v = slc.load %table, %row, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%p, %e, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
      ^bb0(%slot: index, %column: index, %x: f32):
        memref.store %x, %out[%slot, %column] : memref<3x4xf32>
      }
    }
  }
  func.return
}

// CHECK: %i = slc.load %index, %p nontemporal :
// CHECK: %v = slc.load %table, %row, %e level L2 :

// Every pass keeps them
// KEPT: dlc.access
// KEPT: %i = slc.load %index, %p{{.*}} level LLC :
// KEPT: %v = slc.load %table, %row, %e level LLC : memref<6x4xf32>, !slc.stream<index>, !slc.stream<vector<2xindex>>

// ALL: %i = slc.load %index, %p level L2 nontemporal :
// ALL: %v = slc.load %table, %row, %e level L2 :

// NOTHING: ember-hints: nothing to set; give level=L2, level=LLC, nontemporal=true or nontemporal=false
// LEVEL: ember-hints: level=L1 is no cache; give L2 or LLC
// NUMBER: ember-hints: there is no load 2; @gather has 2, numbered from 0
// NAME: ember-hints: there is no load stream in a function @main; use ember-decouple first
