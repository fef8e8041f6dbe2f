"""The commands for those who write rules.

lint         errors and warnings of rules and redaction files
check_cases  test: whether recorded cases get the expected verdicts
cases        … what is expected, and what differs
"""
