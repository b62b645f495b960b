"""Looking for an instance that violates a claim: draw, follow the slack downhill, shrink, certify."""
