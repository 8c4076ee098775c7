// Decode attention over a paged cache: 3 requests, 4 queries each, up to 3 tiles of 4 keys and values.
//
// Of request n with k cached tokens, `length` is k + 1, `tiles` ceil(length / 4), `used` k mod 4, and
// `room` 4. The new key and value go into the last tile, which is written back; the new caches are
// results. Columns of a score tile beyond the length are masked, so that they enter no sum.

func.func @decode_attention(%queries: tensor<12x8xf32>, %key: tensor<3x8xf32>, %value: tensor<3x8xf32>, %keys: tensor<36x8xf32>, %values: tensor<36x8xf32>, %index: tensor<3xi64>, %length: tensor<3xi64>, %tiles: tensor<3xi64>, %used: tensor<3xi64>, %room: tensor<3xi64>) -> (tensor<12x8xf32>, tensor<36x8xf32>, tensor<36x8xf32>) {
  %0, %1, %2 = step.graph(%queries, %key, %value, %keys, %values, %index, %length, %tiles, %used, %room) : (tensor<12x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>, tensor<36x8xf32>, tensor<36x8xf32>, tensor<3xi64>, tensor<3xi64>, tensor<3xi64>, tensor<3xi64>, tensor<3xi64>) -> (tensor<12x8xf32>, tensor<36x8xf32>, tensor<36x8xf32>) {
  ^bb0(%queries_1: tensor<12x8xf32>, %key_1: tensor<3x8xf32>, %value_1: tensor<3x8xf32>, %keys_1: tensor<36x8xf32>, %values_1: tensor<36x8xf32>, %index_1: tensor<3xi64>, %length_1: tensor<3xi64>, %tiles_1: tensor<3xi64>, %used_1: tensor<3xi64>, %room_1: tensor<3xi64>):
    %index_of = step.integers %index_1 : tensor<3xi64>
    %index_of_1, %index_of_2 = step.broadcast %index_of consumers 2 : !step.stream<index, [1, 3]>
    %tiles_of = step.integers %tiles_1 : tensor<3xi64>
    %tiles_of_1, %tiles_of_2, %tiles_of_3, %tiles_of_4 = step.broadcast %tiles_of consumers 4 : !step.stream<index, [1, 3]>
    %used_of = step.integers %used_1 : tensor<3xi64>
    %used_rows = step.flatten %used_of min 0 max 1 : !step.stream<index, [1, 3]>
    %used_rows_1, %used_rows_2 = step.broadcast %used_rows consumers 2 : !step.stream<index, [3]>
    %is_last = step.filter_last %tiles_of_1 dim t : !step.stream<index, [1, 3]>
    %is_last_1, %is_last_2, %is_last_3, %is_last_4 = step.broadcast %is_last consumers 4 : !step.stream<!step.selector<2, hot 1>, [1, 3, ~t]>
    %last_of = step.map %index_of_1, %tiles_of_2 fn cache_write_address scalar 3.000000e+00 : f64 : !step.stream<index, [1, 3]>, !step.stream<index, [1, 3]>
    %last_address = step.flatten %last_of min 0 max 1 : !step.stream<index, [1, 3]>
    %last_address_1, %last_address_2 = step.broadcast %last_address consumers 2 : !step.stream<index, [3]>
    %address = step.cache_read_address %index_of_2, %tiles_of_3 row_tiles 3 dim t : !step.stream<index, [1, 3]>, !step.stream<index, [1, 3]>
    %address_1, %address_2 = step.broadcast %address consumers 2 : !step.stream<index, [1, 3, ~t]>
    %keys_tile = step.random_load %keys_1, %address_1 tile [4, 8] : tensor<36x8xf32>, !step.stream<index, [1, 3, ~t]>
    %keys_last, %keys_others = step.partition %keys_tile, %is_last_1 rank 0 dims [3, o] : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>, !step.stream<!step.selector<2, hot 1>, [1, 3, ~t]>
    %key_read = step.load %key_1 tile [1, 8] strides [1] shape [3] : tensor<3x8xf32>
    %key_row = step.flatten %key_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 8]>, [1, 3]>
    %keys_valid = step.map %keys_last, %used_rows_1 fn set_offset : !step.stream<!step.tile<f32, [4, 8]>, [3]>, !step.stream<index, [3]>
    %keys_appended = step.map %keys_valid, %key_row fn row_append : !step.stream<!step.tile<f32, [4, 8]>, [3]>, !step.stream<!step.tile<f32, [1, 8]>, [3]>
    %keys_appended_1, %keys_appended_2 = step.broadcast %keys_appended consumers 2 : !step.stream<!step.tile<f32, [4, 8]>, [3]>
    %keys_stored, %keys_changed = step.random_store %keys_1, %last_address_1, %keys_appended_1 : tensor<36x8xf32>, !step.stream<index, [3]>, !step.stream<!step.tile<f32, [4, 8]>, [3]>
    %keys_in_order = step.reassemble %is_last_2, %keys_appended_2, %keys_others rank 0 : !step.stream<!step.selector<2, hot 1>, [1, 3, ~t]>, !step.stream<!step.tile<f32, [4, 8]>, [3]>, !step.stream<!step.tile<f32, [4, 8]>, [o]>
    %keys_all = step.flatten %keys_in_order min 0 max 1 : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t, 1]>
    %keys_all_1, %keys_all_2, %keys_all_3, %keys_all_4, %keys_all_5 = step.broadcast %keys_all consumers 5 : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %values_tile = step.random_load %values_1, %address_2 tile [4, 8] : tensor<36x8xf32>, !step.stream<index, [1, 3, ~t]>
    %values_last, %values_others = step.partition %values_tile, %is_last_3 rank 0 dims [3, o] : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>, !step.stream<!step.selector<2, hot 1>, [1, 3, ~t]>
    %value_read = step.load %value_1 tile [1, 8] strides [1] shape [3] : tensor<3x8xf32>
    %value_row = step.flatten %value_read min 0 max 1 : !step.stream<!step.tile<f32, [1, 8]>, [1, 3]>
    %values_valid = step.map %values_last, %used_rows_2 fn set_offset : !step.stream<!step.tile<f32, [4, 8]>, [3]>, !step.stream<index, [3]>
    %values_appended = step.map %values_valid, %value_row fn row_append : !step.stream<!step.tile<f32, [4, 8]>, [3]>, !step.stream<!step.tile<f32, [1, 8]>, [3]>
    %values_appended_1, %values_appended_2 = step.broadcast %values_appended consumers 2 : !step.stream<!step.tile<f32, [4, 8]>, [3]>
    %values_stored, %values_changed = step.random_store %values_1, %last_address_2, %values_appended_1 : tensor<36x8xf32>, !step.stream<index, [3]>, !step.stream<!step.tile<f32, [4, 8]>, [3]>
    %values_in_order = step.reassemble %is_last_4, %values_appended_2, %values_others rank 0 : !step.stream<!step.selector<2, hot 1>, [1, 3, ~t]>, !step.stream<!step.tile<f32, [4, 8]>, [3]>, !step.stream<!step.tile<f32, [4, 8]>, [o]>
    %values_all = step.flatten %values_in_order min 0 max 1 : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t, 1]>
    %query = step.load %queries_1 tile [4, 8] strides [1] shape [3] : tensor<12x8xf32>
    %query_alone = step.promote %query rank 0 : !step.stream<!step.tile<f32, [4, 8]>, [1, 3]>
    %query_each = step.expand %query_alone, %keys_all_1 rank 1 : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, 1]>, !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %product = step.map %query_each, %keys_all_2 fn matmul_transposed : !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>, !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %score = step.map %product fn scale scalar 0.35355339059327379 : f64 : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>
    %length_of = step.integers %length_1 : tensor<3xi64>
    %length_alone = step.promote %length_of rank 0 : !step.stream<index, [1, 3]>
    %length_each = step.expand %length_alone, %keys_all_3 rank 1 : !step.stream<index, [1, 3, 1]>, !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %room_of = step.integers %room_1 : tensor<3xi64>
    %room_alone = step.promote %room_of rank 0 : !step.stream<index, [1, 3]>
    %room_each = step.expand %room_alone, %keys_all_4 rank 1 : !step.stream<index, [1, 3, 1]>, !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %room_each_1, %room_each_2 = step.broadcast %room_each consumers 2 : !step.stream<index, [1, 3, ~t]>
    %number = step.flat_map %tiles_of_4 fn range dim t assumed [t] : !step.stream<index, [1, 3]>
    %before = step.map %room_each_1, %number fn mul : !step.stream<index, [1, 3, ~t]>, !step.stream<index, [1, 3, ~t]>
    %left = step.map %length_each, %before fn sub : !step.stream<index, [1, 3, ~t]>, !step.stream<index, [1, 3, ~t]>
    %columns = step.map %room_each_2, %left fn minimum : !step.stream<index, [1, 3, ~t]>, !step.stream<index, [1, 3, ~t]>
    %masked = step.map %score, %columns fn mask_columns : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>, !step.stream<index, [1, 3, ~t]>
    %masked_1, %masked_2 = step.broadcast %masked consumers 2 : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>
    %row_max = step.map %masked_1 fn row_max : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>
    %largest = step.accumulate %row_max fn maximum rank 1 : !step.stream<!step.tile<f32, [4, 1]>, [1, 3, ~t]>
    %largest_alone = step.promote %largest rank 0 : !step.stream<!step.tile<f32, [4, 1]>, [1, 3]>
    %largest_each = step.expand %largest_alone, %keys_all_5 rank 1 : !step.stream<!step.tile<f32, [4, 1]>, [1, 3, 1]>, !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %sub = step.map %masked_2, %largest_each fn sub : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>, !step.stream<!step.tile<f32, [4, 1]>, [1, 3, ~t]>
    %weight = step.map %sub fn exp : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>
    %weight_1, %weight_2 = step.broadcast %weight consumers 2 : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>
    %weighted = step.accumulate %weight_1, %values_all fn matmul rank 1 : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>, !step.stream<!step.tile<f32, [4, 8]>, [1, 3, ~t]>
    %weights = step.accumulate %weight_2 fn add rank 1 : !step.stream<!step.tile<f32, [4, 4]>, [1, 3, ~t]>
    %sum = step.map %weights fn row_sum : !step.stream<!step.tile<f32, [4, 4]>, [1, 3]>
    %div = step.map %weighted, %sum fn div : !step.stream<!step.tile<f32, [4, 8]>, [1, 3]>, !step.stream<!step.tile<f32, [4, 1]>, [1, 3]>
    %result = step.store %div into tensor<12x8xf32> : !step.stream<!step.tile<f32, [4, 8]>, [1, 3]>
    step.yield %result, %keys_changed, %values_changed : tensor<12x8xf32>, tensor<36x8xf32>, tensor<36x8xf32>
  }
  func.return %0, %1, %2 : tensor<12x8xf32>, tensor<36x8xf32>, tensor<36x8xf32>
}
