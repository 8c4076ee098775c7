// RUN: ROUNDTRIP
// RUN: headrace-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

%x, %w = "test.op"() : () -> (tensor<64x64xf32>, tensor<64x256xf32>)
// CHECK: %x, %w = "test.op"() : () -> (tensor<64x64xf32>, tensor<64x256xf32>)
%table, %numbers = "test.op"() : () -> (tensor<64x2xi1>, tensor<16xi64>)
// CHECK-NEXT: %table, %numbers = "test.op"() : () -> (tensor<64x2xi1>, tensor<16xi64>)

// Memory

%ref, %address = "test.op"() : () -> (!step.stream<index, [e0]>, !step.stream<index, [e0]>)
// CHECK-NEXT: %ref, %address = "test.op"() : () -> (!step.stream<index, [e0]>, !step.stream<index, [e0]>)
%load = step.load %x tile [1, 64] strides [1, 1] shape [64, 1] dispatch 4 : tensor<64x64xf32>
// CHECK-NEXT: %load = step.load %x tile [1, 64] strides [1, 1] shape [64, 1] dispatch 4 : tensor<64x64xf32>
// GENERIC: %load = "step.load"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [1, 64, 1]>
%read = step.load %w, %ref tile [64, 64] strides [4, 1] shape [1, 4] : tensor<64x256xf32>, !step.stream<index, [e0]>
// CHECK-NEXT: %read = step.load %w, %ref tile [64, 64] strides [4, 1] shape [1, 4] : tensor<64x256xf32>, !step.stream<index, [e0]>
// GENERIC: %read = "step.load"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [e0, 1, 4]>
%store = step.store %load into tensor<64x64xf32> : !step.stream<!step.tile<f32, [1, 64]>, [1, 64, 1]>
// CHECK-NEXT: %store = step.store %load into tensor<64x64xf32> : !step.stream<!step.tile<f32, [1, 64]>, [1, 64, 1]>
// GENERIC: %store = "step.store"{{.*}} -> tensor<64x64xf32>
%random = step.random_load %w, %address tile [64, 64] dispatch 2 : tensor<64x256xf32>, !step.stream<index, [e0]>
// CHECK-NEXT: %random = step.random_load %w, %address tile [64, 64] dispatch 2 : tensor<64x256xf32>, !step.stream<index, [e0]>
// GENERIC: %random = "step.random_load"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [e0]>
%done, %new = step.random_store %w, %address, %random acknowledge data buffers 4 region 2 : tensor<64x256xf32>, !step.stream<index, [e0]>, !step.stream<!step.tile<f32, [64, 64]>, [e0]>
// CHECK-NEXT: %done, %new = step.random_store %w, %address, %random acknowledge data buffers 4 region 2 : tensor<64x256xf32>, !step.stream<index, [e0]>, !step.stream<!step.tile<f32, [64, 64]>, [e0]>
// GENERIC: %done, %new = "step.random_store"{{.*}} -> (!step.stream<i1, [e0]>, tensor<64x256xf32>)
%buffer = step.bufferize %read rank 2 : !step.stream<!step.tile<f32, [64, 64]>, [e0, 1, 4]>
// CHECK-NEXT: %buffer = step.bufferize %read rank 2 : !step.stream<!step.tile<f32, [64, 64]>, [e0, 1, 4]>
// GENERIC: %buffer = "step.bufferize"{{.*}} -> !step.stream<!step.buffer<!step.tile<f32, [64, 64]>, [1, 4]>, [e0]>
%replay = step.streamify %buffer repeat [3] : !step.stream<!step.buffer<!step.tile<f32, [64, 64]>, [1, 4]>, [e0]>
// CHECK-NEXT: %replay = step.streamify %buffer repeat [3] : !step.stream<!step.buffer<!step.tile<f32, [64, 64]>, [1, 4]>, [e0]>
// GENERIC: %replay = "step.streamify"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [e0, 3, 1, 4]>
%by_ref = step.streamify %buffer, %ref rank 0 strides [1, 0] shape [4, 2] : !step.stream<!step.buffer<!step.tile<f32, [64, 64]>, [1, 4]>, [e0]>, !step.stream<index, [e0]>
// CHECK-NEXT: %by_ref = step.streamify %buffer, %ref rank 0 strides [1, 0] shape [4, 2] : !step.stream<!step.buffer<!step.tile<f32, [64, 64]>, [1, 4]>, [e0]>, !step.stream<index, [e0]>
// GENERIC: %by_ref = "step.streamify"{{.*}} -> !step.stream<!step.tile<f32, [64, 64]>, [e0, 4, 2]>

// Sources

