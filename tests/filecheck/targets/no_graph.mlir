// RUN: not headrace-opt %s -t neutral-json 2>&1 | filecheck %s

// CHECK: error: the neutral form holds one stream graph, but the module has 0; fuse all layers, or split the module

builtin.module {
}
