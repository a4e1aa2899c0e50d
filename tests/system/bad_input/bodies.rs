//! Bad bodies: every member of every operation with every value that it cannot have.

use reqwest::Method;

use super::{
    Case, MARK, Standing,
    values::{self, FREE_EMAIL, FREE_USERNAME, Kind, Refused},
};

/// An operation with a body that it takes.
struct Operation {
    method: Method,
    path: String,
    members: Vec<Member>,
}

/// A member, a sound value of it as JSON text, and what it is.
struct Member {
    name: &'static str,
    sound: String,
    kind: Kind,
    /// Whether it has to be there; one that may be cleared also takes null.
    required: bool,
    clears: bool,
}

/// Every case.
pub(super) fn cases(standing: &Standing) -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations(standing) {
        for (nth, member) in operation.members.iter().enumerate() {
            // What is no JSON is so whatever the member: it is said once for each operation.
            let values = values::of(member.kind).into_iter();
            for (value, refused) in values.filter(|(_, r)| nth == 0 || *r == Refused::Member) {
                cases.push(operation.with(nth, Some(&value), refused));
            }
            if !member.clears {
                cases.push(operation.with(nth, Some("null"), Refused::Member));
            }
            if member.required {
                cases.push(operation.with(nth, None, Refused::Member));
            }
        }
        cases.extend(operation.not_an_object());
        cases.extend(operation.unknown_members());
    }
    cases.extend(together(standing));
    cases
}

impl Operation {
    /// The sound body with another value of one member, or without it.
    fn with(&self, nth: usize, value: Option<&str>, refused: Refused) -> Case {
        let texts = self.members.iter().enumerate().filter_map(|(index, member)| {
            let text = if index == nth { value? } else { &member.sound };
            Some(format!("\"{}\":{text}", member.name))
        });
        let body = format!("{{{}}}", texts.collect::<Vec<_>>().join(","));
        let name = self.members[nth].name;
        let is_long_text = value.filter(|text| text.len() > 8 && text.starts_with('"'));
        let secret = is_long_text.map(|text| text.trim_matches('"').chars().take(40).collect());
        let blames = (refused == Refused::Member).then(|| format!("/{name}"));
        Case { blames, secret, ..self.case(body, if refused == Refused::Json { 400 } else { 422 }) }
    }

    fn case(&self, body: impl Into<Vec<u8>>, status: u16) -> Case {
        Case {
            method: self.method.clone(),
            path: self.path.clone(),
            body: Some(body.into()),
            headers: Vec::new(),
            status,
            blames: None,
            secret: None,
        }
    }

    fn sound(&self) -> String {
        let texts =
            self.members.iter().map(|member| format!("\"{}\":{}", member.name, member.sound));
        texts.collect::<Vec<_>>().join(",")
    }

    /// What is no JSON at all, or JSON but no object.
    fn not_an_object(&self) -> Vec<Case> {
        let sound = self.sound();
        let mut cases: Vec<Case> = [
            String::new(),
            " ".to_owned(),
            "{".to_owned(),
            format!("{{{sound}"),
            format!("{{{sound},}}"),
            format!("{{{sound}}}}}"),
            format!("{{{sound}}}{{{sound}}}"),
            format!("{{{sound},\"{MARK}\":1,\"{MARK}\":1}}"),
            format!("{{{sound},\"{MARK}\":1,\"zq7m\\u0061rk\":1}}"),
            format!("{{{sound},{sound}}}"),
            format!("\u{feff}{{{sound}}}"),
            format!("/* {MARK} */ {{{sound}}}"),
            format!("{{{sound}}} // {MARK}"),
            "[".repeat(60_000),
            "a=1&b=2".to_owned(),
            "<xml/>".to_owned(),
        ]
        .into_iter()
        .map(|body| self.case(body, 400))
        .collect();
        cases.extend(
            [
                &b"\xff\xfe{}"[..],
                b"{\"\xff\":1}",
                b"\x00",
                b"{\"a\":\"\xc3\x28\"}",
                b"\x1f\x8b\x08",
            ]
            .map(|body| self.case(body, 400)),
        );
        let values = ["null", "true", "1", "\"zq7mark\"", "[]", "[{}]"];
        cases.extend(
            values.map(|body| Case { blames: Some(String::new()), ..self.case(body, 422) }),
        );
        cases
    }

    /// They are refused by name, which is therefore no secret.
    fn unknown_members(&self) -> Vec<Case> {
        let sound = self.sound();
        let names = ["id", "user_id", "version", "__proto__", "", "start_date ", "Start_date"];
        let case = |name: &str| {
            let body = format!("{{{sound},\"{name}\":1}}");
            Case { blames: Some(format!("/{name}")), ..self.case(body, 422) }
        };
        names.map(case).into()
    }
}

fn member(name: &'static str, sound: &str, kind: Kind) -> Member {
    Member { name, sound: sound.to_owned(), kind, required: true, clears: false }
}

fn optional(name: &'static str, sound: &str, kind: Kind) -> Member {
    Member { required: false, ..member(name, sound, kind) }
}

/// Optional, and null is as good as none.
fn clearing(name: &'static str, sound: &str, kind: Kind) -> Member {
    Member { clears: true, ..optional(name, sound, kind) }
}

fn operation(method: Method, path: impl Into<String>, members: Vec<Member>) -> Operation {
    Operation { method, path: path.into(), members }
}

fn operations(standing: &Standing) -> Vec<Operation> {
    let mut operations = on_oneself();
    operations.extend(on_cycles(standing));
    operations
}

