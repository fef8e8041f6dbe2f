"""The commands for those who write rules.

lint  errors and warnings of rules and redaction files
"""
