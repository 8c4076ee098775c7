// RUN: not headrace-opt %s -p 'sam-fuse{regions=all cuts=7}' 2>&1 | filecheck %s --check-prefix=CUTS
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-order{priority=0,1 region=3}' 2>&1 | filecheck %s --check-prefix=REGION
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all},sam-lower' 2>&1 | filecheck %s --check-prefix=BODY

// CUTS: error: sam-fuse: cuts=7 names no operation; there are 1, numbered from 0
// REGION: error: sam-order: region=3 does not exist; the module has 1, made by sam-fuse and numbered from 0
// BODY: error: not lowered: 'math.ctlz' (model.py:42): it has no counterpart in sam.alu; supported are

#id = affine_map<(d0) -> (d0)>

func.func @zeros(%x: tensor<8xi32>) -> tensor<8xi32> {
  %e = tensor.empty() : tensor<8xi32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<8xi32>) outs(%e : tensor<8xi32>) attrs = {headrace.source = "model.py:42"} {
  ^bb0(%in: i32, %out: i32):
    %r = math.ctlz %in : i32
    linalg.yield %r : i32
  } -> tensor<8xi32>
  func.return %a : tensor<8xi32>
}
