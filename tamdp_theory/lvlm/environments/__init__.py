"""Tasks in text and images, each with the finite process that it is."""

from tamdp_theory.lvlm.environments.base import Decision, Environment, Episode, Message

__all__ = ["Decision", "Environment", "Episode", "Message"]
