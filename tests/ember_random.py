"""
Random loop nests: loops in loops, branches, carried numbers, and memory that is read or written.

All indices into memory are below 4, the size of every dimension; what is not certainly so is
reduced by a remainder, which only the core computes.
"""

from random import Random

HEAD = """
func.func @f(%idx: memref<4xindex>, %tab: memref<4x4xf64>, %tmp: memref<4xf64>,
             %out: memref<4xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %half = arith.constant 0.5 : f64
"""


def random_nest(seed: int) -> str:
    """A function of `idx` (read, below 4), `tab` (read), `tmp` and `out` (read and written)."""
    return _Nest(Random(seed)).text()


class _Nest:
    def __init__(self, random: Random):
        self.random = random
        self.names = 0
        self.lines: list[str] = []
        self.small = {"%c0", "%c1", "%c2"}
        """Indices that are certainly below 4."""

    def text(self) -> str:
        self.lines.append("scf.for %a = %c0 to %c4 step %c1 {")
        self.small.add("%a")
        self.body(2, ["%a", "%c1", "%c2"], ["%half"])
        return HEAD + "\n".join([*self.lines, "}", "func.return", "}"])

    def let(self, expression: str) -> str:
        """A new value."""
        self.names += 1
        self.lines.append(f"%v{self.names} = {expression}")
        return f"%v{self.names}"

    def inside(self, indices: list[str]) -> str:
        """An index below 4."""
        found = self.random.choice(indices)
        if found not in self.small:
            found = self.let(f"arith.remui {found}, %c4 : index")
            self.small.add(found)
        return found

    def body(self, depth: int, indices: list[str], floats: list[str]) -> None:
        """A few operations; `indices` and `floats` are values that are there, and grow."""
        pick = self.random.choice
        kinds = [self.table, self.index, self.written, self.arithmetic, self.store]
        if depth:
            kinds += [self.loop, self.loop, self.carrying, self.branch]
        for _ in range(self.random.randint(2, 5)):
            pick(kinds)(depth, indices, floats)

    def nested(self, depth: int, indices: list[str], floats: list[str]) -> None:
        """Operations whose values end with their region."""
        small = set(self.small)
        self.body(depth, indices, floats)
        self.small = small

    def table(self, depth: int, indices: list[str], floats: list[str]) -> None:
        at = f"{self.inside(indices)}, {self.inside(indices)}"
        floats.append(self.let(f"memref.load %tab[{at}] : memref<4x4xf64>"))

    def index(self, depth: int, indices: list[str], floats: list[str]) -> None:
        indices.append(self.let(f"memref.load %idx[{self.inside(indices)}] : memref<4xindex>"))
        self.small.add(indices[-1])

    def written(self, depth: int, indices: list[str], floats: list[str]) -> None:
        name = self.random.choice(["tmp", "out"])
        floats.append(self.let(f"memref.load %{name}[{self.inside(indices)}] : memref<4xf64>"))

    def store(self, depth: int, indices: list[str], floats: list[str]) -> None:
        name, at = self.random.choice(["tmp", "out"]), self.inside(indices)
        value = self.random.choice(floats)
        self.lines.append(f"memref.store {value}, %{name}[{at}] : memref<4xf64>")

    def arithmetic(self, depth: int, indices: list[str], floats: list[str]) -> None:
        pick = self.random.choice
        x, y = pick(indices), pick(indices)
        name = pick(["addi", "muli", "minsi", "divui"])
        indices.append(self.let(f"arith.{name} {x}, {y if name != 'divui' else '%c2'} : index"))
        number = self.let(f"arith.index_cast {pick(indices)} : index to i64")
        floats.append(self.let(f"arith.sitofp {number} : i64 to f64"))
        name = pick(["addf", "mulf", "subf"])
        floats.append(self.let(f"arith.{name} {pick(floats)}, {pick(floats)} : f64"))

    def branch(self, depth: int, indices: list[str], floats: list[str]) -> None:
        pick = self.random.choice
        yes = self.let(f"arith.cmpi ult, {pick(indices)}, {pick(indices)} : index")
        self.lines.append(f"scf.if {yes} {{")
        self.nested(0, [*indices], [*floats])
        self.lines.append("}")

    def loop(self, depth: int, indices: list[str], floats: list[str]) -> None:
        pick, upper = self.random.choice, self.inside(indices)
        self.names += 1
        variable = f"%i{self.names}"
        lower, step = pick(["%c0", "%c0", "%c1"]), pick(["%c1", "%c1", "%c2"])
        upper = pick([upper, "%c4"])
        self.lines.append(f"scf.for {variable} = {lower} to {upper} step {step} {{")
        self.small.add(variable)
        self.nested(depth - 1, [*indices, variable], [*floats])
        self.lines.append("}")

    def carrying(self, depth: int, indices: list[str], floats: list[str]) -> None:
        """A loop that carries a float, and an index that is perhaps a running sum."""
        pick, upper = self.random.choice, self.inside(indices)
        self.names += 1
        n = self.names
        self.lines.append(
            f"%x{n}, %y{n} = scf.for %i{n} = %c0 to {upper} step %c1 iter_args("
            f"%s{n} = {pick(floats)}, %t{n} = {pick(indices)}) -> (f64, index) {{"
        )
        self.small.add(f"%i{n}")
        inner = [*indices, f"%i{n}", f"%t{n}"], [*floats, f"%s{n}"]
        length = self.let(f"memref.load %idx[%i{n}] : memref<4xindex>")
        following = self.let(f"arith.addi %t{n}, {length} : index")
        self.nested(depth - 1, *inner)
        product = self.let(f"arith.mulf {pick(inner[1])}, %half : f64")
        self.lines.append(f"scf.yield {product}, {pick([following, length])} : f64, index")
        self.lines.append("}")
        floats.append(f"%x{n}")
        if pick([True, False]):
            indices.append(f"%y{n}")
