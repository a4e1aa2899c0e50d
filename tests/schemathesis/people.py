"""The people as whom requests are sent: registered, signed in, with something logged."""

import base64
import hashlib
import hmac
import itertools
import os
import struct
import threading
import time
from datetime import date, timedelta

import requests
from overload import OVERLOADED

BASE_URL = os.environ["LUNATION_URL"]
# Two runs over one service are two sets of people.
RUN = "somebody" if os.environ["LUNATION_SIGNED_IN"] == "1" else "nobody"
PASSWORD = "four unrelated words are good"
# Access tokens last ten minutes; a request may wait for its turn.
TOKEN_AGE_MAX_S = 240
# After so many requests another person takes over: a calendar that is full refuses every period.
REQUESTS_OF_ONE = 400

_numbers = itertools.count(1)
_session = requests.Session()


class Refused(Exception):
    """The service did not do what a person asked of it."""


class Person:
    """Somebody with an account."""

    def __init__(self) -> None:
        self.name = f"{RUN}-{next(_numbers)}"
        self.email = f"{self.name}@example.com"
        self.requests = 0
        self.recovery_codes: list[str] = []
        self.token = ""
        body = {"email": self.email, "username": self.name, "password": PASSWORD}
        _ask("POST", "/api/users/register", body)
        self.sign_in()

    def sign_in(self) -> dict:
        body = {"email": self.email, "password": PASSWORD}
        if self.recovery_codes:
            body["recovery_code"] = self.recovery_codes.pop()
        signed_in = _ask("POST", "/api/users/login", body)
        self.token = signed_in["token"]
        self.signed_in_at = time.monotonic()
        return signed_in

    def valid_token(self) -> str:
        if not self.token or time.monotonic() - self.signed_in_at > TOKEN_AGE_MAX_S:
            self.sign_in()
        return self.token

    def enrol(self) -> str:
        """Begins to set up a second factor; the code that confirms it."""
        enrolled = _ask("POST", "/api/users/second-factor", {"password": PASSWORD}, self.valid_token())
        return totp(enrolled["secret"])

    def confirm(self, code: str) -> None:
        confirmed = _ask("POST", "/api/users/second-factor/confirm", {"totp": code}, self.token)
        self.recovery_codes = confirmed["recovery_codes"]

    def leave(self) -> str:
        """Erases the account; the receipt."""
        return _ask("DELETE", "/api/users/account", {"password": PASSWORD}, self.token)["receipt"]

    def make_api_token(self) -> str:
        """Makes an API token; its id."""
        body = {"name": "for a request", "scopes": ["read:cycles"], "expires_in_days": 1}
        return _ask("POST", "/api/users/tokens", body, self.valid_token())["api_token"]["id"]

    def log_symptom(self, cycle: dict) -> int:
        """Logs a symptom; its id."""
        body = {"cycle_id": cycle["id"], "date": cycle["start_date"], "symptom_type": "mood", "value": "x"}
        return _ask("POST", "/api/cycles/symptoms", body, self.valid_token())["symptom"]["id"]

    def read(self, path: str) -> dict:
        return _ask("GET", path, None, self.valid_token())

    def log_a_life(self) -> None:
        """Cycles up to today, one start of them forgotten, so that there is something to derive."""
        today = date.today()
        for days_ago in (376, 348, 320, 292, 264, 236, 180, 152, 124, 96, 68, 40, 12):
            start = today - timedelta(days=days_ago)
            body = {"start_date": str(start), "end_date": str(start + timedelta(days=4))}
            _ask("POST", "/api/cycles/cycles", body, self.token)


class People:
    """Who sends which request."""

    # Operations after which a person is another one: somebody of its own asks for each, who is replaced
    # when that has happened.
    TRANSFORMING = frozenset({
        "eraseAccount", "changePassword", "enrolSecondFactor", "confirmSecondFactor",
        "renewRecoveryCodes", "removeSecondFactor",
    })
    # Operations that end the session, or that can be had a few times a day only.
    APART = TRANSFORMING | {
        "logout", "logoutEverywhere", "endSession", "exportAccount", "exportCyclesAsCsv",
        "exportSymptomsAsCsv", "importAccount",
    }

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._main: Person | None = None
        self._apart: dict[str, Person] = {}

    def whose(self, operation_id: str, *, stays: bool) -> Person:
        """`stays`: a later request wants to find what an earlier one made."""
        with self._lock:
            if operation_id in self.APART:
                if operation_id not in self._apart:
                    self._apart[operation_id] = Person()
                return self._apart[operation_id]
            if self._main is None or (self._main.requests >= REQUESTS_OF_ONE and not stays):
                self._main = Person()
                self._main.log_a_life()
            self._main.requests += 1
            return self._main

    def answered(self, operation_id: str, person: Person, response) -> None:
        """What an answer means for the one who asked."""
        status = response.status_code
        if status == 429 or (operation_id in self.TRANSFORMING and status < 300):
            with self._lock:
                self._apart.pop(operation_id, None)
        ended = operation_id in {"logout", "logoutEverywhere"} and status < 300
        if ended or (status == 401 and b"/problems/unauthenticated" in response.content):
            person.token = ""


def totp(secret: str) -> str:
    """The present code of an authenticator app (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def _ask(method: str, path: str, body: dict | None, token: str = "") -> dict:
    headers = {"Idempotency-Key": f"{RUN}-{next(_numbers)}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    for _ in range(20):
        response = _session.request(method, BASE_URL + path, json=body, headers=headers, timeout=60)
        # Overloaded: with the same key it happens once, however often it is sent.
        if response.status_code not in OVERLOADED:
            break
        time.sleep(1)
    if not response.ok:
        raise Refused(f"{method} {path}: {response.status_code} {response.text}")
    return response.json()
