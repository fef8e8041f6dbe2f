"""The process of the operator.

kopf_app         kopf: signals, start and stop
engine           creates, starts and stops all parts
leader_election  which replica works, and the fence that stops the others from writing
"""
