// RUN: headrace-opt %s -p 'sam-fuse{regions=none}' | filecheck %s --check-prefix=NONE
// RUN: headrace-opt %s -p 'sam-fuse{regions=layer}' | filecheck %s --check-prefix=LAYER
// RUN: headrace-opt %s -p 'sam-fuse{regions=all}' | filecheck %s --check-prefix=ALL
// RUN: headrace-opt %s -p 'sam-fuse{regions=marked}' | filecheck %s --check-prefix=MARKED
// RUN: headrace-opt %s -p 'sam-fuse{regions=all cuts=1}' | filecheck %s --check-prefix=CUT
// RUN: headrace-opt %s -p 'sam-fuse{regions=layer depth=2}' | filecheck %s --check-prefix=DEEP
// RUN: headrace-opt %s -p 'sam-fuse{regions=layer depth=3}' | filecheck %s --check-prefix=DEEPER
// RUN: not headrace-opt %s -p 'sam-fuse{regions=all depth=2}' 2>&1 | filecheck %s --check-prefix=DEPTH

// DEPTH: error: sam-fuse: depth=2 says what a layer is, but regions=all asks for none; leave it out, or give regions=layer

// Each operation alone; the parts of one softmax stay together.
// NONE-LABEL: @layers
// NONE: sam.region(%x)
// NONE: math.exp
// NONE: sam.region
// NONE: arith.addf
// NONE: arith.subf
// NONE: sam.region
// NONE: arith.mulf
// NONE-NOT: sam.region
// NONE: func.return

// What the root module computes goes with the layer before it.
// LAYER-LABEL: @layers
// LAYER: sam.region(%x)
// LAYER: math.exp
// LAYER-NOT: sam.region
// LAYER: arith.subf
// LAYER: sam.region
// LAYER: arith.mulf

// ALL-LABEL: @layers
// ALL: sam.region(%x)
// ALL: math.exp
// ALL-NOT: sam.region
// ALL: arith.mulf

// A cut starts a region at the operation of that number.
// CUT-LABEL: @layers
// CUT: sam.region(%x)
// CUT: math.exp
// CUT: sam.region
// CUT: arith.addf
// CUT-NOT: sam.region
// CUT: arith.mulf

#id = affine_map<(d0) -> (d0)>

func.func @layers(%x: tensor<8xf64>) -> tensor<8xf64> {
  %e = tensor.empty() : tensor<8xf64>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "first.exp"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %b = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%a, %a : tensor<8xf64>, tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "", headrace.composite = "softmax_1"} {
  ^bb0(%in: f64, %in2: f64, %out: f64):
    %r = arith.addf %in, %in2 : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %c = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%a, %b : tensor<8xf64>, tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "", headrace.composite = "softmax_1"} {
  ^bb0(%in: f64, %in2: f64, %out: f64):
    %r = arith.subf %in, %in2 : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %d = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%c, %x : tensor<8xf64>, tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "second"} {
  ^bb0(%in: f64, %in2: f64, %out: f64):
    %r = arith.mulf %in, %in2 : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  func.return %d : tensor<8xf64>
}

// A reshape between producer and consumer ends a region; other operations move behind it.
// ALL-LABEL: @reshape
// ALL: sam.region(%x)
// ALL: math.exp
// ALL: arith.negf
// ALL: tensor.collapse_shape
// ALL: sam.region
// ALL: math.sqrt

#id2 = affine_map<(d0, d1) -> (d0, d1)>

func.func @reshape(%x: tensor<2x4xf64>) -> (tensor<8xf64>, tensor<2x4xf64>) {
  %e = tensor.empty() : tensor<2x4xf64>
  %f = tensor.empty() : tensor<8xf64>
  %a = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<2x4xf64>) outs(%e : tensor<2x4xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<2x4xf64>
  %flat = tensor.collapse_shape %a [[0, 1]] : tensor<2x4xf64> into tensor<8xf64>
  %b = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<2x4xf64>) outs(%e : tensor<2x4xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = arith.negf %in : f64
    linalg.yield %r : f64
  } -> tensor<2x4xf64>
  %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%flat : tensor<8xf64>) outs(%f : tensor<8xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = math.sqrt %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  func.return %c, %b : tensor<8xf64>, tensor<2x4xf64>
}

// A size of a fused value, and what is shaped by it, move behind the region.
// ALL-LABEL: @size_of_a_fused_value
// ALL: %[[A:.*]] = sam.region(%x)
// ALL: tensor.dim %[[A]]
// ALL: tensor.expand_shape %[[A]]
// ALL: sam.region

