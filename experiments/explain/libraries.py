"""What each library's keys mean, as read from the sources of TRL 1.16, verl 0.9, ms-swift 4.6 and Prime-RL: one reader
a library, from flat keys to a ``Recipe``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from experiments.explain.recipe import Divergence, Recipe
from tamdp_theory import InputError
from tamdp_theory.estimators import Aggregation


class Keys:
    """Keys of a configuration, those that were asked for remembered."""

    def __init__(self, found: Mapping[str, Any], prefixes: tuple[str, ...] = ("",)) -> None:
        self.found, self.prefixes = found, prefixes
        self.known: dict[str, Any] = {}
        self.assumed: list[str] = []

    def get(self, name: str, default: Any) -> Any:
        """The value of a key under any of the prefixes, or a library's default, which is noted."""
        for prefix in self.prefixes:
            if (key := f"{prefix}{name}") in self.found:
                value = self.found[key]
                self.known[key] = value
                return default if value is None else value
        self.assumed.append(f"{name} = {default}")
        return default

    def choice(self, name: str, default: Any, options: Mapping[Any, Any]) -> Any:
        """What a key's value stands for. InputError for a value that is none of them."""
        value = self.get(name, default)
        key = str(value).lower() if not isinstance(value, str) else value
        if key not in options:
            raise InputError(f"{name}: {value!r} is not known; one of {', '.join(map(str, options))}")
        return options[key]

    def number(self, name: str, default: float) -> float:
        """A number. InputError for anything else."""
        value = self.get(name, default)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: expected a number, got {value!r}") from error

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.choice(name, str(default).lower(), {"true": True, "false": False})
        return bool(value)

    def rest(self) -> dict[str, Any]:
        """What a recipe says of the keys."""
        unknown = tuple(sorted(set(self.found) - set(self.known)))
        return {"known": self.known, "assumed": tuple(self.assumed), "unknown": unknown}

    def size(self, name: str, default: int) -> int:
        """A group size. InputError below 2."""
        value = self.number(name, default)
        if value != int(value) or value < 2:
            raise InputError(f"{name}: groups need at least 2 members, got {value:g}")
        return int(value)


def trl(found: Mapping[str, Any]) -> Recipe:
    """TRL's GRPOConfig."""
    keys = Keys(found)
    scaling = keys.choice(
        "scale_rewards", "group", {"group": "group", "true": "group", "batch": "batch", "none": "none", "false": "none"}
    )
    decomposed = keys.choice(
        "multi_objective_aggregation", "sum_then_normalize", {"sum_then_normalize": False, "normalize_then_sum": True}
    )
    estimator = {"group": "sum_then_normalize", "batch": "batch_std", "none": "center"}[scaling]
    if decomposed:
        estimator = "gdpo_batch(eps_in=1/10000)"
    scales = estimator != "center"
    loss = keys.get("loss_type", "dapo")
    means: dict[str, Aggregation] = {"grpo": "sequence_mean", "dapo": "token_mean", "bnpo": "token_mean"}
    means |= {"dr_grpo": "constant", "luspo": "trajectory", "sapo": "sequence_mean"}
    means |= {"cispo": "token_mean", "vespo": "token_mean"}
    if loss not in means:
        raise InputError(f"loss_type: {loss!r} is not known; one of {', '.join(means)}")
    if loss == "bnpo" and keys.number("per_device_train_batch_size", 8) == 1:
        means["bnpo"] = "sequence_mean"  # over the tokens of a micro-batch, which is one completion
    ratio = keys.choice("importance_sampling_level", "token", {"token": "token", "sequence": "sequence"})
    low = keys.number("epsilon", 0.2)
    high = keys.number("epsilon_high", low)
    beta = keys.number("beta", 0.0)
    notes = []
    if means[loss] == "token_mean" and estimator in ("sum_then_normalize", "center"):
        many = "a micro-batch" if loss == "bnpo" else "many groups"
        notes.append(f"loss_type={loss} averages over the tokens of {many}; in one group it is token_mean")
    clip = _clip(loss, low, high, notes)
    if ratio == "sequence" and loss != "grpo":
        notes.append(
            "importance_sampling_level=sequence is GSPO under loss_type=grpo alone; here sequences weigh by length"
        )
    divergence: Divergence = "none"
    if beta:
        divergence = "k3 times ratio" if keys.flag("use_bias_correction_kl", True) else "k3"
        notes.append(
            "the divergence is estimated at each token, with the visits to what comes before held fixed: over several "
            "tokens its gradient is not that of a divergence of completions"
        )
    if keys.flag("mask_truncated_completions", False):
        notes.append(
            "mask_truncated_completions: completions that were cut off count in the advantages of their group, and not "
            "in the loss"
        )
    return Recipe(
        library="TRL",
        group_size=keys.size("num_generations", 8),
        estimator=estimator,
        eps=1e-4 if scales else 0.0,
        ddof=1 if scales else 0,
        aggregation=means[loss],
        ratio=ratio,
        clip=clip,
        kl=divergence,
        kl_coef=beta,
        notes=tuple(notes),
        **keys.rest(),
    )


