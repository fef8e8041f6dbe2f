"""The API's objects, reduced to the fields that a verdict can rest on.

pod, event, workload  typed structs, with the API's own field names
lenient_decode        JSON of any shape → structs: what has the wrong shape is read as absent
reference_names       whether an object can exist that a reference names
deletion_time         when the deletion of a pod was requested
exit_codes            signals, as exit codes carry them
quantity              256Mi, 1500m
times                 comparing times of different parts of a cluster
"""
