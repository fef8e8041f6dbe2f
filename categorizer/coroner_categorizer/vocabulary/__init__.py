"""Texts that programs and the cluster print, as data: each entry has an example that is tested.

program_output.yaml     error words, log levels, shutdown messages, advice
stack_traces.yaml       stack traces of uncaught exceptions, by runtime
startup_events.yaml     events about pods that cannot start
scheduler_phrases.yaml  which of the scheduler's reasons comes first (what one means is a rule)
sidecars.yaml           names of containers that serve others
phrases                 the files, read and compiled once
"""
