"""What is normal for a while, and a failure if it lasts. Without a clock: the caller says what time it is.

patience   how long each may last
pods       pods that are terminating, have not become ready, or are kept running by a sidecar
workloads  Deployments that make no progress, CronJobs that start nothing
"""
