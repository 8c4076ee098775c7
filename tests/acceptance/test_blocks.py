"""
Blocks as values: what is computed on tiles is right, and blocks pay in proportion to their size.

The cycles of blocked attention against those of the same mask without blocks are the measure of
"FuseFlow", ASPLOS 2026, section 8 (sparsity blocking).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from headrace.backends.compiled import Program
from headrace.backends.result import Result
from headrace.cli.driver import lower
from headrace.frontends.einsum import FormatSpec, import_einsum
from headrace.models.transformer import bigbird_mask
from headrace.storage.levels import Format, Level
from headrace.tests.oracles import attention

Array = npt.NDArray[np.float64]

ATTENTION = "Y(b,h,i,e) = masked_softmax(Q(b,h,i,d) * K(b,h,j,d) / 8, M(i,j), j) * V(b,h,j,e)"
"""The axes of this program are i0 = b, i1 = h, i2 = i, i3 = d, i4 = j and i5 = e."""


def attention_in_blocks(block: int) -> str:
    """The schedule: one region, with tiles of block x block."""
    return f"sam-fuse{{regions=all}},sam-block{{axes=2,3,4,5 sizes={','.join(4 * [str(block)])}}}"


def bigbird(length: int, block: int) -> Array:
    """The mask of BigBird, cut off where blocks do not divide it."""
    whole = -(-length // block) * block
    return np.asarray(bigbird_mask(whole, block), dtype=np.float64)[:length, :length]


@dataclass(frozen=True)
class Attention:
    """The operands of masked attention, `heads` x `length` x `width`."""

    q: Array
    k: Array
    v: Array
    mask: Array

    @staticmethod
    def random(heads: int, length: int, width: int, mask: Array) -> "Attention":
        rng = np.random.default_rng(heads)
        q, k, v = (rng.standard_normal((1, heads, length, width)) for _ in range(3))
        return Attention(q, k, v, mask)

    def expected(self) -> Array:
        """Minus infinity where the mask is zero; a row that is masked as a whole is zero."""
        return attention(self.q, self.k, self.v, 8, self.mask)

    def compiled(self, schedule: str, mask: str = "ss") -> Program:
        stored: dict[str, FormatSpec] = {"M": (mask, self.mask.shape)}
        for name in "QKVY":
            stored[name] = ("dddd", self.q.shape)
        return lower(import_einsum(ATTENTION, stored), f"{schedule},sam-lower")

    def run(self, program: Program) -> Result:
        return program.run(self.q, self.k, self.mask, self.v)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("holes", [0.0, 0.4])
@pytest.mark.parametrize(("block", "length"), [(4, 24), (8, 32), (16, 48), (4, 22), (8, 27)])
def test_blocked_attention_is_right(block: int, length: int, heads: int, holes: float):
    """Also where blocks have holes, where rows are masked inside of blocks, and at the edge."""
    mask = bigbird(length, block)
    mask *= np.random.default_rng(1).random(mask.shape) >= holes
    if holes:
        mask[block + 1] = 0
    case = Attention.random(heads, length, 6, mask)
    program = case.compiled(attention_in_blocks(block))
    np.testing.assert_allclose(case.run(program).outputs[0], case.expected(), atol=1e-9)
    assert len(program.graphs) == 1
    assert program.notes == ()


def test_a_mask_that_is_stored_densely_masks_by_value():
    case = Attention.random(1, 16, 4, bigbird(16, 4))
    result = case.run(case.compiled(attention_in_blocks(4), "dd"))
    np.testing.assert_allclose(result.outputs[0], case.expected(), atol=1e-9)


def test_the_speedup_of_blocks_grows_with_their_size():
    """
    At least linearly, but for what filling the pipeline costs with the first two rows of blocks.

    Without blocks an allowed position costs d + 1 cycles (its row of K), in blocks of b x b d / b.
    """
    speedups: list[float] = []
    for block in (4, 8, 16):
        case = Attention.random(8, 128, 16, bigbird(128, block))
        programs = [case.compiled(s) for s in (attention_in_blocks(block), "sam-fuse{regions=all}")]
        blocked, plain = (case.run(program) for program in programs)
        np.testing.assert_allclose(blocked.outputs[0], case.expected(), atol=1e-9)
        assert plain.tokens > 0.7 * block**2 * blocked.tokens
        speedups.append(plain.cycles / blocked.cycles)
        assert speedups[-1] >= block
    assert speedups[1] > 1.98 * speedups[0]
    assert speedups[2] > 1.98 * speedups[1]


@pytest.mark.parametrize("stored", ["bsr", "csr"])
@pytest.mark.parametrize("block", [4, 8, 16])
@pytest.mark.parametrize("axes", [2, 3])
def test_tokens_shrink_with_the_size_of_blocks_on_every_axis(block: int, stored: str, axes: int):
    """
    A blocked matrix times a dense one: with the square of the block, with its third power if the
    columns of the dense one have blocks too. CSR gets its blocks from the schedule.
    """
    rng = np.random.default_rng(block)
    count = 64 // block
    a = np.kron(rng.random((count, count)) < 0.5, np.ones((block, block))) * rng.random((64, 64))
    x = rng.random((64, 64))
    levels = (Level.DENSE, Level.COMPRESSED)
    formats: dict[str, FormatSpec] = {
        "A": (Format(levels, (0, 1), (block, block)) if stored == "bsr" else "csr", (64, 64)),
        "X": ("dd", (64, 64)),
        "Y": ("dd", (64, 64)),
    }
    text = "Y(i,k) = A(i,j) * X(j,k)"
    sizes = f"axes={'0,1,2'[: 2 * axes - 1]} sizes={','.join(axes * [str(block)])}"
    program = lower(
        import_einsum(text, formats), f"sam-fuse{{regions=all}},sam-block{{{sizes}}},sam-lower"
    )
    plain = lower(import_einsum(text, formats | {"A": ("csr", (64, 64))}))
    found, unblocked = program.run(a, x), plain.run(a, x)
    np.testing.assert_allclose(found.outputs[0], a @ x, atol=1e-9)
    assert program.notes == ()
    assert 0.8 < found.tokens * block**axes / unblocked.tokens < 2


def test_a_layer_of_a_graph_network_keeps_its_tiles():
    """relu(A X W + b) with A in blocks, sizes that they do not divide, and any block sizes."""
    rng = np.random.default_rng(0)
    a = rng.random((30, 30)) * (rng.random((30, 30)) < 0.2)
    x, w, b = rng.standard_normal((30, 10)), rng.standard_normal((10, 7)), rng.standard_normal(7)
    formats: dict[str, FormatSpec] = {
        "A": (Format((Level.DENSE, Level.COMPRESSED), (0, 1), (4, 4)), a.shape)
    }
    text = "Y(i,h) = relu(A(i,j) * X(j,f) * W(f,h) + b(h))"
    for blocks in ("", "sam-block{axes=2,3 sizes=4,2},", "sam-block{axes=0,1,2 sizes=8,2,5},"):
        module = import_einsum(text, formats)
        program = lower(module, f"sam-fuse{{regions=all}},{blocks}sam-lower")
        result = program.run(a, x, w, b)
        np.testing.assert_allclose(result.outputs[0], np.maximum(a @ x @ w + b, 0), atol=1e-9)
        assert program.notes == ()
