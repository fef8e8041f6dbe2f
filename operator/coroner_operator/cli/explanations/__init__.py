"""Objects → one explanation for each pod, and for each workload whose pods could not be created.

input_owners      which workload each pod of the input belongs to
explanation       each pod by itself, and with its workload if that has several
anonymized        the same for a copy without names
workload_summary  the pods' failures → which pod failed first, and how many ended because of it
"""

from coroner_operator.cli.explanations.explanation import Explanation, explain_objects

__all__ = ["Explanation", "explain_objects"]
