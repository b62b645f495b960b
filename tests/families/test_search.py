from fractions import Fraction as F

import pytest

from tamdp_theory import InputError
from tamdp_theory.families import search
from tests.helpers.family_oracle import means, optimum, read, uniform
from tests.helpers.search_values import V

WEIGHTS = (F(1, 5), F(3, 5), F(1, 5))


def optimal(m: int, k: int, x: int, r: F, lost: F) -> F:
    answer = WEIGHTS[0] + WEIGHTS[1] * V[m] + WEIGHTS[2] * x
    if not k or not m:
        return answer
    return max(answer, (1 - lost) * (r * optimal(m - 1, k - 1, x, r, lost) + (1 - r) * optimal(m, k - 1, 0, r, lost)))


@pytest.mark.parametrize(
    ("depth", "reliability", "malformed"), [(2, "4/5", "1/20"), (3, "1/2", 0), (3, "9/10", "1/10"), (0, 1, 0)]
)
def test_optimal_value_and_actions(depth: int, reliability: str, malformed: str) -> None:
    r, lost = F(reliability), F(malformed)
    needs = [0, 1, 2, 3]
    process = read(search(4, depth, reliability, malformed, difficulties=needs).to_dict())
    value, actions = optimum(process)
    assert value == sum(optimal(n, depth, 1, r, lost) for n in needs) / 4
    for q, need in enumerate(needs):
        assert max(actions[f"q{q}"].values()) == optimal(need, depth, 1, r, lost)
    for table in actions.values():
        assert max(table["careful"], table.get("search+", F(0))) == max(table.values())
        assert table["wrong"] <= table["careful"] and table["untagged"] < table["wrong"]
        assert table.get("search-", F(0)) <= table.get("search+", F(0))


def test_answering_at_once() -> None:
    process = read(search(3, 2).to_dict())
    value = [F(1), sum(V[:3], F(0)) / 3, F(1)]
    assert means(process, lambda _, a: F(a == "careful")) == value


def test_reliable_search_solves_everything() -> None:
    process = read(search(3, 2, reliability=1, malformed=0).to_dict())
    assert optimum(process)[0] == F(1, 5) + F(3, 5) * F(7, 8) + F(1, 5)


def test_random_policy_against_the_rules() -> None:
    """Expected (format, accuracy, executability) of uniformly random play, from the rules alone."""
    r, lost, depth = F(4, 5), F(1, 20), 2

    def play(m: int, calls: int, x: int) -> list[F]:
        answers = [[F(1), V[m], F(x)], [F(1), F(0), F(x)], [F(0), F(0), F(x)]]
        if calls < depth:
            for works in (r, r / 2):
                found, failed = play(max(m - 1, 0), calls + 1, x), play(m, calls + 1, 0)
                answers.append([(1 - lost) * (works * a + (1 - works) * b) for a, b in zip(found, failed, strict=True)])
        return [sum(column, F(0)) / len(answers) for column in zip(*answers, strict=True)]

    process = read(search(3, depth, r, lost).to_dict())
    expected = [sum(column, F(0)) / 3 for column in zip(*(play(n, 0, 1) for n in range(3)), strict=True)]
    assert means(process, uniform(process)) == expected


def test_structure() -> None:
    env = search(3, 2)
    process = read(env.to_dict())
    assert env.n_nodes == 3 * (4**3 - 1) // 3 and env.horizon == 3
    assert max(process.depth.values()) == 2
    assert {k for k, v in process.actions.items() if "q1/search+!" in k} == {
        "q1/search+!",
        "q1/search+!/search+",
        "q1/search+!/search+!",
        "q1/search+!/search-",
        "q1/search+!/search-!",
    }
    assert process.actions["q1"]["search+"] == [
        (F(19, 25), "q1/search+"),
        (F(19, 100), "q1/search+!"),
        (F(1, 20), (F(0),) * 3),
    ]
    # what a policy sees tells apart the evidence and nothing that is no matter to the answer
    assert process.observation["q0/search+"] == process.observation["q0/search-"] != process.observation["q0/search+!"]
    assert search(5, 1).to_dict()["prompts"][4]["probability"] == 0.2


def test_thoughts_end_in_unparsed_calls() -> None:
    careful, hasty = F(1, 10), F(1, 2)
    env = search(3, 2, think=True, parse_failure=(careful, hasty))
    process = read(env.to_dict())
    assert env.horizon == 6 and set(process.kinds.values()) == {"think", "tool", "answer"}

    def best(m: int, k: int, x: int) -> F:
        answer = F(1, 5) + F(3, 5) * V[m] + F(1, 5) * x
        if k and m:
            answer = max(answer, F(19, 20) * (F(4, 5) * best(m - 1, k - 1, x) + F(1, 5) * best(m, k - 1, 0)))
        return (1 - careful) * answer + careful * F(1, 5) * x

    value, actions = optimum(process)
    assert value == sum(best(n, 2, 1) for n in range(3)) / 3
    assert actions["q2"]["careful"] > actions["q2"]["hasty"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": 0}, "prompts: must be at least 1"),
        ({"max_tool_depth": -1}, "max_tool_depth: must be at least 0"),
        ({"reliability": 0}, "reliability: must be in (0, 1], got 0"),
        ({"malformed": 1}, "malformed: must be below 1"),
        ({"malformed": -0.1}, "malformed: must be in [0, 1], got -0.1"),
        ({"difficulties": [1]}, "difficulties: 1 given for 3 prompts"),
        ({"difficulties": [1, 2, -1]}, "difficulties[2]: must be at least 0"),
        ({"think": 1}, "think: expected True or False"),
        ({"parse_failure": (0,)}, "parse_failure: expected 2 probabilities, got 1"),
        ({"parse_failure": (0, 2)}, "parse_failure[1]: must be in [0, 1], got 2"),
        ({"weights": (1, 2)}, "weights: 2 given for 3 components"),
    ],
)
def test_messages(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        search(**arguments)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)
