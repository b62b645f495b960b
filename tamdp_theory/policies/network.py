"""A small torch network on the observation. torch loads when the first one is made."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.errors import InputError, quote
from tamdp_theory.model import TAMDP, Floats
from tamdp_theory.policies.base import Policy, as_parameters

if TYPE_CHECKING:
    import torch


class Network(Policy):
    """One hidden tanh layer from the node's encoding to one logit per action name (float64).

    encoding (n_nodes, f): what the network sees; None: an indicator of the observation label and the tool depth.
    outputs: the action name of each logit, at least those of ``env``; None: these, as they are first met. parameters
    (d,): None draws them from ``generator`` (normal, scaled by fan-in), which is then required.
    """

    def __init__(
        self,
        env: TAMDP,
        hidden: int = 16,
        *,
        encoding: ArrayLike | None = None,
        outputs: Iterable[str] | None = None,
        parameters: ArrayLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        if hidden < 1:
            raise InputError(f"hidden: must be 1 or more, got {hidden}")
        seen = observation_encoding(env) if encoding is None else np.array(encoding, dtype=np.float64)
        if seen.ndim != 2 or len(seen) != env.n_nodes or not np.isfinite(seen).all():
            raise InputError(f"encoding: expected finite ({env.n_nodes}, f), got shape {seen.shape}")
        self.env, self.hidden, self.encoding = env, hidden, seen
        self.outputs = tuple(dict.fromkeys(env.action_names)) if outputs is None else tuple(outputs)
        names = {name: i for i, name in enumerate(self.outputs)}
        if len(names) < len(self.outputs):
            raise InputError("outputs: an action name appears twice; give each its own")
        missing = next((name for name in env.action_names if name not in names), None)
        if missing is not None:
            raise InputError(f"outputs: no logit for action {quote(missing)} of {quote(env.name)}; add it")
        self._output = np.array([names[name] for name in env.action_names])
        self._shapes = {
            "0.weight": (hidden, seen.shape[1]),
            "0.bias": (hidden,),
            "2.weight": (len(names), hidden),
            "2.bias": (len(names),),
        }
        size = sum(int(np.prod(shape)) for shape in self._shapes.values())
        if parameters is None:
            if generator is None:
                raise InputError(
                    "generator: give a numpy Generator to draw the first parameters from, or give parameters"
                )
            scale = np.concatenate(
                [np.full(int(np.prod(s)), 1 / np.sqrt(s[-1]) if len(s) > 1 else 0.0) for s in self._shapes.values()]
            )
            parameters = scale * generator.standard_normal(size)
        self.parameters = as_parameters(np.asarray(parameters), size)

    def with_parameters(self, parameters: ArrayLike) -> Self:
        return type(self)(self.env, self.hidden, encoding=self.encoding, outputs=self.outputs, parameters=parameters)

    def pair_logits(self, parameters: Floats) -> Floats:
        import torch

        with torch.no_grad():
            logits = torch.func.vmap(self._forward)(torch.tensor(parameters.T))
        return np.ascontiguousarray(logits.numpy().T)

    def pull_back(self, sensitivities: Floats, parameters: Floats) -> Floats:
        import torch

        def one(theta: "torch.Tensor", v: "torch.Tensor") -> Any:
            return torch.func.vjp(self._forward, theta)[1](v)[0]

        result = torch.func.vmap(one)(torch.tensor(parameters.T), torch.tensor(sensitivities.T))
        return np.ascontiguousarray(result.detach().numpy().T)

    def pull_back_each(self, sensitivities: Floats) -> Floats:
        import torch

        pull = torch.func.vjp(self._forward, torch.tensor(self.parameters))[1]
        result = torch.func.vmap(lambda v: pull(v)[0])(torch.tensor(sensitivities.T))
        return np.ascontiguousarray(result.detach().numpy().T)

    def _forward(self, theta: "torch.Tensor") -> "torch.Tensor":
        import torch

        layers, offset = {}, 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            layers[name] = theta[offset : offset + size].reshape(shape)
            offset += size
        encoding = torch.tensor(self.encoding)
        active = torch.tanh(torch.nn.functional.linear(encoding, layers["0.weight"], layers["0.bias"]))
        logits = torch.nn.functional.linear(active, layers["2.weight"], layers["2.bias"])
        return logits[torch.tensor(self.env.pair_node), torch.tensor(self._output)]


def observation_encoding(env: TAMDP) -> Floats:
    """One indicator per distinct observation label, then tool depth / max_tool_depth: (n_nodes, f)."""
    labels = {label: i for i, label in enumerate(dict.fromkeys(env.observations))}
    encoding = np.zeros((env.n_nodes, len(labels) + 1))
    encoding[np.arange(env.n_nodes), [labels[label] for label in env.observations]] = 1.0
    encoding[:, -1] = env.node_depth / max(env.max_tool_depth, 1)
    return encoding
