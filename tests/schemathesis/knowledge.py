"""What a request has to hold so that it meets something: what nobody could guess."""

import re
from itertools import count

from people import PASSWORD, Person

_DATE = re.compile(r"(\d{4})(-\d\d-)\d\d(T.*)?")
_keys = count(1)


def past(case) -> None:
    """Dates that are not in the future, and a key that was not used before."""
    if case.body:
        case.body = _in_the_past(case.body)
    if isinstance(case.headers.get("Idempotency-Key"), str):
        case.headers["Idempotency-Key"] = f"key-{next(_keys)}"


def _in_the_past(value):
    if isinstance(value, dict):
        return {name: _in_the_past(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_in_the_past(item) for item in value]
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    year, month, time = int(match[1]), match[2], match[3] or ""
    return f"{1950 + year % 70}{month}{10 + year % 18}{time}"


def _own(path, name, case_has, member="id"):
    """Puts the id of something of the person's own where the request has one."""

    def know(person, case):
        found = person.read(path)[name]
        if found:
            case_has(case)[member] = found[0]["id"]

    return know


def _path(case):
    return case.path_parameters


_own_cycle = _own("/api/cycles/cycles?limit=3", "cycles", _path)
_own_episode = _own("/api/cycles/episodes?limit=3", "episodes", _path)
_own_notification = _own("/api/notifications/notifications?limit=3", "notifications", _path)


def _own_symptom(person, case):
    cycles = person.read("/api/cycles/cycles?limit=3")["cycles"]
    if cycles:
        case.path_parameters["id"] = person.log_symptom(cycles[0])


def _own_question(person, case):
    questions = person.read("/api/analytics/questions")["questions"]
    if questions:
        case.path_parameters["id"] = questions[-1]["id"]


def _symptom(person, case):
    cycles = person.read("/api/cycles/cycles?limit=3")["cycles"]
    if cycles:
        case.body["cycle_id"] = cycles[0]["id"]
        case.body["date"] = cycles[0]["start_date"]


def _import(person, case):
    body = case.body
    for at, cycle in enumerate(body["cycles"]):
        cycle.update(id=at + 1, start_date=f"{1950 + at % 70}-{1 + at // 70 % 12:02}-10", end_date=None)
        if cycle["gap_answer"]:
            cycle["gap_answer"]["next_start"] = None
    for symptom in body["symptoms"]:
        symptom["cycle_id"] = 1
    if not body["cycles"]:
        body["symptoms"] = []
    for episode in body["episodes"]:
        episode["end_date"] = episode["start_date"]


def _other_session(person, case):
    person.sign_in()
    sessions = person.read("/api/users/sessions")["sessions"]
    case.path_parameters["id"] = next(it["id"] for it in sessions if not it["is_current"])


def _token(person, case):
    case.path_parameters["id"] = person.make_api_token()


def _receipt(_person, case):
    case.path_parameters["receipt"] = Person().leave()


def _password(person, case):
    case.body["password"] = PASSWORD
    _one_factor(case)


def _login(person, case):
    case.body["email"] = person.email
    _password(person, case)


def _refresh(person, case):
    case.body["refresh_token"] = person.sign_in()["refresh_token"]


def _change_password(person, case):
    case.body["current_password"] = PASSWORD
    _one_factor(case)


def _confirm(person, case):
    case.body["totp"] = person.enrol()


def _with_second_factor(person, case):
    if not person.recovery_codes:
        person.confirm(person.enrol())
    case.body["password"] = PASSWORD
    case.body.pop("totp", None)
    case.body["recovery_code"] = person.recovery_codes.pop()


def _one_factor(case):
    if case.body.get("totp") is not None:
        case.body.pop("recovery_code", None)


KNOWLEDGE = {
    "getCycle": _own_cycle,
    "updateCycle": _own_cycle,
    "deleteCycle": _own_cycle,
    "getEpisode": _own_episode,
    "updateEpisode": _own_episode,
    "deleteEpisode": _own_episode,
    "getNotification": _own_notification,
    "createSymptom": _symptom,
    "updateSymptom": _own_symptom,
    "deleteSymptom": _own_symptom,
    "answerQuestion": _own_question,
    "importAccount": _import,
    "login": _login,
    "refreshSession": _refresh,
    "endSession": _other_session,
    "revokeApiToken": _token,
    "eraseAccount": _password,
    "getErasure": _receipt,
    "changePassword": _change_password,
    "enrolSecondFactor": _password,
    "confirmSecondFactor": _confirm,
    "renewRecoveryCodes": _with_second_factor,
    "removeSecondFactor": _with_second_factor,
}
