"""Every wording of every action, played at every node of a twin."""

from fractions import Fraction as F
from typing import Any

import numpy as np

from tests.helpers.family_oracle import read


def play_every_wording(environment: Any) -> None:
    """At every node of the twin, every wording of every action: it is taken for it, and leads where the twin says."""
    process, generator = read(environment.twin.to_dict()), np.random.default_rng(0)
    seen: set[str] = set()
    for prompt in range(environment.twin.n_prompts):
        queue: list[Any] = [environment.start(prompt, generator)]
        words = environment.wordings(prompt)
        for reached in queue:
            node, at = reached.node, reached.at
            if node in seen:
                continue
            seen.add(node)
            for action, edges in process.actions[node].items():
                for text in dict.fromkeys(words[action.rpartition(" at q")[0]]):
                    episode: Any = environment.start(prompt, generator)
                    episode.at = at
                    episode.act(text)
                    assert (episode.decisions[-1].node, episode.decisions[-1].action) == (node, action), text
                    after = episode.exact_rewards if episode.done else episode.node
                    assert [(F(1), after)] == edges
                if not episode.done:
                    queue.append(episode)
    assert seen == set(process.actions)
