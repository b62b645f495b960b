"""A campaign against wrong verdicts: adversarial instances through every claim, the float verdict beside
the exact one.
"""
