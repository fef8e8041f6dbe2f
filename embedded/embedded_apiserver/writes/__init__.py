"""Every change of an object.

patches   PATCH bodies: merge patch, JSON patch, strategic merge patch
metadata  the metadata that the server sets, and checks of what a client sent
writer    create, update, patch, apply
deletion  DELETE, finalizers, grace periods
"""
