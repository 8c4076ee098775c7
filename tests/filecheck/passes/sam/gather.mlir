// RUN: headrace-opt %s -p 'sam-fuse{regions=all}' | filecheck %s --check-prefix=FUSE
// RUN: headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' | filecheck %s --check-prefix=LOWER

// What a region gathers from is one of its inputs; what was computed before is stored first.
// FUSE: [[Y:%.*]] = sam.region(%x)
// FUSE: math.exp
// FUSE: sam.region(%i, [[Y]])
// FUSE: tensor.extract
// FUSE: math.sqrt

// The values of the index are the coordinates by which the rows are located.
// LOWER: sam.graph
// LOWER: sam.graph
// LOWER: [[I:%.*]] = sam.array {{.*}} : !sam.stream<ref, index, [i0]>, tensor<3xi64>
// LOWER: [[C:%.*]] = sam.coordinates [[I]], %{{.*}} : !sam.stream<val, i64, [i0]>, index
// LOWER: [[R:%.*]] = sam.locate [[C]], %{{.*}}
// LOWER: sam.scan [[R]], {{.*}} level 1 axis i1

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

func.func @rows(%x: tensor<8x4xf64>, %i: tensor<3xi64>) -> tensor<3x4xf64> {
  %e = tensor.empty() : tensor<8x4xf64>
  %f = tensor.empty() : tensor<3x4xf64>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<8x4xf64>) outs(%e : tensor<8x4xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<8x4xf64>
  %g = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel"]} ins(%i : tensor<3xi64>) outs(%f : tensor<3x4xf64>) {
  ^bb0(%in: i64, %out: f64):
    %place = arith.index_cast %in : i64 to index
    %column = linalg.index 1 : index
    %r = tensor.extract %y[%place, %column] : tensor<8x4xf64>
    linalg.yield %r : f64
  } -> tensor<3x4xf64>
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%g : tensor<3x4xf64>) outs(%f : tensor<3x4xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = math.sqrt %in : f64
    linalg.yield %r : f64
  } -> tensor<3x4xf64>
  func.return %z : tensor<3x4xf64>
}
