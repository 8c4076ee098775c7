"""
`ember-align`: keeps single numbers out of the data queue, so that the core reads vectors aligned.

    slc.callback(%b, %row : ..) {           slc.callback(%row : ..) { b = read counter .. }
    ^bb0(%bag: index, ..): ..      becomes  ..
    }                                       slc.callback() { advance counter }

Numbers of iterations are counted by the core (`count`), other numbers come as vectors (`pad`). That
the access unit sends addresses instead of what they are made of needs no pass: `ember-decouple`
sends the fewest numbers. A loop whose variable is still sent has the reason as attribute
`headrace.refused`.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5.4.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc
from headrace.passes.ember.counters import count
from headrace.passes.ember.nests import access_nests
from headrace.passes.ember.padding import pad
from headrace.passes.ember.refusal import refuse


@dataclass(frozen=True)
class EmberAlignPass(ModulePass):
    """
    Counts what can be counted and pads the rest, each if its option says so.

    Padding widens numbers only where vectors are sent. It costs a vector's words for each number,
    in the whole function: one number that is not padded misaligns all vectors behind it.
    """

    name = "ember-align"

    count: bool = True
    pad: bool = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not self.count and not self.pad:
            raise PassFailedException(
                f"{self.name}: count=false pad=false changes nothing; leave one of them true"
            )
        for nest in access_nests(op, self.name):
            if self.count:
                for loop in [op for op in nest.walk() if isinstance(op, slc.ForOp)]:
                    reason = count(loop)
                    if reason is not None:
                        refuse(self.name, loop, reason)
            if self.pad:
                pad([op for op in nest.walk() if isinstance(op, slc.CallbackOp)])
