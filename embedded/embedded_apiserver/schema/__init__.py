"""Structural schemas of CRDs: prune, fill in defaults, validate.

structural_schema  which fields are declared; pruning and defaults
validation         values against a schema, names and labels
"""
