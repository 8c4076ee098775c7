"""The statistics of the tensors of a function, as far as they are known before a schedule is."""

from collections.abc import Iterable, Mapping

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue

from headrace.backends.host import Names, constant_tensor, lower_host_op
from headrace.backends.statistics import TensorStatistics, host_statistics, statistics_of
from headrace.dialects.functions import argument_names
from headrace.scheduling.regions import Run


class Tensors:
    """
    What is known of the tensors of a function, in program order.

    What lies between regions is stored as its type says, whatever the schedule is; so its
    statistics are those that follow from operations that stand alone.
    """

    def __init__(self, function: FuncOp, arguments: Mapping[str, TensorStatistics]) -> None:
        self.names = Names()
        self.by_name: dict[str, TensorStatistics] = {}
        values = function.body.block.args
        for value, name in zip(values, argument_names(function), strict=True):
            self.names.prefer(value, name)
            self._add(value, arguments[name])

    def of(self, values: Iterable[SSAValue]) -> tuple[TensorStatistics, ...]:
        """The statistics of tensors that were computed already."""
        return tuple(self.by_name[self.names[value]] for value in values)

    def add_results(self, run: Run, statistics: Iterable[TensorStatistics]) -> None:
        """What a run computes."""
        for value, one in zip(run.results, statistics, strict=True):
            self._add(value, one)

    def add_host_step(self, op: Operation) -> None:
        """What an operation between regions makes; sizes and scalars are no tensors."""
        if not any(isinstance(result.type, TensorType) for result in op.results):
            return
        if isinstance(op, ConstantOp):
            self._add(op.result, statistics_of(constant_tensor(op)))
            return
        step = lower_host_op(op, self.names)
        shape = step.infer_shape({name: one.shape for name, one in self.by_name.items()})
        self.by_name[step.result] = host_statistics(step, self.by_name, shape)

    def _add(self, value: SSAValue, statistics: TensorStatistics) -> None:
        self.by_name[self.names.add(value)] = statistics
