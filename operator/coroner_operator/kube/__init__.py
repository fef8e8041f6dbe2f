"""Access to the API server, and the work queue that everything keyed runs through.

backoff         how long to wait before the next try
errors          the API server's answers as exceptions
paths           the one place that builds a path of the API
resources       the kinds that Coroner knows, and where they are served
bodies          how an apply is written, and how much of an answer is read
client          requests: get, apply, and lines of a watch
paging          LIST in pages
list_watch      LIST, then WATCH: every object of a kind, and every change
crd_watch       one CustomResourceDefinition, followed by its name
owner_resolver  from a pod to its workload, through its owners
event_cache     the events that may explain a pod's failure
lease           the Lease by which replicas elect a leader
fair_queue      who is next, and how many at one time: the namespaces take turns
workqueue       keyed work: de-duplicated, delayed, retried, drained
"""
