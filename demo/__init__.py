"""``make demo``: runs the operator on recorded real failures, against the embedded API server.

scenarios  which recordings are replayed, under which names, in which order
recording  a recorded object with other names, moved to the current time
replay     writes the recordings to the API server, as the kubelet and the controllers did
output     prints what a user would see: with kubectl, or in the same form if kubectl is not installed
"""
