// RUN: not headrace-opt %s -t neutral-json 2>&1 | filecheck %s
// RUN: not headrace-opt %s -t fusion-table 2>&1 | filecheck %s
// RUN: not headrace-opt %s -t 'fusion-table{json=true}' 2>&1 | filecheck %s
// RUN: not headrace-opt %s -t dot 2>&1 | filecheck %s

// CHECK: error: the module has no sam.graph to print; make one with -p sam-fuse{regions=all},sam-lower

builtin.module {
}