%selector = step.select %table hot 1 : tensor<64x2xi1>
// CHECK-NEXT: %selector = step.select %table hot 1 : tensor<64x2xi1>
// GENERIC: %selector = "step.select"{{.*}} -> !step.stream<!step.selector<2, hot 1>, [1, 64]>
%multihot = step.select %table : tensor<64x2xi1>
// CHECK-NEXT: %multihot = step.select %table : tensor<64x2xi1>
// GENERIC: %multihot = "step.select"{{.*}} -> !step.stream<!step.selector<2>, [1, 64]>
%length = step.integers %numbers : tensor<16xi64>
// CHECK-NEXT: %length = step.integers %numbers : tensor<16xi64>
// GENERIC: %length = "step.integers"{{.*}} -> !step.stream<index, [1, 16]>
%expert = step.expert_address %selector tiles 16 base 32 : !step.stream<!step.selector<2, hot 1>, [1, 64]>
// CHECK-NEXT: %expert = step.expert_address %selector tiles 16 base 32 : !step.stream<!step.selector<2, hot 1>, [1, 64]>
// GENERIC: %expert = "step.expert_address"{{.*}} -> !step.stream<index, [1, 64, 16, 1]>
%cache = step.cache_read_address %length, %length row_tiles 146 dim tiles : !step.stream<index, [1, 16]>, !step.stream<index, [1, 16]>
// CHECK-NEXT: %cache = step.cache_read_address %length, %length row_tiles 146 dim tiles : !step.stream<index, [1, 16]>, !step.stream<index, [1, 16]>
// GENERIC: %cache = "step.cache_read_address"{{.*}} -> !step.stream<index, [1, 16, ~tiles]>
%last = step.filter_last %length dim tiles : !step.stream<index, [1, 16]>
// CHECK-NEXT: %last = step.filter_last %length dim tiles : !step.stream<index, [1, 16]>
// GENERIC: %last = "step.filter_last"{{.*}} -> !step.stream<!step.selector<2, hot 1>, [1, 16, ~tiles]>
step.sink %cache : !step.stream<index, [1, 16, ~tiles]>
// CHECK-NEXT: step.sink %cache : !step.stream<index, [1, 16, ~tiles]>

// Shapes

%flat = step.flatten %load min 0 max 1 : !step.stream<!step.tile<f32, [1, 64]>, [1, 64, 1]>
// CHECK-NEXT: %flat = step.flatten %load min 0 max 1 : !step.stream<!step.tile<f32, [1, 64]>, [1, 64, 1]>
// GENERIC: %flat = "step.flatten"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [1, 64]>
%total = step.flatten %cache min 0 max 2 : !step.stream<index, [1, 16, ~tiles]>
// CHECK-NEXT: %total = step.flatten %cache min 0 max 2 : !step.stream<index, [1, 16, ~tiles]>
// GENERIC: %total = "step.flatten"{{.*}} -> !step.stream<index, [total(~tiles)]>
%named = step.flatten %cache min 0 max 1 dim all : !step.stream<index, [1, 16, ~tiles]>
// CHECK-NEXT: %named = step.flatten %cache min 0 max 1 dim all : !step.stream<index, [1, 16, ~tiles]>
// GENERIC: %named = "step.flatten"{{.*}} -> !step.stream<index, [1, ~all]>
%chunks, %padding = step.reshape %ref rank 0 chunk 4 outer write_back : !step.stream<index, [e0]>
// CHECK-NEXT: %chunks, %padding = step.reshape %ref rank 0 chunk 4 outer write_back : !step.stream<index, [e0]>
// GENERIC: %chunks, %padding = "step.reshape"{{.*}} -> (!step.stream<index, [positive(e0), ceil(e0, 4), 4]>, !step.stream<i1, [positive(e0), ceil(e0, 4), 4]>)
%promoted = step.promote %ref : !step.stream<index, [e0]>
// CHECK-NEXT: %promoted = step.promote %ref : !step.stream<index, [e0]>
// GENERIC: %promoted = "step.promote"{{.*}} -> !step.stream<index, [positive(e0), e0]>
%single = step.promote %ref rank 0 : !step.stream<index, [e0]>
// CHECK-NEXT: %single = step.promote %ref rank 0 : !step.stream<index, [e0]>
// GENERIC: %single = "step.promote"{{.*}} -> !step.stream<index, [e0, 1]>
%list = "test.op"() : () -> !step.stream<index, [e0, ~r]>
// CHECK-NEXT: %list = "test.op"() : () -> !step.stream<index, [e0, ~r]>
%expanded = step.expand %single, %list rank 1 : !step.stream<index, [e0, 1]>, !step.stream<index, [e0, ~r]>
// CHECK-NEXT: %expanded = step.expand %single, %list rank 1 : !step.stream<index, [e0, 1]>, !step.stream<index, [e0, ~r]>
// GENERIC: %expanded = "step.expand"{{.*}} -> !step.stream<index, [e0, ~r]>
%repeated = step.repeat %ref factor 4 : !step.stream<index, [e0]>
// CHECK-NEXT: %repeated = step.repeat %ref factor 4 : !step.stream<index, [e0]>
// GENERIC: %repeated = "step.repeat"{{.*}} -> !step.stream<index, [e0, 4]>
%pair = step.zip %ref, %random : !step.stream<index, [e0]>, !step.stream<!step.tile<f32, [64, 64]>, [e0]>
// CHECK-NEXT: %pair = step.zip %ref, %random : !step.stream<index, [e0]>, !step.stream<!step.tile<f32, [64, 64]>, [e0]>
// GENERIC: %pair = "step.zip"{{.*}} -> !step.stream<tuple<index, !step.tile<f32, [64, 64]>>, [e0]>
%copy0, %copy1 = step.broadcast %pair consumers 2 : !step.stream<tuple<index, !step.tile<f32, [64, 64]>>, [e0]>
// CHECK-NEXT: %copy0, %copy1 = step.broadcast %pair consumers 2 : !step.stream<tuple<index, !step.tile<f32, [64, 64]>>, [e0]>
// GENERIC: %copy0, %copy1 = "step.broadcast"{{.*}} -> (!step.stream<tuple<index, !step.tile<f32, [64, 64]>>, [e0]>, !step.stream<tuple<index, !step.tile<f32, [64, 64]>>, [e0]>)

