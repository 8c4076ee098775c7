"""
Models that take gradients inside `forward`: a training step is a function like any other.

`torch.export` traces above autograd, where gradients are not yet operators. Such a model is traced
below it with `make_fx`, the way torch itself makes joint graphs, which also works beside sparse
tensors; the graph of forward and backward operators is then exported. Each of its operators
knows its module: an operator of the backward pass that of the forward operator it differentiates.
"""

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


def takes_gradients(
    model: "torch.nn.Module", args: Sequence[Any], kwargs: Mapping[str, Any]
) -> bool:
    """
    Whether `model` calls `torch.autograd.grad`; runs it to see.

    A model that does not run is not told apart: the error of its trace says why.
    """
    found: list[object] = []

    def differentiate(grad: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found.append(grad)
        return grad(*args, **kwargs)

    with _instead_of_grad(differentiate), suppress(Exception):
        model(*args, **kwargs)
    return bool(found)


def _instead_of_grad(differentiate: Callable[..., Any]) -> Any:
    """A context in which `differentiate(torch.autograd.grad, ..)` stands for `grad(..)`."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.autograd.grad:
                return differentiate(func, *args, **(kwargs or {}))
            return func(*args, **(kwargs or {}))

    return Mode()


def export_gradients(
    model: "torch.nn.Module", args: Sequence[Any], kwargs: Mapping[str, Any]
) -> "ExportedProgram":
    """The exported graph of `model` with its forward and backward operators."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.utils import _pytree

    state = dict(_state(model))
    leaves, specification = _pytree.tree_flatten((tuple(args), dict(kwargs)))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def run(state: dict[str, Any], tensors: list[Any]) -> Any:
        given = iter(tensors)
        full = [next(given) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        own_args, own_kwargs = _pytree.tree_unflatten(full, specification)
        with _Origins().recorded(model):
            return cast(Any, torch.func).functional_call(model, state, own_args, own_kwargs)

    tracer = make_fx(run, tracing_mode="fake", record_stack_traces=True)
    traced: Any = tracer(state, tensors)
    module = _with_state(traced.graph, model, list(state), _names(model, args, kwargs))
    return torch.export.export(module, tuple(tensors))


def _state(model: "torch.nn.Module") -> Generator[tuple[str, Any]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _names(model: "torch.nn.Module", args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
    """A name for each tensor of a call, from the arguments of `forward`."""
    import torch
    from torch.utils import _pytree

    names: list[str] = []
    for name, value in inspect.signature(model.forward).bind(*args, **kwargs).arguments.items():
        leaves = [leaf for leaf in _pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]
        names += [name] if leaves == [value] else [f"{name}_{n}" for n in range(len(leaves))]
    return names


def _with_state(graph: Any, model: Any, state: Sequence[str], names: Sequence[str]) -> Any:
    """`graph` with the tensors of `model` as attributes, and arguments of the given names."""
    from torch.fx import GraphModule
    from torch.fx.graph import CodeGen

    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    for node, path in zip(placeholders, state, strict=False):
        with graph.inserting_before(node):
            node.replace_all_uses_with(graph.get_attr(path))
        graph.erase_node(node)
    for node, name in zip(placeholders[len(state) :], names, strict=True):
        with graph.inserting_before(node):
            argument = graph.placeholder(name)
        argument.meta = node.meta
        node.replace_all_uses_with(argument)
        graph.erase_node(node)
    graph.set_codegen(CodeGen())
    return GraphModule(model, graph)


class _Origins:
    """
    Tells nodes that are traced which module runs, and whether backward.

    When a module has run, what is new in the graph of autograd is its own; a hook there names the
    module when its gradient is computed.
    """

    def __init__(self) -> None:
        from torch.fx import traceback

        self.metadata: dict[str, Any] = cast(Any, traceback).current_meta
        self.running = [""]
        """The paths of the modules that run, outermost first."""
        self.known: set[Any] = set()
        self.handles: list[Any] = []

    @contextmanager
    def recorded(self, model: Any) -> Generator[None]:
        """Nodes that are traced inside get `nn_module_stack` and `custom`."""
        from torch.fx import traceback

        for path, module in model.named_modules():
            if path:
                enter = partial(self.enter, path)
                self.handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
                self.handles.append(module.register_forward_hook(self.leave))
        try:
            preserved = cast(Any, traceback).preserve_node_meta()
            with preserved, _instead_of_grad(self.differentiate):
                self.name("")
                yield
        finally:
            for handle in self.handles:
                handle.remove()

    def name(self, path: str, phase: str | None = None) -> None:
        self.metadata["nn_module_stack"] = {path: (path, "torch.nn.Module")}
        self.metadata["custom"] = {"phase": phase}

    def own(self, tensors: Any, path: str) -> None:
        """What computed `tensors` and is not known yet belongs to `path`."""

        def hook(gradients: object) -> None:
            self.name(path, "backward")

        self.handles += [f.register_prehook(hook) for f in _new_functions(tensors, self.known)]

    def enter(self, path: str, module: object, args: Any, kwargs: Any) -> None:
        self.own((args, kwargs), self.running[-1])
        self.running.append(path)
        self.name(path)

    def leave(self, module: object, args: Any, output: Any) -> None:
        self.own(output, self.running.pop())
        self.name(self.running[-1])

    def differentiate(self, grad: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.own((args, kwargs), self.running[-1])
        self.name(self.running[-1], "backward")
        result = grad(*args, **kwargs)
        self.name(self.running[-1])
        return result


def _new_functions(tensors: Any, known: set[Any]) -> Generator[Any]:
    """The functions of autograd that computed `tensors` and are not yet `known`."""
    from torch.utils import _pytree

    pending = [getattr(leaf, "grad_fn", None) for leaf in _pytree.tree_leaves(tensors)]
    while pending:
        function = pending.pop()
        if function is not None and function not in known:
            known.add(function)
            pending += [source for source, _ in function.next_functions]
            yield function
