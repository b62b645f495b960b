"""Processes of two nodes in a row."""

from tamdp_theory import TAMDP


def chain() -> TAMDP:
    """Two nodes in a row, reward 1 iff both first actions are taken: attains 27/128 at p = 3/4 (theory.md L3.tree)."""
    answer = [{"name": "go", "kind": "answer", "next": [{"probability": 1, "rewards": [1]}]}]
    stop = {"name": "stop", "kind": "answer", "next": [{"probability": 1, "rewards": [0]}]}
    return TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "chain",
            "max_tool_depth": 0,
            "components": [{"name": "r", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "a"}],
            "nodes": [
                {
                    "id": "a",
                    "depth": 0,
                    "actions": [{"name": "go", "kind": "think", "next": [{"probability": 1, "node": "b"}]}, stop],
                },
                {"id": "b", "depth": 0, "actions": [*answer, stop]},
            ],
        }
    )


def merged() -> TAMDP:
    """Two nodes in a row, the second reached by both actions of the first: not a tree."""
    ends = [
        {"name": name, "kind": "answer", "next": [{"probability": 1, "rewards": [reward]}]}
        for name, reward in (("left", 1), ("right", 0))
    ]
    both = [{"name": name, "kind": "think", "next": [{"probability": 1, "node": "b"}]} for name in ("one", "other")]
    return TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "merged",
            "max_tool_depth": 0,
            "components": [{"name": "r", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "a"}],
            "nodes": [{"id": "a", "depth": 0, "actions": both}, {"id": "b", "depth": 0, "actions": ends}],
        }
    )
