// Messages along edges in any order.
func.func private @add_at_0(%target: memref<?xi64>, %source: memref<?xi64>, %weight: memref<?xf32>, %x: memref<?x?xf32>, %out: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %target, %c0 : memref<?xi64>
  %c1 = arith.constant 1 : index
  %1 = memref.dim %out, %c1 : memref<?x?xf32>
  scf.for %p = %c0 to %0 step %c1 {
    %2 = memref.load %target[%p] : memref<?xi64>
    %3 = arith.index_cast %2 : i64 to index
    %4 = memref.load %source[%p] : memref<?xi64>
    %5 = arith.index_cast %4 : i64 to index
    %6 = memref.load %weight[%p] : memref<?xf32>
    scf.for %e = %c0 to %1 step %c1 {
      %7 = memref.load %x[%5, %e] : memref<?x?xf32>
      %8 = arith.mulf %6, %7 : f32
      %9 = memref.load %out[%3, %e] : memref<?x?xf32>
      %10 = arith.addf %9, %8 : f32
      memref.store %10, %out[%3, %e] : memref<?x?xf32>
    }
  }
  func.return
}
