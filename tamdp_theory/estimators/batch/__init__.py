"""Estimators that look beyond a group, at the whole batch of B groups: one file per family."""
