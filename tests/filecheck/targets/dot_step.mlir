// RUN: headrace-opt %s -t dot | filecheck %s

// Operations by their place in the graph, streams by their sizes and elements.

%x, %i = "test.op"() : () -> (tensor<4x8xf32>, tensor<4x2xi1>)
%y = step.graph(%x, %i) : (tensor<4x8xf32>, tensor<4x2xi1>) -> tensor<4x8xf32> {
^bb0(%rows: tensor<4x8xf32>, %experts: tensor<4x2xi1>):
  %0 = step.load %rows tile [1, 8] strides [1] shape [4] : tensor<4x8xf32>
  %1 = step.select %experts hot 1 : tensor<4x2xi1>
  %2, %3 = step.partition %0, %1 rank 0 dims [e0, "4 - e0"] : !step.stream<!step.tile<f32, [1, 8]>, [1, 4]>, !step.stream<!step.selector<2, hot 1>, [1, 4]>
  %4 = step.map %3 fn silu : !step.stream<!step.tile<f32, [1, 8]>, [4 - e0]>
  %5, %6 = step.eager_merge %2, %4 rank 0 : !step.stream<!step.tile<f32, [1, 8]>, [e0]>, !step.stream<!step.tile<f32, [1, 8]>, [4 - e0]>
  step.sink %6 : !step.stream<!step.selector<2, hot 1>, [4]>
  %7 = step.store %5 into tensor<4x8xf32> : !step.stream<!step.tile<f32, [1, 8]>, [4]>
  step.yield %7 : tensor<4x8xf32>
}

// CHECK: digraph step {
// CHECK: g0_0 [label="load 0\nrows", fillcolor="#c7e9c0"];
// CHECK-NEXT: g0_1 [label="select 1\nexperts", fillcolor="#d9d9d9"];
// CHECK-NEXT: g0_2 [label="partition 2 rank 0", fillcolor="#fdd0a2"];
// CHECK-NEXT: g0_3 [label="map 3 silu", fillcolor="#fee391"];
// CHECK-NEXT: g0_4 [label="eager_merge 4 rank 0", fillcolor="#fdd0a2"];
// CHECK-NEXT: g0_5 [label="sink 5", fillcolor="#ffffff"];
// CHECK-NEXT: g0_6 [label="store 6", fillcolor="#f7b6d2"];
// CHECK-NEXT: g0_0 -> g0_2 [label="[1, 4] tile 1 x 8 f32", color="#d62728", fontcolor="#d62728"];
// CHECK-NEXT: g0_1 -> g0_2 [label="[1, 4] 1 of 2", color="#9467bd", fontcolor="#9467bd"];
// CHECK-NEXT: g0_2 -> g0_3 [label="[-e0 + 4] tile 1 x 8 f32", color="#d62728", fontcolor="#d62728"];
// CHECK-NEXT: g0_2 -> g0_4 [label="[e0] tile 1 x 8 f32", color="#d62728", fontcolor="#d62728"];
// CHECK-NEXT: g0_3 -> g0_4 [label="[-e0 + 4] tile 1 x 8 f32", color="#d62728", fontcolor="#d62728"];
// CHECK-NEXT: g0_4 -> g0_5 [label="[4] 1 of 2", color="#9467bd", fontcolor="#9467bd"];
// CHECK-NEXT: g0_4 -> g0_6 [label="[4] tile 1 x 8 f32", color="#d62728", fontcolor="#d62728"];
