// RUN: not headrace-opt %s -p sam-fuze 2>&1 | filecheck %s --check-prefix=PASS
// RUN: not headrace-opt %s -p "sam-fuse{region=all}" 2>&1 | filecheck %s --check-prefix=OPTION
// RUN: not headrace-opt %s -p "sam-fuse{" 2>&1 | filecheck %s --check-prefix=SPEC
// RUN: not headrace-opt %s --pipeline %s 2>&1 | filecheck %s --check-prefix=TOML
// RUN: not headrace-opt %s 2>&1 | filecheck %s --check-prefix=PARSE

// PASS:   error: there is no pass 'sam-fuze'; did you mean sam-fuse
// OPTION: error: pass 'sam-fuse' has no option 'region'; did you mean regions?
// SPEC:   error: pass pipeline 'sam-fuse{' does not parse
// TOML:   error: pipeline file '{{.*}}errors.mlir' is not valid TOML
// PARSE:      error: {{.*}}errors.mlir:13:{{[0-9]+}}: {{.+}}

func.func @main( {
