// A sparse matrix in compressed rows times a dense one.
func.func private @sparse_matmul_0(%pointers: memref<?xi64>, %indices: memref<?xi64>, %values: memref<?xf32>, %x: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %out, %c0 : memref<?x?xf32>
  %c1 = arith.constant 1 : index
  %1 = memref.dim %out, %c1 : memref<?x?xf32>
  scf.for %i = %c0 to %0 step %c1 {
    %2 = memref.load %pointers[%i] : memref<?xi64>
    %3 = arith.index_cast %2 : i64 to index
    %4 = arith.addi %i, %c1 : index
    %5 = memref.load %pointers[%4] : memref<?xi64>
    %6 = arith.index_cast %5 : i64 to index
    scf.for %p = %3 to %6 step %c1 {
      %7 = memref.load %indices[%p] : memref<?xi64>
      %8 = arith.index_cast %7 : i64 to index
      %9 = memref.load %values[%p] : memref<?xf32>
      scf.for %e = %c0 to %1 step %c1 {
        %10 = memref.load %x[%8, %e] : memref<?x?xf32>
        %11 = arith.mulf %9, %10 : f32
        %12 = memref.load %out[%i, %e] : memref<?x?xf32>
        %13 = arith.addf %12, %11 : f32
        memref.store %13, %out[%i, %e] : memref<?x?xf32>
      }
    }
  }
  func.return
}
