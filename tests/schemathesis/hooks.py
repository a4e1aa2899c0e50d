"""What `scripts/schemathesis` tells schemathesis about Lunation: who asks, what nobody could guess,
and which refusals of valid requests have a reason that no schema can say."""

import os
import sys
import threading
from contextlib import suppress
from itertools import count

sys.path.insert(0, os.path.dirname(__file__))

import schemathesis
from hypothesis.configuration import set_hypothesis_home_dir
from knowledge import KNOWLEDGE, past
from overload import busy
from people import People, Person, Refused
from requests import PreparedRequest
from requests.auth import AuthBase
from rules import explain
from schemathesis.core.failures import ServerError
from schemathesis.openapi.checks import RejectedPositiveData

# What it keeps would otherwise lie in the present directory, which is the repository.
set_hypothesis_home_dir(os.environ["HYPOTHESIS_HOME"])

# Why failures were set aside, one in a line: `scripts/schemathesis` shows how many of each.
_set_aside = open(os.environ["LUNATION_SET_ASIDE"], "a", buffering=1, encoding="utf-8")
_people = People()
_here = threading.local()
_turn = count()


class AsSomebody(AuthBase):
    """Puts the token of whoever `before_call` chose on the request."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {_here.person.valid_token()}"
        return request


if os.environ["LUNATION_SIGNED_IN"] == "1":
    schemathesis.auth.set_from_requests(AsSomebody())


@schemathesis.hook
def before_call(context, case, kwargs):
    """Chooses who asks. Every other valid request is made to meet something: its dates are in the
    past, its ids exist, its password is right. The rest is sent as it was made up."""
    operation_id = context.operation.definition.raw["operationId"]
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    is_stateful = case.meta is not None and case.meta.phase.name == "stateful"
    knows = is_positive and not is_stateful and next(_turn) % 2 == 0
    know = KNOWLEDGE.get(operation_id)
    if case._auth is not None:
        _here.person = _people.whose(operation_id, stays=is_stateful)
    if not knows:
        return
    past(case)
    if know is None:
        return
    person = _here.person if case._auth is not None else None
    if person is None and operation_id in WITHOUT_TOKEN:
        person = Person()
    if person is not None:
        # Whoever cannot make what the request is about leaves it as it is.
        with suppress(Refused):
            know(person, case)


@schemathesis.hook
def after_call(context, case, response):
    """A session that was ended is begun anew, and so on."""
    if case._auth is not None:
        operation_id = context.operation.definition.raw["operationId"]
        _people.answered(operation_id, _here.person, response)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A valid request may be refused for what no schema can say, and for nothing else. That a busy
    machine answers 503 or 504 is in the contract, if it answers the same request otherwise later."""
    reason = None
    if isinstance(failure, ServerError):
        reason = busy(response)
    elif isinstance(failure, RejectedPositiveData) and response.status_code == 422:
        reason = explain(response.json())
    if reason is None:
        return True
    _set_aside.write(f"{reason}\n")
    return False


# These ask for no token, and can be known about all the same.
WITHOUT_TOKEN = {"login", "refreshSession", "getErasure"}