// Routing

%row0, %row1 = step.partition %flat, %multihot rank 0 dims [e0, e1] assumed [e1] switch 2 write_back : !step.stream<!step.tile<f32, [1, 64]>, [1, 64]>, !step.stream<!step.selector<2>, [1, 64]>
// CHECK-NEXT: %row0, %row1 = step.partition %flat, %multihot rank 0 dims [e0, e1] assumed [e1] switch 2 write_back : !step.stream<!step.tile<f32, [1, 64]>, [1, 64]>, !step.stream<!step.selector<2>, [1, 64]>
// GENERIC: %row0, %row1 = "step.partition"{{.*}} -> (!step.stream<!step.tile<f32, [1, 64]>, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>)
%back = step.reassemble %multihot, %row0, %row1 rank 0 dim k switch 0 write_back : !step.stream<!step.selector<2>, [1, 64]>, !step.stream<!step.tile<f32, [1, 64]>, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>
// CHECK-NEXT: %back = step.reassemble %multihot, %row0, %row1 rank 0 dim k switch 0 write_back : !step.stream<!step.selector<2>, [1, 64]>, !step.stream<!step.tile<f32, [1, 64]>, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>
// GENERIC: %back = "step.reassemble"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [1, 64, ~k]>
%merged, %source = step.eager_merge %row0, %row1 rank 0 : !step.stream<!step.tile<f32, [1, 64]>, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>
// CHECK-NEXT: %merged, %source = step.eager_merge %row0, %row1 rank 0 : !step.stream<!step.tile<f32, [1, 64]>, [e0]>, !step.stream<!step.tile<f32, [1, 64]>, [e1]>
// GENERIC: %merged, %source = "step.eager_merge"{{.*}} -> (!step.stream<!step.tile<f32, [1, 64]>, [e0 + e1]>, !step.stream<!step.selector<2, hot 1>, [e0 + e1]>)
%hand0, %hand1, %hand2 = step.deal %row0 rank 0 consumers 3 switch 0 : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
// CHECK-NEXT: %hand0, %hand1, %hand2 = step.deal %row0 rank 0 consumers 3 switch 0 : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
// GENERIC: %hand0, %hand1, %hand2 = "step.deal"{{.*}} -> (!step.stream<!step.tile<f32, [1, 64]>, [ceil(e0, 3)]>, !step.stream<!step.tile<f32, [1, 64]>, [ceil(e0 - 1, 3)]>, !step.stream<!step.tile<f32, [1, 64]>, [ceil(e0 - 2, 3)]>)
%tall, %short = "test.op"() : () -> (!step.stream<!step.tile<f32, [e0, 64]>, [1]>, !step.stream<!step.tile<f32, [e1, 64]>, [1]>)
// CHECK-NEXT: %tall, %short = "test.op"() : () -> (!step.stream<!step.tile<f32, [e0, 64]>, [1]>, !step.stream<!step.tile<f32, [e1, 64]>, [1]>)
%either, %which = step.eager_merge %tall, %short rank 0 rows m : !step.stream<!step.tile<f32, [e0, 64]>, [1]>, !step.stream<!step.tile<f32, [e1, 64]>, [1]>
// CHECK-NEXT: %either, %which = step.eager_merge %tall, %short rank 0 rows m : !step.stream<!step.tile<f32, [e0, 64]>, [1]>, !step.stream<!step.tile<f32, [e1, 64]>, [1]>
// GENERIC: %either, %which = "step.eager_merge"{{.*}} -> (!step.stream<!step.tile<f32, [~m, 64]>, [2]>, !step.stream<!step.selector<2, hot 1>, [2]>)

