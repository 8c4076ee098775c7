"""
`ember-hints`: says of which cache a load stream reads, and whether what it reads is read again.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, sections 5.5 and 7: block-sparse attention reads its indices without keeping them and its
rows from the L2, which halves the accesses of the last cache.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc


@dataclass(frozen=True)
class EmberHintsPass(ModulePass):
    """
    Sets the hints of load streams of the function called `function`, or, without a name, of all.

    `loads` are the streams to set, numbered from 0 in the order in which they stand in a function;
    without any, all are set. `level` is L2 or LLC; `nontemporal` true or false. An option that is
    not given leaves what is there. Loops may be those of `slc` or, behind `ember-to-dlc`, units.
    """

    name = "ember-hints"

    level: str | None = None
    nontemporal: bool | None = None
    loads: tuple[int, ...] = ()
    function: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.level is None and self.nontemporal is None:
            raise PassFailedException(
                f"{self.name}: nothing to set; give level=L2, level=LLC, nontemporal=true or "
                "nontemporal=false"
            )
        for function, loads in self._functions(op).items():
            for number in self.loads or range(len(loads)):
                if not 0 <= number < len(loads):
                    raise PassFailedException(
                        f"{self.name}: there is no load {number}; @{function.sym_name.data} has "
                        f"{len(loads)}, numbered from 0"
                    )
                self._set(loads[number])

    def _functions(self, module: ModuleOp) -> dict[FuncOp, list[slc.LoadOp]]:
        """The load streams of each function that has any."""
        found = {
            function: [op for op in function.walk() if isinstance(op, slc.LoadOp)]
            for function in module.walk()
            if isinstance(function, FuncOp) and self.function in (None, function.sym_name.data)
        }
        found = {function: loads for function, loads in found.items() if loads}
        if not found:
            where = "the module" if self.function is None else f"a function @{self.function}"
            raise PassFailedException(
                f"{self.name}: there is no load stream in {where}; use ember-decouple first"
            )
        return found

    def _set(self, load: slc.LoadOp) -> None:
        if self.level is not None:
            try:
                load.level = slc.LevelAttr(slc.Level(self.level))
            except ValueError:
                levels = " or ".join(slc.Level)
                raise PassFailedException(
                    f"{self.name}: level={self.level} is no cache; give {levels}"
                ) from None
        if self.nontemporal is not None:
            load.nontemporal = UnitAttr() if self.nontemporal else None
