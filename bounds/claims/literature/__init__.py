"""Results that are published elsewhere, one file a paper, as far as they speak of a TA-MDP."""