/// Operations on the account and the preferences.
fn on_oneself() -> Vec<Operation> {
    let name = Kind::Line(1, 100);
    vec![
        operation(
            Method::POST,
            "/api/users/register",
            vec![
                member("email", &format!("\"{FREE_EMAIL}\""), Kind::Email),
                member("username", &format!("\"{FREE_USERNAME}\""), Kind::Line(3, 80)),
                member("password", "\"pass123\"", Kind::Line(7, 256)),
                clearing("first_name", "\"Jane\"", name),
                clearing("last_name", "\"Doe\"", name),
                clearing("date_of_birth", "\"1990-01-01\"", Kind::Date),
            ],
        ),
        operation(
            Method::POST,
            "/api/users/login",
            vec![
                member("email", &format!("\"{FREE_EMAIL}\""), Kind::Email),
                member("password", "\"pass123\"", Kind::Line(1, 256)),
            ],
        ),
        operation(
            Method::PUT,
            "/api/users/profile",
            vec![
                clearing("first_name", "\"Jane\"", name),
                clearing("last_name", "\"Doe\"", name),
                clearing("date_of_birth", "\"1990-01-01\"", Kind::Date),
            ],
        ),
        operation(
            Method::PUT,
            "/api/notifications/preferences",
            vec![
                optional("period_reminder_enabled", "false", Kind::Flag),
                optional("reminder_days_before", "5", Kind::Whole(1, 7)),
                optional("email_enabled", "false", Kind::Flag),
                optional("push_enabled", "true", Kind::Flag),
            ],
        ),
    ]
}

/// Operations on cycles and symptoms.
fn on_cycles(standing: &Standing) -> Vec<Operation> {
    let Standing { cycle, symptom, .. } = standing;
    vec![
        operation(
            Method::POST,
            "/api/cycles/cycles",
            vec![
                member("start_date", "\"2024-03-01\"", Kind::Date),
                clearing("end_date", "\"2024-03-05\"", Kind::Date),
            ],
        ),
        operation(
            Method::PUT,
            format!("/api/cycles/cycles/{cycle}"),
            vec![
                optional("start_date", "\"2024-01-11\"", Kind::Date),
                clearing("end_date", "\"2024-01-19\"", Kind::Date),
            ],
        ),
        operation(
            Method::POST,
            "/api/cycles/symptoms",
            vec![
                member("cycle_id", &cycle.to_string(), Kind::Whole(1, i64::MAX)),
                member("date", "\"2024-01-12\"", Kind::Date),
                member("symptom_type", "\"mood\"", Kind::Line(1, 50)),
                member("value", "\"happy\"", Kind::Line(1, 100)),
                clearing("severity", "2", Kind::Whole(1, 10)),
                clearing("notes", "\"fine\"", Kind::Lines(4_000)),
            ],
        ),
        operation(
            Method::PUT,
            format!("/api/cycles/symptoms/{symptom}"),
            vec![
                optional("date", "\"2024-01-12\"", Kind::Date),
                optional("symptom_type", "\"pain\"", Kind::Line(1, 50)),
                optional("value", "\"cramps\"", Kind::Line(1, 100)),
                clearing("severity", "2", Kind::Whole(1, 10)),
                clearing("notes", "\"fine\"", Kind::Lines(4_000)),
            ],
        ),
    ]
}

/// Members that are each sound, but not together.
fn together(standing: &Standing) -> Vec<Case> {
    let Standing { cycle, symptom, .. } = standing;
    let cycles = "/api/cycles/cycles".to_owned();
    let symptom_body = |cycle: i64, date: &str| {
        format!(r#"{{"cycle_id":{cycle},"date":"{date}","symptom_type":"a","value":"b"}}"#)
    };
    let case = |method: Method, path: &str, body: String, status: u16, blames: Option<&str>| Case {
        method,
        path: path.to_owned(),
        body: Some(body.into_bytes()),
        headers: Vec::new(),
        status,
        blames: blames.map(str::to_owned),
        secret: None,
    };
    let cycle_path = format!("{cycles}/{cycle}");
    let symptoms = "/api/cycles/symptoms";
    let mut cases: Vec<Case> =
        [("2024-03-02", "2024-03-01"), ("2024-03-01", "2024-04-01"), ("2020-03-01", "2024-03-01")]
            .into_iter()
            .map(|(start, end)| {
                let body = format!(r#"{{"start_date":"{start}","end_date":"{end}"}}"#);
                case(Method::POST, &cycles, body, 422, Some("/end_date"))
            })
            .collect();
    cases.extend([
        case(Method::POST, &cycles, r#"{"start_date":"2024-01-20"}"#.to_owned(), 409, None),
        case(
            Method::PUT,
            &cycle_path,
            r#"{"end_date":"2024-01-09"}"#.to_owned(),
            422,
            Some("/end_date"),
        ),
        case(
            Method::PUT,
            &cycle_path,
            r#"{"start_date":"2024-01-21"}"#.to_owned(),
            422,
            Some("/start_date"),
        ),
        case(Method::PUT, &cycle_path, r#"{"end_date":"2024-01-14"}"#.to_owned(), 409, None),
        case(Method::POST, symptoms, symptom_body(*cycle, "2024-01-09"), 422, Some("/date")),
        case(Method::POST, symptoms, symptom_body(*cycle, "2024-01-21"), 422, Some("/date")),
        case(Method::POST, symptoms, symptom_body(987_654_321, "2024-01-12"), 404, None),
        case(Method::POST, symptoms, symptom_body(i64::MAX, "2024-01-12"), 404, None),
        case(
            Method::PUT,
            &format!("{symptoms}/{symptom}"),
            r#"{"date":"2024-01-21"}"#.to_owned(),
            422,
            Some("/date"),
        ),
    ]);
    cases
}
