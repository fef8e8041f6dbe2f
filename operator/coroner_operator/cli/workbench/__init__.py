"""The commands for those who write rules.

lint             errors and warnings of rules and redaction files
effective_rules  rules: those in effect with their sources, and their JSON Schema
check_cases      test: whether recorded cases get the expected verdicts
cases            … what is expected, and what differs
replay           what an edit of the rules changes over recorded failures
comparison       … the verdicts of both, and how they differ
recordings       … pods and reports as recorded failures
"""
