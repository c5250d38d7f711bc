"""Weights drawn from a seed, on any thread.

PyTorch's layers draw their weights from its global generator, which all threads of a process share: two networks that
are built at once get parts of each other's numbers, whoever seeded it. Inside `seeded`, what this thread draws comes
from a generator of its own, with the numbers that `torch.manual_seed` would have given.
"""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class seeded(TorchDispatchMode):  # type: ignore[no-untyped-call] # noqa: N801 - used like a function
    """Draw from a seed inside the block, on this thread alone; the global generator is neither read nor changed.

    Args:
        seed: As for `torch.manual_seed`.

    Raises:
        AttributeError: If the block asks for a draw that takes no generator, such as
            `torch.native_dropout`.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generator = torch.Generator().manual_seed(seed)

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as PyTorch has it
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Call an operation; one that draws gets the generator."""
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags:
            if all(one.name != "generator" for one in func._schema.arguments):
                name = func._overloadname.replace("default", "")
                func = getattr(func.overloadpacket, "_".join(filter(None, (name, "generator"))))
            kwargs["generator"] = kwargs.get("generator") or self._generator
        return func(*args, **kwargs)
