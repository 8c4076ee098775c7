// EmbeddingBag by lengths (SparseLengthsSum): the bounds are a running sum.
func.func private @embedding_bag_0(%lengths: memref<?xi64>, %indices: memref<?xi64>, %table: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %out, %c0 : memref<?x?xf32>
  %c1 = arith.constant 1 : index
  %1 = memref.dim %out, %c1 : memref<?x?xf32>
  %2 = scf.for %b = %c0 to %0 step %c1 iter_args(%first = %c0) -> (index) {
    %3 = memref.load %lengths[%b] : memref<?xi64>
    %4 = arith.index_cast %3 : i64 to index
    %5 = arith.addi %first, %4 : index
    scf.for %p = %first to %5 step %c1 {
      %6 = memref.load %indices[%p] : memref<?xi64>
      %7 = arith.index_cast %6 : i64 to index
      scf.for %e = %c0 to %1 step %c1 {
        %8 = memref.load %table[%7, %e] : memref<?x?xf32>
        %9 = memref.load %out[%b, %e] : memref<?x?xf32>
        %10 = arith.addf %9, %8 : f32
        memref.store %10, %out[%b, %e] : memref<?x?xf32>
      }
    }
    scf.yield %5 : index
  }
  func.return
}
