"""The process of the operator.

kopf_app         kopf: signals, start and stop, changes of FailureReports by users
kopf_storages    storages for kopf that store nothing
engine           creates, starts and stops all parts
leader_election  which replica works, and the fence that stops the others from writing
"""
