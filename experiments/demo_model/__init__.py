"""The demonstration's own model: a grafted one, warmed up, or a tiny random one. No part of the adapter."""
