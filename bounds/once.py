"""Pure functions whose results are kept: what several claims read of one process and policy is computed once."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Once:
    """Results by function and arguments, which are kept alive and must not change. A copy in another process is empty.

    Processes and policies count as equal only if they are the same object, schemes and numbers by their value.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}

    def __call__(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """function(*args, **kwargs), computed when first asked for. Errors are raised anew each time."""
        key = (function, args, tuple(sorted(kwargs.items())))
        if key not in self._known:
            self._known[key] = function(*args, **kwargs)
        result: Result = self._known[key]
        return result

    def __reduce__(self) -> tuple[type["Once"], tuple[()]]:
        return Once, ()
