"""One table of every fault the content of a tamdp/1 file can have: what is changed in a sound process, and the message
it must give.
"""

from dataclasses import dataclass

from tests.helpers.sound import Change, add, drop, put


@dataclass(frozen=True)
class Fault:
    """A change of the sound content and the message: ``place`` is what it starts with, ``says`` what follows the colon
    (its start).
    """

    name: str
    change: Change
    place: str
    says: str


_LOST = {
    "id": "lost",
    "depth": 0,
    "actions": [{"name": "a", "kind": "answer", "next": [{"probability": 1, "rewards": [0, 0, 0]}]}],
}
_P = "nodes.0.actions.0.next.0.probability"
_PLACE = "nodes[0].actions[0].next[0].probability"
_R = "nodes.3.actions.0.next.0.rewards"
_REWARDS = "nodes[3].actions[0].next[0].rewards"
LONG = "needs more than 400 digits above or below the fraction bar; round it"

FAULTS = (
    # probabilities
    Fault(
        "sum-below",
        put("nodes.3.actions.0.next.0.probability", 0.9),
        "nodes[3].actions[0].next",
        "probabilities sum to 0.9, not 1",
    ),
    Fault("sum-above", put("prompts.0.probability", 0.85), "prompts", "probabilities sum to 1.1, not 1"),
    Fault(
        "sum-nearly", put("prompts.0.probability", 0.750000002), "prompts", "probabilities sum to 1.000000002, not 1"
    ),
    Fault("probability-zero", put(_P, 0), _PLACE, "0 is not in (0, 1]; leave out what cannot happen"),
    Fault("probability-negative", put(_P, -0.5), _PLACE, "-0.5 is not in (0, 1]; leave out"),
    Fault("probability-above-one", put(_P, "3/2"), _PLACE, "1.5 is not in (0, 1]"),
    Fault("probability-tiny", put(_P, 1e-310), _PLACE, "smaller than 1e-300, beyond float64; leave out"),
    Fault("prompt-probability-zero", put("prompts.1.probability", 0), "prompts[1].probability", "0 is not in (0, 1]"),
    Fault(
        "rescaling-too-long",
        put(
            "prompts",
            [
                {"name": "a", "probability": "3" * 394 + "/" + "4" * 393 + "7", "start": "q0"},
                {"name": "b", "probability": "1" * 393 + "3/" + "4" * 393 + "1", "start": "q1"},
            ],
        ),
        "prompts",
        "rescaled to sum to 1, the probabilities need more than 400 digits; round them",
    ),
    # structure
    Fault(
        "unknown-node",
        put("nodes.0.actions.1.next.0.node", "nowhere"),
        "nodes[0].actions[1].next[0].node",
        "unknown node 'nowhere'; add it to \"nodes\" or correct the name",
    ),
    Fault("unknown-start", put("prompts.1.start", "nowhere"), "prompts[1].start", "unknown node 'nowhere'; add it"),
    Fault(
        "cycle",
        add("nodes.2.actions", {"name": "back", "kind": "think", "next": [{"probability": 1, "node": "q0"}]}),
        "nodes",
        "the edges form a cycle: 'q0' -> 'q0/plan' -> 'q0'; a trajectory visits no node twice",
    ),
    Fault(
        "cycle-downstream",
        put("nodes.1.actions.0", {"name": "again", "kind": "think", "next": [{"probability": 1, "node": "q0/hit"}]}),
        "nodes",
        "the edges form a cycle: 'q0/hit' -> 'q0/hit'; a trajectory",
    ),
    Fault(
        "self-loop",
        add("nodes.3.actions", {"name": "again", "kind": "think", "next": [{"probability": 1, "node": "q1"}]}),
        "nodes",
        "the edges form a cycle: 'q1' -> 'q1'; a trajectory",
    ),
    Fault(
        "unreachable",
        add("nodes", _LOST),
        "nodes[4] ('lost')",
        "unreachable from every prompt; remove it or lead to it",
    ),
    Fault(
        "two-owners",
        put("nodes.3.actions.0", {"name": "g", "kind": "tool", "next": [{"probability": 1, "node": "q0/hit"}]}),
        "nodes[0].actions[0].next[0].node",
        "'q0/hit' belongs to prompts[1] and is reached from prompts[0]; give each prompt its own copy",
    ),
    Fault(
        "into-a-start",
        put("nodes.3.actions.0", {"name": "g", "kind": "think", "next": [{"probability": 1, "node": "q0"}]}),
        "nodes[3].actions[0].next[0].node",
        "'q0' belongs to prompts[0] and is reached from prompts[1]; give each prompt",
    ),
    Fault(
        "one-start-twice",
        put("prompts.1.start", "q0"),
        "prompts[1]",
        "duplicate start node 'q0', already used by prompts[0]; give each its own",
    ),
    Fault(
        "both-node-and-rewards",
        put(_R.replace("rewards", "node"), "q0"),
        "nodes[3].actions[0].next[0]",
        'give either "node" or "rewards"',
    ),
    Fault("neither-node-nor-rewards", drop(_R), "nodes[3].actions[0].next[0]", 'give either "node" or "rewards"'),
    Fault(
        "no-actions",
        put("nodes.2.actions", []),
        "nodes[2] ('q0/plan')",
        "no actions; a decision point needs at least one",
    ),
    Fault(
        "no-next",
        put("nodes.1.actions.1.next", []),
        "nodes[1].actions[1].next",
        "empty; an action needs at least one successor",
    ),
    Fault("no-prompts", put("prompts", []), "prompts", "empty; a process needs at least one prompt"),
    Fault("no-nodes", put("nodes", []), "nodes", "empty; a process needs at least one node"),
    Fault("no-components", put("components", []), "components", "empty; a process needs at least one reward component"),
    # depth
    Fault("depth-over-bound", put("nodes.1.depth", 2), "nodes[1].depth", "2 is not between 0 and max_tool_depth = 1"),
    Fault(
        "tool-at-bound",
        put("nodes.1.actions.0.kind", "tool"),
        "nodes[1].actions[0]",
        "a tool call at depth 1 goes over max_tool_depth = 1",
    ),
    Fault(
        "depth-after-tool",
        put("nodes.1.depth", 0),
        "nodes[0].actions[0].next[0].node",
        "nodes[1] has depth 0, but 1 tool calls lead to it here",
    ),
    Fault(
        "depth-after-think",
        put("nodes.0.actions.1.kind", "tool"),
        "nodes[0].actions[1].next[0].node",
        "nodes[2] has depth 0, but 1 tool calls",
    ),
    Fault(
        "depth-after-answer",
        put("nodes.0.actions.0.kind", "answer"),
        "nodes[0].actions[0].next[0].node",
        "nodes[1] has depth 1, but 0 tool calls",
    ),
    Fault(
        "start-depth",
        put("nodes.3.depth", 1),
        "prompts[1].start",
        "the start node has depth 1; no tool was called yet, so it must be 0",
    ),
    Fault("depth-negative", put("nodes.1.depth", -1), "nodes[1].depth", "expected `int` >= 0"),
    Fault("depth-huge", put("nodes.1.depth", 10**30), "nodes[1].depth", "expected `int` <= 2147483647"),
    Fault("depth-boolean", put("nodes.1.depth", True), "nodes[1].depth", "expected `int`, got `bool`"),
    Fault("depth-decimal", put("nodes.1.depth", 1.5), "nodes[1].depth", "expected `int`, got `float`"),
    Fault("depth-text", put("nodes.1.depth", "1"), "nodes[1].depth", "expected `int`, got `str`"),
    Fault("bound-negative", put("max_tool_depth", -1), "max_tool_depth", "expected `int` >= 0"),
    Fault("bound-huge", put("max_tool_depth", 2**31), "max_tool_depth", "expected `int` <= 2147483647"),
    # rewards and weights
    Fault(
        "reward-above", put(_R, [0, 1.5, 0]), _REWARDS + "[1]", "reward 1.5 is outside [0, 1]; rescale the component"
    ),
    Fault("reward-below", put(_R, [0, 0, "-1/8"]), _REWARDS + "[2]", "reward -0.125 is outside [0, 1]; rescale"),
    Fault("rewards-too-few", put(_R, [0, 1]), _REWARDS, "2 rewards for 3 components"),
    Fault("rewards-too-many", put(_R, [0, 1, 1, 1]), _REWARDS, "4 rewards for 3 components"),
    Fault("rewards-text", put(_R, "011"), _REWARDS, "expected `array | null`, got `str`"),
    Fault("reward-boolean", put(_R, [0, True, 0]), _REWARDS + "[1]", "expected a number, got the boolean true"),
    Fault("reward-null", put(_R, [0, None, 0]), _REWARDS + "[1]", 'expected a number or a string "a/b", got null'),
    Fault("reward-list", put(_R, [0, [1], 0]), _REWARDS + "[1]", 'expected a number or a string "a/b", got a list'),
    Fault("reward-object", put(_R, [0, {}, 0]), _REWARDS + "[1]", 'expected a number or a string "a/b", got an object'),
    Fault("weight-negative", put("components.0.weight", -1), "components[0].weight", "must not be negative, got -1"),
    Fault(
        "weight-boolean",
        put("components.1.weight", False),
        "components[1].weight",
        "expected a number, got the boolean false",
    ),
    Fault(
        "weights-zero",
        lambda c: [put(f"components.{k}.weight", 0)(c) for k in range(3)] and None,
        "components",
        "the weights sum to 0; at least one",
    ),
    Fault(
        "weights-too-large",
        put("components.0.weight", "1" + "0" * 399),
        "components",
        "the weights sum to over 1e308, beyond float64; rescale",
    ),
    Fault(
        "weights-too-small",
        lambda c: [put(f"components.{k}.weight", "1/1" + "0" * 200)(c) for k in range(3)] and None,
        "components",
        "the weights sum to 3e-200, beyond float64; rescale them",
    ),
    # numbers
    Fault("probability-boolean", put(_P, True), _PLACE, "expected a number, got the boolean true"),
    Fault("zero-denominator", put(_P, "1/0"), _PLACE, "'1/0' is not a number; write 0.25 or \"1/4\""),
    Fault("word", put(_P, "abc"), _PLACE, "'abc' is not a number; write 0.25"),
    Fault("space-inside", put(_P, "1/ 2"), _PLACE, "'1/ 2' is not a number; write"),
    Fault("trailing-newline", put(_P, "1/2\n"), _PLACE, "'1/2\\n' is not a number; write"),
    Fault("decimal-as-text", put(_P, "0.5"), _PLACE, "'0.5' is not a number; write"),
    Fault("underscore", put(_P, "1_0/20"), _PLACE, "'1_0/20' is not a number; write"),
    Fault("unicode-digits", put(_P, "\u0661/\u0662"), _PLACE, "'\u0661/\u0662' is not a number; write"),
    Fault("empty-number", put(_P, ""), _PLACE, "'' is not a number; write"),
    Fault("long-text", put(_P, "x" * 10**6), _PLACE, "'" + "x" * 37 + "...' is not a number; write"),
    Fault("too-many-digits", put(_P, "1/" + "9" * 401), _PLACE, "'1/" + "9" * 35 + "...' is not a number; write"),
    Fault("huge-integer", put(_P, 10**400), _PLACE, LONG),
    Fault("large-integer", put(_P, 10**399), _PLACE, "1000000000000000000000000000000000000... is not in (0, 1]"),
    # names
    Fault(
        "duplicate-node",
        put("nodes.2.id", "q0/hit"),
        "nodes[2]",
        "duplicate id 'q0/hit', already used by nodes[1]; give each its own",
    ),
    Fault(
        "duplicate-prompt",
        put("prompts.1.name", "first"),
        "prompts[1]",
        "duplicate name 'first', already used by prompts[0]; give",
    ),
    Fault(
        "duplicate-component",
        put("components.2.name", "format"),
        "components[2]",
        "duplicate name 'format', already used by components[0]; give",
    ),
    Fault(
        "duplicate-action",
        put("nodes.0.actions.2.name", "think"),
        "nodes[0].actions[2]",
        "duplicate action name 'think'; names are unique within a node",
    ),
    Fault(
        "long-name",
        put("prompts.1.start", "y" * 10**6),
        "prompts[1].start",
        "unknown node '" + "y" * 77 + "...'; add it",
    ),
    Fault(
        "markup-name",
        put("prompts.1.start", "[red]x[/] [/bold]"),
        "prompts[1].start",
        "unknown node '[red]x[/] [/bold]'; add it",
    ),
    Fault(
        "escape-name",
        put("prompts.1.start", "\x1b[31mx\r\ny\u202e"),
        "prompts[1].start",
        "unknown node '\\x1b[31mx\\r\\ny\\u202e'; add it",
    ),
    # fields and types
    Fault("unknown-field", put("nodes.1.colour", "red"), "nodes[1]", "object contains unknown field `colour`"),
    Fault("unknown-top-field", put("extra", 1), "object contains unknown field `extra`", ""),
    Fault("escape-field", put("nodes.1.\x1b[0m\n", 1), "nodes[1]", "object contains unknown field `\\x1b[0m\\n`"),
    Fault("long-field", put("nodes.1." + "z" * 10**5, 1), "nodes[1]", "object contains unknown field `" + "z" * 160),
    Fault(
        "missing-kind", drop("nodes.1.actions.0.kind"), "nodes[1].actions[0]", "object missing required field `kind`"
    ),
    Fault("missing-id", drop("nodes.1.id"), "nodes[1]", "object missing required field `id`"),
    Fault(
        "missing-probability", drop(_P), "nodes[0].actions[0].next[0]", "object missing required field `probability`"
    ),
    Fault("missing-weight", drop("components.0.weight"), "components[0]", "object missing required field `weight`"),
    Fault("missing-prompts", drop("prompts"), "object missing required field `prompts`", ""),
    Fault(
        "unknown-kind",
        put("nodes.1.actions.0.kind", "retrieve"),
        "nodes[1].actions[0].kind",
        "invalid enum value 'retrieve'",
    ),
    Fault("kind-number", put("nodes.1.actions.0.kind", 3), "nodes[1].actions[0].kind", "expected `str`, got `int`"),
    Fault("name-number", put("name", 3), "name", "expected `str`, got `int`"),
    Fault("id-null", put("nodes.0.id", None), "nodes[0].id", "expected `str`, got `null`"),
    Fault("nodes-object", put("nodes", {}), "nodes", "expected `array`, got `object`"),
    Fault("next-text", put("nodes.1.actions.0.next", "end"), "nodes[1].actions[0].next", "expected `array`, got `str`"),
    Fault("action-list", put("nodes.1.actions.0", []), "nodes[1].actions[0]", "expected `object`, got `array`"),
    Fault("schema-wrong", put("schema", "tamdp/2"), "schema", "expected 'tamdp/1', found 'tamdp/2'"),
    Fault("schema-long", put("schema", "s" * 10**6), "schema", "expected 'tamdp/1', found '" + "s" * 77 + "...'"),
    Fault("schema-missing", drop("schema"), "schema", "expected 'tamdp/1', found none"),
    Fault("schema-number", put("schema", 1), "schema", "expected 'tamdp/1', found int"),
    Fault("schema-null", put("schema", None), "schema", "expected 'tamdp/1', found null"),
    Fault("schema-list", put("schema", ["tamdp/1"]), "schema", "expected 'tamdp/1', found a list"),
)
