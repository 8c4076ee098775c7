// EmbeddingBag with mode mean and padding_idx 1: the entries that count, divided by their number.
func.func private @embedding_bag_0(%offsets: memref<?xi64>, %indices: memref<?xi64>, %table: memref<?x?xf32>, %counts: memref<?xi64>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %out, %c0 : memref<?x?xf32>
  %c1 = arith.constant 1 : index
  %1 = memref.dim %out, %c1 : memref<?x?xf32>
  %2 = arith.constant 1 : i64
  %3 = arith.constant 1 : i64
  %4 = arith.constant 1 : i64
  scf.for %b = %c0 to %0 step %c1 {
    %5 = memref.load %offsets[%b] : memref<?xi64>
    %6 = arith.index_cast %5 : i64 to index
    %7 = arith.addi %b, %c1 : index
    %8 = memref.load %offsets[%7] : memref<?xi64>
    %9 = arith.index_cast %8 : i64 to index
    scf.for %p = %6 to %9 step %c1 {
      %10 = memref.load %indices[%p] : memref<?xi64>
      %11 = arith.index_cast %10 : i64 to index
      %12 = arith.cmpi ne, %10, %2 : i64
      scf.if %12 {
        %13 = memref.load %counts[%b] : memref<?xi64>
        %14 = arith.addi %13, %3 : i64
        memref.store %14, %counts[%b] : memref<?xi64>
      }
      scf.for %e = %c0 to %1 step %c1 {
        %15 = memref.load %table[%11, %e] : memref<?x?xf32>
        scf.if %12 {
          %16 = memref.load %out[%b, %e] : memref<?x?xf32>
          %17 = arith.addf %16, %15 : f32
          memref.store %17, %out[%b, %e] : memref<?x?xf32>
        }
      }
    }
    %18 = memref.load %counts[%b] : memref<?xi64>
    %19 = arith.maxsi %18, %4 : i64
    %20 = arith.sitofp %19 : i64 to f32
    scf.for %e_1 = %c0 to %1 step %c1 {
      %21 = memref.load %out[%b, %e_1] : memref<?x?xf32>
      %22 = arith.divf %21, %20 : f32
      memref.store %22, %out[%b, %e_1] : memref<?x?xf32>
    }
  }
  func.return
}
