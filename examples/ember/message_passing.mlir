// Neighbours weighted by the product of both ends (FusedMM).
func.func private @message_passing_0(%pointers: memref<?xi64>, %indices: memref<?xi64>, %own: memref<?x?xf32>, %other: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c1 = arith.constant 1 : index
  %0 = memref.dim %out, %c1 : memref<?x?xf32>
  %1 = arith.constant 0.000000e+00 : f32
  %mine = memref.alloc(%0) : memref<?xf32>
  %theirs = memref.alloc(%0) : memref<?xf32>
  %sum = memref.alloc(%0) : memref<?xf32>
  %c0 = arith.constant 0 : index
  %2 = memref.dim %out, %c0 : memref<?x?xf32>
  scf.for %i = %c0 to %2 step %c1 {
    scf.for %e = %c0 to %0 step %c1 {
      %3 = memref.load %own[%i, %e] : memref<?x?xf32>
      memref.store %3, %mine[%e] : memref<?xf32>
      memref.store %1, %sum[%e] : memref<?xf32>
    }
    %4 = memref.load %pointers[%i] : memref<?xi64>
    %5 = arith.index_cast %4 : i64 to index
    %6 = arith.addi %i, %c1 : index
    %7 = memref.load %pointers[%6] : memref<?xi64>
    %8 = arith.index_cast %7 : i64 to index
    scf.for %p = %5 to %8 step %c1 {
      %9 = memref.load %indices[%p] : memref<?xi64>
      %10 = arith.index_cast %9 : i64 to index
      scf.for %e_1 = %c0 to %0 step %c1 {
        %11 = memref.load %other[%10, %e_1] : memref<?x?xf32>
        memref.store %11, %theirs[%e_1] : memref<?xf32>
      }
      %12 = scf.for %e_2 = %c0 to %0 step %c1 iter_args(%13 = %1) -> (f32) {
        %14 = memref.load %mine[%e_2] : memref<?xf32>
        %15 = memref.load %theirs[%e_2] : memref<?xf32>
        %16 = arith.mulf %14, %15 : f32
        %17 = arith.addf %13, %16 : f32
        scf.yield %17 : f32
      }
      scf.for %e_3 = %c0 to %0 step %c1 {
        %18 = memref.load %theirs[%e_3] : memref<?xf32>
        %19 = arith.mulf %12, %18 : f32
        %20 = memref.load %sum[%e_3] : memref<?xf32>
        %21 = arith.addf %20, %19 : f32
        memref.store %21, %sum[%e_3] : memref<?xf32>
      }
    }
    scf.for %e_4 = %c0 to %0 step %c1 {
      %22 = memref.load %sum[%e_4] : memref<?xf32>
      memref.store %22, %out[%i, %e_4] : memref<?x?xf32>
    }
  }
  func.return
}
