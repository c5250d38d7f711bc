"""Experiments: one module a result table, from a study's models and eyes to rows."""
