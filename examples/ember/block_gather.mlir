// Blocks of 16 rows, as the keys of sparse attention.
func.func private @block_gather_0(%index: memref<?xi64>, %table: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %index, %c0 : memref<?xi64>
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %1 = memref.dim %out, %c1 : memref<?x?xf32>
  scf.for %p = %c0 to %0 step %c1 {
    %2 = memref.load %index[%p] : memref<?xi64>
    %3 = arith.index_cast %2 : i64 to index
    %4 = arith.muli %3, %c16 : index
    %5 = arith.muli %p, %c16 : index
    scf.for %t = %c0 to %c16 step %c1 {
      %6 = arith.addi %4, %t : index
      %7 = arith.addi %5, %t : index
      scf.for %e = %c0 to %1 step %c1 {
        %8 = memref.load %table[%6, %e] : memref<?x?xf32>
        memref.store %8, %out[%7, %e] : memref<?x?xf32>
      }
    }
  }
  func.return
}
