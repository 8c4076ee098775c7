// The distance |head + relation - tail| of each triple (TransE).
func.func private @row_scores_0(%head: memref<?xi64>, %relation: memref<?xi64>, %tail: memref<?xi64>, %entities: memref<?x?xf32>, %relations: memref<?x?xf32>, %score: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %score, %c0 : memref<?xf32>
  %c1 = arith.constant 1 : index
  %1 = memref.dim %entities, %c1 : memref<?x?xf32>
  scf.for %p = %c0 to %0 step %c1 {
    %2 = memref.load %head[%p] : memref<?xi64>
    %3 = arith.index_cast %2 : i64 to index
    %4 = memref.load %relation[%p] : memref<?xi64>
    %5 = arith.index_cast %4 : i64 to index
    %6 = memref.load %tail[%p] : memref<?xi64>
    %7 = arith.index_cast %6 : i64 to index
    scf.for %e = %c0 to %1 step %c1 {
      %8 = memref.load %entities[%3, %e] : memref<?x?xf32>
      %9 = memref.load %relations[%5, %e] : memref<?x?xf32>
      %10 = arith.addf %8, %9 : f32
      %11 = memref.load %entities[%7, %e] : memref<?x?xf32>
      %12 = arith.subf %10, %11 : f32
      %13 = math.absf %12 : f32
      %14 = memref.load %score[%p] : memref<?xf32>
      %15 = arith.addf %14, %13 : f32
      memref.store %15, %score[%p] : memref<?xf32>
    }
  }
  func.return
}
