// RUN: headrace-opt %s -p 'ember-vectorize{lanes=4}' | filecheck %s
// RUN: headrace-opt %s -p 'ember-vectorize{lanes=4},ember-vectorize{lanes=4}' | filecheck %s --check-prefix=TWICE

// Lanes that are left over are masked: by what the core knows, a size or a length that is sent.
// A maximum by comparison: choices are made lane by lane, padding (i1) once.
// CHECK-LABEL: @masked
// CHECK: %[[NOTHING:.*]] = vector.broadcast %{{.*}} : f32 to vector<4xf32>
// CHECK: slc.load %tab, %r, %e level LLC nontemporal
// CHECK: ^bb0(%{{.*}}: index, %[[E:.*]]: index, %[[V:.*]]: vector<4xf32>):
// CHECK-NEXT: %[[LEFT:.*]] = arith.subi %width, %[[E]] : index
// CHECK-NEXT: %[[MASK:.*]] = vector.create_mask %[[LEFT]] : vector<4xi1>
// CHECK-NEXT: %[[WANTED:.*]] = arith.cmpi
// CHECK-NEXT: scf.if %[[WANTED]] {
// CHECK-NEXT: %[[A:.*]] = vector.maskedload %out[%{{.*}}, %[[E]]], %[[MASK]], %[[NOTHING]] :
// CHECK-NEXT: %[[MORE:.*]] = slc.lanewise(%[[V]], %[[A]] : vector<4xf32>, vector<4xf32>) -> vector<4xi1> {
// CHECK: arith.cmpf ogt
// CHECK: %[[MOST:.*]] = slc.lanewise(%[[MORE]], %[[V]], %[[A]] :
// CHECK: arith.select
// CHECK: vector.maskedstore %out[%{{.*}}, %[[E]]], %[[MASK]], %[[MOST]] :
func.func @masked(%idx: memref<?xindex>, %tab: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %idx, %c0 : memref<?xindex>
  %width = memref.dim %out, %c1 : memref<?x?xf32>
  slc.for %p = %c0 to %n step %c1 : index, index, index {
    %r = slc.load %idx, %p : memref<?xindex>, !slc.stream<index>
    slc.for %e = %c0 to %width step %c1 : index, index, index {
      %v = slc.load %tab, %r, %e level LLC nontemporal : memref<?x?xf32>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%r, %e, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
      ^bb0(%i: index, %j: index, %x: f32):
        %wanted = arith.cmpi ne, %i, %c0 : index
        scf.if %wanted {
          %a = memref.load %out[%i, %j] : memref<?x?xf32>
          %more = arith.cmpf ogt, %x, %a : f32
          %most = arith.select %more, %x, %a : f32
          memref.store %most, %out[%i, %j] : memref<?x?xf32>
        }
      }
    }
  }
  func.return
}

// Weights are broadcast, conversions change the vector's type; a sum in one element is a reduction
// in order, of lanes that have an iteration.
// CHECK-LABEL: @score
// CHECK: slc.callback(%r, %[[W:.*]], %{{.*}}, %v : !slc.stream<index>, !slc.stream<f32>, !slc.stream<index>, !slc.stream<vector<4xi8>>) {
// CHECK: %[[MASK:.*]] = vector.create_mask
// CHECK: %[[F:.*]] = slc.lanewise(%{{.*}} : vector<4xi8>) -> vector<4xf32> {
// CHECK: arith.sitofp
// CHECK: %[[WIDE:.*]] = vector.broadcast %{{.*}} : f32 to vector<4xf32>
// CHECK-NEXT: %[[M:.*]] = arith.mulf %[[F]], %[[WIDE]] : vector<4xf32>
// CHECK-NEXT: %[[S:.*]] = memref.load %out
// CHECK-NEXT: %[[ACTIVE:.*]] = slc.lanewise(%[[MASK]], %[[M]], %{{.*}} :
// CHECK: %[[T:.*]] = vector.reduction <add>, %[[ACTIVE]], %[[S]]
// CHECK-NEXT: memref.store %[[T]], %out
func.func @score(%idx: memref<3xindex>, %w: memref<3xf32>, %tab: memref<6x7xi8>, %out: memref<6xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  slc.for %p = %c0 to %c3 step %c1 : index, index, index {
    %r = slc.load %idx, %p : memref<3xindex>, !slc.stream<index>
    %weight = slc.load %w, %p : memref<3xf32>, !slc.stream<index>
    slc.for %e = %c0 to %c7 step %c1 : index, index, index {
      %v = slc.load %tab, %r, %e : memref<6x7xi8>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%r, %weight, %v : !slc.stream<index>, !slc.stream<f32>, !slc.stream<i8>) {
      ^bb0(%i: index, %f: f32, %x: i8):
        %y = arith.sitofp %x : i8 to f32
        %m = arith.mulf %y, %f : f32
        %s = memref.load %out[%i] : memref<6xf32>
        %t = arith.addf %s, %m : f32
        memref.store %t, %out[%i] : memref<6xf32>
      }
    }
  }
  func.return
}

// A loop of the core steps over vectors; what it carries is summed by lanes, then once.
// CHECK-LABEL: @core
// CHECK: %[[SUMS:.*]] = scf.for %{{.*}} = %c0 to %c4 step %{{.*}} iter_args(%[[PART:.*]] = %{{.*}}) -> (vector<4xf32>) {
// CHECK-NEXT: %[[V:.*]] = vector.load %own
// CHECK-NEXT: %[[T:.*]] = arith.addf %[[PART]], %[[V]] : vector<4xf32>
// CHECK-NEXT: scf.yield %[[T]] : vector<4xf32>
// CHECK-NEXT: }
// CHECK-NEXT: vector.reduction <add>, %[[SUMS]], %{{.*}} : vector<4xf32> into f32
func.func @core(%idx: memref<3xindex>, %own: memref<4xf32>, %out: memref<6xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  slc.for %p = %c0 to %c3 step %c1 : index, index, index {
    %r = slc.load %idx, %p : memref<3xindex>, !slc.stream<index>
    slc.callback(%r : !slc.stream<index>) {
    ^bb0(%i: index):
      %sum = scf.for %e = %c0 to %c4 step %c1 iter_args(%s = %zero) -> (f32) {
        %x = memref.load %own[%e] : memref<4xf32>
        %t = arith.addf %s, %x : f32
        scf.yield %t : f32
      }
      memref.store %sum, %out[%i] : memref<6xf32>
    }
  }
  func.return
}

// What has lanes is left as it is.
// TWICE-LABEL: @masked
// TWICE: } {headrace.refused = "ember-vectorize: it has 4 lanes already"}
