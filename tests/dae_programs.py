"""
EmbeddingBag in all its forms, written by hand: a sum of rows of f64, of any width.

`structured` has the loops of `slc`, `decoupled` the units of `dlc`; levels 0 to 3 are those of
section 6 of the specification.
"""

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from headrace.cli.driver import make_context
from headrace.cli.parsing import parse_text

HEAD = """
func.func @embedding_bag(
    %indices: memref<?xi64>, %offsets: memref<?xi64>, %table: memref<?x?xf64>,
    %out: memref<?x?xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %width = memref.dim %out, %c1 : memref<?x?xf64>
  %bags = memref.dim %out, %c0 : memref<?x?xf64>
  %counter = dlc.counter %c0
"""
BOUNDS = """
    %o = slc.load %offsets, %b : memref<?xi64>, !slc.stream<index>
    %begin = slc.index_cast %o : !slc.stream<i64>
    %next = slc.add %b, %c1 : !slc.stream<index>, index
    %o1 = slc.load %offsets, %next : memref<?xi64>, !slc.stream<index>
    %end = slc.index_cast %o1 : !slc.stream<i64>
"""
ROW = """
      %i = slc.load %indices, %p : memref<?xi64>, !slc.stream<index>
      %r = slc.index_cast %i : !slc.stream<i64>
"""
VALUE = """
      %v = slc.load %table, %r, %e : memref<?x?xf64>, !slc.stream<index>, !slc.stream<VARIABLE>
"""
SCALAR = """
        %a = memref.load %out[BAG, %column] : memref<?x?xf64>
        %s = arith.addf %a, %x : f64
        memref.store %s, %out[BAG, %column] : memref<?x?xf64>
"""
VECTOR = """
        %left = arith.subi %width, %column : index
        %mask = vector.create_mask %left : vector<Vxi1>
        %zero = arith.constant dense<0.0> : vector<Vxf64>
        %a = vector.maskedload %out[BAG, %column], %mask, %zero
          : memref<?x?xf64>, vector<Vxi1>, vector<Vxf64> into vector<Vxf64>
        %s = arith.addf %a, %x : vector<Vxf64>
        vector.maskedstore %out[BAG, %column], %mask, %s
          : memref<?x?xf64>, vector<Vxi1>, vector<Vxf64>
"""
TAIL = "func.return\n}\n"


def structured(level: int, lanes: int = 2) -> func.FuncOp:
    """The function in `slc`."""
    counting = "dlc.advance %counter, %c1" if level == 3 else ""
    return parse(
        HEAD
        + "slc.for %b = %c0 to %bags step %c1 : index, index, index {"
        + BOUNDS
        + "slc.for %p = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {"
        + ROW
        + ("%items = slc.fifo : !slc.fifo<vector<Vxf64>>\n" if level > 1 else "")
        + f"slc.for %e = %c0 to %width step %c1{' lanes V' if level else ''} : index, index, index"
        + "{"
        + VALUE
        + _structured_callback(level)
        + "}\n"
        + (f"slc.callback() {{ {counting} }}" if level == 3 else "")
        + "}"
        + TAIL,
        level,
        lanes,
    )


def _structured_callback(level: int) -> str:
    if level < 2:
        first = "%f = slc.extract %e : !slc.stream<VARIABLE>\n" if level else ""
        column, element = ("%f", "vector<Vxf64>") if level else ("%e", "f64")
        return (
            f"{first}slc.callback(%b, {column}, %v : !slc.stream<index>, !slc.stream<index>, "
            f"!slc.stream<{element}>) {{ ^bb0(%bag: index, %column: index, %x: {element}):"
            f"{(VECTOR if level else SCALAR).replace('BAG', '%bag')} }} }}"
        )
    inputs, arguments, bag = (
        ("%b, %items : !slc.stream<index>, ", "%bag: index, ", "%bag")
        if level == 2
        else ("%items : ", "", "%bag")
    )
    read = "" if level == 2 else "%bag = dlc.read %counter\n"
    return (
        "slc.push %v, %items : !slc.stream<vector<Vxf64>>, !slc.fifo<vector<Vxf64>> }\n"
        f"slc.callback({inputs}!slc.fifo<vector<Vxf64>>) {{ "
        f"^bb0({arguments}%row: !slc.fifo<vector<Vxf64>>):"
        f"{read} %V = arith.constant V : index\n scf.for %column = %c0 to %width step %V {{"
        "%x = slc.pop %row : !slc.fifo<vector<Vxf64>> -> vector<Vxf64>"
        f"{VECTOR.replace('BAG', bag)} }} }}"
    )


def decoupled(level: int, lanes: int = 2) -> func.FuncOp:
    """The function in `dlc`."""
    element = "vector<Vxf64>" if level else "f64"
    access = (
        "dlc.access { %bs = dlc.unit %c0 to %bags step %c1 : index, index\n"
        "%b = dlc.variable %bs : !slc.stream<index>"
        + BOUNDS
        + "%ps = dlc.unit %begin to %end step %c1 in %bs"
        " : !slc.stream<index>, !slc.stream<index>\n"
        "%p = dlc.variable %ps : !slc.stream<index>"
        + ROW
        + f"%es = dlc.unit %c0 to %width step %c1 in %ps{' lanes V' if level else ''}"
        " : index, index\n%e = dlc.variable %es : !slc.stream<VARIABLE>"
        + VALUE
        + ("%f = slc.extract %e : !slc.stream<VARIABLE>\n" if level == 1 else "")
    )
    if level < 2:
        access += (
            "dlc.operand %es ite %b : !slc.stream<index>\n"
            f"dlc.operand %es ite {'%f' if level else '%e'} : !slc.stream<index>\n"
        )
    if level == 2:
        access += "dlc.operand %es beg %b : !slc.stream<index>\n"
    access += f"dlc.operand %es ite %v : !slc.stream<{element}>\n"
    access += f"dlc.token %es {'ite' if level < 2 else 'end'} 1\n"
    if level == 3:
        access += "dlc.token %ps end 2\n"
    return parse(
        HEAD + access + "dlc.done }\n dlc.execute { dlc.case 1 {" + _case(level) + "}" + TAIL,
        level,
        lanes,
    )


def _case(level: int) -> str:
    bag = "%bag = dlc.read %counter\n" if level == 3 else "%bag = dlc.pop : index\n"
    update = (VECTOR if level else SCALAR).replace("BAG", "%bag")
    if level < 2:
        element = "vector<Vxf64>" if level else "f64"
        return f"{bag}%column = dlc.pop : index\n%x = dlc.pop : {element}{update} }}"
    more = "dlc.case 2 { dlc.advance %counter, %c1 }" if level == 3 else ""
    return (
        f"{bag}%V = arith.constant V : index\n scf.for %column = %c0 to %width step %V {{"
        f"%x = dlc.pop : vector<Vxf64>{update} }} }} {more}"
    )


def parse(text: str, level: int = 0, lanes: int = 2, verify: bool = True) -> func.FuncOp:
    """The first function of a module, of which `V` are the lanes."""
    variable = "vector<Vxindex>" if level else "index"
    text = text.replace("VARIABLE", variable).replace("%V", "%lanes")
    for before in ("<V", "lanes V", "constant V"):
        text = text.replace(before, f"{before[:-1]}{lanes}")
    module = parse_text(make_context(), text, "dae_programs.py")
    assert isinstance(module, ModuleOp)
    if verify:
        module.verify()
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    return function
