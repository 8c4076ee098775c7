"""Code of the core as instructions: loops, branches, memory, arithmetic on numbers and vectors."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from xdsl.dialects import arith, cf, memref, scf, vector
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import IntegerAttr, VectorType
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.traits import IsTerminator

from headrace.backends.dae_code import Code, element, is_float, lanes
from headrace.dialects import dlc, slc
from headrace.interpreters import nest_scalars
from headrace.interpreters.nest_memory import name_of
from headrace.simulators.dae.opcodes import Element, Op
from headrace.storage.errors import InputError

_BINARY: Mapping[type[Operation], Op] = {
    arith.AddfOp: Op.ADD_F,
    arith.SubfOp: Op.SUBTRACT_F,
    arith.MulfOp: Op.MULTIPLY_F,
    arith.DivfOp: Op.DIVIDE_F,
    arith.MaximumfOp: Op.MAXIMUM_F,
    arith.MinimumfOp: Op.MINIMUM_F,
    arith.MaxnumfOp: Op.MAXIMUM_NUMBER_F,
    arith.MinnumfOp: Op.MINIMUM_NUMBER_F,
    math_dialect.PowFOp: Op.POWER,
    arith.AddiOp: Op.ADD_I,
    arith.SubiOp: Op.SUBTRACT_I,
    arith.MuliOp: Op.MULTIPLY_I,
    arith.DivSIOp: Op.DIVIDE_I,
    arith.RemSIOp: Op.REMAINDER,
    arith.FloorDivSIOp: Op.FLOOR_DIVIDE,
    arith.CeilDivSIOp: Op.CEIL_DIVIDE,
    arith.MaxSIOp: Op.MAXIMUM_I,
    arith.MinSIOp: Op.MINIMUM_I,
    arith.AndIOp: Op.AND,
    arith.OrIOp: Op.OR,
    arith.XOrIOp: Op.XOR,
}
_UNARY: Mapping[type[Operation], Op] = {
    arith.NegfOp: Op.NEGATE,
    math_dialect.AbsFOp: Op.ABSOLUTE_F,
    math_dialect.SqrtOp: Op.SQUARE_ROOT,
    math_dialect.RsqrtOp: Op.RECIPROCAL_ROOT,
    math_dialect.ExpOp: Op.EXPONENTIAL,
    math_dialect.LogOp: Op.LOGARITHM,
    math_dialect.SinOp: Op.SINE,
    math_dialect.CosOp: Op.COSINE,
    math_dialect.TanhOp: Op.TANGENT_H,
    math_dialect.ErfOp: Op.ERROR_FUNCTION,
    math_dialect.FloorOp: Op.FLOOR,
    math_dialect.CeilOp: Op.CEIL,
}
_SLOW = {
    Op.DIVIDE_F,
    Op.POWER,
    Op.SQUARE_ROOT,
    Op.RECIPROCAL_ROOT,
    Op.EXPONENTIAL,
    Op.LOGARITHM,
    Op.SINE,
    Op.COSINE,
    Op.TANGENT_H,
    Op.ERROR_FUNCTION,
}
_REDUCTIONS: Mapping[str, Op] = {
    "add": Op.ADD_F,
    "mul": Op.MULTIPLY_F,
    "maximumf": Op.MAXIMUM_F,
    "minimumf": Op.MINIMUM_F,
    "maxnumf": Op.MAXIMUM_NUMBER_F,
    "minnumf": Op.MINIMUM_NUMBER_F,
    "maxsi": Op.MAXIMUM_I,
    "minsi": Op.MINIMUM_I,
    "and": Op.AND,
    "or": Op.OR,
    "xor": Op.XOR,
}
_OF_INTEGERS = {Op.ADD_F: Op.ADD_I, Op.MULTIPLY_F: Op.MULTIPLY_I}


_CASTS = (
    arith.ExtFOp,
    arith.TruncFOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
    arith.TruncIOp,
    arith.IndexCastOp,
    arith.SIToFPOp,
    arith.UIToFPOp,
    arith.FPToSIOp,
)


class Core:
    """Emits blocks of code of the core."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.case: Block | None = None
        """The body of the case that is emitted."""
        self.wide = 1
        """Lanes on which an operation on single numbers is emitted."""
        self.loops: list[tuple[str, int]] = []
        """The loops around, by name and register of the variable."""

    def block(self, block: Block) -> Sequence[SSAValue]:
        """Emit a block; what its terminator has as operands."""
        for op in block.ops:
            if op.has_trait(IsTerminator):
                return op.operands
            self.operation(op)
        return ()

    def operation(self, op: Operation) -> None:
        """Emit one operation. Raises `InputError` for one that the core has not."""
        emit = Core.emitters.get(type(op))
        if emit is not None:
            emit(self, op)
        elif binary := _BINARY.get(type(op)):
            self._arithmetic(op, binary, *op.operands)
        elif unary := _UNARY.get(type(op)):
            self._arithmetic(op, unary, op.operands[0])
        else:
            raise InputError(
                f"@{self.code.function}: the core of an access-execute machine has no '{op.name}'"
            )

    def loop(
        self, variable: int, lower: int, upper: int, step: int, body: Callable[[], None]
    ) -> None:
        """A loop of single steps between integer registers."""
        code = self.code
        enter = code.emit(Op.LOOP, element=-1, to=variable, a=lower, b=upper, c=step)
        start = code.here
        body()
        code.emit(Op.NEXT, element=-1, to=variable, b=upper, c=step, d=start)
        code.patch(enter, d=code.here)

    def _lanes(self, type: Attribute) -> int:
        return max(lanes(type), self.wide)

    def _lanewise(self, op: Operation) -> None:
        assert isinstance(op, slc.LanewiseOp)
        for argument, vector_of in zip(op.body.block.args, op.inputs, strict=True):
            self.code.share(argument, self.code.register(vector_of))
        self.wide = lanes(op.result.type)
        self.operation(op.operation)
        self.wide = 1
        self.code.share(op.result, self.code.register(op.operation.results[0]))

    def _arithmetic(self, op: Operation, opcode: Op, *operands: SSAValue) -> None:
        code, result = self.code, op.results[0]
        a, b = [*map(code.register, operands), 0][:2]
        wide = self._lanes(result.type)
        code.emit(
            opcode, lanes=wide, element=element(result.type), to=code.define(result), a=a, b=b
        )
        if is_float(result.type):
            self._count(wide, slow=opcode in _SLOW)

    def _count(self, wide: int, slow: bool = False) -> None:
        """One operation on data; integers are addresses, which cost nothing."""
        if slow:
            self.code.count(functions=1)
        elif wide > 1:
            self.code.count(vector_operations=1)
        else:
            self.code.count(scalar_operations=1)

    def _move(self, to: SSAValue, register: int, opcode: Op | None = None, **more: int) -> None:
        """A register into that of a value, as its type."""
        type = to.type
        plain = Op.MOVE_F if is_float(type) else Op.MOVE_I
        self.code.emit(
            opcode or plain,
            lanes=self._lanes(type),
            element=element(type),
            to=self.code.define(to),
            a=register,
            **more,
        )

    def _constant(self, op: Operation) -> None:
        value = nest_scalars.evaluate(op, [])
        self.code.constant(op.results[0], np.asarray(value))

    def _for(self, op: Operation) -> None:
        assert isinstance(op, scf.ForOp)
        code = self.code
        variable, *carried = op.body.block.args
        for argument, initial in zip(carried, op.iter_args, strict=True):
            self._move(argument, code.register(initial))
        bounds = [code.register(bound) for bound in (op.lb, op.ub, op.step)]
        if not self._is_predicted(op):
            code.count(exits=1)

        def body() -> None:
            code.begin_work()
            yielded = self.block(op.body.block)
            self._move_all(carried, yielded)
            code.end_work()

        lower, upper, step = bounds
        self.loops.append((name_of(variable), code.define(variable)))
        code.set_place(self.loops)
        self.loop(code.define(variable), lower, upper, step, body)
        self.loops.pop()
        code.set_place(self.loops)
        for result, argument in zip(op.results, carried, strict=True):
            self._move(result, code.register(argument))

    def _is_predicted(self, op: scf.ForOp) -> bool:
        """Whether a loop in another has as many trips every time, which a core learns."""
        inner = isinstance(op.parent_op(), scf.ForOp)
        return inner and not any(self._is_of_case(bound) for bound in (op.lb, op.ub, op.step))

    def _is_of_case(self, value: SSAValue) -> bool:
        block = value.owner if isinstance(value.owner, Block) else value.owner.parent
        while block is not None:
            owner = value.owner
            if isinstance(owner, arith.ConstantOp):
                return False
            if block is self.case:
                return True
            block = block.parent_block()
        return False

    def _move_all(self, to: Sequence[SSAValue], values: Sequence[SSAValue]) -> None:
        """All at once: a value may be one that is moved to."""
        code = self.code
        saved: list[int] = []
        for target, value in zip(to, values, strict=True):
            floating = is_float(target.type)
            saved.append(code.fresh(floating))
            opcode = Op.MOVE_F if floating else Op.MOVE_I
            code.emit(
                opcode,
                lanes=self._lanes(target.type),
                element=element(target.type),
                to=saved[-1],
                a=code.register(value),
            )
        for target, register in zip(to, saved, strict=True):
            self._move(target, register)

    def _if(self, op: Operation) -> None:
        assert isinstance(op, scf.IfOp)
        code = self.code
        branch = code.emit(Op.JUMP_UNLESS, a=code.register(op.cond))
        self._branch(op, op.true_region.block)
        if not op.false_region.blocks:
            code.patch(branch, b=code.here)
            return
        leave = code.emit(Op.JUMP)
        code.patch(branch, b=code.here)
        self._branch(op, op.false_region.block)
        code.patch(leave, a=code.here)

    def _branch(self, op: scf.IfOp, block: Block) -> None:
        self.code.begin_work()
        self._move_all(op.results, self.block(block))
        self.code.end_work()

    # --- memory --------------------------------------------------------------------------------

    def _access(
        self,
        opcode: Op,
        value: SSAValue,
        buffer: SSAValue,
        indices: Sequence[SSAValue],
        mask: int = -1,
        rest: int = -1,
        store: bool = False,
    ) -> None:
        """A load to, or a store of, `value`."""
        code, type = self.code, value.type
        plain = opcode if is_float(type) else Op(opcode + 1)
        code.emit(
            plain,
            lanes=self._lanes(type),
            element=mask,
            to=code.register(value) if store else code.define(value),
            a=code.buffer(buffer, written=store),
            b=code.registers(indices),
            c=len(indices),
            d=rest,
        )
        self._count(self._lanes(type))

    def _load(self, op: Operation) -> None:
        assert isinstance(op, memref.LoadOp | vector.LoadOp)
        buffer = op.memref if isinstance(op, memref.LoadOp) else op.base
        self._access(Op.LOAD_F, op.results[0], buffer, op.indices)

    def _store(self, op: Operation) -> None:
        assert isinstance(op, memref.StoreOp | vector.StoreOp)
        if isinstance(op, memref.StoreOp):
            self._access(Op.STORE_F, op.value, op.memref, op.indices, store=True)
        else:
            self._access(Op.STORE_F, op.vector, op.base, op.indices, store=True)

    def _masked_load(self, op: Operation) -> None:
        assert isinstance(op, vector.MaskedLoadOp)
        mask, rest = self.code.register(op.mask), self.code.register(op.pass_thru)
        self._access(Op.MASKED_LOAD_F, op.results[0], op.base, op.indices, mask, rest)

    def _masked_store(self, op: Operation) -> None:
        assert isinstance(op, vector.MaskedStoreOp)
        mask = self.code.register(op.mask)
        self._access(Op.MASKED_STORE_F, op.value_to_store, op.base, op.indices, mask, store=True)

    def _size(self, op: Operation) -> None:
        assert isinstance(op, memref.DimOp)
        index = op.index.owner
        if not isinstance(index, arith.ConstantOp) or not isinstance(index.value, IntegerAttr):
            raise InputError(f"@{self.code.function}: 'memref.dim' takes a constant dimension")
        self.code.size(op.result, op.source, index.value.value.data)

    def _allocate(self, op: Operation) -> None:
        assert isinstance(op, memref.AllocOp | memref.AllocaOp)
        self.code.add_buffer(op.memref, op.dynamic_sizes, at=op)

    def _alias(self, op: Operation) -> None:
        self.code.alias_buffer(op.results[0], op.operands[0])

    def _copy(self, op: Operation) -> None:
        assert isinstance(op, memref.CopyOp)
        code = self.code
        code.emit(Op.COPY, a=code.buffer(op.source), b=code.buffer(op.destination, written=True))

    def _nothing(self, op: Operation) -> None:
        pass

    def _assert(self, op: Operation) -> None:
        assert isinstance(op, cf.AssertOp)
        self.code.messages.append(op.msg.data)
        self.code.emit(Op.EXPECT, a=self.code.register(op.arg), b=len(self.code.messages) - 1)

    # --- moves and comparisons -----------------------------------------------------------------

    def _cast(self, op: Operation) -> None:
        """Between floats, or from integers to narrower ones or wider ones with a sign."""
        source, result = op.operands[0], op.results[0]
        register = self.code.register(source)
        if element(source.type) == Element.I1 and isinstance(op, arith.ExtSIOp | arith.SIToFPOp):
            zero, negative = self.code.fresh(), self.code.fresh()
            self.code.emit(
                Op.SUBTRACT_I,
                lanes=self._lanes(source.type),
                element=Element.I64,
                to=negative,
                a=zero,
                b=register,
            )
            register = negative
        if isinstance(op, arith.ExtUIOp | arith.UIToFPOp):
            bits = self.code.fresh()
            self.code.emit(
                Op.UNSIGNED,
                lanes=self._lanes(source.type),
                to=bits,
                a=register,
                b=element(source.type),
            )
            register = bits
        opcode = None
        if is_float(result.type) != is_float(source.type):
            opcode = Op.TO_FLOAT if is_float(result.type) else Op.TO_INTEGER
        self._move(result, register, opcode)

    def _compare(self, op: Operation) -> None:
        assert isinstance(op, arith.CmpfOp | arith.CmpiOp)
        code = self.code
        code.emit(
            Op.COMPARE_F if isinstance(op, arith.CmpfOp) else Op.COMPARE_I,
            lanes=self._lanes(op.lhs.type),
            to=code.define(op.result),
            a=code.register(op.lhs),
            b=code.register(op.rhs),
            d=op.predicate.value.data,
        )
        if isinstance(op, arith.CmpfOp):
            self._count(self._lanes(op.lhs.type))

    def _select(self, op: Operation) -> None:
        assert isinstance(op, arith.SelectOp)
        code, type = self.code, op.result.type
        code.emit(
            Op.SELECT_F if is_float(type) else Op.SELECT_I,
            lanes=self._lanes(type),
            to=code.define(op.result),
            a=code.register(op.cond),
            b=code.register(op.lhs),
            c=code.register(op.rhs),
            d=int(self._lanes(op.cond.type) > 1),
        )
        if is_float(type):
            self._count(self._lanes(type))

    def _broadcast(self, op: Operation) -> None:
        assert isinstance(op, vector.BroadcastOp)
        opcode = Op.BROADCAST_F if is_float(op.vector.type) else Op.BROADCAST_I
        if isinstance(op.source.type, VectorType):
            opcode = None
        self._move(op.vector, self.code.register(op.source), opcode)

    def _mask(self, op: Operation) -> None:
        assert isinstance(op, vector.CreateMaskOp)
        code = self.code
        (size,) = op.mask_dim_sizes
        result = op.mask_vector
        code.emit(
            Op.MASK, lanes=self._lanes(result.type), to=code.define(result), a=code.register(size)
        )

    def _reduce(self, op: Operation) -> None:
        assert isinstance(op, vector.ReductionOp)
        code, type = self.code, op.dest.type
        combine = _REDUCTIONS.get(str(op.kind.data))
        if combine is None:
            raise InputError(f"@{code.function}: a reduction by '{op.kind.data}' is not supported")
        floating = is_float(type)
        code.emit(
            Op.REDUCE_F if floating else Op.REDUCE_I,
            lanes=self._lanes(op.vector.type),
            element=element(type),
            to=code.define(op.dest),
            a=code.register(op.vector),
            b=-1 if op.acc is None else code.register(op.acc),
            c=combine if floating else _OF_INTEGERS.get(combine, combine),
        )
        code.count(reductions=1)

    def _lane(self, op: Operation) -> None:
        assert isinstance(op, vector.ExtractOp | vector.InsertOp)
        positions = op.static_position.get_values()
        if len(positions) != 1 or op.dynamic_position:
            raise InputError(f"@{self.code.function}: '{op.name}' takes one constant position")
        if isinstance(op, vector.ExtractOp):
            opcode = Op.LANE_F if is_float(op.result.type) else Op.LANE_I
            self._move(op.result, self.code.register(op.vector), opcode, b=positions[0])
            return
        opcode = Op.PUT_F if is_float(op.result.type) else Op.PUT_I
        source = self.code.register(op.source)
        self._move(op.result, self.code.register(op.dest), opcode, b=source, c=positions[0])

    # --- queues and counters -------------------------------------------------------------------

    def _pop(self, op: Operation) -> None:
        assert isinstance(op, dlc.PopOp)
        type = op.result.type
        opcode = Op.POP_F if is_float(type) else Op.POP_I
        self.code.emit(opcode, lanes=self._lanes(type), to=self.code.define(op.result))
        if self._lanes(type) > 1:
            self.code.count(vector_pops=1)
        else:
            self.code.count(scalar_pops=1)

    def _counter(self, op: Operation) -> None:
        assert isinstance(op, dlc.CounterOp)
        register = self.code.fresh()
        self.code.share(op.result, register)
        self.code.emit(
            Op.MOVE_I, element=Element.I64, to=register, a=self.code.register(op.initial)
        )

    def _read(self, op: Operation) -> None:
        assert isinstance(op, dlc.ReadOp)
        self._move(op.result, self.code.register(op.counter))

    def _advance(self, op: Operation) -> None:
        assert isinstance(op, dlc.AdvanceOp)
        counter, step = self.code.register(op.counter), self.code.register(op.step)
        self.code.emit(Op.ADD_I, element=Element.I64, to=counter, a=counter, b=step)

    def _reset(self, op: Operation) -> None:
        assert isinstance(op, dlc.ResetOp)
        counter, value = self.code.register(op.counter), self.code.register(op.value)
        self.code.emit(Op.MOVE_I, element=Element.I64, to=counter, a=value)

    emitters: ClassVar[Mapping[type[Operation], Callable[..., None]]] = {
        arith.ConstantOp: _constant,
        arith.CmpfOp: _compare,
        arith.CmpiOp: _compare,
        arith.SelectOp: _select,
        **dict.fromkeys(_CASTS, _cast),
        cf.AssertOp: _assert,
        scf.ForOp: _for,
        scf.IfOp: _if,
        memref.LoadOp: _load,
        memref.StoreOp: _store,
        memref.DimOp: _size,
        memref.AllocOp: _allocate,
        memref.AllocaOp: _allocate,
        memref.DeallocOp: _nothing,
        memref.CastOp: _alias,
        memref.CopyOp: _copy,
        vector.LoadOp: _load,
        vector.StoreOp: _store,
        vector.MaskedLoadOp: _masked_load,
        vector.MaskedStoreOp: _masked_store,
        vector.BroadcastOp: _broadcast,
        vector.CreateMaskOp: _mask,
        vector.ReductionOp: _reduce,
        vector.ExtractOp: _lane,
        vector.InsertOp: _lane,
        slc.LanewiseOp: _lanewise,
        dlc.PopOp: _pop,
        dlc.CounterOp: _counter,
        dlc.ReadOp: _read,
        dlc.AdvanceOp: _advance,
        dlc.ResetOp: _reset,
    }
