// RUN: headrace-opt %s -p canonicalize | filecheck %s
// RUN: headrace-opt %s -p cse,canonicalize | filecheck %s --check-prefix=CSE

%c, %d = "test.op"() : () -> (!sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>)
%r, %s = "test.op"() : () -> (!sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>)
%x = "test.op"() : () -> !sam.stream<val, f64, [i]>
%A = "test.op"() : () -> tensor<4xf64>

// A join of one operand is that operand.

%0, %1 = sam.union %c, %r : !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
%2, %3 = sam.intersect %0, %1 : !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>
"test.op"(%2, %3) {unary} : (!sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>) -> ()
// CHECK-NOT: sam.union
// CHECK-NOT: sam.intersect
// CHECK: "test.op"(%c, %r) {unary}

// An operand that occurs twice is joined once; an operand with another stream stays.

%4, %5, %6, %7 = sam.union %c, %d, %c, %r, %s, %r : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
"test.op"(%4, %5, %6, %7) {twice} : (!sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>) -> ()
// CHECK: %[[c:.*]], %[[r:.*]], %[[s:.*]] = sam.union %c, %d, %r, %s :
// CHECK-NEXT: "test.op"(%[[c]], %[[r]], %[[s]], %[[r]]) {twice}

%8, %9, %10 = sam.intersect %c, %c, %r, %s : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>
"test.op"(%8, %9, %10) : (!sam.stream<crd, index, [i]>, !sam.stream<ref, index, [i]>, !sam.stream<ref, index, [i]>) -> ()
// CHECK: sam.intersect %c, %c, %r, %s :

// x * 1 is x; so is x + 0, but not where the sum turns an absent value into 0.

%11 = sam.alu %x op mul scalar 1.0 : f64 : !sam.stream<val, f64, [i]>
%12 = sam.alu %11 op add scalar 0.0 : f64 : !sam.stream<val, f64, [i]>
"test.op"(%12) {neutral} : (!sam.stream<val, f64, [i]>) -> ()
// CHECK: "test.op"(%x) {neutral}

%13, %14, %15 = sam.union %c, %d, %x, %r : !sam.stream<crd, index, [i]>, !sam.stream<crd, index, [i]>, !sam.stream<val, f64, [i]>, !sam.stream<ref, index, [i]>
%16 = sam.alu %14 op add scalar 0.0 : f64 : !sam.stream<val, f64, [i]>
"test.op"(%16) {absent} : (!sam.stream<val, f64, [i]>) -> ()
// CHECK: %[[sum:.*]] = sam.alu %{{.*}} op add scalar 0.000000e+00 : f64
// CHECK-NEXT: "test.op"(%[[sum]]) {absent}

// Equal operations are one operation, and unused ones are none.

%17 = sam.array %r, %A : !sam.stream<ref, index, [i]>, tensor<4xf64>
%18 = sam.array %r, %A : !sam.stream<ref, index, [i]>, tensor<4xf64>
%19 = sam.array %s, %A : !sam.stream<ref, index, [i]>, tensor<4xf64>
"test.op"(%17, %18) {equal} : (!sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>) -> ()
// CSE: %[[v:.*]] = sam.array %r, %A
// CSE-NOT: sam.array
// CSE: "test.op"(%[[v]], %[[v]]) {equal}
