"""The process of the operator.

kopf_app         kopf: signals, start and stop
engine           creates, starts and stops all parts
lazy_import      imports without the garbage collector
loop_thread      an event loop in a thread of its own
lease_thread     the election in that thread: a busy event loop does not cost the leadership
leader_election  which replica works, and the fence that stops the others from writing
"""