// Functions

%mapped = step.map %row0 fn scale scalar 0.5 : f64 compute 64 write_back : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
// CHECK-NEXT: %mapped = step.map %row0 fn scale scalar 5.000000e-01 : f64 compute 64 write_back : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
// GENERIC: %mapped = "step.map"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [e0]>
%small, %wide = "test.op"() : () -> (!step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>, !step.stream<!step.tile<f32, [64, 128]>, [e0, 4]>)
// CHECK-NEXT: %small, %wide = "test.op"() : () -> (!step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>, !step.stream<!step.tile<f32, [64, 128]>, [e0, 4]>)
%product = step.map %small, %wide fn matmul compute 4096 : !step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>, !step.stream<!step.tile<f32, [64, 128]>, [e0, 4]>
// CHECK-NEXT: %product = step.map %small, %wide fn matmul compute 4096 : !step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>, !step.stream<!step.tile<f32, [64, 128]>, [e0, 4]>
// GENERIC: %product = "step.map"{{.*}} -> !step.stream<!step.tile<f32, [4, 128]>, [e0, 4]>
%sum = step.accumulate %small, %wide fn matmul rank 1 compute 4096 write_back : !step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>, !step.stream<!step.tile<f32, [64, 128]>, [e0, 4]>
// CHECK-NEXT: %sum = step.accumulate %small, %wide fn matmul rank 1 compute 4096 write_back : !step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>, !step.stream<!step.tile<f32, [64, 128]>, [e0, 4]>
// GENERIC: %sum = "step.accumulate"{{.*}} -> !step.stream<!step.tile<f32, [4, 128]>, [e0]>
%many = "test.op"() : () -> !step.stream<!step.tile<f32, [~m, 64]>, [e0, 4]>
// CHECK-NEXT: %many = "test.op"() : () -> !step.stream<!step.tile<f32, [~m, 64]>, [e0, 4]>
%tiles = step.accumulate %many fn retile_rows rank 1 dim rows : !step.stream<!step.tile<f32, [~m, 64]>, [e0, 4]>
// CHECK-NEXT: %tiles = step.accumulate %many fn retile_rows rank 1 dim rows : !step.stream<!step.tile<f32, [~m, 64]>, [e0, 4]>
// GENERIC: %tiles = "step.accumulate"{{.*}} -> !step.stream<!step.tile<f32, [~rows, 64]>, [e0]>
%running = step.scan %repeated fn add rank 1 exclusive compute 1 write_back : !step.stream<index, [e0, 4]>
// CHECK-NEXT: %running = step.scan %repeated fn add rank 1 exclusive compute 1 write_back : !step.stream<index, [e0, 4]>
// GENERIC: %running = "step.scan"{{.*}} -> !step.stream<index, [e0, 4]>
%rows = step.flat_map %small fn split_rows size 2 : !step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>
// CHECK-NEXT: %rows = step.flat_map %small fn split_rows size 2 : !step.stream<!step.tile<f32, [4, 64]>, [e0, 4]>
// GENERIC: %rows = "step.flat_map"{{.*}} -> !step.stream<!step.tile<f32, [2, 64]>, [e0, 8]>
%valid = step.flat_map %row0 fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
// CHECK-NEXT: %valid = step.flat_map %row0 fn split_rows masked dim e0 assumed [e0] : !step.stream<!step.tile<f32, [1, 64]>, [e0]>
// GENERIC: %valid = "step.flat_map"{{.*}} -> !step.stream<!step.tile<f32, [1, 64]>, [e0]>

// Containers

%result = step.graph(%x) : (tensor<64x64xf32>) -> tensor<64x64xf32> {
// CHECK-NEXT: %result = step.graph(%x) : (tensor<64x64xf32>) -> tensor<64x64xf32> {
^bb0(%0: tensor<64x64xf32>):
// CHECK-NEXT: ^bb0(%0: tensor<64x64xf32>):
  %1 = step.load %0 tile [16, 64] strides [1, 1] shape [4, 1] : tensor<64x64xf32>
// CHECK-NEXT:   %1 = step.load %0 tile [16, 64] strides [1, 1] shape [4, 1] : tensor<64x64xf32>
  %2 = step.store %1 into tensor<64x64xf32> : !step.stream<!step.tile<f32, [16, 64]>, [1, 4, 1]>
// CHECK-NEXT:   %2 = step.store %1 into tensor<64x64xf32> : !step.stream<!step.tile<f32, [16, 64]>, [1, 4, 1]>
  step.yield %2 : tensor<64x64xf32>
// CHECK-NEXT:   step.yield %2 : tensor<64x64xf32>
}
// CHECK-NEXT: }
