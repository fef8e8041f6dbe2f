"""How each runtime prints an uncaught exception, where that takes code: a state machine over a trace.

What a first line and a list of frames can say is data: ``vocabulary/stack_traces.yaml``, read by ``declared_traces``.

trace            what all of them share
python           tracebacks, groups, prefixes of launchers; the exception of a torchrun worker
torchrun         the table at the end of torchrun's message: which worker failed first
go               panics, and the goroutines below them
rust             panics, with the message on the same line or on the next
java             exceptions and the last cause below them
node             errors above their frames, and promise rejections
cpp              ``terminate called …`` and ``what()``
r                errors whose call is longer than a line
declared_traces  .NET, Ruby, PHP, Julia, Elixir, Lua
"""
