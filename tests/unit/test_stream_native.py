"""Machine code of primitives: where it is kept, and that the order of nodes does not matter."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream import native
from headrace.simulators.stream.catalogue import variant_of
from headrace.simulators.stream.kernel import Kernel
from headrace.simulators.stream.kernels import compiled
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot
from headrace.simulators.stream.schedule import Run
from headrace.simulators.stream.simulate import simulate


def count_stream() -> Program:
    builder = ProgramBuilder()
    (crd, ref) = builder.node("scan_dense", *builder.node("root"), extent=Slot("n"))
    (inner, _) = builder.node("scan_dense", ref, extent=3)
    (signal,) = builder.node("repeat_signal", inner)
    (repeated,) = builder.node("repeat", crd, signal)
    (total,) = builder.node("reduce", *builder.node("array", repeated, values=Slot("v")))
    builder.node("write_coordinates", inner, output="X.1")
    builder.node("write_values", total, output="X")
    return builder.build()


ARRAYS: dict[str, Any] = {"n": 50, "v": np.arange(50.0)}


def permuted(program: Program, order: list[int]) -> Program:
    """The same graph with its nodes in another order."""

    def rows(starts: Any, flat: Any) -> tuple[Any, Any]:
        parts = [flat[starts[node] : starts[node + 1]] for node in order]
        return np.cumsum([0, *map(len, parts)]), np.concatenate(parts)

    input_starts, inputs = rows(program.input_starts, program.inputs)
    output_starts, outputs = rows(program.output_starts, program.outputs)
    return replace(
        program,
        kinds=program.kinds[order],
        names=program.names[order],
        parameters=program.parameters[order],
        ranks=program.ranks[order],
        input_starts=input_starts,
        inputs=inputs,
        output_starts=output_starts,
        outputs=outputs,
    )


@pytest.mark.parametrize("depth", [None, 2])
def test_order_of_nodes_does_not_matter(depth: int | None) -> None:
    program = count_stream()
    expected = simulate(program, ARRAYS, depth=depth)
    random = np.random.default_rng(0)
    for _ in range(20):
        order = random.permutation(len(program.kinds)).tolist()
        found = simulate(permuted(program, order), ARRAYS, depth=depth)
        assert {n.name: n.cycles for n in found.nodes} == {n.name: n.cycles for n in expected.nodes}
        for name, values in expected.outputs.items():
            np.testing.assert_array_equal(found.outputs[name], values)


def compiled_reduce() -> Kernel:
    return compiled(variant_of("reduce", 1, {}))


def test_machine_code_is_kept_where_numba_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernel = compiled_reduce()
    native.Machine().load(kernel.symbol, kernel.text)
    (file,) = (tmp_path / "headrace-stream").iterdir()
    assert file.suffix == ".o"
    fresh = native.Machine()
    monkeypatch.setattr(fresh, "compile", None)
    assert fresh.load(kernel.symbol, kernel.text)


def test_folder_that_cannot_be_written_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(obstacle))
    folder = native.cache_folder()
    assert folder.is_dir()
    assert obstacle not in folder.parents


def test_memory_follows_the_backlog_and_not_the_tokens() -> None:
    """A long stream through short channels leaves rings and records as they are."""

    def bytes_of(n: int) -> int:
        run = Run(count_stream(), {"n": n, "v": np.zeros(n)}, None, None)
        run.run()
        return run.heap.nbytes + sum(ring.nbytes for ring in run.rings)

    assert bytes_of(20_000) == bytes_of(2_000)
