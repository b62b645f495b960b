"""``python -m experiments`` is ``tamdp``, for launchers that take a module."""

from experiments.cli import main

main()
