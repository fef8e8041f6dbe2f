"""What is allowed in rules and is probably not meant: found by ``coroner lint``, and only where it can be proved.

checks       each rule by itself, the names, and each rule against those before it
implication  whether a rule matches whatever another one matches
patterns     what a pattern certainly matches
"""

from coroner_categorizer.rules.review.checks import review

__all__ = ["review"]
