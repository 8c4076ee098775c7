// EmbeddingBag with mode sum: bag b adds the rows of the table that its indices name.
func.func private @embedding_bag_0(%offsets: memref<?xi64>, %indices: memref<?xi64>,
                                   %table: memref<?x?xf32>, %out: memref<?x?xf32>) {
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
