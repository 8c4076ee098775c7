"""
LLVM IR to callable machine code, cached on disk.

Object code is kept in a cache folder under a hash of its IR, the LLVM version and the processor:
`NUMBA_CACHE_DIR` if it is set (these kernels follow numba's variable, since they are built by
numba's compiler), else beside the package, else in the user's cache, else in a temporary folder.
"""

import ctypes
import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import llvmlite
import llvmlite.binding as llvm_binding

from headrace.simulators.stream import layout
from headrace.simulators.stream.ir import LIBM
from headrace.storage.atomic import replace_file

llvm = cast(Any, llvm_binding)

SCHEDULER = f"""
define i64 @run(ptr %nodes, i64 %count, i64 %sweeps, i64 %arbiter) nounwind {{
entry:
  %arbiter.record = inttoptr i64 %arbiter to ptr
  br label %sweep
sweep:
  %left = phi i64 [%sweeps, %entry], [%left.next, %again], [%left, %grant]
  %granted = phi i1 [0, %entry], [0, %again], [1, %grant]
  br label %next
next:
  %i = phi i64 [0, %sweep], [%i.next, %advance]
  %moved = phi i1 [0, %sweep], [%moved.next, %advance]
  %end = icmp eq i64 %i, %count
  br i1 %end, label %swept, label %look
look:
  %slot = getelementptr i64, ptr %nodes, i64 %i
  %node = load i64, ptr %slot
  %record = inttoptr i64 %node to ptr
  %cell.at = getelementptr i64, ptr %record, i64 {layout.WAIT_CELL}
  %cell.address = load i64, ptr %cell.at
  %cell = inttoptr i64 %cell.address to ptr
  %value.at = getelementptr i64, ptr %record, i64 {layout.WAIT_VALUE}
  %value = load i64, ptr %value.at
  %now = load i64, ptr %cell
  %blocked = icmp eq i64 %now, %value
  br i1 %blocked, label %advance, label %visit
visit:
  %step.at = getelementptr i64, ptr %record, i64 {layout.STEP}
  %step = load ptr, ptr %step.at
  %status = call i64 %step(i64 %node)
  %failed = icmp eq i64 %status, {layout.FAILED}
  br i1 %failed, label %stop, label %advance
advance:
  %moved.next = phi i1 [%moved, %look], [1, %visit]
  %i.next = add i64 %i, 1
  br label %next
swept:
  br i1 %moved, label %again, label %idle
again:
  %left.next = sub i64 %left, 1
  %spent = icmp eq i64 %left.next, 0
  br i1 %spent, label %pause, label %sweep
idle:
  %absent = icmp eq i64 %arbiter, 0
  %over = or i1 %absent, %granted
  br i1 %over, label %quiet, label %grant
grant:
  %arbiter.step.at = getelementptr i64, ptr %arbiter.record, i64 {layout.STEP}
  %arbiter.step = load ptr, ptr %arbiter.step.at
  %arbiter.status = call i64 %arbiter.step(i64 %arbiter)
  br label %sweep
quiet:
  ret i64 0
pause:
  ret i64 1
stop:
  ret i64 2
}}
"""
"""
Visit the nodes round robin until no node can move (0), time is up (1) or one fails (2).

When no node can move, the arbiter, if there is one, may let some go on.
"""

QUIET, PAUSED, STOPPED = 0, 1, 2

LARGE = 500_000
"""
Characters of LLVM IR above which code is hardly optimised.

LLVM takes more than quadratic time: a broadcast to 128 readers (0.9 million) 80 s instead of 2 s, a
gather of 64 lanes (3.7 million) 200 s instead of 3 s.
"""

Run = Any


class Machine:
    """The processor of this computer, its compiler, and the code loaded so far."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.cpu = str(llvm.get_host_cpu_name())
        self.features = str(llvm.get_host_cpu_features().flatten())
        self.target = self.target_of(3)
        libm = ctypes.CDLL(None)
        for name in sorted({*LIBM, "pow"}):
            llvm.add_symbol(name, ctypes.cast(getattr(libm, name), ctypes.c_void_p).value)
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), self.target)
        self.folder = cache_folder()
        self.addresses: dict[str, int] = {}
        self.lock = threading.Lock()

    def target_of(self, level: int) -> Any:
        """The compiler for this processor, at a level of optimisation."""
        return llvm.Target.from_default_triple().create_target_machine(
            cpu=self.cpu, features=self.features, opt=level, codemodel="jitdefault", jit=True
        )

    def load(self, symbol: str, text: str) -> int:
        """The address of function `symbol` of a module of LLVM IR."""
        with self.lock:
            if symbol not in self.addresses:
                code = self.object_code(text)
                self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
                self.engine.finalize_object()
                self.addresses[symbol] = int(self.engine.get_function_address(symbol))
            return self.addresses[symbol]

    def object_code(self, text: str) -> bytes:
        key = "\n".join((llvmlite.__version__, self.cpu, self.features, text))
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.o"
        try:
            return path.read_bytes()
        except OSError:
            code = self.compile(text)
            replace_file(path, code)
            return code

    def compile(self, text: str) -> bytes:
        module = llvm.parse_assembly(text)
        module.verify()
        if len(text) > LARGE:
            return bytes(self.target_of(1).emit_object(module))
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        passes = llvm.create_pass_builder(self.target, options).getModulePassManager()
        passes.run(module, llvm.create_pass_builder(self.target, options))
        return bytes(self.target.emit_object(module))

    def scheduler(self) -> Run:
        """The scheduler: (record addresses, number of nodes, sweeps, arbiter or 0) -> outcome."""
        address = self.load("run", SCHEDULER)
        words = [ctypes.c_int64] * 3
        return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *words)(address)


@functools.cache
def machine() -> Machine:
    return Machine()


def cache_folder() -> Path:
    """The first folder of those named above that can be written."""
    for folder in _candidates():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="headrace-"))


def _candidates() -> Iterator[Path]:
    if "NUMBA_CACHE_DIR" in os.environ:
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / "headrace-stream"
    yield Path(__file__).parent / "__pycache__" / "kernels"
    yield Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "headrace"
