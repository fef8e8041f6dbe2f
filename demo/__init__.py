"""``make demo``: the operator at work on recorded real failures, on the embedded API server.

scenes     which recordings are played, under which names, in which order
recording  a recorded object moved to another name and to the present time
player     puts the recordings into the API server, as the kubelet and the controllers did
screen     what a user would see: kubectl's own output, or ours where kubectl is absent
"""
