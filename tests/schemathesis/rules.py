"""Why a request that is as the API document says may be refused all the same.

A schema speaks of one value at a time. What is listed here are the rules that relate two values, a
value and the calendar, or a request and what is stored; each is in the description of its operation.
Any other refusal of a request that follows the document is a fault of the document.
"""

import re

# Sentences of `errors[].detail` in a problem `invalid-input`.
RELATIONS = [
    # The calendar: the document is the same every day.
    "must not be in the future",
    "must be a date from 1900-01-01 to today",
    # Two dates of one request.
    "the end must not be before the start",
    "a period has at most 31 days",
    "must not be before the first day",
    "must be at most 365 days after the first day",
    # A date and the cycle that is stored.
    "must not be before the start of its cycle",
    "must not be after the end of its cycle",
    "must be before the start of the next cycle",
    "must be after the start that begins the gap",
    "must be before the start that ends the gap",
    # Two members of one request of which each decides what the other may be.
    "must be left out where totp is given",
    "the value of an ovulation_test must be positive or negative",
    r"the value of a basal_body_temperature must be degrees Celsius from 34 to 43.*",
    "must be left out with the answer no",
    # Within one document that is imported.
    "must be the id of one of the cycles",
    "must not be the id of another cycle too",
    "must not be the start of another cycle too",
    "must be after the start of the cycle",
    # A code that is right for thirty seconds.
    "is not the present code of the authenticator app",
    # What is stored already.
    r"there are at most \d+ (cycles|episodes|symptoms in a cycle); remove one first",
]
# Problems that say something about what is stored, and nothing about the request.
STATES = {
    "insufficient-data",
    "no-prediction",
    "idempotency-key-reused",
    "reset-token-invalid",
}
_RELATION = re.compile("|".join(f"(?:{sentence})" for sentence in RELATIONS))


def explain(problem: dict) -> str | None:
    """The reason of a refusal with 422, if it is one that a schema cannot say."""
    code = problem.get("type", "").removeprefix("/problems/")
    if code in STATES:
        return f"422 {code}"
    details = [error["detail"] for error in problem.get("errors", [])]
    if code == "invalid-input" and details and all(map(_RELATION.fullmatch, details)):
        return f"422 {details[0]}"
    return None