def _clip(loss: str, low: float, high: float, notes: list[str]) -> tuple[float, float] | None:
    """The clip of a loss of TRL and ms-swift, and what is to be noted of it."""
    if loss in ("sapo", "vespo"):
        notes.append(f"loss_type={loss} has a ratio of its own; at the first step it is 1 as well")
        return None
    if loss != "cispo":
        return low, high
    if high < 1:
        notes.append(
            f"loss_type=cispo cuts ratios to epsilon_high = {high:g} itself, not to 1 + epsilon_high: the first step "
            f"too is {high:g} times the one without a cut"
        )
    return 1.0, high - 1


_VERL = {
    "grpo": ("sum_then_normalize", 1e-6, 1),
    "grpo_vectorized": ("sum_then_normalize", 1e-6, 1),
    "grpo_passk": ("best_minus_second(std=True)", 1e-6, 1),
    "rloo": ("leave_one_out", 0.0, 0),
    "rloo_vectorized": ("leave_one_out", 0.0, 0),
    "opo": ("length_baseline", 0.0, 0),
    "gdpo": ("gdpo_batch(over=tokens, guard=variance, eps_in=1/1000000)", 1e-8, 1),
    "reinforce_plus_plus": ("reinforce_plus_plus(guard=variance)", 1e-8, 1),
    "reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline(guard=variance)", 1e-8, 1),
    "gae": "advantages are of a critic, decision by decision",
    "remax": "the baseline is the reward of a greedy rollout: the expected update is the gradient of J",
    "gpg": "centred rewards times the share of prompts of the batch that have a reward",
    "optimal_token_baseline": "a baseline for each token",
}


def verl(found: Mapping[str, Any]) -> Recipe:
    """verl's configuration or overrides."""
    keys = Keys(found)
    name = keys.get("algorithm.adv_estimator", "gae")
    if name not in _VERL:
        raise InputError(f"algorithm.adv_estimator: {name!r} is not known; one of {', '.join(_VERL)}")
    by_std = keys.flag("algorithm.norm_adv_by_std_in_grpo", True)
    chosen = _VERL[name]
    if name == "reinforce_plus_plus" and keys.number("algorithm.gamma", 1.0) != 1:
        chosen = "returns are discounted token by token, and whitened over the batch"
    estimator, eps, ddof = chosen if isinstance(chosen, tuple) else (None, 0.0, 0)
    if not by_std and name == "grpo":
        estimator, eps, ddof = "center", 0.0, 0
    if not by_std and name == "grpo_passk":
        estimator, eps, ddof = "best_minus_second", 0.0, 0
    mode = keys.choice(
        "actor_rollout_ref.actor.loss_agg_mode",
        "token-mean",
        {
            "token-mean": "token_mean",
            "token-sum": "trajectory",
            "seq-mean-token-sum": "trajectory",
            "seq-mean-token-mean": "sequence_mean",
            "seq-mean-token-sum-norm": "constant",
        },
    )
    clip = keys.number("actor_rollout_ref.actor.clip_ratio", 0.2)
    low = keys.number("actor_rollout_ref.actor.clip_ratio_low", clip)
    high = keys.number("actor_rollout_ref.actor.clip_ratio_high", clip)
    loss = keys.get("actor_rollout_ref.actor.policy_loss.loss_mode", "vanilla")
    divergence, coefficient = "none", 0.0
    kinds = {"kl": "k1", "k1": "k1", "abs": "abs", "mse": "k2", "k2": "k2", "low_var_kl": "k3", "k3": "k3", "k3+": "k2"}
    if keys.flag("actor_rollout_ref.actor.use_kl_loss", False):
        divergence = keys.choice("actor_rollout_ref.actor.kl_loss_type", "low_var_kl", kinds)
        coefficient = keys.number("actor_rollout_ref.actor.kl_loss_coef", 0.001)
    notes = ["dual clip: negative advantages count at most clip_ratio_c = 3 times"]
    if keys.flag("algorithm.use_kl_in_reward", False):
        notes.append("use_kl_in_reward: the divergence is part of the reward, so groups are hardly ever silent")
    return Recipe(
        library="verl",
        group_size=keys.size("actor_rollout_ref.rollout.n", 1),
        estimator=estimator,
        beyond="" if isinstance(chosen, tuple) else chosen,
        eps=eps,
        ddof=ddof,
        aggregation="sequence_mean" if loss in ("gspo", "sapo") else mode,
        keep="mixed" if keys.flag("algorithm.filter_groups.enable", False) else "all",
        ratio="sequence" if loss == "gspo" else "token",
        clip=(low, high),
        kl=divergence,
        kl_coef=coefficient,
        notes=tuple(notes),
        **keys.rest(),
    )