func.func @size_of_a_fused_value(%x: tensor<?xf64>) -> tensor<?x1xf64> {
  %c = arith.constant 0 : index
  %n = tensor.dim %x, %c : tensor<?xf64>
  %e = tensor.empty(%n) : tensor<?xf64>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<?xf64>) outs(%e : tensor<?xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<?xf64>
  %m = tensor.dim %a, %c : tensor<?xf64>
  %b = tensor.expand_shape %a [[0, 1]] output_shape [%m, 1] : tensor<?xf64> into tensor<?x1xf64>
  %f = tensor.empty(%n) : tensor<?x1xf64>
  %d = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%b : tensor<?x1xf64>) outs(%f : tensor<?x1xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = arith.negf %in : f64
    linalg.yield %r : f64
  } -> tensor<?x1xf64>
  func.return %d : tensor<?x1xf64>
}

// What the user marked is one region; the rest is alone. A reshape splits a mark.
// MARKED-LABEL: @marks
// MARKED: sam.region(%x)
// MARKED: math.exp
// MARKED: arith.negf
// MARKED-NOT: math.sqrt
// MARKED: sam.region
// MARKED: math.sqrt
// MARKED-NOT: math.absf
// MARKED: sam.region
// MARKED: math.absf
// MARKED: tensor.collapse_shape
// MARKED: sam.region
// MARKED: math.cos

func.func @marks(%x: tensor<2x4xf64>) -> tensor<8xf64> {
  %e = tensor.empty() : tensor<2x4xf64>
  %f = tensor.empty() : tensor<8xf64>
  %a = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<2x4xf64>) outs(%e : tensor<2x4xf64>) attrs = {headrace.region = "first"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<2x4xf64>
  %b = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<2x4xf64>) outs(%e : tensor<2x4xf64>) attrs = {headrace.region = "first"} {
  ^bb0(%in: f64, %out: f64):
    %r = arith.negf %in : f64
    linalg.yield %r : f64
  } -> tensor<2x4xf64>
  %c = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%b : tensor<2x4xf64>) outs(%e : tensor<2x4xf64>) {
  ^bb0(%in: f64, %out: f64):
    %r = math.sqrt %in : f64
    linalg.yield %r : f64
  } -> tensor<2x4xf64>
  %d = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%c : tensor<2x4xf64>) outs(%e : tensor<2x4xf64>) attrs = {headrace.region = "second"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.absf %in : f64
    linalg.yield %r : f64
  } -> tensor<2x4xf64>
  %flat = tensor.collapse_shape %d [[0, 1]] : tensor<2x4xf64> into tensor<8xf64>
  %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%flat : tensor<8xf64>) outs(%f : tensor<8xf64>) attrs = {headrace.region = "second"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.cos %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  func.return %g : tensor<8xf64>
}

// Two names of a path make a layer; what stands above goes with the layer before, and the gradient
// of a layer is a region of its own.
// LAYER-LABEL: @gradients
// LAYER: sam.region(%x)
// LAYER: math.exp
// LAYER: math.sin
// LAYER-NOT: sam.region
// LAYER: arith.negf
// LAYER: sam.region
// LAYER: math.cos
// DEEP-LABEL: @gradients
// DEEP: sam.region(%x)
// DEEP: math.exp
// DEEP: sam.region
// DEEP: math.sin
// DEEP-NOT: sam.region
// DEEP: arith.negf
// DEEP: sam.region
// DEEP: math.cos

func.func @gradients(%x: tensor<8xf64>) -> tensor<8xf64> {
  %e = tensor.empty() : tensor<8xf64>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "model.first"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%a : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "model.second"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.sin %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%b : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "model"} {
  ^bb0(%in: f64, %out: f64):
    %r = arith.negf %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %d = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%c : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "model.second", headrace.phase = "backward"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.cos %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  func.return %d : tensor<8xf64>
}

// A path of fewer names is a layer too, unless it is above the layer before.
// LAYER-LABEL: @fewer_names
// LAYER: sam.region(%x)
// LAYER: math.exp
// LAYER-NOT: sam.region
// LAYER: math.absf
// LAYER: sam.region
// LAYER: math.cos
// LAYER: sam.region
// LAYER: math.sqrt
// DEEPER-LABEL: @fewer_names
// DEEPER: sam.region(%x)
// DEEPER: math.exp
// DEEPER: sam.region
// DEEPER: math.sin
// DEEPER-NOT: sam.region
// DEEPER: math.absf
// DEEPER: sam.region
// DEEPER: math.cos
// DEEPER: sam.region
// DEEPER: math.sqrt

func.func @fewer_names(%x: tensor<8xf64>) -> tensor<8xf64> {
  %e = tensor.empty() : tensor<8xf64>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "encoder.0"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.exp %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%a : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "encoder.1"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.sin %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%b : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "encoder"} {
  ^bb0(%in: f64, %out: f64):
    %r = arith.negf %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %d = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%c : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = ""} {
  ^bb0(%in: f64, %out: f64):
    %r = math.absf %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %f = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%d : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "head"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.cos %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%f : tensor<8xf64>) outs(%e : tensor<8xf64>) attrs = {headrace.module = "tail"} {
  ^bb0(%in: f64, %out: f64):
    %r = math.sqrt %in : f64
    linalg.yield %r : f64
  } -> tensor<8xf64>
  func.return %g : tensor<8xf64>
}
