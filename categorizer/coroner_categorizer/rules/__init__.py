"""Rules: what they are written in, what they ask for, and what they say.

default.yaml    the default pack
parser          YAML text → a rule set, or every error in it; with
  yaml_reader     typed access to nodes
  field_path      where an error is, and the errors themselves
  line_numbers    … and in which line
json_schema     the same as JSON Schema, for editors
review          what is allowed and probably not meant, for ``coroner lint``
rule            matchers that must all hold
matchers        one class each
match_context   what rules are tried on: one pod
pattern_set     all patterns over one kind of text as one RE2 set
template        messages and hints with facts in them
template_facts  the facts
"""
