// RUN: headrace-opt %s -p 'ember-decouple,ember-vectorize{lanes=2}' | filecheck %s --check-prefix=LANES
// RUN: headrace-opt %s -p 'ember-decouple,ember-vectorize{lanes=2},ember-buffer' | filecheck %s --check-prefix=BUFFER
// RUN: headrace-opt %s -p 'ember-decouple,ember-vectorize{lanes=2},ember-buffer,ember-align,ember-batch-rows{rows=3}' | filecheck %s --check-prefix=BATCH
// RUN: headrace-opt %s -p 'ember-decouple,ember-vectorize{lanes=2},ember-buffer,ember-align,ember-to-dlc' | filecheck %s --check-prefix=DLC
// RUN: not headrace-opt %s -p 'ember-vectorize' 2>&1 | filecheck %s --check-prefix=ORDER
// RUN: not headrace-opt %s -p 'ember-decouple,ember-vectorize{lanes=17}' 2>&1 | filecheck %s --check-prefix=SEVENTEEN
// RUN: not headrace-opt %s -p 'ember-decouple,ember-buffer{queue=0}' 2>&1 | filecheck %s --check-prefix=QUEUE
// RUN: not headrace-opt %s -p 'ember-decouple,ember-buffer,ember-batch-rows{rows=1}' 2>&1 | filecheck %s --check-prefix=ONE

// The worked example of an embedding bag, at all levels.
// Two iterations a trip; the callback gets the index of the first lane, and needs no mask for 4.
// LANES: slc.for %e = %c0 to %c4 step %c1 lanes 2
// LANES-NEXT: %v = slc.load %tab, %r, %e : memref<6x4xf64>, !slc.stream<index>, !slc.stream<vector<2xindex>>
// LANES-NEXT: %[[FIRST:.*]] = slc.extract %e : !slc.stream<vector<2xindex>>
// LANES-NEXT: slc.callback(%b, %[[FIRST]], %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<vector<2xf64>>) {
// LANES-NEXT: ^bb0(%[[B:.*]]: index, %[[E:.*]]: index, %[[V:.*]]: vector<2xf64>):
// LANES-NEXT: %a = vector.load %out[%[[B]], %[[E]]] : memref<2x4xf64>, vector<2xf64>
// LANES-NEXT: %s = arith.addf %a, %[[V]] : vector<2xf64>
// LANES-NEXT: vector.store %s, %out[%[[B]], %[[E]]] : memref<2x4xf64>, vector<2xf64>

// The row is one item; the core counts its columns.
// BUFFER: %[[ROW:.*]] = slc.fifo : !slc.fifo<vector<2xf64>>
// BUFFER-NEXT: slc.for %e = %c0 to %c4 step %c1 lanes 2
// BUFFER-NEXT: %v = slc.load %tab, %r, %e
// BUFFER-NEXT: slc.push %v, %[[ROW]] : !slc.stream<vector<2xf64>>, !slc.fifo<vector<2xf64>>
// BUFFER-NEXT: }
// BUFFER-NEXT: slc.callback(%b, %[[ROW]] : !slc.stream<index>, !slc.fifo<vector<2xf64>>) {
// BUFFER: scf.for %[[E:.*]] = %c0 to %c4 step %{{.*}} {
// BUFFER-NEXT: slc.pop
// BUFFER-NEXT: vector.load %out[%{{.*}}, %[[E]]]
// BUFFER-NEXT: arith.addf
// BUFFER-NEXT: vector.store

// Up to three rows a token; their number comes as a vector, so that all that is popped is aligned.
// BATCH: slc.for %first = %lo to %hi step %[[ROWS:.*]] : !slc.stream<index>, !slc.stream<index>, index {
// BATCH-NEXT: %[[BEHIND:.*]] = slc.add %first, %[[ROWS]]
// BATCH-NEXT: %[[END:.*]] = slc.min %[[BEHIND]], %hi
// BATCH-NEXT: %count = slc.sub %[[END]], %first
// BATCH-NEXT: %[[WIDE:.*]] = slc.broadcast %count lanes 2
// BATCH-NEXT: %[[ROW:.*]] = slc.fifo
// BATCH-NEXT: slc.for %p = %first to %[[END]] step %c1
// BATCH: slc.callback(%[[WIDE]], %[[ROW]] :
// BATCH: %[[COUNT:.*]] = vector.extract
// BATCH-NEXT: scf.for %{{.*}} = %{{.*}} to %[[COUNT]] step %{{.*}} {
// BATCH-NEXT: dlc.read %b
// BATCH-NEXT: scf.for
// BATCH-NEXT: slc.pop

// Level 3 as programs of the two units: a token for each row and one for each bag.
// DLC: dlc.operand %[[ROW:.*]] ite %v : !slc.stream<vector<2xf64>>
// DLC-NEXT: dlc.token %[[ROW]] end 1
// DLC-NEXT: dlc.token %{{.*}} end 2
// DLC-NEXT: dlc.done
// DLC: dlc.case 1 {
// DLC-NEXT: dlc.read %b
// DLC-NEXT: scf.for
// DLC-NEXT: dlc.pop : vector<2xf64>
// DLC: dlc.case 2 {
// DLC-NEXT: dlc.advance %b, %c1

// ORDER: error: ember-vectorize: the module has no loop of the access unit; use ember-decouple first
// SEVENTEEN: error: ember-vectorize: lanes=17 is not possible; take 2 to 16
// QUEUE: error: ember-buffer: queue=0 is not possible; it is 1 or more words
// ONE: error: ember-batch-rows: rows=1 queue=4096 is not possible; a batch has 2 rows or more, and a queue 1 word or more

func.func private @bag(%off: memref<3xindex>, %idx: memref<3xindex>, %tab: memref<6x4xf64>, %out: memref<2x4xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  scf.for %b = %c0 to %c2 step %c1 {
    %lo = memref.load %off[%b] : memref<3xindex>
    %next = arith.addi %b, %c1 : index
    %hi = memref.load %off[%next] : memref<3xindex>
    scf.for %p = %lo to %hi step %c1 {
      %r = memref.load %idx[%p] : memref<3xindex>
      scf.for %e = %c0 to %c4 step %c1 {
        %v = memref.load %tab[%r, %e] : memref<6x4xf64>
        %a = memref.load %out[%b, %e] : memref<2x4xf64>
        %s = arith.addf %a, %v : f64
        memref.store %s, %out[%b, %e] : memref<2x4xf64>
      }
    }
  }
  func.return
}