_SWIFT = {
    ("grpo", "group"): "sum_then_normalize",
    ("grpo", "batch"): "batch_std",
    ("grpo", "none"): "center",
    ("grpo", "gdpo"): "gdpo_batch(eps_in=1/100000000)",
    ("rloo", "group"): "sum_then_normalize",
    ("rloo", "batch"): "batch_std(base=leave_one_out)",
    ("rloo", "none"): "leave_one_out",
    ("rloo", "gdpo"): "gdpo_batch(eps_in=1/100000000)",
    ("reinforce_plus_plus", "group"): "sum_then_normalize",
    ("reinforce_plus_plus", "batch"): "reinforce_plus_plus_baseline(over=sequences)",
    ("reinforce_plus_plus", "none"): "center",
    ("reinforce_plus_plus", "gdpo"): "center",
}


def swift(found: Mapping[str, Any]) -> Recipe:
    """ms-swift's arguments."""
    keys = Keys(found)
    if keys.get("rlhf_type", "grpo") != "grpo":
        raise InputError(f"rlhf_type: {keys.get('rlhf_type', '')!r} is no group-relative training; only grpo is read")
    kind = keys.choice(
        "advantage_estimator", "grpo", {"grpo": "grpo", "rloo": "rloo", "reinforce_plus_plus": "reinforce_plus_plus"}
    )
    scaling = keys.choice(
        "scale_rewards",
        "group" if kind == "grpo" else "none" if kind == "rloo" else "batch",
        {"group": "group", "true": "group", "batch": "batch", "none": "none", "false": "none", "gdpo": "gdpo"},
    )
    estimator, notes = _SWIFT[kind, scaling], list[str]()
    scales = estimator not in ("center", "leave_one_out")
    if (kind, scaling) == ("rloo", "group"):
        notes.append("advantages are G/(G-1) times those of sum_then_normalize")
    loss = keys.get("loss_type", "grpo")
    means: dict[str, Aggregation] = {"grpo": "sequence_mean", "dr_grpo": "constant", "sapo": "sequence_mean"}
    means |= {"bnpo": "token_mean", "dapo": "token_mean", "cispo": "token_mean"}
    if loss not in means:
        raise InputError(f"loss_type: {loss!r} is not known; one of {', '.join(means)}")
    low = keys.number("epsilon", 0.2)
    high = keys.number("epsilon_high", low)
    clip = _clip(loss, low, high, notes)
    beta = keys.number("beta", 0.04)
    return Recipe(
        library="ms-swift",
        group_size=keys.size("num_generations", 8),
        estimator=estimator,
        eps=0.0 if not scales else 1e-8 if scaling == "gdpo" else 1e-4,
        ddof=1 if scales else 0,
        aggregation=means[loss],
        keep="mixed" if keys.flag("dynamic_sample", False) else "all",
        ratio=keys.choice("importance_sampling_level", "token", {"token": "token", "sequence": "sequence"}),
        clip=clip,
        kl="k3" if beta else "none",
        kl_coef=beta,
        notes=tuple(notes),
        **keys.rest(),
    )


def prime_rl(found: Mapping[str, Any]) -> Recipe:
    """Prime-RL's TOML."""
    keys = Keys(found, ("", "orchestrator."))
    kind = keys.choice(
        "advantage.type", "grpo", {"grpo": "center", "default": "center", "max_rl": "max_rl", "rae": None}
    )
    return Recipe(
        library="Prime-RL",
        group_size=keys.size("rollouts_per_example", 8),
        estimator=kind,
        beyond="" if kind else "the baseline is a moving average over steps: the expected update is the gradient of J",
        aggregation="token_mean",
        ratio="token",
        clip=None,
        **keys.rest(),
    )


LIBRARIES: dict[str, Callable[[Mapping[str, Any]], Recipe]] = {
    "trl": trl,
    "verl": verl,
    "ms-swift": swift,
    "prime-rl": prime_rl,
}


def library_of(found: Mapping[str, Any]) -> str:
    """Whose configuration it looks like. InputError where no key tells."""
    if any(key.startswith(("algorithm.", "actor_rollout_ref.")) for key in found):
        return "verl"
    if "rlhf_type" in found or "advantage_estimator" in found or "dynamic_sample" in found:
        return "ms-swift"
    if any(key.removeprefix("orchestrator.") in ("rollouts_per_example", "advantage.type") for key in found):
        return "prime-rl"
    if set(found) & {"num_generations", "scale_rewards", "loss_type", "beta", "epsilon", "importance_sampling_level"}:
        return "trl"
    raise InputError(f"no key tells whose configuration this is; say so with --library, one of {', '.join(LIBRARIES)}")
