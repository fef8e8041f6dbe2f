"""Explanations as a person or a program reads them.

words          what all of them say in the same words
plain          as JSON or YAML
text           as text on a terminal
html_elements  HTML elements, in which no text can be markup
html_page      as one HTML page
anonymized     the objects without names, as YAML, below their explanations
"""

from coroner_operator.cli.render.html_page import as_html
from coroner_operator.cli.render.plain import as_json, as_yaml
from coroner_operator.cli.render.text import print_text
from coroner_operator.cli.render.words import WIDTH_LIMIT

__all__ = ["WIDTH_LIMIT", "as_html", "as_json", "as_yaml", "print_text"]
