"""Texts that programs and the cluster print, as data: each entry has an example that is tested.

program_output.yaml      error words, log levels, shutdown messages, advice
stack_traces.yaml        stack traces of uncaught exceptions, by runtime
startup_events.yaml      events about pods that cannot start
scheduler_messages.yaml  reasons for which the scheduler rejects nodes
phrases                  the files, read and compiled once
"""
