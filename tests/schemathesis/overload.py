"""Which 503 and 504 are those of a busy machine, and which are faults."""

import time

import requests

# What a machine that has too much to do answers.
OVERLOADED = {503, 504}
# How it says so: not carried out, or perhaps.
WORDED = {503: {"overloaded", "unavailable"}, 504: {"interrupted"}}
# How long is waited before each time that the same request is sent again.
PAUSES_S = (0.5, 1, 2, 4, 8)


def busy(response) -> str | None:
    """In what words a machine says that it is busy. None: it is a fault, because it is not said as the
    contract has it, or because the same request is answered so however often it is sent."""
    said = _said(response)
    return said if said and _passes(response.request) else None


def _said(response) -> str | None:
    status = response.status_code
    try:
        answer = response.json()
    except ValueError:
        return None
    if status == 503 and answer.get("status") == "unhealthy":
        return "503 unhealthy"
    code = answer.get("type", "").removeprefix("/problems/")
    may_come_again = status != 503 or "retry-after" in response.headers
    return f"{status} {code}" if code in WORDED.get(status, ()) and may_come_again else None


def _passes(request) -> bool:
    for pause in PAUSES_S:
        time.sleep(pause)
        with requests.Session() as session:
            if session.send(request, timeout=60).status_code not in OVERLOADED:
                return True
    return False
