"""Tasks in text and images, each with the finite process that it is.

    NumberLine    walk to a goal, after RL4VLM
    Blackjack     hit or stand, after RL4VLM
    ImageRepair   name a shape in a picture that tools mend, after Visual-ARFT

``ScriptedSource`` plays a policy of the process through text.
"""

from tamdp_theory.lvlm.environments.base import Decision, Environment, Episode, Message
from tamdp_theory.lvlm.environments.blackjack import Blackjack
from tamdp_theory.lvlm.environments.image_repair import ImageRepair
from tamdp_theory.lvlm.environments.number_line import NumberLine
from tamdp_theory.lvlm.environments.scripted import Played, ScriptedSource

__all__ = [
    "Blackjack",
    "Decision",
    "Environment",
    "Episode",
    "ImageRepair",
    "Message",
    "NumberLine",
    "Played",
    "ScriptedSource",
]
