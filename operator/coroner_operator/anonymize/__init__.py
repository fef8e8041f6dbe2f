"""Objects → the same without names, images, addresses, hosts and accounts: ``coroner explain --anonymize``.

objects      pods, workloads and events: what each field holds, and only the fields that a verdict can rest on
texts        messages: the names of the objects, and whatever else looks like a name, a host, an address or an account
known_names  where the names of the objects occur in a text
pseudonyms   what stands for what: the same name always gets the same pseudonym
vocabulary   the words of Kubernetes, of runtimes and of the default rules, which identify nobody
"""

from coroner_operator.anonymize.objects import anonymize

__all__ = ["anonymize"]
