"""LIST, WATCH and the forms in which objects are returned.

selectors  label and field selectors
listing    GET and LIST: selection, pages, continue tokens
watch      WATCH: changes since a resource version, bookmarks
tables     Tables, as kubectl prints them
jsonpath   the JSONPath of printer columns
"""
