// RUN: headrace-opt %s -p canonicalize | filecheck %s
// RUN: headrace-opt %s -p cse,canonicalize | filecheck %s --check-prefix=CSE

%x, %y = "test.op"() : () -> (!step.stream<index, [e0]>, !step.stream<index, [e0]>)
%list, %ragged = "test.op"() : () -> (!step.stream<index, [2, e0, 4]>, !step.stream<index, [2, ~r, 4]>)
%t = "test.op"() : () -> tensor<4xi64>

// One copy is the stream itself; none is nothing.

%0, %1 = step.broadcast %x consumers 2 : !step.stream<index, [e0]>
%2, %3 = step.broadcast %y consumers 2 : !step.stream<index, [e0]>
"test.op"(%1) {single} : (!step.stream<index, [e0]>) -> ()
// CHECK-NOT: step.broadcast
// CHECK: "test.op"(%x) {single}

// There are as many copies as readers; copies of a copy are copies.

%4, %5, %6 = step.broadcast %x consumers 3 : !step.stream<index, [e0]>
%7, %8 = step.broadcast %5 consumers 2 : !step.stream<index, [e0]>
"test.op"(%4, %7, %8) {merged} : (!step.stream<index, [e0]>, !step.stream<index, [e0]>, !step.stream<index, [e0]>) -> ()
// CHECK: %[[a:.*]], %[[b:.*]], %[[c:.*]] = step.broadcast %x consumers 3 :
// CHECK-NEXT: "test.op"(%[[a]], %[[b]], %[[c]]) {merged}

// Flattening one level is nothing.

%9 = step.flatten %list min 1 max 1 : !step.stream<index, [2, e0, 4]>
"test.op"(%9) {level} : (!step.stream<index, [2, e0, 4]>) -> ()
// CHECK-NOT: step.flatten
// CHECK: "test.op"(%list) {level}

// A level of one element that is flattened at once was not needed: of one copy, ..

%10 = step.repeat %list factor 1 : !step.stream<index, [2, e0, 4]>
%11 = step.flatten %10 min 0 max 1 : !step.stream<index, [2, e0, 4, 1]>
"test.op"(%11) {copy} : (!step.stream<index, [2, e0, 4]>) -> ()
// CHECK-NOT: step.repeat
// CHECK: "test.op"(%list) {copy}

// .. of a promotion, outermost or at a level, with the level above or below it, ..

%12 = step.promote %x : !step.stream<index, [e0]>
%13 = step.flatten %12 min 0 max 1 : !step.stream<index, [positive(e0), e0]>
%14 = step.promote %list rank 1 : !step.stream<index, [2, e0, 4]>
%15 = step.flatten %14 min 0 max 1 : !step.stream<index, [2, e0, 1, 4]>
%16 = step.promote %list rank 1 : !step.stream<index, [2, e0, 4]>
%17 = step.flatten %16 min 1 max 2 : !step.stream<index, [2, e0, 1, 4]>
"test.op"(%13, %15, %17) {promoted} : (!step.stream<index, [e0]>, !step.stream<index, [2, e0, 4]>, !step.stream<index, [2, e0, 4]>) -> ()
// CHECK-NOT: step.promote
// CHECK: "test.op"(%x, %list, %list) {promoted}

// .. of chunks of one element, unless their padding is read. Levels that have more stay.

%18, %19 = step.reshape %x rank 0 chunk 1 : !step.stream<index, [e0]>
%20 = step.flatten %18 min 0 max 1 : !step.stream<index, [e0, 1]>
%36, %37 = step.reshape %y rank 0 chunk 1 : !step.stream<index, [e0]>
%38 = step.flatten %36 min 0 max 1 : !step.stream<index, [e0, 1]>
%21 = step.flatten %37 min 0 max 1 : !step.stream<i1, [e0, 1]>
%22 = step.repeat %x factor 2 : !step.stream<index, [e0]>
%23 = step.flatten %22 min 0 max 1 : !step.stream<index, [e0, 2]>
"test.op"(%20, %38, %21, %23) {chunk} : (!step.stream<index, [e0]>, !step.stream<index, [e0]>, !step.stream<i1, [e0]>, !step.stream<index, [2*e0]>) -> ()
// CHECK: %[[chunks:.*]], %[[padding:.*]] = step.reshape %y rank 0 chunk 1
// CHECK-NEXT: %[[ones:.*]] = step.flatten %[[chunks]] min 0 max 1
// CHECK-NEXT: %[[flat:.*]] = step.flatten %[[padding]] min 0 max 1
// CHECK-NEXT: %[[two:.*]] = step.repeat %x factor 2
// CHECK-NEXT: %[[flat_two:.*]] = step.flatten %[[two]] min 0 max 1
// CHECK-NEXT: "test.op"(%x, %[[ones]], %[[flat]], %[[flat_two]]) {chunk}

// Flattening what was flattened is one flattening, unless its levels are apart.

%24 = step.flatten %list min 0 max 1 : !step.stream<index, [2, e0, 4]>
%25 = step.flatten %24 min 0 max 1 : !step.stream<index, [2, 4*e0]>
%26 = step.flatten %list min 1 max 2 : !step.stream<index, [2, e0, 4]>
%27 = step.flatten %26 min 0 max 1 : !step.stream<index, [2*e0, 4]>
%28 = "test.op"() : () -> !step.stream<index, [2, 3, 4, 5]>
%29 = step.flatten %28 min 0 max 1 : !step.stream<index, [2, 3, 4, 5]>
%30 = step.flatten %29 min 1 max 2 : !step.stream<index, [2, 3, 20]>
"test.op"(%25, %27, %30) {flattened} : (!step.stream<index, [8*e0]>, !step.stream<index, [8*e0]>, !step.stream<index, [6, 20]>) -> ()
// CHECK: %[[all:.*]] = step.flatten %list min 0 max 2
// CHECK-NEXT: %[[same:.*]] = step.flatten %list min 0 max 2
// CHECK-NEXT: %[[four:.*]] = "test.op"()
// CHECK-NEXT: %[[inner:.*]] = step.flatten %[[four]] min 0 max 1
// CHECK-NEXT: %[[outer:.*]] = step.flatten %[[inner]] min 1 max 2
// CHECK-NEXT: "test.op"(%[[all]], %[[same]], %[[outer]]) {flattened}

// A function of zipped elements takes them from their streams.

%31 = step.zip %x, %y : !step.stream<index, [e0]>, !step.stream<index, [e0]>
%32 = step.map %31 fn sub : !step.stream<tuple<index, index>, [e0]>
"test.op"(%32) {parts} : (!step.stream<index, [e0]>) -> ()
// CHECK: %[[difference:.*]] = step.map %x, %y fn sub
// CHECK-NEXT: "test.op"(%[[difference]]) {parts}

// What nobody reads is not made, but a sink reads. Two equal streams stay two: each is read once.

%33 = step.integers %t : tensor<4xi64>
%34 = step.integers %t : tensor<4xi64>
%35 = step.integers %t : tensor<4xi64>
step.sink %35 : !step.stream<index, [1, 4]>
"test.op"(%34) {used} : (!step.stream<index, [1, 4]>) -> ()
// CSE: %[[used:.*]] = step.integers
// CSE-NEXT: %[[sunk:.*]] = step.integers
// CSE-NEXT: step.sink %[[sunk]]
// CSE-NEXT: "test.op"(%[[used]]) {used}
