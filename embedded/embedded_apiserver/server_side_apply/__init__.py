"""Field ownership: ``metadata.managedFields``, and what an apply changes; modelled on structured-merge-diff.

field_set  sets of field paths, and the difference of two values
merge      an applied configuration merged in, fields removed
apply      owners after an update or an apply, conflicts
"""
